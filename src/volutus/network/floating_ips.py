"""Floating IPs: addresses of an external network that stand for a port's address behind a router."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import Row, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from volutus import audit, metering, quota
from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import (
    allocation,
    dns_names,
    networks,
    objects,
    ports,
    qos_policies,
    router_gateways,
    units,
)
from volutus.network.allocation import FixedIp, FixedIpRequest, Space
from volutus.network.changes import check_revision
from volutus.network.errors import (
    ExternalGatewayForFloatingIPNotFound,
    FipInUseByPortForwarding,
    FloatingIPNotFound,
    FloatingIPPortAlreadyAssociated,
    InvalidInput,
    IpAddressGenerationFailure,
    PortNotFound,
)
from volutus.network.listing import (
    Query,
    address,
    common_filters,
    equals,
    optional,
    selected,
    sortable,
    visible,
)
from volutus.network.networks import Network
from volutus.network.ovn.model import Kind
from volutus.network.ports import FLOATING_IP, LOAD_BALANCER, STATUS, Port, PortOrder
from volutus.network.public_addresses import METER
from volutus.network.tables import floating_ips, network_units, port_addresses, port_forwardings
from volutus.network.tables import ports as port_rows


@dataclass(frozen=True)
class PortDetails:
    """What a client shows of the port that a floating IP stands for."""

    name: str
    network_id: str
    mac: str
    enabled: bool
    status: str
    device_id: str
    device_owner: str


@dataclass(frozen=True)
class FloatingIp:
    id: str
    project_id: str
    description: str
    tags: tuple[str, ...]
    revision: int
    created_at: datetime
    updated_at: datetime
    network_id: str
    address: str
    port_id: str | None
    fixed_address: str | None
    router_id: str | None
    qos_policy_id: str | None
    dns_name: str
    dns_domain: str
    port_details: PortDetails | None


@dataclass(frozen=True)
class FloatingIpOrder:
    """`address` and `subnet_id` say which address; `port_id` what it stands for from the start."""

    project_id: str
    network_id: str
    subnet_id: str | None = None
    address: str | None = None
    port_id: str | None = None
    fixed_address: str | None = None
    description: str = ""
    qos_policy_id: str | None = None
    dns_name: str = ""
    dns_domain: str = ""


@dataclass(frozen=True)
class FloatingIpChanges:
    """`port_id` None parts it from its port."""

    port_id: str | UnsetType | None = UNSET
    fixed_address: str | None = None
    description: str | UnsetType = UNSET
    qos_policy_id: str | UnsetType | None = UNSET


_UNIT = (network_units.c.kind == Kind.PORT.value) & (network_units.c.id == port_rows.c.id)
_SELECT = (
    select(
        floating_ips,
        func.host(port_addresses.c.ip).label("address"),
        func.host(floating_ips.c.fixed_ip).label("fixed_address"),
        port_rows.c.name.label("port_name"),
        port_rows.c.network_id.label("port_network_id"),
        port_rows.c.mac.label("port_mac"),
        port_rows.c.enabled.label("port_enabled"),
        STATUS.label("port_status"),
        port_rows.c.device_id.label("port_device_id"),
        port_rows.c.device_owner.label("port_device_owner"),
    )
    .join(port_addresses, port_addresses.c.port_id == floating_ips.c.own_port_id)
    .outerjoin(port_rows, port_rows.c.id == floating_ips.c.port_id)
    .outerjoin(network_units, _UNIT)
)
_FILTERS = common_filters(floating_ips) | {
    "network_id": equals(floating_ips.c.network_id),
    "address": address(port_addresses.c.ip),
    "fixed_address": address(floating_ips.c.fixed_ip),
    "port_id": optional(floating_ips.c.port_id),
    "router_id": optional(floating_ips.c.router_id),
    "qos_policy_id": optional(floating_ips.c.qos_policy_id),
    "status": lambda values: (
        func.coalesce(floating_ips.c.port_id, "").in_([""])
        if values == ["DOWN"]
        else floating_ips.c.port_id.isnot(None)
    ),
}
_SORTABLE = sortable(floating_ips) | {"address": port_addresses.c.ip}
# The router that has the port's subnet inside and the floating IP's network outside.
_ROUTER = text(
    """
    SELECT r.id FROM routers r JOIN router_interfaces i ON i.router_id = r.id
    JOIN port_addresses a ON a.port_id = i.port_id
    WHERE a.subnet_id = :subnet_id AND (r.gateway_network_id = :network_id OR EXISTS (
        SELECT 1 FROM further_gateways g WHERE g.router_id = r.id AND g.network_id = :network_id))
    ORDER BY r.created_at, r.id LIMIT 1 FOR KEY SHARE OF r
    """
)


def create(tx: Tx, caller: Caller, order: FloatingIpOrder) -> FloatingIp:
    """A floating IP of the project's. Raises IpAddressGenerationFailure, IpAddressAlreadyAllocated,
    QuotaExceeded, and what associating raises."""
    network = networks.hold(tx, caller, order.network_id)
    if not network.external:
        raise InvalidInput(
            f"Bad floatingip request: Network {network.id} is not a valid external network.",
            field="floating_network_id",
        )
    qos_policies.hold(tx, caller, order.qos_policy_id)
    dns_names.check(order.dns_name, order.dns_domain)
    floating_id = tx.ids.uuid()
    own = _make_port(tx, caller, network, order, floating_id)
    tx.execute(
        insert(floating_ips).values(
            id=floating_id,
            project_id=order.project_id,
            description=order.description,
            created_at=tx.now,
            updated_at=tx.now,
            network_id=network.id,
            own_port_id=own.id,
            qos_policy_id=order.qos_policy_id,
            dns_name=order.dns_name,
            dns_domain=order.dns_domain,
        )
    )
    if order.port_id is not None:
        _associate(tx, caller, floating_id, network.id, order.port_id, order.fixed_address)
    quota.charge(tx, order.project_id, {"floatingip": 1})
    metering.have_one(tx, order.project_id, "floatingip", floating_id, METER)
    audit.record(
        tx, caller, "create", "network.floatingip", floating_id, {"address": own.fixed_ips[0].address}
    )
    return get(tx, caller, floating_id)


def get(tx: Tx, caller: Caller, floating_id: str, *, lock: bool = False) -> FloatingIp:
    """A floating IP of the caller's."""
    statement = _SELECT.where(floating_ips.c.id == floating_id, *visible(floating_ips, caller))
    row = tx.row(statement.with_for_update(of=floating_ips) if lock else statement)
    if row is None:
        raise FloatingIPNotFound(f"Floating IP {floating_id} could not be found")
    return _floating_ip(row)


def list_(tx: Tx, caller: Caller, query: Query) -> list[FloatingIp]:
    """The caller's floating IPs: one statement however many there are."""
    statement = selected(tx, _SELECT.where(*visible(floating_ips, caller)), query, _FILTERS, _SORTABLE)
    return [_floating_ip(row) for row in tx.rows(statement)]


def change(
    tx: Tx, caller: Caller, floating_id: str, changes: FloatingIpChanges, if_revision: int | None = None
) -> FloatingIp:
    """Let it stand for another port, or for none."""
    before = get(tx, caller, floating_id, lock=True)
    check_revision(before.revision, if_revision)
    if changes.port_id is not UNSET:
        if changes.port_id is not None:
            _refuse_if_forwarding(tx, floating_id)
        _part(tx, before)
        if changes.port_id is not None:
            _associate(tx, caller, floating_id, before.network_id, changes.port_id, changes.fixed_address)
    qos_policies.hold(tx, caller, changes.qos_policy_id)
    given = {"description": changes.description, "qos_policy_id": changes.qos_policy_id}
    values = {name: value for name, value in given.items() if value is not UNSET}
    if before.router_id is not None and changes.qos_policy_id is not UNSET:
        units.touch(tx, Kind.ROUTER, [before.router_id])
    tx.execute(
        update(floating_ips)
        .where(floating_ips.c.id == floating_id)
        .values(**values, revision=floating_ips.c.revision + 1, updated_at=tx.now)
    )
    audit.record(tx, caller, "update", "network.floatingip", floating_id)
    return get(tx, caller, floating_id)


def remove(tx: Tx, caller: Caller, floating_id: str, if_revision: int | None = None) -> None:
    """Give the address back to the cloud."""
    floating = get(tx, caller, floating_id, lock=True)
    check_revision(floating.revision, if_revision)
    _refuse_if_forwarding(tx, floating_id)
    gone = tx.value(
        delete(floating_ips).where(floating_ips.c.id == floating_id).returning(floating_ips.c.own_port_id)
    )
    ports.erase(tx, caller, ports.fetch(tx, [gone]))
    quota.release(tx, floating.project_id, {"floatingip": 1})
    metering.close_usage(tx, "floatingip", [floating_id])
    audit.record(tx, caller, "delete", "network.floatingip", floating_id)
    if floating.router_id is not None:
        _touch(tx, floating.router_id, floating.port_id)


def _make_port(tx: Tx, caller: Caller, network: Network, order: FloatingIpOrder, floating_id: str) -> Port:
    spaces = [space for space in allocation.spaces(tx, network.id) if space.cidr.version == 4]
    requests = _requests(order, spaces)
    for request in requests:
        wanted = PortOrder(
            network_id=network.id,
            project_id="",
            fixed_ips=(request,),
            device_id=floating_id,
            device_owner=FLOATING_IP,
            port_security=False,
        )
        try:
            with tx.savepoint():
                return ports.create_on(tx, caller, network, wanted)
        except IpAddressGenerationFailure:
            if request is requests[-1]:
                raise
    raise IpAddressGenerationFailure(f"No more IP addresses available on network {network.id}.")


def _requests(order: FloatingIpOrder, spaces: Sequence[Space]) -> list[FixedIpRequest]:
    if order.address is not None or order.subnet_id is not None:
        return [FixedIpRequest(order.subnet_id, order.address)]
    return [FixedIpRequest(subnet_id=space.subnet_id) for space in spaces]


def _associate(
    tx: Tx, caller: Caller, floating_id: str, network_id: str, port_id: str, fixed_address: str | None
) -> None:
    # The port is locked, so of two floating IPs for one address the second finds the first.
    port = ports.get(tx, caller, port_id, lock=True)
    if not caller.sees(port.project_id):
        raise PortNotFound(f"Port {port_id} could not be found.")
    fixed = inside(port, fixed_address)
    router_id = router_between(tx, port, fixed, network_id)
    if port.device_owner == LOAD_BALANCER:
        router_gateways.refuse_several(tx, router_id)
    other = select(floating_ips.c.id).where(
        floating_ips.c.port_id == port_id,
        floating_ips.c.fixed_ip == fixed.address,
        floating_ips.c.id != floating_id,
    )
    if tx.value(other) is not None:
        raise FloatingIPPortAlreadyAssociated(
            f"Cannot associate floating IP {floating_id} with port {port_id} using fixed IP "
            f"{fixed.address}, as that fixed IP already has a floating IP on external network {network_id}."
        )
    tx.execute(
        update(floating_ips)
        .where(floating_ips.c.id == floating_id)
        .values(port_id=port_id, fixed_ip=fixed.address, router_id=router_id)
    )
    _touch(tx, router_id, port_id)


def router_between(tx: Tx, port: Port, fixed: FixedIp, network_id: str) -> str:
    """The router that has the port's subnet inside and this network outside, held against deletion. Raises
    ExternalGatewayForFloatingIPNotFound."""
    router_id = tx.value(_ROUTER, {"subnet_id": fixed.subnet_id, "network_id": network_id})
    if router_id is None:
        raise ExternalGatewayForFloatingIPNotFound(
            f"External network {network_id} is not reachable from subnet {fixed.subnet_id}.  "
            f"Therefore, cannot associate Port {port.id} with a Floating IP."
        )
    return str(router_id)


def inside(port: Port, fixed_address: str | None) -> FixedIp:
    """The port's address that an address outside stands for: the one asked for, or the one there is."""
    fitting = [fixed for fixed in port.fixed_ips if ":" not in fixed.address]
    if fixed_address is not None:
        fitting = [fixed for fixed in fitting if fixed.address == fixed_address]
        if not fitting:
            raise _bad(f"Port {port.id} does not have fixed ip {fixed_address}", "fixed_ip_address")
    if not fitting:
        raise _bad(f"Cannot add floating IP to port {port.id} that has no fixed IPv4 addresses", "port_id")
    if len(fitting) > 1:
        raise _bad(
            f"Port {port.id} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when "
            "assigning a floating IP",
            "fixed_ip_address",
        )
    return fitting[0]


def _refuse_if_forwarding(tx: Tx, floating_id: str) -> None:
    forwarded = select(port_forwardings.c.id).where(port_forwardings.c.floating_ip_id == floating_id)
    if tx.value(forwarded.limit(1)) is not None:
        raise FipInUseByPortForwarding(f"Floating IP {floating_id} has port forwardings.")


def _part(tx: Tx, floating: FloatingIp) -> None:
    if floating.router_id is not None and floating.port_id is not None:
        tx.execute(
            update(floating_ips)
            .where(floating_ips.c.id == floating.id)
            .values(port_id=None, fixed_ip=None, router_id=None)
        )
        _touch(tx, floating.router_id, floating.port_id)


def _touch(tx: Tx, router_id: str, port_id: str | None) -> None:
    """Have the router translate anew; whoever has the port is told what it is called outside."""
    units.touch(tx, Kind.ROUTER, [router_id])
    if port_id is not None:
        units.touch(tx, Kind.PORT, [port_id])
        units.touch_balancers_at(tx, [port_id])


def _bad(message: str, field: str) -> InvalidInput:
    return InvalidInput(f"Bad floatingip request: {message}.", field=field)


def _floating_ip(row: Row[Any]) -> FloatingIp:
    details = None
    if row.port_id is not None:
        details = PortDetails(
            name=row.port_name,
            network_id=row.port_network_id,
            mac=row.port_mac,
            enabled=row.port_enabled,
            status=row.port_status,
            device_id=row.port_device_id,
            device_owner=row.port_device_owner,
        )
    return objects.built(FloatingIp, row, port_details=details)
