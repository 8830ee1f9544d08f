"""VPN gateways: one for each router that has a way out."""

import contextlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, text, update

from volutus import audit, metering, placement
from volutus.db import Tx
from volutus.identity import Caller
from volutus.identity.caller import CLOUD
from volutus.network import floating_ips, networks, ports, routers, subnets, units
from volutus.network.allocation import FixedIpRequest
from volutus.network.errors import FloatingIPNotFound, InvalidInput
from volutus.network.floating_ips import FloatingIpOrder
from volutus.network.listing import Query, common_filters, equals, selected, sortable, visible
from volutus.network.ovn.model import Kind
from volutus.network.ports import VPN, Port, PortOrder
from volutus.network.vpn import keys
from volutus.network.vpn.errors import RouterCannotCarryVpn, VpnGatewayInUse, VpnGatewayNotFound
from volutus.network.vpn.tables import gateways, peers
from volutus.reconcile import wake

# The kind of work, and of assignment, by which a gateway comes to be.
VPN_WORK = "vpn"
# What a gateway costs beside its address.
METER = "vpn"
USAGE_KIND = "vpn_gateway"
DEFAULT_PORT = 51820
DEFAULT_TUNNEL = "10.254.0.0/24"
TUNNEL_PREFIX_MAX = 30


@dataclass(frozen=True)
class VpnGateway:
    """`address` is where peers connect to; `tunnel_cidr` is what peers get their own addresses from: the
    first is the gateway's. `ready` when a host carries it."""

    id: str
    project_id: str
    name: str
    description: str
    tags: tuple[str, ...]
    revision: int
    created_at: datetime
    updated_at: datetime
    router_id: str
    subnet_id: str
    port_id: str
    address: str
    listen_port: int
    tunnel_cidr: str
    public_key: str
    ready: bool


@dataclass(frozen=True)
class GatewayOrder:
    """Without a subnet the router's first IPv4 subnet holds the gateway's port."""

    project_id: str
    router_id: str
    subnet_id: str | None = None
    name: str = ""
    description: str = ""
    listen_port: int = DEFAULT_PORT
    tunnel_cidr: str = DEFAULT_TUNNEL


_ADDRESS = text(
    "(SELECT host(a.ip) FROM floating_ips f JOIN port_addresses a ON a.port_id = f.own_port_id "
    "WHERE f.id = vpn_gateways.floating_ip_id LIMIT 1) AS address"
)
_SELECT = select(
    *(column for column in gateways.c if column.name not in ("tunnel_cidr", "private_key")),
    func.text(gateways.c.tunnel_cidr).label("tunnel_cidr"),
    _ADDRESS,
)
_FILTERS = common_filters(gateways) | {"router_id": equals(gateways.c.router_id)}
_FIRST_SUBNET = text(
    """
    SELECT s.id FROM router_interfaces i JOIN ports p ON p.id = i.port_id
    JOIN port_addresses a ON a.port_id = p.id JOIN subnets s ON s.id = a.subnet_id
    WHERE i.router_id = :router_id AND family(s.cidr) = 4
        AND (CAST(:subnet_id AS text) IS NULL OR s.id = :subnet_id)
    ORDER BY p.created_at, p.id LIMIT 1
    """
)


def create(tx: Tx, caller: Caller, order: GatewayOrder) -> VpnGateway:
    """A new gateway with a port and a floating IP. Raises RouterCannotCarryVpn, VpnGatewayInUse."""
    router = routers.get(tx, caller, order.router_id)
    subnet_id = tx.value(_FIRST_SUBNET, {"router_id": router.id, "subnet_id": order.subnet_id})
    if router.gateway is None or subnet_id is None:
        raise RouterCannotCarryVpn(
            f"Router {router.id} needs an external gateway and an interface on an IPv4 subnet for a VPN."
        )
    if tx.value(select(gateways.c.id).where(gateways.c.router_id == router.id)) is not None:
        raise VpnGatewayInUse(f"Router {router.id} has a VPN gateway already.")
    gateway_id = tx.ids.uuid()
    port = _make_port(tx, order, gateway_id, subnet_id)
    inside = next(fixed.address for fixed in port.fixed_ips if fixed.subnet_id == subnet_id)
    address = FloatingIpOrder(
        project_id=order.project_id,
        network_id=router.gateway.network_id,
        port_id=port.id,
        fixed_address=inside,
        description=f"VPN gateway {gateway_id}",
    )
    floating = floating_ips.create(tx, caller, address)
    private_key, public_key = keys.new_pair()
    values = {
        "id": gateway_id,
        "project_id": order.project_id,
        "name": order.name,
        "description": order.description,
        "tags": [],
        "revision": 0,
        "created_at": tx.now,
        "updated_at": tx.now,
        "router_id": router.id,
        "subnet_id": subnet_id,
        "port_id": port.id,
        "floating_ip_id": floating.id,
        "listen_port": order.listen_port,
        "tunnel_cidr": _tunnel(order.tunnel_cidr),
        "private_key": private_key,
        "public_key": public_key,
    }
    tx.execute(insert(gateways), values)
    metering.have_one(tx, order.project_id, USAGE_KIND, gateway_id, METER)
    audit.record(tx, caller, "create", "network.vpn_gateway", gateway_id, {"router_id": router.id})
    changed(tx, gateway_id, router.id)
    return get(tx, caller, gateway_id)


def get(tx: Tx, caller: Caller, gateway_id: str, *, lock: bool = False) -> VpnGateway:
    """A gateway of the caller's."""
    statement = _SELECT.where(gateways.c.id == gateway_id, *visible(gateways, caller))
    row = tx.row(statement.with_for_update(of=gateways) if lock else statement)
    if row is None:
        raise VpnGatewayNotFound(f"VPN gateway {gateway_id} could not be found.")
    return _gateway(row)


def list_(tx: Tx, caller: Caller, query: Query) -> list[VpnGateway]:
    """The caller's gateways: one statement however many there are."""
    statement = _SELECT.where(*visible(gateways, caller))
    return [_gateway(row) for row in tx.rows(selected(tx, statement, query, _FILTERS, sortable(gateways)))]


def change(tx: Tx, caller: Caller, gateway_id: str, values: dict[str, str]) -> VpnGateway:
    """Change name or description."""
    get(tx, caller, gateway_id, lock=True)
    stamps = {"revision": gateways.c.revision + 1, "updated_at": tx.now}
    tx.execute(update(gateways).where(gateways.c.id == gateway_id).values(**values, **stamps))
    audit.record(tx, caller, "update", "network.vpn_gateway", gateway_id)
    return get(tx, caller, gateway_id)


def remove(tx: Tx, caller: Caller, gateway_id: str, *, cascade: bool = False) -> None:
    """Delete a gateway that has no peers any more, or with its peers. Raises VpnGatewayInUse."""
    gateway = get(tx, caller, gateway_id, lock=True)
    has_peers = select(peers.c.id).where(peers.c.gateway_id == gateway_id).limit(1)
    if not cascade and tx.value(has_peers) is not None:
        raise VpnGatewayInUse(f"VPN gateway {gateway_id} has peers: delete them first.")
    row = tx.row(select(gateways.c.host_id, gateways.c.floating_ip_id).where(gateways.c.id == gateway_id))
    tx.execute(delete(gateways).where(gateways.c.id == gateway_id))
    if row is not None and row.host_id is not None:
        placement.bury(tx, row.host_id, VPN_WORK, gateway_id)
    if row is not None:
        # Its project may have deleted it, as any floating IP.
        with contextlib.suppress(FloatingIPNotFound):
            floating_ips.remove(tx, CLOUD, row.floating_ip_id)
    ports.erase(tx, CLOUD, ports.fetch(tx, [gateway.port_id]))
    metering.close_usage(tx, USAGE_KIND, [gateway_id])
    audit.record(tx, caller, "delete", "network.vpn_gateway", gateway_id)
    units.touch(tx, Kind.ROUTER, [gateway.router_id])


def changed(tx: Tx, gateway_id: str, router_id: str) -> None:
    """The gateway or its peers are not what they were: have the host told, and the router's routes made."""
    wake(tx, VPN_WORK, gateway_id)
    units.touch(tx, Kind.ROUTER, [router_id])


def _make_port(tx: Tx, order: GatewayOrder, gateway_id: str, subnet_id: str) -> Port:
    """Without protection against false senders: what comes out of the tunnel has the peers' addresses."""
    network = networks.get(tx, CLOUD, subnets.get(tx, CLOUD, subnet_id).network_id)
    wanted = PortOrder(
        network_id=network.id,
        project_id=order.project_id,
        name=f"vpn-{gateway_id}",
        fixed_ips=(FixedIpRequest(subnet_id),),
        device_id=gateway_id,
        device_owner=VPN,
        port_security=False,
    )
    return ports.create_on(tx, CLOUD, network, wanted)


def _tunnel(text_: str) -> str:
    network = ipaddress.ip_network(text_)
    if network.version != 4 or network.prefixlen > TUNNEL_PREFIX_MAX:
        raise InvalidInput(
            f"tunnel_cidr must be an IPv4 network of at least 4 addresses, not {text_}.", field="tunnel_cidr"
        )
    return str(network)


def _gateway(row: Row[Any]) -> VpnGateway:
    values = dict(row._mapping)
    ready = values.pop("host_id") is not None
    values.pop("floating_ip_id")
    return VpnGateway(**values | {"tags": tuple(row.tags), "address": row.address or "", "ready": ready})
