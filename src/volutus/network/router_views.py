"""Routers as OVN's compiler wants them: ports, gateway, floating IPs, routes, hosts for the gateway."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Row, text

from volutus import placement
from volutus.db import Page, Tx
from volutus.network import metering_marks, qos_policies, qos_rules
from volutus.network.loadbalancer.placing import listeners_on
from volutus.network.ovn.model import (
    AddressMode,
    AdvertisementView,
    FloatingIpView,
    GatewayView,
    HostRoute,
    Kind,
    MeterView,
    PortForwardingView,
    QosView,
    RouterPortView,
    RouterView,
    ScopedNetwork,
    View,
)
from volutus.network.vpn.reconciler import routes_of

ROWS_MAX = 1_000_000

_ROUTERS = text(
    "SELECT id, project_id, enabled, enable_snat, ecmp, routes FROM routers "
    "WHERE id = ANY(CAST(:ids AS text[])) LIMIT :limit"
)
# Interfaces and gateways alike: one row per address. `place` is 0 of interfaces, 1 of the first gateway.
_ADDRESSES = text(
    """
    WITH held AS (
        SELECT router_id, port_id, 0 AS place FROM router_interfaces
        WHERE router_id = ANY(CAST(:ids AS text[]))
        UNION ALL
        SELECT id, gateway_port_id, 1 FROM routers
        WHERE id = ANY(CAST(:ids AS text[])) AND gateway_port_id IS NOT NULL
        UNION ALL
        SELECT router_id, port_id, 2 FROM further_gateways WHERE router_id = ANY(CAST(:ids AS text[]))
    )
    SELECT held.router_id, held.place, p.qos_policy_id, p.id AS port_id, p.network_id, p.mac, n.mtu,
        host(a.ip) || '/' || masklen(s.cidr) AS network,
        family(s.cidr) AS version, host(s.gateway) AS gateway, s.ra_mode, s.dns_servers, text(s.cidr) AS cidr,
        (SELECT sp.address_scope_id FROM subnet_pools sp WHERE sp.id = s.subnet_pool_id) AS scope_id
    FROM held JOIN ports p ON p.id = held.port_id JOIN networks n ON n.id = p.network_id
    JOIN port_addresses a ON a.port_id = p.id JOIN subnets s ON s.id = a.subnet_id
    ORDER BY held.place, p.created_at, p.id, a.position, a.ip LIMIT :limit
    """
)
_FLOATING = text(
    """
    SELECT f.id, f.router_id, host(a.ip) AS address, p.mac, host(f.fixed_ip) AS fixed_address, f.port_id,
        f.network_id, f.qos_policy_id, coalesce(o.device_owner = 'Octavia', false) AS central
    FROM floating_ips f JOIN ports p ON p.id = f.own_port_id JOIN port_addresses a ON a.port_id = p.id
    LEFT JOIN ports o ON o.id = f.port_id
    WHERE f.router_id = ANY(CAST(:ids AS text[])) ORDER BY f.id LIMIT :limit
    """
)
_FORWARDED = text(
    """
    SELECT w.floating_ip_id, w.protocol, w.external_port, host(w.internal_ip) AS internal_ip, w.internal_port
    FROM port_forwardings w WHERE w.floating_ip_id = ANY(CAST(:ids AS text[])) ORDER BY w.id LIMIT :limit
    """
)


# The cards of servers on networks of the router, each with the addresses that it may send from.
_METERS = text(
    """
    SELECT DISTINCT ON (i.router_id, g.id) i.router_id, g.id AS port_id, g.traffic_mark,
        (SELECT array_agg(x.address ORDER BY x.address) FROM (
            SELECT host(a.ip) AS address FROM port_addresses a WHERE a.port_id = g.id
            UNION SELECT pair ->> 0 FROM jsonb_array_elements(g.address_pairs) AS pair) x) AS addresses
    FROM router_interfaces i JOIN ports r ON r.id = i.port_id JOIN ports g ON g.network_id = r.network_id
    WHERE i.router_id = ANY(CAST(:ids AS text[])) AND g.chassis <> '' AND g.server_id IS NOT NULL
        AND EXISTS (SELECT 1 FROM port_addresses a WHERE a.port_id = g.id)
    ORDER BY i.router_id, g.id LIMIT :limit
    """
)


def router_views(tx: Tx, ids: list[str]) -> Sequence[View]:
    """The views of those of these routers that exist."""
    parameters = {"ids": ids, "limit": ROWS_MAX}
    routers = tx.rows(_ROUTERS, parameters)
    if not routers:
        return []
    ports: dict[str, dict[str, list[Row[Any]]]] = {}
    addresses = tx.rows(_ADDRESSES, parameters)
    for row in addresses:
        ports.setdefault(row.router_id, {}).setdefault(row.port_id, []).append(row)
    rows = tx.rows(_FLOATING, parameters)
    limits = _limits(tx, [*rows, *(one for one in addresses if one.place)])
    floating = _floating(tx, rows, limits)
    hosts = _gateway_hosts(tx)
    nothing = _Floating()
    listeners = listeners_on(tx, Kind.ROUTER, ids)
    vpn = routes_of(tx, ids)
    meters = _meters(tx, ids)
    owners = {row.id: row.project_id for row in routers}
    outside = {row.router_id: owners[row.router_id] for row in addresses if row.place}
    cells = metering_marks.cells_of(tx, outside, meters) if outside else {}
    views = [_view(row, ports.get(row.id, {}), floating.get(row.id, nothing), limits) for row in routers]
    return [
        replace(
            view,
            gateway_host_ids=hosts if view.gateways else (),
            listener_ids=listeners.get(view.id, ()),
            meters=meters.get(view.id, ()),
            cells=cells.get(view.id, ()),
            routes=view.routes + vpn.get(view.id, ()),
        )
        for view in views
    ]


@dataclass
class _Floating:
    """What stands for something behind one router."""

    ips: list[FloatingIpView] = field(default_factory=list)
    forwarded: list[PortForwardingView] = field(default_factory=list)


def _limits(tx: Tx, rows: Sequence[Row[Any]]) -> dict[str, QosView]:
    wanted = sorted({row.qos_policy_id for row in rows if row.qos_policy_id})
    return {policy: qos_rules.view(rules) for policy, rules in qos_policies.rules_of(tx, wanted).items()}


def _floating(tx: Tx, rows: Sequence[Row[Any]], limits: Mapping[str, QosView]) -> dict[str, _Floating]:
    alone = {row.id: row for row in rows if row.port_id is None}
    found: dict[str, _Floating] = {}
    for row in rows:
        if row.port_id is not None:
            ends = row.address, row.mac, row.fixed_address, row.port_id, row.network_id
            ip = FloatingIpView(row.id, *ends, limits.get(row.qos_policy_id), row.central)
            found.setdefault(row.router_id, _Floating()).ips.append(ip)
    for one in tx.rows(_FORWARDED, {"ids": list(alone), "limit": ROWS_MAX}) if alone else ():
        row = alone[one.floating_ip_id]
        forwarding = PortForwardingView(
            one.protocol, row.address, one.external_port, one.internal_ip, one.internal_port
        )
        found.setdefault(row.router_id, _Floating()).forwarded.append(forwarding)
    return found


def _view(
    row: Row[Any],
    ports: dict[str, list[Row[Any]]],
    floating: _Floating,
    limits: Mapping[str, QosView],
) -> RouterView:
    inside = [rows for rows in ports.values() if not rows[0].place]
    outside = [rows for rows in ports.values() if rows[0].place]
    return RouterView(
        id=row.id,
        enabled=row.enabled,
        ports=tuple(_port(rows) for rows in inside),
        gateways=tuple(_gateway(rows, limits, snat=row.enable_snat) for rows in outside),
        ecmp=row.ecmp,
        floating_ips=tuple(floating.ips),
        port_forwardings=tuple(floating.forwarded),
        scopes=tuple(ScopedNetwork(one.cidr, one.scope_id) for rows in ports.values() for one in rows),
        routes=tuple(HostRoute(*route) for route in row.routes),
    )


def _gateway(rows: Sequence[Row[Any]], limits: Mapping[str, QosView], *, snat: bool) -> GatewayView:
    hops = tuple(dict.fromkeys(one.gateway for one in rows if one.gateway))
    qos = limits.get(rows[0].qos_policy_id)
    return GatewayView(_port(rows, advertises=False), hops, snat, rows[0].network_id, qos)


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


def _meters(tx: Tx, ids: list[str]) -> dict[str, tuple[MeterView, ...]]:
    found: dict[str, list[MeterView]] = {}
    for row in tx.rows(_METERS, {"ids": ids, "limit": ROWS_MAX}):
        found.setdefault(row.router_id, []).append(
            MeterView(row.port_id, row.traffic_mark, tuple(row.addresses))
        )
    return {router_id: tuple(meters) for router_id, meters in found.items()}


def _gateway_hosts(tx: Tx) -> tuple[str, ...]:
    """Every host that has told its chassis: a silent one stays, OVN notices its absence by itself."""
    return tuple(host.facts.chassis for host in placement.hosts.list_(tx, Page()) if host.facts)
