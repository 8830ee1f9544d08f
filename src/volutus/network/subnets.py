"""Subnets: the addresses of a network, and what its guests are told about them."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import ColumnElement, Row, delete, func, or_, select, text, type_coerce, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from volutus import audit, quota
from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import (
    allocation,
    metadata_ports,
    networks,
    objects,
    prefixes,
    segmentation,
    sharing,
    subnet_pools,
    units,
)
from volutus.network.allocation import Pool, Space
from volutus.network.changes import check_revision, given
from volutus.network.errors import (
    GatewayIpInUse,
    InvalidInput,
    PolicyNotAuthorized,
    SubnetInUse,
    SubnetNotFound,
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
)
from volutus.network.networks import Network
from volutus.network.ovn.model import Kind
from volutus.network.tables import allocation_pools, port_addresses, ports, subnets
from volutus.network.tables import networks as network_rows
from volutus.wire.addresses import eui64

# Neutron's bounds.
DNS_SERVERS_MAX = 5
HOST_ROUTES_MAX = 20
POOLS_MAX = 100
# Ports that get an address when a subnet of automatic addresses comes to their network.
AUTO_PORTS_MAX = 10_000
METADATA_OWNER = "network:distributed"


@dataclass(frozen=True)
class HostRoute:
    destination: str
    next_hop: str


@dataclass(frozen=True)
class Subnet:
    id: str
    project_id: str
    name: str
    description: str
    tags: tuple[str, ...]
    revision: int
    created_at: datetime
    updated_at: datetime
    network_id: str
    cidr: str
    gateway: str | None
    enable_dhcp: bool
    address_mode: str | None
    ra_mode: str | None
    dns_servers: tuple[str, ...]
    host_routes: tuple[HostRoute, ...]
    service_types: tuple[str, ...]
    subnet_pool_id: str | None
    segment_id: str | None
    pools: tuple[Pool, ...]
    external: bool

    @property
    def ip_version(self) -> int:
        return 6 if ":" in self.cidr else 4


@dataclass(frozen=True)
class SubnetOrder:
    """What a new subnet should be: `cidr` as it stands, or cut from a pool. `gateway` UNSET is the first
    address, None is none at all."""

    project_id: str
    network_id: str
    cidr: str | None
    ip_version: int | None = None
    subnet_pool_id: str | None = None
    prefix_length: int | None = None
    name: str = ""
    description: str = ""
    gateway: str | UnsetType | None = UNSET
    pools: tuple[Pool, ...] | None = None
    enable_dhcp: bool = True
    address_mode: str | None = None
    ra_mode: str | None = None
    dns_servers: tuple[str, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    service_types: tuple[str, ...] = ()
    segment_id: str | None = None


@dataclass(frozen=True)
class SubnetChanges:
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    gateway: str | UnsetType | None = UNSET
    pools: tuple[Pool, ...] | UnsetType = UNSET
    enable_dhcp: bool | UnsetType = UNSET
    dns_servers: tuple[str, ...] | UnsetType = UNSET
    host_routes: tuple[HostRoute, ...] | UnsetType = UNSET
    service_types: tuple[str, ...] | UnsetType = UNSET


_POOLS = (
    select(
        func.coalesce(
            func.jsonb_agg(
                text(
                    "jsonb_build_array(host(allocation_pools.first), host(allocation_pools.last)) "
                    "ORDER BY allocation_pools.first"
                )
            ),
            text("'[]'::jsonb"),
        )
    )
    .where(allocation_pools.c.subnet_id == subnets.c.id)
    .correlate(subnets)
    .scalar_subquery()
)
_SELECT = select(
    subnets,
    func.host(subnets.c.gateway).label("gateway_text"),
    type_coerce(_POOLS, JSONB).label("pools"),
    network_rows.c.external.label("external"),
).join(network_rows, network_rows.c.id == subnets.c.network_id)
_FILTERS = common_filters(subnets) | {
    "network_id": equals(subnets.c.network_id),
    "cidr": lambda values: subnets.c.cidr.in_([_cidr(value) for value in values]),
    "gateway": address(subnets.c.gateway),
    "ip_version": lambda values: func.family(subnets.c.cidr).in_([int(v) for v in values if v.isdigit()]),
    "enable_dhcp": boolean(subnets.c.enable_dhcp),
    "address_mode": optional(subnets.c.address_mode),
    "ra_mode": optional(subnets.c.ra_mode),
    "external": boolean(network_rows.c.external),
    "shared": boolean(network_rows.c.shared),
    "subnet_pool_id": optional(subnets.c.subnet_pool_id),
    "segment_id": optional(subnets.c.segment_id),
}
_SORTABLE = sortable(subnets)


def create(tx: Tx, caller: Caller, order: SubnetOrder) -> Subnet:
    """A new subnet on one's own network. Raises InvalidInput and the pools' own errors for what makes no
    sense, QuotaExceeded."""
    network = networks.get_own(tx, caller, order.network_id, lock=True)
    segmentation.check_subnet(tx, network.id, order.segment_id)
    cidr = _cut(tx, caller, order)
    if cidr.prefixlen == 0:
        raise InvalidInput("Invalid input for cidr. Reason: 0 is not allowed as CIDR prefix length.")
    gateway = prefixes.default_gateway(cidr) if order.gateway is UNSET else order.gateway
    prefixes.check_gateway(cidr, gateway)
    prefixes.check_modes(
        cidr, enable_dhcp=order.enable_dhcp, address_mode=order.address_mode, ra_mode=order.ra_mode
    )
    _check_told(cidr.version, order.dns_servers, order.host_routes)
    _refuse_overlap(tx, network, cidr)
    pools = _pools(cidr, order.pools, gateway)
    quota.charge(tx, order.project_id, {"subnet": 1})
    subnet_id = _insert(tx, order, str(cidr), gateway)
    _insert_pools(tx, subnet_id, pools)
    audit.record(tx, caller, "create", "network.subnet", subnet_id, {"cidr": str(cidr)})
    space = Space(subnet_id, cidr, order.address_mode, gateway, tuple(pools), order.service_types)
    if order.enable_dhcp:
        metadata_ports.add_subnet(tx, caller, network, space)
    if space.is_auto:
        _address_ports(tx, network, space)
    units.touch(tx, Kind.NETWORK, [network.id])
    return get(tx, caller, subnet_id)


def get(tx: Tx, caller: Caller, subnet_id: str, *, lock: bool = False) -> Subnet:
    """A subnet of the caller's, or of a network shared with him."""
    statement = _SELECT.where(subnets.c.id == subnet_id, *_visible(caller))
    row = tx.row(statement.with_for_update(of=subnets) if lock else statement)
    if row is None:
        raise SubnetNotFound(f"Subnet {subnet_id} could not be found.")
    return _subnet(row)


def list_(tx: Tx, caller: Caller, query: Query) -> list[Subnet]:
    """The subnets that the caller may use."""
    statement = selected(tx, _SELECT.where(*_visible(caller)), query, _FILTERS, _SORTABLE)
    return [_subnet(row) for row in tx.rows(statement)]


def change(
    tx: Tx, caller: Caller, subnet_id: str, changes: SubnetChanges, if_revision: int | None = None
) -> Subnet:
    """Change what is given. Raises GatewayIpInUse when a router has the present gateway's address."""
    before = _own(tx, caller, subnet_id)
    check_revision(before.revision, if_revision)
    cidr = ipaddress.ip_network(before.cidr)
    gateway = before.gateway if changes.gateway is UNSET else changes.gateway
    prefixes.check_gateway(cidr, gateway)
    _check_told(
        cidr.version,
        () if changes.dns_servers is UNSET else changes.dns_servers,
        () if changes.host_routes is UNSET else changes.host_routes,
    )
    if gateway != before.gateway:
        _refuse_gateway_in_use(tx, before)
    if changes.pools is not UNSET or gateway != before.gateway:
        wanted = before.pools if changes.pools is UNSET else changes.pools
        checked = prefixes.check_pools(cidr, wanted, gateway)
        if changes.pools is not UNSET:
            tx.execute(delete(allocation_pools).where(allocation_pools.c.subnet_id == subnet_id))
            _insert_pools(tx, subnet_id, checked)
    values = given(changes)
    values.pop("pools", None)
    if changes.host_routes is not UNSET:
        values["host_routes"] = [[route.destination, route.next_hop] for route in changes.host_routes]
    tx.execute(
        update(subnets)
        .where(subnets.c.id == subnet_id)
        .values(**values, revision=subnets.c.revision + 1, updated_at=tx.now)
    )
    audit.record(tx, caller, "update", "network.subnet", subnet_id, {"fields": sorted(values)})
    _follow_dhcp(tx, caller, before, changes)
    units.touch(tx, Kind.NETWORK, [before.network_id])
    units.touch_routers_on(tx, before.network_id)
    units.touch_ports(tx, ports.c.network_id == before.network_id, ports.c.dhcp_options != [])
    return get(tx, caller, subnet_id)


def remove(tx: Tx, caller: Caller, subnet_id: str, if_revision: int | None = None) -> None:
    """Delete a subnet. Raises SubnetInUse while a port has an address of it, but for those that guests made
    themselves and the network's own."""
    subnet = _own(tx, caller, subnet_id)
    check_revision(subnet.revision, if_revision)
    holders = select(ports.c.id).join(port_addresses, port_addresses.c.port_id == ports.c.id)
    holders = holders.where(port_addresses.c.subnet_id == subnet_id, ports.c.device_owner != METADATA_OWNER)
    if subnet.address_mode in allocation.AUTO_MODES:
        in_the_way = holders.where(ports.c.device_owner.like("network:router_%"))
    else:
        in_the_way = holders
    if tx.value(in_the_way.limit(1)) is not None:
        raise SubnetInUse(
            f"Unable to complete operation on subnet {subnet_id}: One or more ports have an IP allocation "
            "from this subnet: delete them, or remove the subnet from its router."
        )
    touched = [row.id for row in tx.rows(holders.limit(AUTO_PORTS_MAX))]
    metadata_ports.remove_subnet(tx, caller, subnet.network_id, subnet_id)
    tx.execute(delete(port_addresses).where(port_addresses.c.subnet_id == subnet_id))
    tx.execute(delete(subnets).where(subnets.c.id == subnet_id))
    quota.release(tx, subnet.project_id, {"subnet": 1})
    audit.record(tx, caller, "delete", "network.subnet", subnet_id)
    units.touch(tx, Kind.NETWORK, [subnet.network_id])
    units.touch(tx, Kind.PORT, touched)


def _own(tx: Tx, caller: Caller, subnet_id: str) -> Subnet:
    subnet = get(tx, caller, subnet_id, lock=True)
    if not caller.sees(subnet.project_id):
        raise PolicyNotAuthorized("Only the subnet's own project may change it.")
    return subnet


def _visible(caller: Caller) -> Sequence[ColumnElement[bool]]:
    if caller.is_admin:
        return ()
    return (
        or_(
            subnets.c.project_id == (caller.project_id or ""),
            sharing.usable_networks(caller),
        ),
    )


def _cut(tx: Tx, caller: Caller, order: SubnetOrder) -> prefixes.Network:
    given_cidr = None if order.cidr is None else prefixes.parse_cidr(order.cidr, order.ip_version)
    if order.subnet_pool_id is None:
        if given_cidr is None:
            raise InvalidInput(
                "Bad subnets request: a subnetpool must be specified in the absence of a cidr.", field="cidr"
            )
        return given_cidr
    wanted = order.prefix_length if given_cidr is None else str(given_cidr)
    return subnet_pools.cut(tx, caller, order.subnet_pool_id, order.project_id, wanted)


def _check_told(version: int, dns_servers: Sequence[str], host_routes: Sequence[HostRoute]) -> None:
    if len(dns_servers) > DNS_SERVERS_MAX:
        raise InvalidInput(f"At most {DNS_SERVERS_MAX} DNS servers can be set.", field="dns_nameservers")
    if len(host_routes) > HOST_ROUTES_MAX:
        raise InvalidInput(f"At most {HOST_ROUTES_MAX} host routes can be set.", field="host_routes")
    if len(set(dns_servers)) != len(dns_servers):
        raise InvalidInput("A DNS server is named twice.", field="dns_nameservers")
    for server in dns_servers:
        if ipaddress.ip_address(server).version != version:
            raise InvalidInput(
                f"Invalid input for operation: dns_nameserver '{server}' does not match the ip_version "
                f"'{version}'.",
                field="dns_nameservers",
            )
    for route in host_routes:
        if {
            ipaddress.ip_network(route.destination).version,
            ipaddress.ip_address(route.next_hop).version,
        } != {version}:
            raise InvalidInput(
                f"Invalid input for operation: host route to {route.destination} does not match the "
                f"ip_version '{version}'.",
                field="host_routes",
            )


def _refuse_overlap(tx: Tx, network: Network, cidr: prefixes.Network) -> None:
    """The network's row is locked, so no other subnet comes between this look and the insert."""
    overlapping = select(subnets.c.id).where(
        subnets.c.network_id == network.id, text("cidr && CAST(:wanted AS cidr)")
    )
    if tx.value(overlapping.limit(1), {"wanted": str(cidr)}) is not None:
        raise InvalidInput(
            f"Invalid input for operation: Requested subnet with cidr: {cidr} for network: {network.id} "
            "overlaps with another subnet.",
            field="cidr",
        )


def _pools(cidr: prefixes.Network, wanted: Sequence[Pool] | None, gateway: str | None) -> list[Pool]:
    if wanted is None:
        return prefixes.default_pools(cidr, gateway)
    if len(wanted) > POOLS_MAX:
        raise InvalidInput(f"At most {POOLS_MAX} allocation pools can be set.", field="allocation_pools")
    return prefixes.check_pools(cidr, wanted, gateway)


def _insert(tx: Tx, order: SubnetOrder, cidr: str, gateway: str | None) -> str:
    statement = insert(subnets).values(
        id=tx.ids.uuid(),
        project_id=order.project_id,
        name=order.name,
        description=order.description,
        created_at=tx.now,
        updated_at=tx.now,
        network_id=order.network_id,
        cidr=cidr,
        gateway=gateway,
        enable_dhcp=order.enable_dhcp,
        address_mode=order.address_mode,
        ra_mode=order.ra_mode,
        dns_servers=list(order.dns_servers),
        host_routes=[[route.destination, route.next_hop] for route in order.host_routes],
        service_types=list(order.service_types),
        subnet_pool_id=order.subnet_pool_id,
        segment_id=order.segment_id,
    )
    return str(tx.value(statement.returning(subnets.c.id)))


def _insert_pools(tx: Tx, subnet_id: str, pools: Sequence[Pool]) -> None:
    if pools:
        tx.execute(
            insert(allocation_pools),
            [{"subnet_id": subnet_id, "first": pool.first, "last": pool.last} for pool in pools],
        )


def _address_ports(tx: Tx, network: Network, space: Space) -> None:
    """Ports that were there first make themselves an address in the new subnet, too."""
    statement = select(ports.c.id, ports.c.mac).where(
        ports.c.network_id == network.id, ports.c.device_owner.notlike("network:%")
    )
    found = tx.rows(statement.limit(AUTO_PORTS_MAX))
    if found:
        tx.execute(
            insert(port_addresses).on_conflict_do_nothing(),
            [
                {
                    "subnet_id": space.subnet_id,
                    "ip": eui64(space.cidr, row.mac),
                    "port_id": row.id,
                    "position": allocation.ADDRESSES_PER_PORT_MAX,
                }
                for row in found
            ],
        )
        units.touch(tx, Kind.PORT, [row.id for row in found])


def _refuse_gateway_in_use(tx: Tx, subnet: Subnet) -> None:
    holder = select(ports.c.id).join(port_addresses, port_addresses.c.port_id == ports.c.id)
    holder = holder.where(port_addresses.c.subnet_id == subnet.id, port_addresses.c.ip == subnet.gateway)
    port_id = tx.value(holder.where(ports.c.device_owner.like("network:router_%")).limit(1))
    if port_id is not None:
        raise GatewayIpInUse(
            f"Current gateway ip {subnet.gateway} already in use by port {port_id}. Unable to update."
        )


def _follow_dhcp(tx: Tx, caller: Caller, before: Subnet, changes: SubnetChanges) -> None:
    if changes.enable_dhcp is UNSET or changes.enable_dhcp == before.enable_dhcp:
        return
    holders = select(port_addresses.c.port_id).where(port_addresses.c.subnet_id == before.id)
    units.touch_ports(tx, ports.c.id.in_(holders))
    if not changes.enable_dhcp:
        metadata_ports.remove_subnet(tx, caller, before.network_id, before.id)
        return
    network = networks.hold(tx, caller, before.network_id)
    for space in allocation.spaces(tx, before.network_id):
        if space.subnet_id == before.id:
            metadata_ports.add_subnet(tx, caller, network, space)


def _cidr(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise InvalidInput(f"'{value}' is not a valid CIDR.", field="cidr") from None


def _subnet(row: Row[Any]) -> Subnet:
    return objects.built(
        Subnet,
        row,
        cidr=str(row.cidr),
        gateway=row.gateway_text,
        host_routes=tuple(HostRoute(*route) for route in row.host_routes),
        pools=tuple(Pool(*pair) for pair in row.pools),
    )
