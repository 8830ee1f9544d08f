"""Interfaces of routers: a router's port on each subnet that it joins."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert

from volutus import audit
from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import allocation, networks, ports, routers, subnets, units
from volutus.network.allocation import FixedIpRequest
from volutus.network.errors import (
    InvalidInput,
    PortInUse,
    RouterInterfaceInUseByFloatingIP,
    RouterInterfaceInUseByRoute,
    RouterInterfaceNotFound,
    RouterInterfaceNotFoundForSubnet,
    SubnetMismatchForPort,
)
from volutus.network.ovn.model import Kind
from volutus.network.ports import ROUTER_INTERFACE, Port, PortOrder
from volutus.network.routers import Router
from volutus.network.subnets import Subnet
from volutus.network.tables import floating_ips, port_forwardings, router_interfaces
from volutus.network.tables import ports as port_rows


@dataclass(frozen=True)
class Interface:
    """`subnet_ids` are those that this call joined or parted."""

    router_id: str
    project_id: str
    port_id: str
    network_id: str
    subnet_ids: tuple[str, ...]


@dataclass(frozen=True)
class Joined:
    """A subnet that the router is on."""

    port_id: str
    network_id: str
    subnet_id: str
    cidr: ipaddress.IPv4Network | ipaddress.IPv6Network


_JOINED = text(
    """
    SELECT i.port_id, s.network_id, s.id AS subnet_id, s.cidr FROM router_interfaces i
    JOIN port_addresses a ON a.port_id = i.port_id JOIN subnets s ON s.id = a.subnet_id
    WHERE i.router_id = :router_id ORDER BY s.created_at LIMIT :limit
    """
)


def add_by_subnet(tx: Tx, caller: Caller, router_id: str, subnet_id: str) -> Interface:
    """Put the router on a subnet, at the subnet's gateway address."""
    router = routers.get(tx, caller, router_id, lock=True)
    subnet = subnets.get(tx, caller, subnet_id)
    if subnet.gateway is None:
        raise _bad("Subnet for router interface must have a gateway IP")
    joined = _joined(tx, router_id)
    _refuse_overlap(router, joined, [subnet])
    network = networks.hold(tx, caller, subnet.network_id)
    port_id = _ipv6_port(joined, subnet)
    request = FixedIpRequest(subnet.id, subnet.gateway)
    if port_id is None:
        order = PortOrder(
            network_id=network.id,
            project_id=router.project_id,
            fixed_ips=(request,),
            device_id=router_id,
            device_owner=ROUTER_INTERFACE,
            port_security=False,
        )
        port_id = ports.create_on(tx, caller, network, order).id
        tx.execute(insert(router_interfaces), {"port_id": port_id, "router_id": router_id})
    else:
        claimant = allocation.Claimant(port_id, network.id, "", ROUTER_INTERFACE)
        allocation.allocate(tx, claimant, [request], allocation.spaces(tx, network.id))
        units.touch(tx, Kind.PORT, [port_id])
    return _noted(tx, caller, "add_interface", Interface(*_of(router), port_id, network.id, (subnet.id,)))


def add_by_port(tx: Tx, caller: Caller, router_id: str, port_id: str) -> Interface:
    """Make a free port of the tenant's the router's. Raises PortInUse."""
    router = routers.get(tx, caller, router_id, lock=True)
    port = ports.get(tx, caller, port_id, lock=True)
    if port.device_id or port.server_id:
        raise PortInUse(
            f"Unable to complete operation on port {port_id} for network {port.network_id}. "
            f"Port already has an attached device {port.device_id}."
        )
    if not port.fixed_ips:
        raise _bad("LAN interface port must have at least one fixed IP")
    on = [subnets.get(tx, caller, subnet_id) for subnet_id in sorted({f.subnet_id for f in port.fixed_ips})]
    if sum(subnet.ip_version == 4 for subnet in on) > 1:
        raise _bad("Cannot have multiple IPv4 subnets on router port")
    _refuse_overlap(router, _joined(tx, router_id), on)
    tx.execute(
        update(port_rows)
        .where(port_rows.c.id == port_id)
        .values(
            device_id=router_id,
            device_owner=ROUTER_INTERFACE,
            revision=port_rows.c.revision + 1,
            updated_at=tx.now,
        )
    )
    tx.execute(insert(router_interfaces), {"port_id": port_id, "router_id": router_id})
    units.touch(tx, Kind.PORT, [port_id])
    interface = Interface(*_of(router), port_id, port.network_id, tuple(subnet.id for subnet in on))
    return _noted(tx, caller, "add_interface", interface)


def remove(
    tx: Tx, caller: Caller, router_id: str, *, subnet_id: str | None = None, port_id: str | None = None
) -> Interface:
    """Take the router off a subnet, or a port from it. Raises while a floating IP or a route needs it."""
    router = routers.get(tx, caller, router_id, lock=True)
    joined = _joined(tx, router_id)
    if port_id is not None:
        found = [one for one in joined if one.port_id == port_id]
        if not found:
            raise RouterInterfaceNotFound(f"Router {router_id} does not have an interface with id {port_id}")
        if subnet_id is not None and subnet_id not in {one.subnet_id for one in found}:
            raise SubnetMismatchForPort(
                f"Subnet on port {port_id} does not match the requested subnet {subnet_id}."
            )
    else:
        found = [one for one in joined if one.subnet_id == subnet_id]
        if not found:
            subnets.get(tx, caller, subnet_id or "")
            raise RouterInterfaceNotFoundForSubnet(
                f"Router {router_id} has no interface on subnet {subnet_id}"
            )
    _refuse_if_needed(tx, router, found)
    port = ports.fetch(tx, [found[0].port_id])[0]
    _part(tx, caller, port, found)
    interface = Interface(*_of(router), port.id, port.network_id, tuple(one.subnet_id for one in found))
    return _noted(tx, caller, "remove_interface", interface)


def _part(tx: Tx, caller: Caller, port: Port, parted: Sequence[Joined]) -> None:
    gone = {one.subnet_id for one in parted}
    if gone.issuperset(fixed.subnet_id for fixed in port.fixed_ips):
        tx.execute(delete(router_interfaces).where(router_interfaces.c.port_id == port.id))
        ports.erase(tx, caller, [port])
        return
    allocation.release(tx, port.id, [f.address for f in port.fixed_ips if f.subnet_id in gone])
    units.touch(tx, Kind.PORT, [port.id])


def _joined(tx: Tx, router_id: str) -> list[Joined]:
    rows = tx.rows(_JOINED, {"router_id": router_id, "limit": routers.INTERFACES_MAX})
    return [
        Joined(row.port_id, row.network_id, row.subnet_id, ipaddress.ip_network(str(row.cidr)))
        for row in rows
    ]


def _refuse_overlap(router: Router, joined: Sequence[Joined], wanted: Sequence[Subnet]) -> None:
    for subnet in wanted:
        cidr = ipaddress.ip_network(subnet.cidr)
        for one in joined:
            if one.subnet_id == subnet.id:
                raise _bad(f"Router already has a port on subnet {subnet.id}")
            if one.cidr.version == cidr.version and one.cidr.overlaps(cidr):
                raise _bad(
                    f"Cidr {subnet.cidr} of subnet {subnet.id} overlaps with cidr {one.cidr} of subnet "
                    f"{one.subnet_id}"
                )
        if any(gateway.network_id == subnet.network_id for gateway in router.gateways):
            raise _bad(f"Network {subnet.network_id} is already the external gateway of the router")


def _ipv6_port(joined: Sequence[Joined], subnet: Subnet) -> str | None:
    """All IPv6 subnets of one network share one port: there is one router to advertise them."""
    if subnet.ip_version == 4:
        return None
    for one in joined:
        if one.network_id == subnet.network_id and one.cidr.version == 6:
            return one.port_id
    return None


def _refuse_if_needed(tx: Tx, router: Router, found: Sequence[Joined]) -> None:
    for one in found:
        if any(ipaddress.ip_address(route.next_hop) in one.cidr for route in router.routes):
            raise RouterInterfaceInUseByRoute(
                f"Router interface for subnet {one.subnet_id} on router {router.id} cannot be deleted, as it "
                "is required by one or more routes."
            )
    fixed_ips = select(floating_ips.c.fixed_ip.label("ip")).where(
        floating_ips.c.router_id == router.id, floating_ips.c.fixed_ip.isnot(None)
    )
    forwarded = (
        select(port_forwardings.c.internal_ip)
        .join(floating_ips, floating_ips.c.id == port_forwardings.c.floating_ip_id)
        .where(floating_ips.c.router_id == router.id)
    )
    both = fixed_ips.union(forwarded).limit(units.TOUCHED_MAX)
    used = [ipaddress.ip_address(str(row.ip)) for row in tx.rows(both)]
    for one in found:
        if any(address in one.cidr for address in used):
            raise RouterInterfaceInUseByFloatingIP(
                f"Router interface for subnet {one.subnet_id} on router {router.id} cannot be deleted, as it "
                "is required by one or more floating IPs."
            )


def _noted(tx: Tx, caller: Caller, action: str, interface: Interface) -> Interface:
    audit.record(
        tx, caller, action, "network.router", interface.router_id, {"subnet_ids": list(interface.subnet_ids)}
    )
    routers.touch(tx, interface.router_id)
    return interface


def _of(router: Router) -> tuple[str, str]:
    return router.id, router.project_id


def _bad(message: str) -> InvalidInput:
    return InvalidInput(f"Bad router request: {message}.")
