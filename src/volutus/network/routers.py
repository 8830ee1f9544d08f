"""Routers: what joins a project's networks, and leads out through an external one."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import Row, Text, delete, select, text, type_coerce, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from volutus import audit, metering, quota
from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import flavors, networks, objects, ports, qos_policies, units
from volutus.network.allocation import FixedIp, FixedIpRequest
from volutus.network.changes import check_revision
from volutus.network.errors import (
    InvalidInput,
    InvalidRoutes,
    RouterExternalGatewayInUseByFloatingIp,
    RouterInUse,
    RouterNotFound,
    RoutesExhausted,
)
from volutus.network.listing import Query, boolean, common_filters, optional, selected, sortable, visible
from volutus.network.ovn.model import Kind
from volutus.network.ports import ROUTER_GATEWAY, PortOrder
from volutus.network.subnets import HostRoute
from volutus.network.tables import floating_ips, router_interfaces, routers
from volutus.network.tables import ports as port_rows

# What a router is paid for by, and the kind of thing that it is there.
METER = "router"
# Neutron's bound.
ROUTES_MAX = 30
# Interfaces whose addresses a route's next hop is looked for in.
INTERFACES_MAX = 1000


@dataclass(frozen=True)
class Gateway:
    """The router's way out: the port it has on the external network."""

    network_id: str
    port_id: str
    enable_snat: bool
    fixed_ips: tuple[FixedIp, ...]
    qos_policy_id: str | None


@dataclass(frozen=True)
class Router:
    id: str
    project_id: str
    name: str
    description: str
    tags: tuple[str, ...]
    revision: int
    created_at: datetime
    updated_at: datetime
    enabled: bool
    gateway: Gateway | None
    routes: tuple[HostRoute, ...]
    zone_hints: tuple[str, ...]
    flavor_id: str | None


@dataclass(frozen=True)
class GatewayOrder:
    """None of `enable_snat` and `fixed_ips` leaves what is, or the cloud's choice."""

    network_id: str
    enable_snat: bool | None = None
    fixed_ips: tuple[FixedIpRequest, ...] | None = None
    qos_policy_id: str | UnsetType | None = UNSET


@dataclass(frozen=True)
class RouterOrder:
    project_id: str
    name: str = ""
    description: str = ""
    enabled: bool = True
    gateway: GatewayOrder | None = None
    zone_hints: tuple[str, ...] = ()
    flavor_id: str | None = None


@dataclass(frozen=True)
class RouterChanges:
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    gateway: GatewayOrder | UnsetType | None = UNSET
    routes: tuple[HostRoute, ...] | UnsetType = UNSET


_GATEWAY_IPS = text(
    "(SELECT coalesce(jsonb_agg(jsonb_build_array(a.subnet_id, host(a.ip)) ORDER BY a.position), '[]') "
    "FROM port_addresses a WHERE a.port_id = routers.gateway_port_id)"
)
_GATEWAY_QOS = text("(SELECT p.qos_policy_id FROM ports p WHERE p.id = routers.gateway_port_id)")
_SELECT = select(
    routers,
    type_coerce(_GATEWAY_IPS, JSONB).label("gateway_ips"),
    type_coerce(_GATEWAY_QOS, Text).label("gateway_qos"),
)
_FILTERS = common_filters(routers) | {
    "enabled": boolean(routers.c.enabled),
    "status": lambda values: routers.c.id.isnot(None) if "ACTIVE" in values else routers.c.id.is_(None),
    "gateway_network_id": optional(routers.c.gateway_network_id),
}
_SORTABLE = sortable(routers)
_CIDRS = text(
    """
    SELECT DISTINCT s.cidr, host(a.ip) AS ip FROM port_addresses a JOIN subnets s ON s.id = a.subnet_id
    WHERE a.port_id IN (SELECT port_id FROM router_interfaces WHERE router_id = :router_id
                        UNION SELECT gateway_port_id FROM routers WHERE id = :router_id) LIMIT :limit
    """
)


def create(tx: Tx, caller: Caller, order: RouterOrder) -> Router:
    """A new router, with its gateway if one is ordered."""
    if order.flavor_id is not None and not flavors.get(tx, caller, order.flavor_id).enabled:
        raise InvalidInput(f"Flavor {order.flavor_id} is not enabled.", field="flavor_id")
    quota.charge(tx, order.project_id, {"router": 1})
    router_id = tx.ids.uuid()
    tx.execute(
        insert(routers).values(
            id=router_id,
            project_id=order.project_id,
            name=order.name,
            description=order.description,
            enabled=order.enabled,
            zone_hints=list(order.zone_hints),
            flavor_id=order.flavor_id,
            created_at=tx.now,
            updated_at=tx.now,
        )
    )
    if order.gateway is not None:
        _make_gateway(tx, caller, router_id, order.gateway)
    metering.have_one(tx, order.project_id, METER, router_id, METER)
    audit.record(tx, caller, "create", "network.router", router_id, {"name": order.name})
    units.touch(tx, Kind.ROUTER, [router_id])
    return get(tx, caller, router_id)


def get(tx: Tx, caller: Caller, router_id: str, *, lock: bool = False) -> Router:
    """A router of the caller's."""
    statement = _SELECT.where(routers.c.id == router_id, *visible(routers, caller))
    # Everything that changes a router or its interfaces takes its turn here.
    row = tx.row(statement.with_for_update(of=routers) if lock else statement)
    if row is None:
        raise RouterNotFound(f"Router {router_id} could not be found")
    return _router(row)


def list_(tx: Tx, caller: Caller, query: Query) -> list[Router]:
    """The caller's routers: one statement however many there are."""
    statement = selected(tx, _SELECT.where(*visible(routers, caller)), query, _FILTERS, _SORTABLE)
    return [_router(row) for row in tx.rows(statement)]


def change(
    tx: Tx, caller: Caller, router_id: str, changes: RouterChanges, if_revision: int | None = None
) -> Router:
    """Change what is given; `gateway` None takes the gateway away, unless a floating IP needs it."""
    before = get(tx, caller, router_id, lock=True)
    check_revision(before.revision, if_revision)
    if changes.gateway is not UNSET:
        _change_gateway(tx, caller, before, changes.gateway)
    values: dict[str, Any] = {
        name: value
        for name in ("name", "description", "enabled")
        if (value := getattr(changes, name)) is not UNSET
    }
    if changes.routes is not UNSET:
        _check_routes(tx, router_id, changes.routes)
        values["routes"] = [[route.destination, route.next_hop] for route in changes.routes]
    _store(tx, caller, router_id, values)
    return get(tx, caller, router_id)


def add_routes(tx: Tx, caller: Caller, router_id: str, more: Sequence[HostRoute]) -> Router:
    """Add routes to those that are there; one that is there stays once."""
    before = get(tx, caller, router_id, lock=True)
    routes = before.routes + tuple(route for route in more if route not in before.routes)
    return change(tx, caller, router_id, RouterChanges(routes=routes))


def remove_routes(tx: Tx, caller: Caller, router_id: str, gone: Sequence[HostRoute]) -> Router:
    """Take routes away; one that is not there is no error."""
    before = get(tx, caller, router_id, lock=True)
    routes = tuple(route for route in before.routes if route not in gone)
    return change(tx, caller, router_id, RouterChanges(routes=routes))


def remove(tx: Tx, caller: Caller, router_id: str, if_revision: int | None = None) -> None:
    """Delete a router with its gateway. Raises RouterInUse while it has interfaces."""
    router = get(tx, caller, router_id, lock=True)
    check_revision(router.revision, if_revision)
    interface = select(router_interfaces.c.port_id).where(router_interfaces.c.router_id == router_id)
    if tx.value(interface.limit(1)) is not None:
        raise RouterInUse(f"Router {router_id} still has ports")
    _refuse_if_floating(tx, router)
    tx.execute(delete(routers).where(routers.c.id == router_id))
    if router.gateway is not None:
        ports.erase(tx, caller, ports.fetch(tx, [router.gateway.port_id]))
    quota.release(tx, router.project_id, {"router": 1})
    metering.close_usage(tx, METER, [router_id])
    audit.record(tx, caller, "delete", "network.router", router_id)
    units.bury(tx, Kind.ROUTER, [router_id])


def touch(tx: Tx, router_id: str) -> None:
    """Its interfaces changed: that counts as a change of the router."""
    tx.execute(
        update(routers)
        .where(routers.c.id == router_id)
        .values(revision=routers.c.revision + 1, updated_at=tx.now)
    )
    units.touch(tx, Kind.ROUTER, [router_id])


def _store(tx: Tx, caller: Caller, router_id: str, values: dict[str, Any]) -> None:
    if values:
        tx.execute(update(routers).where(routers.c.id == router_id).values(**values))
    audit.record(tx, caller, "update", "network.router", router_id, {"fields": sorted(values)})
    touch(tx, router_id)


def _make_gateway(tx: Tx, caller: Caller, router_id: str, order: GatewayOrder) -> None:
    network = networks.hold(tx, caller, order.network_id)
    if not network.external:
        raise InvalidInput(
            f"Bad router request: Network {network.id} is not an external network.",
            field="external_gateway_info",
        )
    wanted = PortOrder(
        network_id=network.id,
        project_id="",
        fixed_ips=order.fixed_ips or None,
        device_id=router_id,
        device_owner=ROUTER_GATEWAY,
        port_security=False,
        qos_policy_id=order.qos_policy_id or None,
    )
    port = ports.create_on(tx, caller, network, wanted)
    if not port.fixed_ips:
        raise InvalidInput(
            f"Bad router request: No IPs available for external network {network.id}.",
            field="external_gateway_info",
        )
    tx.execute(
        update(routers)
        .where(routers.c.id == router_id)
        .values(
            gateway_network_id=network.id,
            gateway_port_id=port.id,
            enable_snat=True if order.enable_snat is None else order.enable_snat,
        )
    )


def _change_gateway(tx: Tx, caller: Caller, router: Router, order: GatewayOrder | None) -> None:
    have = router.gateway
    if have is not None and order is not None and order.network_id == have.network_id:
        if order.fixed_ips is None or _same_addresses(have, order.fixed_ips):
            if order.enable_snat is not None:
                tx.execute(
                    update(routers).where(routers.c.id == router.id).values(enable_snat=order.enable_snat)
                )
            if order.qos_policy_id is not UNSET:
                qos_policies.hold(tx, caller, order.qos_policy_id)
                limited = update(port_rows).where(port_rows.c.id == have.port_id)
                tx.execute(limited.values(qos_policy_id=order.qos_policy_id))
            return
        if order.enable_snat is None:
            order = replace(order, enable_snat=have.enable_snat)
        if order.qos_policy_id is UNSET:
            order = replace(order, qos_policy_id=have.qos_policy_id)
    elif have is not None:
        _refuse_if_floating(tx, router)
    if have is not None:
        tx.execute(
            update(routers)
            .where(routers.c.id == router.id)
            .values(gateway_network_id=None, gateway_port_id=None, enable_snat=True)
        )
        ports.erase(tx, caller, ports.fetch(tx, [have.port_id]))
    if order is not None:
        _make_gateway(tx, caller, router.id, order)


def _same_addresses(have: Gateway, asked: Sequence[FixedIpRequest]) -> bool:
    if len(asked) != len(have.fixed_ips):
        return False
    return all(
        any(
            request.subnet_id in (None, fixed.subnet_id) and request.address in (None, fixed.address)
            for fixed in have.fixed_ips
        )
        for request in asked
    )


def _refuse_if_floating(tx: Tx, router: Router) -> None:
    found = select(floating_ips.c.id).where(floating_ips.c.router_id == router.id).limit(1)
    if router.gateway is not None and tx.value(found) is not None:
        raise RouterExternalGatewayInUseByFloatingIp(
            f"Gateway cannot be updated for router {router.id}, since a gateway to external network "
            f"{router.gateway.network_id} is required by one or more floating IPs."
        )


def _check_routes(tx: Tx, router_id: str, routes: Sequence[HostRoute]) -> None:
    if len(routes) > ROUTES_MAX:
        raise RoutesExhausted(
            f"Unable to complete operation for {router_id}. The number of routes exceeds the maximum "
            f"{ROUTES_MAX}.",
            field="routes",
        )
    if len(set(routes)) != len(routes):
        raise InvalidInput("Duplicate items in the list of routes.", field="routes")
    found = tx.rows(_CIDRS, {"router_id": router_id, "limit": INTERFACES_MAX})
    cidrs = {ipaddress.ip_network(str(row.cidr)) for row in found}
    own = {row.ip for row in found}
    for route in routes:
        if not any(ipaddress.ip_address(route.next_hop) in cidr for cidr in cidrs):
            raise _invalid_routes(routes, "the nexthop is not connected with router")
        if route.next_hop in own:
            raise _invalid_routes(routes, "the nexthop is used by router")


def _invalid_routes(routes: Sequence[HostRoute], reason: str) -> InvalidRoutes:
    told = ", ".join(f"{route.destination} via {route.next_hop}" for route in routes)
    return InvalidRoutes(f"Invalid format for routes: {told}, {reason}", field="routes")


def _router(row: Row[Any]) -> Router:
    gateway = None
    if row.gateway_port_id is not None:
        fixed_ips = tuple(FixedIp(*pair) for pair in row.gateway_ips)
        gateway = Gateway(
            row.gateway_network_id, row.gateway_port_id, row.enable_snat, fixed_ips, row.gateway_qos
        )
    routes = tuple(HostRoute(*route) for route in row.routes)
    return objects.built(Router, row, gateway=gateway, routes=routes)
