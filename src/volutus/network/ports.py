"""Ports: a place on a network, with a MAC and addresses, for a server, a router or nobody yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    text,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from volutus import audit, quota
from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import (
    allocation,
    dhcp_options,
    dns_names,
    networks,
    objects,
    port_removal,
    public_addresses,
    qos_policies,
    security_groups,
    sharing,
    units,
)
from volutus.network.allocation import Claimant, FixedIp, FixedIpRequest
from volutus.network.dhcp_options import DhcpOption
from volutus.network.errors import (
    AddressPairAndPortSecurityRequired,
    InvalidInput,
    MacAddressInUse,
    PolicyNotAuthorized,
    PortNotFound,
    PortSecurityAndIPRequiredForSecurityGroups,
)
from volutus.network.listing import (
    Query,
    address,
    boolean,
    common_filters,
    equals,
    optional,
    selected,
    sortable,
    visible,
)
from volutus.network.networks import Network
from volutus.network.ovn.model import Kind
from volutus.network.tables import (
    floating_ips,
    network_units,
    port_addresses,
    port_security_groups,
    ports,
    router_interfaces,
)
from volutus.network.tables import networks as network_rows

ROUTER_INTERFACE = "network:router_interface"
ROUTER_GATEWAY = "network:router_gateway"
FLOATING_IP = "network:floatingip"
METADATA = "network:distributed"
# The port that holds a load balancer's address, and those that hold the addresses its members are asked from.
LOAD_BALANCER = "Octavia"
LOAD_BALANCER_PROBE = "network:loadbalancer_probe"
# The port through which a VPN gateway is reached and reaches its network.
VPN = "network:vpn"
# Made by the cloud for itself: no tenant pays for them.
UNCHARGED = (ROUTER_GATEWAY, FLOATING_IP, METADATA, LOAD_BALANCER_PROBE, VPN)

MAC_PREFIX = "fa:16:3e"
# 16 million addresses behind the prefix: a second guess is rare even in a full network.
MAC_GUESSES = 10
ADDRESS_PAIRS_MAX = 10


@dataclass(frozen=True)
class AddressPair:
    """A further source that the port may use; `mac` None means the port's own."""

    address: str
    mac: str | None = None


@dataclass(frozen=True)
class Port:
    id: str
    project_id: str
    name: str
    description: str
    tags: tuple[str, ...]
    revision: int
    created_at: datetime
    updated_at: datetime
    network_id: str
    mac: str
    enabled: bool
    port_security: bool
    device_id: str
    device_owner: str
    host_name: str
    chassis: str
    vnic_type: str
    binding_profile: Mapping[str, Any]
    address_pairs: tuple[AddressPair, ...]
    server_id: str | None
    made_for_server: bool
    qos_policy_id: str | None
    network_qos_policy_id: str | None
    dhcp_options: tuple[DhcpOption, ...]
    dns_name: str
    dns_domain: str
    network_domain: str
    fixed_ips: tuple[FixedIp, ...]
    security_group_ids: tuple[str, ...]
    status: str


@dataclass(frozen=True)
class PortOrder:
    """What a new port should be. None leaves the choice to the cloud: addresses of each IP version, a MAC,
    the default security group, the network's port security."""

    network_id: str
    project_id: str
    name: str = ""
    description: str = ""
    enabled: bool = True
    mac: str | None = None
    fixed_ips: tuple[FixedIpRequest, ...] | None = None
    security_group_ids: tuple[str, ...] | None = None
    port_security: bool | None = None
    address_pairs: tuple[AddressPair, ...] = ()
    device_id: str = ""
    device_owner: str = ""
    host_name: str = ""
    vnic_type: str = "normal"
    binding_profile: Mapping[str, Any] | None = None
    server_id: str | None = None
    made_for_server: bool = False
    nic_tag: str | None = None
    nic_order: int = 0
    qos_policy_id: str | None = None
    dhcp_options: tuple[DhcpOption, ...] = ()
    dns_name: str = ""
    dns_domain: str = ""


_UNIT = and_(network_units.c.kind == Kind.PORT.value, network_units.c.id == ports.c.id)
_FIXED_IPS = (
    select(
        func.coalesce(
            func.jsonb_agg(
                text(
                    "jsonb_build_array(port_addresses.subnet_id, host(port_addresses.ip)) "
                    "ORDER BY port_addresses.position, port_addresses.ip"
                )
            ),
            text("'[]'::jsonb"),
        )
    )
    .where(port_addresses.c.port_id == ports.c.id)
    .correlate(ports)
    .scalar_subquery()
)
_GROUP_IDS = (
    select(func.coalesce(func.array_agg(port_security_groups.c.group_id), []))
    .where(port_security_groups.c.port_id == ports.c.id)
    .correlate(ports)
    .scalar_subquery()
)
# Computed from what was ordered and what was observed; nobody writes it.
STATUS: ColumnElement[str] = case(
    (ports.c.device_owner == FLOATING_IP, literal("N/A")),
    (ports.c.enabled.is_(False), literal("DOWN")),
    (
        ports.c.device_owner.like("network:%"),
        case((network_units.c.written > 0, literal("ACTIVE")), else_=literal("BUILD")),
    ),
    (ports.c.device_owner == LOAD_BALANCER, literal("ACTIVE")),
    (ports.c.chassis == "", literal("DOWN")),
    (network_units.c.up.is_(True), literal("ACTIVE")),
    else_=literal("BUILD"),
)
_SELECT = select(
    ports,
    type_coerce(_FIXED_IPS, JSONB).label("fixed_ips"),
    _GROUP_IDS.label("group_ids"),
    STATUS.label("status"),
    network_rows.c.dns_domain.label("network_domain"),
    network_rows.c.qos_policy_id.label("network_qos_policy_id"),
).select_from(
    ports.join(network_rows, network_rows.c.id == ports.c.network_id).outerjoin(network_units, _UNIT)
)


def _having_address(column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    return ports.c.id.in_(select(port_addresses.c.port_id).where(column.in_(values)))


_FILTERS = common_filters(ports) | {
    "network_id": equals(ports.c.network_id),
    "mac": lambda values: ports.c.mac.in_([value.lower().replace("-", ":") for value in values]),
    "enabled": boolean(ports.c.enabled),
    "port_security": boolean(ports.c.port_security),
    "device_id": equals(ports.c.device_id),
    "dns_name": equals(ports.c.dns_name),
    "qos_policy_id": optional(ports.c.qos_policy_id),
    "device_owner": equals(ports.c.device_owner),
    "host_name": equals(ports.c.host_name),
    "vnic_type": equals(ports.c.vnic_type),
    "status": equals(STATUS),
    "subnet_id": lambda values: _having_address(port_addresses.c.subnet_id, values),
    "address": lambda values: ports.c.id.in_(
        select(port_addresses.c.port_id).where(address(port_addresses.c.ip)(values))
    ),
    "address_part": lambda values: ports.c.id.in_(
        select(port_addresses.c.port_id).where(
            or_(*(func.host(port_addresses.c.ip).contains(value, autoescape=True) for value in values))
        )
    ),
    "public": lambda _: network_rows.c.id.in_(select(network_rows.c.id).where(sharing.IS_PUBLIC)),
    "security_group_id": lambda values: ports.c.id.in_(
        select(port_security_groups.c.port_id).where(port_security_groups.c.group_id.in_(values))
    ),
    "router_id": lambda values: ports.c.id.in_(
        select(router_interfaces.c.port_id).where(router_interfaces.c.router_id.in_(values))
    ),
}
_SORTABLE = sortable(ports) | {"status": STATUS}


def create(tx: Tx, caller: Caller, order: PortOrder) -> Port:
    """A new port with its addresses. Raises NetworkNotFound, MacAddressInUse, IpAddressAlreadyAllocated,
    IpAddressGenerationFailure, QuotaExceeded, PolicyNotAuthorized for what only the network's owner may."""
    network = networks.hold(tx, caller, order.network_id)
    _check_rights(caller, network, order)
    return create_on(tx, caller, network, order)


def create_on(tx: Tx, caller: Caller, network: Network, order: PortOrder) -> Port:
    """The same on a network that is already held, without asking what the caller may: for the cloud's own
    ports, too."""
    port_security = network.port_security if order.port_security is None else order.port_security
    own = order.device_owner.startswith("network:")
    groups = _groups(tx, caller, order, port_security=port_security and not own)
    _check_pairs(order, port_security=port_security)
    dns_names.check(order.dns_name, order.dns_domain)
    dhcp_options.check(order.dhcp_options)
    qos_policies.hold(tx, caller, order.qos_policy_id)
    port_id, mac = _insert(tx, network, order, port_security=port_security and not own)
    claimant = Claimant(port_id, network.id, mac, order.device_owner)
    allocation.allocate(tx, claimant, order.fixed_ips, allocation.spaces(tx, network.id))
    if network.public and order.device_owner != FLOATING_IP:
        public_addresses.follow_port(tx, port_id)
    join_groups(tx, port_id, groups)
    if order.device_owner not in UNCHARGED:
        quota.charge(tx, order.project_id, {"port": 1})
    audit.record(tx, caller, "create", "network.port", port_id, {"network_id": network.id})
    if order.device_owner != FLOATING_IP:
        units.touch(tx, Kind.PORT, [port_id])
    if order.dns_name:
        units.touch(tx, Kind.NETWORK, [network.id])
    return fetch(tx, [port_id])[0]


def get(tx: Tx, caller: Caller, port_id: str, *, lock: bool = False) -> Port:
    """A port of the caller's."""
    statement = _SELECT.where(ports.c.id == port_id, *_visible(caller))
    row = tx.row(statement.with_for_update(of=ports) if lock else statement)
    if row is None:
        raise PortNotFound(f"Port {port_id} could not be found.")
    return _port(row)


def list_(tx: Tx, caller: Caller, query: Query) -> list[Port]:
    """The caller's ports: one statement however many there are."""
    statement = selected(
        tx, _SELECT.where(*_visible(caller)), query, _FILTERS, _SORTABLE | {"id": ports.c.id}
    )
    return [_port(row) for row in tx.rows(statement)]


def fetch(tx: Tx, port_ids: Sequence[str]) -> list[Port]:
    """Ports by id, whoever owns them, in the order of their creation; those that are gone are left out."""
    if not port_ids:
        return []
    statement = _SELECT.where(ports.c.id.in_(port_ids)).order_by(
        ports.c.nic_order, ports.c.created_at, ports.c.id
    )
    return [_port(row) for row in tx.rows(statement.limit(len(port_ids)))]


def of_server(tx: Tx, server_id: str, limit: int) -> list[Port]:
    """The ports that are plugged into a server, in the order in which they were. Not those that merely say
    so: anybody may write a device's id into his port."""
    statement = _SELECT.where(ports.c.server_id == server_id)
    ordered = statement.order_by(ports.c.nic_order, ports.c.created_at, ports.c.id)
    return [_port(row) for row in tx.rows(ordered.limit(limit))]


def erase(tx: Tx, caller: Caller, gone: Sequence[Port]) -> None:
    """Delete ports that nothing holds any more; floating IPs of theirs become free."""
    ids = [port.id for port in gone]
    if not ids:
        return
    free_floating_ips(tx, floating_ips.c.port_id.in_(ids))
    port_removal.let_go(tx, ids)
    tx.execute(delete(ports).where(ports.c.id.in_(ids)))
    charged = [port for port in gone if port.device_owner not in UNCHARGED]
    for project_id in sorted({port.project_id for port in charged}):
        quota.release(tx, project_id, {"port": sum(p.project_id == project_id for p in charged)})
    for port in gone:
        audit.record(tx, caller, "delete", "network.port", port.id)
    units.bury(tx, Kind.PORT, [port.id for port in gone if port.device_owner != FLOATING_IP])
    units.touch(tx, Kind.NETWORK, [port.network_id for port in gone if port.dns_name])


def free_floating_ips(tx: Tx, *where: ColumnElement[bool]) -> None:
    """Part floating IPs from what they stand for; they stay their project's."""
    rows = tx.rows(
        select(floating_ips.c.id, floating_ips.c.router_id)
        .where(floating_ips.c.port_id.isnot(None), *where)
        .with_for_update()
        .limit(units.TOUCHED_MAX)
    )
    if rows:
        tx.execute(
            floating_ips.update()
            .where(floating_ips.c.id.in_([row.id for row in rows]))
            .values(
                port_id=None,
                fixed_ip=None,
                router_id=None,
                revision=floating_ips.c.revision + 1,
                updated_at=tx.now,
            )
        )
        units.touch(tx, Kind.ROUTER, [row.router_id for row in rows])


def join_groups(tx: Tx, port_id: str, group_ids: Sequence[str]) -> None:
    """Make the port a member of held groups."""
    if group_ids:
        tx.execute(
            insert(port_security_groups).on_conflict_do_nothing(),
            [{"port_id": port_id, "group_id": group_id} for group_id in group_ids],
        )


def stored_options(options: Sequence[DhcpOption]) -> list[list[Any]]:
    """DHCP options as the column has them."""
    return [[option.name, option.value, option.ip_version] for option in options]


def is_network_owner(caller: Caller, network: Network) -> bool:
    """Whether the caller decides over addresses and their protection on this network."""
    return caller.is_admin or caller.project_id == network.project_id


def refuse_external(caller: Caller, network: Network) -> None:
    """Tenants reach an external network by routers and floating IPs, not by ports of their own."""
    if network.external and not network.shared and not is_network_owner(caller, network):
        raise PolicyNotAuthorized(
            f"It is not allowed to create an interface on external network {network.id}: take a network of "
            "your own behind a router to it, and a floating IP."
        )


def _visible(caller: Caller) -> Sequence[ColumnElement[bool]]:
    """Own ports, and whatever is plugged into one's own network."""
    if caller.is_admin:
        return ()
    project_id = caller.project_id or ""
    mine = select(network_rows.c.id).where(network_rows.c.project_id == project_id)
    return (or_(*visible(ports, caller), ports.c.network_id.in_(mine)),)


def _check_rights(caller: Caller, network: Network, order: PortOrder) -> None:
    if is_network_owner(caller, network):
        return
    refuse_external(caller, network)
    refused = {
        "mac_address": order.mac is not None,
        "fixed_ips": any(request.address is not None for request in order.fixed_ips or ()),
        "port_security_enabled": order.port_security is not None,
        "allowed_address_pairs": bool(order.address_pairs),
        "device_owner": order.device_owner.startswith("network:"),
    }
    for name, given in refused.items():
        if given:
            raise PolicyNotAuthorized(f"Only the network's own project may set {name}.", field=name)


def _groups(tx: Tx, caller: Caller, order: PortOrder, *, port_security: bool) -> list[str]:
    if not port_security:
        if order.security_group_ids:
            raise PortSecurityAndIPRequiredForSecurityGroups(
                "Port security must be enabled and port must have an IP address in order to use "
                "security groups."
            )
        return []
    if order.security_group_ids is None:
        return [security_groups.ensure_default(tx, caller, order.project_id)]
    return security_groups.hold(tx, caller, order.security_group_ids, order.project_id)


def _check_pairs(order: PortOrder, *, port_security: bool) -> None:
    if order.address_pairs and not port_security:
        raise AddressPairAndPortSecurityRequired(
            "Port Security must be enabled in order to have allowed address pairs on a port."
        )
    if len(order.address_pairs) > ADDRESS_PAIRS_MAX:
        raise InvalidInput(
            f"The number of allowed address pairs exceeds the maximum {ADDRESS_PAIRS_MAX}.",
            field="allowed_address_pairs",
        )


def _insert(tx: Tx, network: Network, order: PortOrder, *, port_security: bool) -> tuple[str, str]:
    values = {
        "id": tx.ids.uuid(),
        "project_id": order.project_id,
        "name": order.name,
        "description": order.description,
        "created_at": tx.now,
        "updated_at": tx.now,
        "network_id": network.id,
        "enabled": order.enabled,
        "port_security": port_security,
        "device_id": order.device_id,
        "device_owner": order.device_owner,
        "host_name": order.host_name,
        "vnic_type": order.vnic_type,
        "binding_profile": dict(order.binding_profile or {}),
        "address_pairs": [[pair.address, pair.mac] for pair in order.address_pairs],
        "server_id": order.server_id,
        "made_for_server": order.made_for_server,
        "nic_tag": order.nic_tag,
        "nic_order": order.nic_order,
        "qos_policy_id": order.qos_policy_id,
        "dhcp_options": stored_options(order.dhcp_options),
        "dns_name": order.dns_name,
        "dns_domain": order.dns_domain,
    }
    for _ in range(MAC_GUESSES if order.mac is None else 1):
        mac = order.mac or new_mac(tx)
        statement = insert(ports).on_conflict_do_nothing().returning(ports.c.id)
        if tx.value(statement, {**values, "mac": mac}) is not None:
            return str(values["id"]), mac
    raise MacAddressInUse(
        f"Unable to complete operation for network {network.id}. The mac address {order.mac} is in use."
    )


def new_mac(tx: Tx) -> str:
    """A guess at a free hardware address; the constraint says whether it was."""
    tail = f"{tx.ids.choice(1 << 24):06x}"
    return ":".join((MAC_PREFIX, tail[0:2], tail[2:4], tail[4:6]))


def _port(row: Row[Any]) -> Port:
    return objects.built(
        Port,
        row,
        address_pairs=tuple(AddressPair(*pair) for pair in row.address_pairs),
        dhcp_options=tuple(DhcpOption(*option) for option in row.dhcp_options),
        fixed_ips=tuple(FixedIp(*pair) for pair in row.fixed_ips),
        security_group_ids=tuple(sorted(row.group_ids)),
    )
