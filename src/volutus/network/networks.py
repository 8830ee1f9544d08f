"""Networks: what a tenant's ports are plugged into, and the external ones that routers lead to."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import Row, Select, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from volutus import audit, metering, quota
from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import dns_names, objects, public_addresses, qos_policies, segmentation, sharing, units
from volutus.network.changes import check_revision, given
from volutus.network.errors import (
    DefaultExternalNetworkExists,
    ExternalNetworkInUse,
    InvalidInput,
    InvalidSharedSetting,
    NetworkNotFound,
    PolicyNotAuthorized,
)
from volutus.network.listing import (
    Filter,
    Query,
    boolean,
    common_filters,
    equals,
    integer,
    optional,
    selected,
    sortable,
)
from volutus.network.ovn.model import Kind
from volutus.network.segmentation import Wire
from volutus.network.tables import (
    floating_ips,
    further_gateways,
    networks,
    ports,
    routers,
    segments,
    subnets,
)

# What is left of an Ethernet frame of 1,500 bytes within Geneve.
OVERLAY_MTU = 1442
PHYSICAL_MTU = 1500

# What a network is paid for by, and the kind of thing that it is there.
METER = "vlan"
USAGE_KIND = "network"

# What IPv4 needs at least and can say at most.
MTU_MIN, MTU_MAX = 68, 65535


@dataclass(frozen=True)
class Network:
    """`shared` and `external` are as they are for the caller; `public` is external for anybody."""

    id: str
    project_id: str
    name: str
    description: str
    tags: tuple[str, ...]
    revision: int
    created_at: datetime
    updated_at: datetime
    enabled: bool
    shared: bool
    external: bool
    public: bool
    is_default: bool
    mtu: int
    port_security: bool
    network_type: str
    physical_network: str | None
    segmentation_id: int | None
    zone_hints: tuple[str, ...]
    qos_policy_id: str | None
    dns_domain: str
    subnet_ids: tuple[str, ...]
    wires: tuple[Wire, ...]


@dataclass(frozen=True)
class NetworkOrder:
    """What a new network should be. Without `network_type` it is an overlay, seen by its tenants alone;
    `segments` are in place of the three values that say what one segment is."""

    project_id: str
    name: str = ""
    description: str = ""
    enabled: bool = True
    shared: bool = False
    external: bool = False
    is_default: bool = False
    mtu: int | None = None
    port_security: bool = True
    network_type: str | None = None
    physical_network: str | None = None
    segmentation_id: int | None = None
    segments: tuple[Wire, ...] = ()
    zone_hints: tuple[str, ...] = ()
    qos_policy_id: str | None = None
    dns_domain: str = ""


@dataclass(frozen=True)
class NetworkChanges:
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    shared: bool | UnsetType = UNSET
    external: bool | UnsetType = UNSET
    is_default: bool | UnsetType = UNSET
    mtu: int | UnsetType = UNSET
    port_security: bool | UnsetType = UNSET
    qos_policy_id: str | UnsetType | None = UNSET
    dns_domain: str | UnsetType = UNSET


_SUBNET_IDS = (
    select(func.coalesce(func.array_agg(subnets.c.id), []))
    .where(subnets.c.network_id == networks.c.id)
    .correlate(networks)
    .scalar_subquery()
    .label("subnet_ids")
)
_WIRES = (
    select(
        func.jsonb_agg(
            text(
                "jsonb_build_array(segments.network_type, segments.physical_network, "
                "segments.segmentation_id) ORDER BY segments.position"
            )
        )
    )
    .where(segments.c.network_id == networks.c.id)
    .correlate(networks)
    .scalar_subquery()
    .label("wires")
)
_PLAIN = [column for column in networks.c if column.name not in ("shared", "external")]
_FILTERS = common_filters(networks) | {
    "enabled": boolean(networks.c.enabled),
    # All that is written here is in OVN within moments or said to be failing: a network is never down.
    "status": lambda values: networks.c.id.isnot(None) if "ACTIVE" in values else networks.c.id.is_(None),
    "is_default": boolean(networks.c.is_default),
    "mtu": integer(networks.c.mtu),
    "port_security": boolean(networks.c.port_security),
    "network_type": equals(networks.c.network_type),
    "physical_network": optional(networks.c.physical_network),
    "segmentation_id": integer(networks.c.segmentation_id),
    "qos_policy_id": optional(networks.c.qos_policy_id),
    "dns_domain": equals(networks.c.dns_domain),
    "subnet_id": lambda values: networks.c.id.in_(
        select(subnets.c.network_id).where(subnets.c.id.in_(values))
    ),
}
_SORTABLE = sortable(networks)


def create(tx: Tx, caller: Caller, order: NetworkOrder) -> Network:
    """A new network. Raises QuotaExceeded, InvalidInput for a segment that makes no sense."""
    _check_mtu(order.mtu or None)
    dns_names.check("", order.dns_domain)
    policy_id = order.qos_policy_id or qos_policies.default_of(tx, order.project_id)
    qos_policies.hold(tx, caller, policy_id)
    quota.charge(tx, order.project_id, {"network": 1})
    wires = _wires(tx, order)
    if order.is_default:
        _refuse_second_default(tx)
    default_mtu = OVERLAY_MTU if wires[0].network_type == segmentation.GENEVE else PHYSICAL_MTU
    values = {
        **{name: value for name, value in given(order).items() if name != "segments"},
        "id": tx.ids.uuid(),
        "mtu": order.mtu or default_mtu,
        **vars(wires[0]),
        "qos_policy_id": policy_id,
        "created_at": tx.now,
        "updated_at": tx.now,
    }
    statement = (
        insert(networks)
        .values(**values)
        .on_conflict_do_nothing()
        .returning(networks, networks.c.external.label("public"))
    )
    row = tx.row(statement)
    if row is None:
        raise segmentation.in_use(wires[0])
    for wire in wires:
        segmentation.insert_segment(tx, order.project_id, row.id, wire)
    metering.have_one(tx, order.project_id, USAGE_KIND, row.id, METER)
    audit.record(tx, caller, "create", "network.network", row.id, {"name": order.name})
    made = objects.built(Network, row, subnet_ids=(), wires=tuple(wires))
    _follow_sharing(tx, made, order.shared or UNSET, order.external or UNSET)
    units.touch(tx, Kind.NETWORK, [row.id])
    return made


def get(tx: Tx, caller: Caller, network_id: str) -> Network:
    """A network of the caller's, a shared or an external one."""
    row = tx.row(_select(caller).where(networks.c.id == network_id))
    if row is None:
        raise NetworkNotFound(f"Network {network_id} could not be found.")
    return _network(row)


def list_(tx: Tx, caller: Caller, query: Query) -> list[Network]:
    """The networks that the caller may use."""
    statement = selected(tx, _select(caller), query, _FILTERS | _seen(caller), _SORTABLE)
    return [_network(row) for row in tx.rows(statement)]


def change(
    tx: Tx, caller: Caller, network_id: str, changes: NetworkChanges, if_revision: int | None = None
) -> Network:
    """Change what is given; the rest stays."""
    before = get_own(tx, caller, network_id, lock=True)
    check_revision(before.revision, if_revision)
    _check_mtu(changes.mtu)
    dns_names.check("", changes.dns_domain or "")
    qos_policies.hold(tx, caller, changes.qos_policy_id)
    values = given(changes)
    if before.shared and changes.shared is False:
        _refuse_unsharing(tx, before)
    if before.external and changes.external is False:
        _refuse_if_external_in_use(tx, before)
    if changes.is_default is True and not before.is_default:
        _refuse_second_default(tx)
    tx.execute(
        update(networks)
        .where(networks.c.id == network_id)
        .values(**values, revision=networks.c.revision + 1, updated_at=tx.now)
    )
    audit.record(tx, caller, "update", "network.network", network_id, {"fields": sorted(values)})
    _follow_sharing(tx, before, changes.shared, changes.external)
    _touch_dependents(tx, network_id, changes)
    return get(tx, caller, network_id)


def get_own(tx: Tx, caller: Caller, network_id: str, *, lock: bool = False) -> Network:
    """A network that the caller may change. Raises Forbidden for one that he may only use."""
    statement = _select(caller).where(networks.c.id == network_id)
    # Changes and new subnets take turns; ports go on being made meanwhile.
    row = tx.row(statement.with_for_update(of=networks, key_share=True) if lock else statement)
    if row is None:
        raise NetworkNotFound(f"Network {network_id} could not be found.")
    if not caller.sees(row.project_id):
        raise PolicyNotAuthorized("Only the network's own project may change it.")
    return _network(row)


def hold(tx: Tx, caller: Caller, network_id: str) -> Network:
    """Like `get`, and it cannot be deleted before this transaction ends."""
    statement = _select(caller).where(networks.c.id == network_id)
    row = tx.row(statement.with_for_update(of=networks, key_share=True, read=True))
    if row is None:
        raise NetworkNotFound(f"Network {network_id} could not be found.")
    return _network(row)


def usable(tx: Tx, caller: Caller, limit: int) -> list[Network]:
    """The networks a new server could mean when none is named: the project's own and the shared ones."""
    caller.own_project()
    usable = sharing.usable_networks(caller)
    statement = _select(caller).where(usable, networks.c.external.is_(False)).limit(limit)
    return [_network(row) for row in tx.rows(statement.order_by(networks.c.id))]


def _select(caller: Caller) -> Select[Any]:
    """Networks that the caller may see, with `shared` and `external` as they are for it."""
    shared = sharing.is_shared(networks, "network", caller).label("shared")
    external = sharing.is_external(caller).label("external")
    public = sharing.IS_PUBLIC.label("public")
    columns = *_PLAIN, shared, external, public, _SUBNET_IDS, _WIRES
    return select(*columns).where(*sharing.visible_networks(caller))


def _seen(caller: Caller) -> dict[str, Filter]:
    return {
        "shared": boolean(sharing.is_shared(networks, "network", caller)),
        "external": boolean(sharing.is_external(caller)),
    }


def _wires(tx: Tx, order: NetworkOrder) -> list[Wire]:
    """What it is on the wire, the first segment first."""
    own = Wire(order.network_type, order.physical_network, order.segmentation_id)
    if order.segments and own != Wire():
        raise InvalidInput("Segments and provider values cannot both be set.", field="segments")
    wires = [segmentation.choose(tx, wire) for wire in order.segments or (own,)]
    segmentation.check_together(wires)
    return wires


def _follow_sharing(tx: Tx, network: Network, shared: bool | UnsetType, external: bool | UnsetType) -> None:
    for action, allowed in ((sharing.SHARED, shared), (sharing.EXTERNAL, external)):
        if allowed is not UNSET:
            sharing.follow(tx, "network", network.id, network.project_id, action, allowed=allowed)
    if external is not UNSET:
        public_addresses.follow_network(tx, network.id)


def _refuse_second_default(tx: Tx) -> None:
    found = tx.value(select(networks.c.id).where(networks.c.is_default).limit(1))
    if found is not None:
        raise DefaultExternalNetworkExists(f"A default external network already exists: {found}.")


def _refuse_unsharing(tx: Tx, network: Network) -> None:
    foreign = select(ports.c.id).where(
        ports.c.network_id == network.id, ports.c.project_id.notin_([network.project_id, ""])
    )
    if tx.value(foreign.limit(1)) is not None:
        raise InvalidSharedSetting(
            f"Unable to reconfigure sharing settings for network {network.name}. "
            "Multiple tenants are using it."
        )


def _refuse_if_external_in_use(tx: Tx, network: Network) -> None:
    gateways = select(routers.c.id).where(routers.c.gateway_network_id == network.id)
    further = select(further_gateways.c.port_id).where(further_gateways.c.network_id == network.id)
    addresses = select(floating_ips.c.id).where(floating_ips.c.network_id == network.id)
    if tx.value(gateways.union_all(further, addresses).limit(1)) is not None:
        raise ExternalNetworkInUse(
            f"External network {network.id} cannot be updated to be made non-external, "
            "since it has existing gateway ports or floating IPs."
        )


def _check_mtu(mtu: int | UnsetType | None) -> None:
    if isinstance(mtu, int) and not MTU_MIN <= mtu <= MTU_MAX:
        raise InvalidInput(f"Invalid input for mtu: it is from {MTU_MIN} to {MTU_MAX}.", field="mtu")


def _touch_dependents(tx: Tx, network_id: str, changes: NetworkChanges) -> None:
    units.touch(tx, Kind.NETWORK, [network_id])
    if changes.enabled is not UNSET or changes.qos_policy_id is not UNSET or changes.mtu is not UNSET:
        units.touch_ports(tx, ports.c.network_id == network_id)
    if changes.mtu is not UNSET:
        units.touch_routers_on(tx, network_id)


def _network(row: Row[Any]) -> Network:
    wires = tuple(Wire(*wire) for wire in row.wires)
    return objects.built(Network, row, subnet_ids=tuple(sorted(row.subnet_ids)), wires=wires)
