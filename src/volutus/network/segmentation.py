"""What networks are on the wire: an overlay between the hosts, or segments of physical networks.

An overlay is Geneve, and its number stands for it in the API alone: OVN chooses its own keys. On physical
networks a network is flat or in a VLAN; of several segments each is on another physical network, and each
host should be on one of these. The fabric joins them: OVN does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select, text
from sqlalchemy.dialects.postgresql import insert

from volutus.db import Tx
from volutus.network.errors import FlatNetworkInUse, InvalidInput, SubnetsNotAllAssociatedWithSegments
from volutus.network.ovn.names import SEGMENTS_MAX
from volutus.network.tables import segments, subnets

GENEVE, FLAT, VLAN = "geneve", "flat", "vlan"
VLAN_MAX = 4094
# The numbers of the sequence.
GENEVE_MAX = 16_777_215

# The next number that nobody chose for himself.
_NEXT = text(
    """
    WITH RECURSIVE tried AS (
        SELECT nextval('network_segments') AS number
        UNION ALL
        SELECT nextval('network_segments') FROM tried WHERE EXISTS (
            SELECT FROM segments WHERE network_type = 'geneve' AND segmentation_id = tried.number)
    )
    SELECT number FROM tried LIMIT :limit
    """
)


@dataclass(frozen=True)
class Wire:
    """A segment on the wire. Ordered without a type it is what the rest suggests, an overlay at least."""

    network_type: str | None = None
    physical_network: str | None = None
    segmentation_id: int | None = None


def choose(tx: Tx, order: Wire) -> Wire:
    """What was ordered, whole. Raises InvalidInput for what makes no sense."""
    network_type = order.network_type or (GENEVE if order.physical_network is None else FLAT)
    if network_type not in (GENEVE, FLAT, VLAN):
        raise InvalidInput(f"Invalid input for operation: network_type value '{network_type}' not supported.")
    if network_type == GENEVE:
        if order.physical_network is not None:
            raise InvalidInput(
                "Invalid input for operation: provider:physical_network specified for geneve network."
            )
        return Wire(network_type, None, _overlay_number(tx, order.segmentation_id))
    if order.physical_network is None:
        raise InvalidInput(f"Invalid input for operation: physical_network required for {network_type}.")
    if network_type == FLAT:
        return Wire(network_type, order.physical_network)
    if order.segmentation_id is None or not 1 <= order.segmentation_id <= VLAN_MAX:
        raise InvalidInput("Invalid input for operation: segmentation_id must be from 1 to 4094 for vlan.")
    return Wire(network_type, order.physical_network, order.segmentation_id)


def check_together(wires: Sequence[Wire]) -> None:
    """Whether one network can have all of these. Raises InvalidInput."""
    if len(wires) > SEGMENTS_MAX:
        raise InvalidInput(f"A network has at most {SEGMENTS_MAX} segments.", field="segments")
    if len({wire.network_type == GENEVE for wire in wires}) > 1:
        raise InvalidInput(
            "A network is either an overlay or on physical networks: OVN joins no overlay with a physical "
            "network.",
            field="network_type",
        )
    physical = [wire.physical_network for wire in wires if wire.physical_network]
    if len(set(physical)) < len(physical):
        raise InvalidInput(
            "A network has one segment on each physical network: two of them would be the same wire.",
            field="physical_network",
        )


def insert_segment(tx: Tx, project_id: str, network_id: str, wire: Wire, **more: Any) -> str:
    """A new segment's id. Raises FlatNetworkInUse when a network is there."""
    segment_id = tx.ids.uuid()
    values = {"id": segment_id, "project_id": project_id, "network_id": network_id, **vars(wire), **more}
    statement = insert(segments).values(**values, created_at=tx.now, updated_at=tx.now)
    if tx.value(statement.on_conflict_do_nothing().returning(segments.c.id)) is None:
        raise in_use(wire)
    return segment_id


def in_use(wire: Wire) -> FlatNetworkInUse:
    """The error for a segment that another network has."""
    taken = f"a network with segment {wire.segmentation_id}" if wire.segmentation_id else "a flat network"
    return FlatNetworkInUse(
        f"Unable to create the network. The physical network {wire.physical_network} has {taken} already."
    )


def of_network(tx: Tx, network_id: str) -> Sequence[Row[Any]]:
    """The rows of a network's segments, the first first."""
    own = select(segments).where(segments.c.network_id == network_id).order_by(segments.c.position)
    return tx.rows(own.limit(SEGMENTS_MAX))


def check_subnet(tx: Tx, network_id: str, segment_id: str | None) -> None:
    """Whether a subnet may say that it is of this segment, or of none."""
    others = select(subnets.c.segment_id).where(subnets.c.network_id == network_id).limit(1)
    found = tx.row(others)
    if found is not None and (found.segment_id is None) != (segment_id is None):
        raise SubnetsNotAllAssociatedWithSegments(
            f"All of the subnets on network '{network_id}' must either all be associated with segments or "
            "all not associated with any segment."
        )
    if segment_id is None:
        return
    there = [row.id for row in of_network(tx, network_id)]
    if segment_id not in there:
        raise InvalidInput(f"Network {network_id} has no segment {segment_id}.", field="segment_id")
    if len(there) > 1:
        raise InvalidInput(
            "A subnet is of one segment only where the network has no other: addresses are not given out by "
            "the segment that a host is on.",
            field="segment_id",
        )


def has_bound_subnets(tx: Tx, network_id: str) -> bool:
    """Whether the network's subnets say of which segment they are."""
    bound = select(subnets.c.id).where(subnets.c.network_id == network_id, subnets.c.segment_id.isnot(None))
    return tx.value(bound.limit(1)) is not None


def _overlay_number(tx: Tx, chosen: int | None) -> int:
    if chosen is None:
        numbers = [row.number for row in tx.rows(_NEXT, {"limit": GENEVE_MAX})]
        return int(numbers[-1])
    if not 1 <= chosen <= GENEVE_MAX:
        raise InvalidInput(
            f"Invalid input for operation: segmentation_id must be from 1 to {GENEVE_MAX} for geneve."
        )
    return chosen
