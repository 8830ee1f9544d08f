"""Routers: what joins a project's networks, and leads out through an external one."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import Row, delete, select, text, type_coerce, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from volutus import audit, metering, quota
from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import flavors, objects, router_gateways, units
from volutus.network.allocation import FixedIp
from volutus.network.changes import check_revision
from volutus.network.errors import (
    InvalidInput,
    InvalidRoutes,
    RouterInUse,
    RouterNotFound,
    RoutesExhausted,
)
from volutus.network.listing import Query, boolean, common_filters, optional, selected, sortable, visible
from volutus.network.ovn.model import Kind
from volutus.network.router_gateways import Gateway, GatewayOrder
from volutus.network.subnets import HostRoute
from volutus.network.tables import router_interfaces, routers

# What a router is paid for by, and the kind of thing that it is there.
METER = "router"
# Neutron's bound.
ROUTES_MAX = 30
# Interfaces whose addresses a route's next hop is looked for in.
INTERFACES_MAX = 1000


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
    gateways: tuple[Gateway, ...]
    ecmp: bool
    routes: tuple[HostRoute, ...]
    zone_hints: tuple[str, ...]
    flavor_id: str | None

    @property
    def gateway(self) -> Gateway | None:
        """The first: what clients that know of one alone are shown."""
        return self.gateways[0] if self.gateways else None


@dataclass(frozen=True)
class RouterOrder:
    project_id: str
    name: str = ""
    description: str = ""
    enabled: bool = True
    gateway: GatewayOrder | None = None
    zone_hints: tuple[str, ...] = ()
    flavor_id: str | None = None
    ecmp: bool = False


@dataclass(frozen=True)
class RouterChanges:
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    gateway: GatewayOrder | UnsetType | None = UNSET
    routes: tuple[HostRoute, ...] | UnsetType = UNSET
    ecmp: bool | UnsetType = UNSET


_GATEWAYS = text(
    "(SELECT coalesce(jsonb_agg(jsonb_build_array(p.network_id, p.id, p.qos_policy_id, "
    "(SELECT coalesce(jsonb_agg(jsonb_build_array(a.subnet_id, host(a.ip)) ORDER BY a.position), '[]') "
    "FROM port_addresses a WHERE a.port_id = p.id)) "
    "ORDER BY p.id <> routers.gateway_port_id, p.created_at, p.id), '[]') FROM ports p "
    "WHERE p.id = routers.gateway_port_id "
    "OR p.id IN (SELECT g.port_id FROM further_gateways g WHERE g.router_id = routers.id))"
)
_SELECT = select(routers, type_coerce(_GATEWAYS, JSONB).label("gateways"))
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
                        UNION SELECT gateway_port_id FROM routers WHERE id = :router_id
                        UNION SELECT port_id FROM further_gateways WHERE router_id = :router_id) LIMIT :limit
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
            ecmp=order.ecmp,
            created_at=tx.now,
            updated_at=tx.now,
        )
    )
    if order.gateway is not None:
        router_gateways.become(tx, caller, router_id, (), [order.gateway])
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
    """Change what is given; `gateway` is the first. None takes all away, unless a floating IP needs one."""
    before = get(tx, caller, router_id, lock=True)
    check_revision(before.revision, if_revision)
    if changes.gateway is not UNSET:
        further = before.gateways[1:] if changes.gateway is not None else ()
        orders = [changes.gateway] if changes.gateway is not None else []
        _become(tx, caller, before, [*orders, *router_gateways.unchanged(further)])
    values: dict[str, Any] = {
        name: value
        for name in ("name", "description", "enabled", "ecmp")
        if (value := getattr(changes, name)) is not UNSET
    }
    if changes.routes is not UNSET:
        _check_routes(tx, router_id, changes.routes)
        values["routes"] = [[route.destination, route.next_hop] for route in changes.routes]
    _store(tx, caller, router_id, values)
    return get(tx, caller, router_id)


def add_gateways(tx: Tx, caller: Caller, router_id: str, more: Sequence[GatewayOrder]) -> Router:
    """Gateways beside those that are there. Raises UnableToAddExtraGateways."""
    before = get(tx, caller, router_id, lock=True)
    _become(tx, caller, before, [*router_gateways.unchanged(before.gateways), *more])
    return _gateways_changed(tx, caller, router_id)


def change_gateways(tx: Tx, caller: Caller, router_id: str, orders: Sequence[GatewayOrder]) -> Router:
    """These and no others; what is there and fits stays as it is."""
    _become(tx, caller, get(tx, caller, router_id, lock=True), orders)
    return _gateways_changed(tx, caller, router_id)


def remove_gateways(tx: Tx, caller: Caller, router_id: str, gone: Sequence[GatewayOrder]) -> Router:
    """Take gateways away; when the first goes another takes its place. Raises UnableToMatchGateways."""
    before = get(tx, caller, router_id, lock=True)
    left = router_gateways.without(router_id, before.gateways, gone)
    _become(tx, caller, before, router_gateways.unchanged(left))
    return _gateways_changed(tx, caller, router_id)


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
        raise RouterInUse(f"Router {router_id} still has ports: remove its subnets from it first.")
    _become(tx, caller, router, ())
    tx.execute(delete(routers).where(routers.c.id == router_id))
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


def _become(tx: Tx, caller: Caller, router: Router, orders: Sequence[GatewayOrder]) -> None:
    router_gateways.refuse_if_floating(tx, router.id, [order.network_id for order in orders])
    router_gateways.become(tx, caller, router.id, router.gateways, orders)


def _gateways_changed(tx: Tx, caller: Caller, router_id: str) -> Router:
    audit.record(tx, caller, "update", "network.router", router_id, {"fields": ["gateways"]})
    touch(tx, router_id)
    return get(tx, caller, router_id)


def _store(tx: Tx, caller: Caller, router_id: str, values: dict[str, Any]) -> None:
    if values:
        tx.execute(update(routers).where(routers.c.id == router_id).values(**values))
    audit.record(tx, caller, "update", "network.router", router_id, {"fields": sorted(values)})
    touch(tx, router_id)


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
    gateways = tuple(
        Gateway(network_id, port_id, row.enable_snat, tuple(FixedIp(*pair) for pair in ips), policy_id)
        for network_id, port_id, policy_id, ips in row.gateways
    )
    routes = tuple(HostRoute(*route) for route in row.routes)
    return objects.built(Router, row, gateways=gateways, routes=routes)
