"""Gives each gateway to a host, and tells that host what it should be."""

import ipaddress
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, text

from volutus import placement
from volutus.db import Database, Page, Tx
from volutus.network import units
from volutus.network.ovn.model import HostRoute, Kind
from volutus.network.vpn.gateways import VPN_WORK
from volutus.placement import Host
from volutus.reconcile import Again, Done, Item, Outcome
from volutus.wire import VpnObserved, VpnPeerSpec, VpnSpec

BATCH = 100
SCAN_MAX = 5000
PEERS_MAX = 100_000
# Nobody can carry it now; a host may come.
NO_HOST_S = 5.0
# The tunnel adds 60 bytes to what is sent over IPv4.
OVERHEAD_BYTES = 60

_GATEWAYS = text(
    """
    SELECT g.id, g.private_key, g.listen_port, text(g.tunnel_cidr) AS tunnel_cidr, g.host_id, g.port_id,
        p.mac, n.mtu, host(a.ip) || '/' || masklen(s.cidr) AS address, host(s.gateway) AS gateway
    FROM vpn_gateways g JOIN ports p ON p.id = g.port_id JOIN networks n ON n.id = p.network_id
    JOIN port_addresses a ON a.port_id = p.id AND a.subnet_id = g.subnet_id
    JOIN subnets s ON s.id = a.subnet_id
    WHERE g.id = ANY(CAST(:ids AS text[])) LIMIT :limit
    """
)
_PEERS = text(
    """
    SELECT gateway_id, public_key, preshared_key, host(tunnel_ip) AS tunnel_ip,
        remote_cidrs::text[] AS remote_cidrs, endpoint, keepalive_s
    FROM vpn_peers WHERE gateway_id = ANY(CAST(:ids AS text[])) ORDER BY created_at, id LIMIT :limit
    """
)
_PLACE = text("UPDATE vpn_gateways SET host_id = :host_id WHERE id = :id")
_BIND = text(
    "UPDATE ports SET chassis = :chassis, host_name = :host_name WHERE id = :id AND chassis <> :chassis"
)
# Those without a host, or whose host is silent: nobody else would notice.
_HOMELESS = text(
    """
    SELECT g.id FROM vpn_gateways g LEFT JOIN hosts h ON h.id = g.host_id
    WHERE h.id IS NULL OR h.last_seen_at < :silent_since LIMIT :limit
    """
)
_HANDSHAKES = text(
    """
    UPDATE vpn_peers p SET last_handshake_at = h.at
    FROM unnest(CAST(:keys AS text[]), CAST(:times AS timestamptz[])) AS h(key, at)
    JOIN vpn_gateways g ON g.id = :id AND g.host_id = :host_id
    WHERE p.gateway_id = g.id AND p.public_key = h.key AND p.last_handshake_at IS DISTINCT FROM h.at
    """
)
_ROUTES = text(
    """
    SELECT g.router_id, host(a.ip) AS next_hop,
        array_prepend(text(g.tunnel_cidr),
            coalesce((SELECT array_agg(DISTINCT text(c)) FROM vpn_peers p, unnest(p.remote_cidrs) AS c
                      WHERE p.gateway_id = g.id), '{}')) AS cidrs
    FROM vpn_gateways g JOIN port_addresses a ON a.port_id = g.port_id AND a.subnet_id = g.subnet_id
    WHERE g.router_id = ANY(CAST(:ids AS text[])) LIMIT :limit
    """
)


class VpnReconciler:
    """A `Reconciler` of VPN gateways."""

    kind = VPN_WORK
    batch = BATCH

    def __init__(self, database: Database) -> None:
        self._database = database

    def step(self, items: Sequence[Item]) -> Mapping[str, Outcome]:
        """Tell hosts of their gateways."""
        ids = {"ids": [item.key for item in items], "limit": PEERS_MAX}
        with self._database.begin() as tx:
            found = {row.id: row for row in tx.rows(_GATEWAYS, ids)}
            peers: dict[str, list[Row[Any]]] = {}
            for row in tx.rows(_PEERS, ids):
                peers.setdefault(row.gateway_id, []).append(row)
            hosts = [host for host in placement.hosts.list_(tx, Page()) if host.facts and host.up]
            return {
                item.key: _settle(tx, found[item.key], peers.get(item.key, []), hosts)
                if item.key in found
                else Done()
                for item in items
            }

    def scan(self, tx: Tx) -> Sequence[str]:
        """Those that no living host has."""
        since = tx.now - placement.hosts.SILENT_AFTER
        return [row.id for row in tx.rows(_HOMELESS, {"silent_since": since, "limit": SCAN_MAX})]


def routes_of(tx: Tx, router_ids: Sequence[str]) -> dict[str, tuple[HostRoute, ...]]:
    """Router to the routes that lead to its gateway's peers."""
    return {
        row.router_id: tuple(HostRoute(cidr, row.next_hop) for cidr in row.cidrs)
        for row in tx.rows(_ROUTES, {"ids": list(router_ids), "limit": PEERS_MAX})
    }


def record_observed(tx: Tx, host_id: str, items: Sequence[VpnObserved]) -> None:
    """When peers were last heard, from the host that has the gateway."""
    for item in items:
        times = [datetime.fromtimestamp(seconds, UTC) for seconds in item.handshakes.values()]
        parameters = {"id": item.id, "host_id": host_id, "keys": list(item.handshakes), "times": times}
        tx.execute(_HANDSHAKES, parameters)


def record_gone(tx: Tx, host_id: str, ids: Sequence[str]) -> None:
    """A host has nothing of these gateways any more."""
    for gateway_id in ids:
        placement.forget(tx, host_id, VPN_WORK, gateway_id)


def _settle(tx: Tx, row: Row[Any], peers: Sequence[Row[Any]], hosts: Sequence[Host]) -> Outcome:
    host = next((host for host in hosts if host.id == row.host_id), None)
    if host is None:
        if not hosts:
            return Again(NO_HOST_S, "waits for a host that could carry it", failed=True)
        host = hosts[int(row.id.replace("-", "")[:8], 16) % len(hosts)]
        if row.host_id is not None:
            placement.bury(tx, row.host_id, VPN_WORK, row.id)
        tx.execute(_PLACE, {"id": row.id, "host_id": host.id})
    assert host.facts is not None
    bound = {"id": row.port_id, "chassis": host.facts.chassis, "host_name": host.hostname}
    if tx.changed(_BIND, bound):
        units.touch(tx, Kind.PORT, [row.port_id])
    if not placement.assign_changed(tx, host.id, VPN_WORK, row.id, _spec(row, peers)):
        return Again(NO_HOST_S, "waits until its last home is empty")
    return Done()


def _spec(row: Row[Any], peers: Sequence[Row[Any]]) -> VpnSpec:
    tunnel = ipaddress.ip_network(row.tunnel_cidr)
    return VpnSpec(
        id=row.id,
        port_id=row.port_id,
        mac=row.mac,
        address=row.address,
        gateway=row.gateway or "",
        mtu=row.mtu - OVERHEAD_BYTES,
        private_key=row.private_key,
        listen_port=row.listen_port,
        tunnel_address=f"{tunnel[1]}/{tunnel.prefixlen}",
        peers=[
            VpnPeerSpec(
                public_key=peer.public_key,
                preshared_key=peer.preshared_key or "",
                allowed=[f"{peer.tunnel_ip}/32", *peer.remote_cidrs],
                endpoint=peer.endpoint or "",
                keepalive_s=peer.keepalive_s if peer.endpoint else 0,
            )
            for peer in peers
        ],
    )
