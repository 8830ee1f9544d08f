"""The network as OVN's compiler wants it: views made from the tables, many objects of a kind at once.

Each call reads one snapshot, in a number of statements that does not grow with the objects.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, text

from volutus.db import Database, Tx
from volutus.network import dhcp_options, dns_names, port_rates, qos_policies, qos_rules
from volutus.network.dhcp_options import DhcpOption
from volutus.network.loadbalancer.placing import listeners_on
from volutus.network.loadbalancer.views import load_balancer_views
from volutus.network.ovn.model import (
    AddressGroupView,
    AddressMode,
    AddressPairView,
    Direction,
    FixedIpView,
    HostRoute,
    Kind,
    NetworkView,
    OwnDhcpView,
    ParentView,
    PortUse,
    PortView,
    ProviderView,
    QosView,
    SecurityGroupRuleView,
    SecurityGroupView,
    SubnetView,
    View,
)
from volutus.network.ports import FLOATING_IP, LOAD_BALANCER, LOAD_BALANCER_PROBE, METADATA
from volutus.network.qos_policies import QosRule
from volutus.network.router_views import router_views
from volutus.network.trunks import SUB_PORT

# Rows that belong to one page of objects: more would be a list without a limit.
ROWS_MAX = 1_000_000

_TABLES = {
    Kind.NETWORK: "networks",
    Kind.PORT: "ports",
    Kind.ROUTER: "routers",
    Kind.SECURITY_GROUP: "security_groups",
    Kind.ADDRESS_GROUP: "address_groups",
    Kind.LOAD_BALANCER: "load_balancers",
}
_PAGES = {
    kind: text(f"SELECT id FROM {table} WHERE id > :after ORDER BY id LIMIT :limit")  # noqa: S608 - our own names
    for kind, table in _TABLES.items()
}
_NETWORKS = text(
    """
    SELECT n.id, n.mtu, n.dns_domain,
        (SELECT coalesce(jsonb_agg(jsonb_build_array(s.physical_network,
            CASE WHEN s.network_type = 'vlan' THEN s.segmentation_id END) ORDER BY s.position), '[]')
         FROM segments s WHERE s.network_id = n.id AND s.physical_network IS NOT NULL) AS providers
    FROM networks n WHERE n.id = ANY(CAST(:ids AS text[])) LIMIT :limit
    """
)
_SUBNETS = text(
    """
    SELECT s.id, s.network_id, text(s.cidr) AS cidr, host(s.gateway) AS gateway, s.enable_dhcp, s.dns_servers,
        s.host_routes, s.address_mode,
        (SELECT host(a.ip) FROM port_addresses a JOIN ports p ON p.id = a.port_id
         WHERE a.subnet_id = s.id AND p.network_id = s.network_id AND p.device_owner = 'network:distributed'
         LIMIT 1) AS metadata_address
    FROM subnets s WHERE s.network_id = ANY(CAST(:ids AS text[])) ORDER BY s.created_at, s.id LIMIT :limit
    """
)
_PORTS = text(
    """
    SELECT p.id, p.network_id, p.mac, p.device_owner, p.enabled AND n.enabled AS enabled, p.port_security,
        p.address_pairs, p.chassis, p.dhcp_options, p.rate_kbps,
        coalesce(p.qos_policy_id, CASE WHEN p.device_owner NOT LIKE 'network:%' THEN n.qos_policy_id END)
            AS qos_policy_id,
        (SELECT jsonb_build_array(t.port_id, s.segmentation_id) FROM sub_ports s JOIN trunks t
         ON t.id = s.trunk_id AND t.enabled WHERE s.port_id = p.id) AS parent,
        (SELECT coalesce(jsonb_agg(jsonb_build_array(host(a.ip), s.id, s.enable_dhcp, s.address_mode)
                                   ORDER BY a.position, a.ip), '[]')
         FROM port_addresses a JOIN subnets s ON s.id = a.subnet_id WHERE a.port_id = p.id) AS fixed_ips,
        (SELECT coalesce(array_agg(m.group_id ORDER BY m.group_id), '{}')
         FROM port_security_groups m WHERE m.port_id = p.id) AS group_ids
    FROM ports p JOIN networks n ON n.id = p.network_id
    WHERE p.id = ANY(CAST(:ids AS text[])) LIMIT :limit
    """
)
# A port's own name, and that of a floating IP that stands for it.
_NAMES = text(
    """
    SELECT p.network_id, p.dns_name AS name, array_agg(host(a.ip) ORDER BY a.position, a.ip) AS addresses,
        p.created_at, p.id
    FROM ports p JOIN port_addresses a ON a.port_id = p.id
    WHERE p.network_id = ANY(CAST(:ids AS text[])) AND p.dns_name <> ''
    GROUP BY p.id
    UNION ALL
    SELECT p.network_id, concat_ws('.', f.dns_name, nullif(rtrim(f.dns_domain, '.'), '')),
        array_agg(host(a.ip)), f.created_at, f.id
    FROM floating_ips f JOIN ports p ON p.id = f.port_id JOIN port_addresses a ON a.port_id = f.own_port_id
    WHERE p.network_id = ANY(CAST(:ids AS text[])) AND f.dns_name <> ''
    GROUP BY p.network_id, f.id
    ORDER BY created_at, id LIMIT :limit
    """
)
_GROUPS = text("SELECT id, stateful FROM security_groups WHERE id = ANY(CAST(:ids AS text[])) LIMIT :limit")
_RULES = text(
    """
    SELECT group_id, id, direction, ip_version, protocol, port_min, port_max,
        text(remote_prefix) AS remote_prefix, remote_group_id, remote_address_group_id
    FROM security_group_rules WHERE group_id = ANY(CAST(:ids AS text[])) ORDER BY id LIMIT :limit
    """
)
_ADDRESS_GROUPS = text(
    "SELECT id, CAST(addresses AS text[]) AS addresses FROM address_groups "
    "WHERE id = ANY(CAST(:ids AS text[])) LIMIT :limit"
)


class SqlTopology:
    """A `Topology` on the tables of the network domain."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def views(self, kind: Kind, ids: Sequence[str]) -> Sequence[View]:
        """See `Topology.views`."""
        with self._database.begin() as tx:
            return _MAKERS[kind](tx, list(ids))

    def page(self, kind: Kind, after: str, limit: int) -> Sequence[View]:
        """See `Topology.page`."""
        with self._database.begin() as tx:
            ids = [row.id for row in tx.rows(_PAGES[kind], {"after": after, "limit": limit})]
            return sorted(_MAKERS[kind](tx, ids), key=lambda view: view.id)


def _network_views(tx: Tx, ids: list[str]) -> Sequence[NetworkView]:
    listeners = listeners_on(tx, Kind.NETWORK, ids)
    subnets: dict[str, list[SubnetView]] = {}
    for row in _rows(tx, _SUBNETS, ids):
        subnets.setdefault(row.network_id, []).append(_subnet_view(row))
    names: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for row in _rows(tx, _NAMES, ids):
        names.setdefault(row.network_id, []).append((row.name, tuple(row.addresses)))
    return [
        NetworkView(
            id=row.id,
            mtu=row.mtu,
            subnets=tuple(subnets.get(row.id, ())),
            provider=next((ProviderView(*one) for one in row.providers), None),
            further_providers=tuple(ProviderView(*one) for one in row.providers[1:]),
            domain=dns_names.domain(row.dns_domain),
            names=tuple(names.get(row.id, ())),
            listener_ids=listeners.get(row.id, ()),
        )
        for row in _rows(tx, _NETWORKS, ids)
    ]


def _subnet_view(row: Row[Any]) -> SubnetView:
    return SubnetView(
        id=row.id,
        cidr=row.cidr,
        gateway_address=row.gateway,
        enable_dhcp=row.enable_dhcp,
        dns_servers=tuple(row.dns_servers),
        host_routes=tuple(HostRoute(*route) for route in row.host_routes),
        metadata_address=row.metadata_address,
        address_mode=AddressMode(row.address_mode) if row.address_mode else None,
    )


def _port_views(tx: Tx, ids: list[str]) -> Sequence[View]:
    rows = _rows(tx, _PORTS, ids)
    limits = qos_policies.rules_of(tx, sorted({row.qos_policy_id for row in rows if row.qos_policy_id}))
    told = sorted({row.network_id for row in rows if row.dhcp_options})
    networks = {view.id: view for view in _network_views(tx, told)} if told else {}
    return [_port_view(row, limits, networks) for row in rows]


def _port_view(
    row: Row[Any], limits: Mapping[str, list[QosRule]], networks: Mapping[str, NetworkView]
) -> PortView:
    guest = _use(row.device_owner) is PortUse.GUEST
    own = [DhcpOption(*option) for option in row.dhcp_options]
    return PortView(
        id=row.id,
        network_id=row.network_id,
        mac=row.mac,
        use=_use(row.device_owner),
        fixed_ips=tuple(
            FixedIpView(address, subnet_id, _offers_dhcp(address, enabled, mode))
            for address, subnet_id, enabled, mode in row.fixed_ips
        ),
        enabled=row.enabled,
        port_security=row.port_security,
        security_group_ids=tuple(row.group_ids),
        address_pairs=tuple(AddressPairView(*pair) for pair in row.address_pairs),
        # A sub-port is where its parent is; that is said of the parent alone.
        host_ids=(row.chassis,) if row.chassis and row.device_owner != SUB_PORT else (),
        qos=_qos(row, limits) if guest else None,
        own_dhcp=_own_dhcp(networks[row.network_id], own) if own else None,
        parent=ParentView(*row.parent) if row.parent else None,
    )


def _qos(row: Row[Any], limits: Mapping[str, list[QosRule]]) -> QosView | None:
    policy = qos_rules.view(limits[row.qos_policy_id]) if row.qos_policy_id in limits else None
    return port_rates.within(policy, row.rate_kbps)


def _own_dhcp(network: NetworkView, options: Sequence[DhcpOption]) -> OwnDhcpView:
    # Names are of no matter to what one port is told.
    plain = replace(network, names=(), listener_ids=())
    return OwnDhcpView(plain, dhcp_options.told(options, 4), dhcp_options.told(options, 6))


def _use(device_owner: str) -> PortUse:
    if device_owner.startswith("network:router_"):
        return PortUse.ROUTER
    if device_owner == LOAD_BALANCER:
        return PortUse.ROUTER
    if device_owner == METADATA:
        return PortUse.METADATA
    return PortUse.FLOATING_IP if device_owner in (FLOATING_IP, LOAD_BALANCER_PROBE) else PortUse.GUEST


def _offers_dhcp(address: str, enabled: bool, mode: str | None) -> bool:
    return enabled and (":" not in address or mode != AddressMode.SLAAC.value)


def _group_views(tx: Tx, ids: list[str]) -> Sequence[View]:
    rules: dict[str, list[SecurityGroupRuleView]] = {}
    for row in _rows(tx, _RULES, ids):
        rules.setdefault(row.group_id, []).append(
            SecurityGroupRuleView(
                id=row.id,
                direction=Direction(row.direction),
                ip_version=row.ip_version,
                protocol=row.protocol,
                port_min=row.port_min,
                port_max=row.port_max,
                remote_prefix=row.remote_prefix,
                remote_group_id=row.remote_group_id,
                remote_address_group_id=row.remote_address_group_id,
            )
        )
    return [
        SecurityGroupView(row.id, tuple(rules.get(row.id, ())), row.stateful)
        for row in _rows(tx, _GROUPS, ids)
    ]


def _address_group_views(tx: Tx, ids: list[str]) -> Sequence[View]:
    return [AddressGroupView(row.id, tuple(row.addresses)) for row in _rows(tx, _ADDRESS_GROUPS, ids)]


def _rows(tx: Tx, statement: Any, ids: list[str]) -> Sequence[Row[Any]]:
    return tx.rows(statement, {"ids": ids, "limit": ROWS_MAX})  # bounded: each statement says LIMIT :limit


_MAKERS: Mapping[Kind, Callable[[Tx, list[str]], Sequence[View]]] = {
    Kind.NETWORK: _network_views,
    Kind.PORT: _port_views,
    Kind.ROUTER: router_views,
    Kind.SECURITY_GROUP: _group_views,
    Kind.ADDRESS_GROUP: _address_group_views,
    Kind.LOAD_BALANCER: load_balancer_views,
}
