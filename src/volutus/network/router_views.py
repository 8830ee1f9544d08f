"""Routers as OVN's compiler wants them: ports, gateway, floating IPs, routes, hosts for the gateway."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, text

from volutus import placement
from volutus.db import Page, Tx
from volutus.network.loadbalancer.placing import listeners_on
from volutus.network.ovn.model import (
    AddressMode,
    AdvertisementView,
    FloatingIpView,
    GatewayView,
    HostRoute,
    Kind,
    RouterPortView,
    RouterView,
    View,
)
from volutus.network.vpn.reconciler import routes_of

ROWS_MAX = 1_000_000

_ROUTERS = text(
    "SELECT id, enabled, gateway_port_id, enable_snat, routes FROM routers "
    "WHERE id = ANY(CAST(:ids AS text[])) LIMIT :limit"
)
# Interfaces and gateways alike: one row per address, told apart by whether it is the router's gateway.
_ADDRESSES = text(
    """
    WITH held AS (
        SELECT router_id, port_id FROM router_interfaces WHERE router_id = ANY(CAST(:ids AS text[]))
        UNION ALL
        SELECT id, gateway_port_id FROM routers
        WHERE id = ANY(CAST(:ids AS text[])) AND gateway_port_id IS NOT NULL
    )
    SELECT held.router_id, p.id AS port_id, p.mac, n.mtu, host(a.ip) || '/' || masklen(s.cidr) AS network,
        family(s.cidr) AS version, host(s.gateway) AS gateway, s.ra_mode, s.dns_servers
    FROM held JOIN ports p ON p.id = held.port_id JOIN networks n ON n.id = p.network_id
    JOIN port_addresses a ON a.port_id = p.id JOIN subnets s ON s.id = a.subnet_id
    ORDER BY p.created_at, p.id, a.position, a.ip LIMIT :limit
    """
)
_FLOATING = text(
    """
    SELECT f.id, f.router_id, host(a.ip) AS address, p.mac, host(f.fixed_ip) AS fixed_address, f.port_id,
        o.device_owner = 'Octavia' AS central
    FROM floating_ips f JOIN ports p ON p.id = f.own_port_id JOIN port_addresses a ON a.port_id = p.id
    JOIN ports o ON o.id = f.port_id
    WHERE f.router_id = ANY(CAST(:ids AS text[])) ORDER BY f.id LIMIT :limit
    """
)


def router_views(tx: Tx, ids: list[str]) -> Sequence[View]:
    """The views of those of these routers that exist."""
    parameters = {"ids": ids, "limit": ROWS_MAX}
    routers = tx.rows(_ROUTERS, parameters)
    if not routers:
        return []
    ports: dict[str, dict[str, list[Row[Any]]]] = {}
    for row in tx.rows(_ADDRESSES, parameters):
        ports.setdefault(row.router_id, {}).setdefault(row.port_id, []).append(row)
    floating: dict[str, list[FloatingIpView]] = {}
    for row in tx.rows(_FLOATING, parameters):
        floating.setdefault(row.router_id, []).append(
            FloatingIpView(row.id, row.address, row.mac, row.fixed_address, row.port_id, row.central)
        )
    hosts = _gateway_hosts(tx)
    listeners = listeners_on(tx, Kind.ROUTER, ids)
    views = [_view(row, ports.get(row.id, {}), tuple(floating.get(row.id, ())), hosts) for row in routers]
    vpn = routes_of(tx, ids)
    return [
        replace(view, listener_ids=listeners.get(view.id, ()), routes=view.routes + vpn.get(view.id, ()))
        for view in views
    ]


def _view(
    row: Row[Any],
    ports: dict[str, list[Row[Any]]],
    floating: tuple[FloatingIpView, ...],
    hosts: tuple[str, ...],
) -> RouterView:
    outside = ports.get(row.gateway_port_id, [])
    gateway = None
    if outside:
        hops = tuple(dict.fromkeys(one.gateway for one in outside if one.gateway))
        gateway = GatewayView(_port(outside, advertises=False), hops, row.enable_snat)
    return RouterView(
        id=row.id,
        enabled=row.enabled,
        ports=tuple(_port(rows) for port_id, rows in ports.items() if port_id != row.gateway_port_id),
        gateway=gateway,
        gateway_host_ids=hosts if gateway else (),
        floating_ips=floating,
        routes=tuple(HostRoute(*route) for route in row.routes),
    )


def _port(rows: Sequence[Row[Any]], *, advertises: bool = True) -> RouterPortView:
    first = rows[0]
    return RouterPortView(
        port_id=first.port_id,
        mac=first.mac,
        networks=tuple(row.network for row in rows),
        mtu=first.mtu,
        advertisement=_advertisement(rows) if advertises else None,
    )


def _advertisement(rows: Sequence[Row[Any]]) -> AdvertisementView | None:
    """OVN advertises all prefixes of a port in one mode: that of the first subnet that has one."""
    for row in rows:
        if row.version == 6 and row.ra_mode:
            servers = [server for server in row.dns_servers if ":" in server]
            return AdvertisementView(AddressMode(row.ra_mode), servers[0] if servers else None)
    return None


def _gateway_hosts(tx: Tx) -> tuple[str, ...]:
    """Every host that has told its chassis: a silent one stays, OVN notices its absence by itself."""
    return tuple(host.facts.chassis for host in placement.hosts.list_(tx, Page()) if host.facts)
