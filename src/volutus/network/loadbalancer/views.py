"""Load balancers as OVN's compiler wants them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, text

from volutus.db import Tx
from volutus.network.loadbalancer import trees
from volutus.network.loadbalancer.health import HTTP
from volutus.network.loadbalancer.trees import Tree
from volutus.network.ovn.model import BackendView, ListenerView, LoadBalancerView, MonitorView, View

ROWS_MAX = 1_000_000

_PORTS = text(
    """
    SELECT b.id, p.mac, n.mtu, host(b.vip_address) || '/' || masklen(s.cidr) AS network,
        host(s.gateway) AS gateway,
        (SELECT coalesce(array_agg(host(fa.ip) ORDER BY fa.ip), '{}') FROM floating_ips f
         JOIN port_addresses fa ON fa.port_id = f.own_port_id
         WHERE f.port_id = b.vip_port_id AND f.fixed_ip = b.vip_address) AS floating
    FROM load_balancers b JOIN ports p ON p.id = b.vip_port_id JOIN networks n ON n.id = p.network_id
    JOIN subnets s ON s.id = b.vip_subnet_id
    WHERE b.id = ANY(CAST(:ids AS text[])) LIMIT :limit
    """
)
_MEMBERS = text(
    """
    SELECT m.id, p.id AS port_id, host(pa.ip) AS source
    FROM lb_members m JOIN port_addresses a ON a.subnet_id = m.subnet_id AND a.ip = m.address
    JOIN ports p ON p.id = a.port_id
    LEFT JOIN lb_probes b ON b.load_balancer_id = m.load_balancer_id AND b.subnet_id = m.subnet_id
    LEFT JOIN port_addresses pa ON pa.port_id = b.port_id AND pa.subnet_id = b.subnet_id
    WHERE m.load_balancer_id = ANY(CAST(:ids AS text[])) LIMIT :limit
    """
)


def load_balancer_views(tx: Tx, ids: list[str]) -> Sequence[View]:
    """The views of those of these load balancers that exist."""
    found = trees.load(tx, ids)
    parameters = {"ids": list(found), "limit": ROWS_MAX}
    members = {row.id: row for row in tx.rows(_MEMBERS, parameters)}
    return [_view(found[row.id], row, members) for row in tx.rows(_PORTS, parameters)]


def _view(tree: Tree, port: Row[Any], members: Mapping[str, Row[Any]]) -> LoadBalancerView:
    balancer = tree.balancer
    listening = [listener for listener in tree.listeners if listener.enabled and balancer.enabled]
    return LoadBalancerView(
        id=balancer.id,
        port_id=balancer.vip_port_id,
        mac=port.mac,
        network=port.network,
        gateway_address=port.gateway,
        mtu=port.mtu,
        listeners=tuple(
            _listener(tree, listener, (balancer.vip_address, *port.floating), members)
            for listener in listening
        ),
    )


def _listener(
    tree: Tree, listener: Row[Any], addresses: tuple[str, ...], members: Mapping[str, Row[Any]]
) -> ListenerView:
    pool = next((pool for pool in tree.pools if pool.id == listener.pool_id and pool.enabled), None)
    found = tree.monitor_of(pool.id) if pool is not None else None
    monitor = found if found is not None and found.enabled else None
    asked_by_host = monitor is not None and monitor.type == HTTP
    return ListenerView(
        id=listener.id,
        protocol=listener.protocol.lower(),
        addresses=addresses,
        port=listener.port,
        backends=tuple(
            _backend(member, members.get(member.id) if monitor is not None and not asked_by_host else None)
            for member in (tree.members_of(pool.id) if pool is not None else [])
            if member.enabled and member.weight and not (asked_by_host and member.up is False)
        ),
        by_source=pool is not None and pool.algorithm == "SOURCE_IP",
        affinity_timeout_s=pool.persistence_timeout_s if pool is not None else None,
        monitor=_monitor(monitor) if monitor is not None and not asked_by_host else None,
    )


def _backend(member: Row[Any], place: Row[Any] | None) -> BackendView:
    """A member; with the place from which OVN can ask it, when it is to."""
    if place is None or place.source is None:
        return BackendView(member.address, member.port)
    return BackendView(member.address, member.port, place.port_id, place.source)


def _monitor(monitor: Row[Any]) -> MonitorView:
    return MonitorView(monitor.delay_s, monitor.timeout_s, monitor.max_retries, monitor.max_retries_down)
