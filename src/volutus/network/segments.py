"""Segments by themselves: an operator adds one to a network, names it, or takes it away."""

from dataclasses import dataclass
from datetime import datetime

from msgspec import UNSET, UnsetType
from sqlalchemy import select, update

from volutus import audit
from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import networks, objects, segmentation, units
from volutus.network.changes import given
from volutus.network.errors import InvalidInput, SegmentInUse, SegmentNotFound
from volutus.network.listing import Query, equals, integer, optional
from volutus.network.objects import Noun
from volutus.network.ovn.model import Kind
from volutus.network.segmentation import Wire
from volutus.network.tables import networks as network_rows
from volutus.network.tables import segments, subnets


@dataclass(frozen=True)
class Segment:
    id: str
    project_id: str
    network_id: str
    name: str | None
    description: str
    revision: int
    created_at: datetime
    updated_at: datetime
    network_type: str
    physical_network: str | None
    segmentation_id: int | None


@dataclass(frozen=True)
class SegmentOrder:
    project_id: str
    network_id: str
    network_type: str
    name: str | None = None
    description: str = ""
    physical_network: str | None = None
    segmentation_id: int | None = None


@dataclass(frozen=True)
class SegmentChanges:
    name: str | UnsetType | None = UNSET
    description: str | UnsetType = UNSET


NOUN = Noun(
    segments,
    "segment",
    "Segment",
    SegmentNotFound,
    {
        "network_id": equals(segments.c.network_id),
        "network_type": equals(segments.c.network_type),
        "physical_network": optional(segments.c.physical_network),
        "segmentation_id": integer(segments.c.segmentation_id),
    },
)


def create(tx: Tx, caller: Caller, order: SegmentOrder) -> Segment:
    """One more segment of a network. Raises InvalidInput for what OVN could not carry out, FlatNetworkInUse
    when another network is there."""
    network = networks.get_own(tx, caller, order.network_id, lock=True)
    wire = segmentation.choose(tx, Wire(order.network_type, order.physical_network, order.segmentation_id))
    there = segmentation.of_network(tx, network.id)
    segmentation.check_together(
        [*(Wire(row.network_type, row.physical_network, row.segmentation_id) for row in there), wire]
    )
    if segmentation.has_bound_subnets(tx, network.id):
        raise InvalidInput(
            "The network's subnets are of the segment that it has: addresses are not given out by the "
            "segment that a host is on.",
            field="network_id",
        )
    named = {"name": order.name, "description": order.description}
    segment_id = segmentation.insert_segment(tx, network.project_id, network.id, wire, **named)
    audit.record(tx, caller, "create", "network.segment", segment_id, {"network_id": network.id})
    units.touch(tx, Kind.NETWORK, [network.id])
    return get(tx, caller, segment_id)


def get(tx: Tx, caller: Caller, segment_id: str) -> Segment:
    """A segment of a network."""
    return objects.built(Segment, objects.row_of(tx, caller, NOUN, segment_id))


def list_(tx: Tx, caller: Caller, query: Query) -> list[Segment]:
    """The segments of all networks."""
    return [objects.built(Segment, row) for row in objects.rows_of(tx, caller, NOUN, query)]


def change(
    tx: Tx, caller: Caller, segment_id: str, changes: SegmentChanges, if_revision: int | None = None
) -> Segment:
    """Change what it is called; what it is on the wire stays."""
    row = objects.own_row(tx, caller, NOUN, segment_id, if_revision)
    objects.update_row(tx, caller, NOUN, row, given(changes))
    return get(tx, caller, segment_id)


def remove(tx: Tx, caller: Caller, segment_id: str, if_revision: int | None = None) -> None:
    """Take a segment from its network. Raises SegmentInUse for the only one, or while a subnet is of it."""
    network_id = get(tx, caller, segment_id).network_id
    networks.get_own(tx, caller, network_id, lock=True)
    row = objects.own_row(tx, caller, NOUN, segment_id, if_revision)
    of_it = select(subnets.c.id).where(subnets.c.segment_id == segment_id)
    if tx.value(of_it.limit(1)) is not None:
        raise SegmentInUse(f"Segment '{segment_id}' cannot be deleted: a subnet is of it.")
    others = [one for one in segmentation.of_network(tx, network_id) if one.id != segment_id]
    if not others:
        raise SegmentInUse(f"Segment '{segment_id}' cannot be deleted: its network has no other.")
    objects.delete_row(tx, caller, NOUN, row)
    first = {name: getattr(others[0], name) for name in vars(Wire())}
    tx.execute(update(network_rows).where(network_rows.c.id == network_id).values(**first))
    units.touch(tx, Kind.NETWORK, [network_id])
