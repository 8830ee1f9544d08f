"""Peers of a VPN gateway: another site with networks of its own, or one machine on the road."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, literal_column, select, text
from sqlalchemy.dialects.postgresql import insert

from volutus import audit
from volutus.db import Tx
from volutus.identity import Caller
from volutus.network.errors import InvalidInput
from volutus.network.listing import Query, common_filters, equals, selected, sortable, visible
from volutus.network.vpn import gateways, keys
from volutus.network.vpn.errors import VpnPeerExists, VpnPeerNotFound
from volutus.network.vpn.gateways import VpnGateway
from volutus.network.vpn.tables import peers

# A gateway's namespace has a route for each network of each.
PEERS_MAX = 250
REMOTE_CIDRS_MAX = 20
SUBNETS_MAX = 100
KEEPALIVE_S = 25


@dataclass(frozen=True)
class VpnPeer:
    """`tunnel_ip` is the peer's address in the tunnel, `remote_cidrs` what is behind it. `private_key` is
    known only to the answer that made it."""

    id: str
    project_id: str
    name: str
    description: str
    tags: tuple[str, ...]
    revision: int
    created_at: datetime
    updated_at: datetime
    gateway_id: str
    public_key: str
    tunnel_ip: str
    remote_cidrs: tuple[str, ...]
    endpoint: str | None
    keepalive_s: int
    last_handshake_at: datetime | None
    private_key: str | None = None


@dataclass(frozen=True)
class PeerOrder:
    """Without a public key both keys are made here. `endpoint` is `ADDRESS:PORT` of a peer to connect to;
    without one the peer connects."""

    gateway_id: str
    name: str = ""
    description: str = ""
    public_key: str | None = None
    preshared_key: str | None = None
    remote_cidrs: tuple[str, ...] = ()
    endpoint: str | None = None
    keepalive_s: int = KEEPALIVE_S


_SELECT = select(
    *(c for c in peers.c if c.name not in ("preshared_key", "tunnel_ip", "remote_cidrs")),
    func.host(peers.c.tunnel_ip).label("tunnel_ip"),
    literal_column("vpn_peers.remote_cidrs::text[]").label("remote_cidrs"),
)
_FILTERS = common_filters(peers) | {"gateway_id": equals(peers.c.gateway_id)}
_TAKEN = text("SELECT host(tunnel_ip) AS ip FROM vpn_peers WHERE gateway_id = :id LIMIT :limit")
# What can be reached through the gateway: all subnets of its router.
_INSIDE = text(
    """
    SELECT DISTINCT text(s.cidr) AS cidr FROM vpn_gateways g
    JOIN router_interfaces i ON i.router_id = g.router_id
    JOIN port_addresses a ON a.port_id = i.port_id JOIN subnets s ON s.id = a.subnet_id
    WHERE g.id = :id AND family(s.cidr) = 4 ORDER BY 1 LIMIT :limit
    """
)


def create(tx: Tx, caller: Caller, order: PeerOrder) -> VpnPeer:
    """A new peer, with the next free address of the tunnel. Raises VpnPeerExists, InvalidInput."""
    gateway = gateways.get(tx, caller, order.gateway_id, lock=True)
    private_key, public_key = (None, order.public_key) if order.public_key else keys.new_pair()
    remote = [_remote(cidr, inside(tx, gateway.id), gateway) for cidr in order.remote_cidrs]
    if len(remote) > REMOTE_CIDRS_MAX:
        raise InvalidInput(f"A peer has at most {REMOTE_CIDRS_MAX} networks.", field="remote_cidrs")
    values = {
        "id": tx.ids.uuid(),
        "project_id": gateway.project_id,
        "name": order.name,
        "description": order.description,
        "tags": [],
        "revision": 0,
        "created_at": tx.now,
        "updated_at": tx.now,
        "gateway_id": gateway.id,
        "public_key": keys.checked(public_key or "", "public_key"),
        "preshared_key": keys.checked(order.preshared_key, "preshared_key") if order.preshared_key else None,
        "tunnel_ip": _free_address(tx, gateway),
        "remote_cidrs": remote,
        "endpoint": _endpoint(order.endpoint) if order.endpoint else None,
        "keepalive_s": order.keepalive_s,
    }
    made = tx.value(insert(peers).on_conflict_do_nothing().returning(peers.c.id), values)
    if made is None:
        raise VpnPeerExists(f"VPN gateway {gateway.id} has a peer with this key already.")
    audit.record(tx, caller, "create", "network.vpn_peer", made, {"gateway_id": gateway.id})
    gateways.changed(tx, gateway.id, gateway.router_id)
    return _peer(_row(tx, caller, made), private_key)


def get(tx: Tx, caller: Caller, peer_id: str) -> VpnPeer:
    """A peer of the caller's."""
    return _peer(_row(tx, caller, peer_id))


def list_(tx: Tx, caller: Caller, query: Query) -> list[VpnPeer]:
    """The caller's peers: one statement however many there are."""
    statement = _SELECT.where(*visible(peers, caller))
    return [_peer(row) for row in tx.rows(selected(tx, statement, query, _FILTERS, sortable(peers)))]


def remove(tx: Tx, caller: Caller, peer_id: str) -> None:
    """Let it connect no more."""
    peer = get(tx, caller, peer_id)
    gateway = gateways.get(tx, caller, peer.gateway_id, lock=True)
    tx.execute(delete(peers).where(peers.c.id == peer_id))
    audit.record(tx, caller, "delete", "network.vpn_peer", peer_id)
    gateways.changed(tx, gateway.id, gateway.router_id)


def inside(tx: Tx, gateway_id: str) -> list[str]:
    """The networks behind the gateway."""
    return [row.cidr for row in tx.rows(_INSIDE, {"id": gateway_id, "limit": SUBNETS_MAX})]


def configuration(tx: Tx, caller: Caller, peer: VpnPeer) -> str:
    """The file that WireGuard's own tools take at the peer. Without the private key there is a line that says
    where it goes: the cloud does not keep it."""
    gateway = gateways.get(tx, caller, peer.gateway_id)
    key = peer.private_key or "PUT-THE-PRIVATE-KEY-HERE"
    prefix = gateway.tunnel_cidr.partition("/")[2]
    reached = ", ".join([gateway.tunnel_cidr, *inside(tx, gateway.id)])
    lines = ["[Interface]", f"PrivateKey = {key}", f"Address = {peer.tunnel_ip}/{prefix}", ""]
    lines += ["[Peer]", f"PublicKey = {gateway.public_key}"]
    row = tx.row(select(peers.c.preshared_key).where(peers.c.id == peer.id))
    if row is not None and row.preshared_key:
        lines.append(f"PresharedKey = {row.preshared_key}")
    lines += [f"Endpoint = {gateway.address}:{gateway.listen_port}", f"AllowedIPs = {reached}"]
    lines.append(f"PersistentKeepalive = {peer.keepalive_s}")
    return "\n".join(lines) + "\n"


def _row(tx: Tx, caller: Caller, peer_id: str) -> Row[Any]:
    row = tx.row(_SELECT.where(peers.c.id == peer_id, *visible(peers, caller)))
    if row is None:
        raise VpnPeerNotFound(f"VPN peer {peer_id} could not be found.")
    return row


def _free_address(tx: Tx, gateway: VpnGateway) -> str:
    taken = {row.ip for row in tx.rows(_TAKEN, {"id": gateway.id, "limit": PEERS_MAX})}
    hosts = ipaddress.ip_network(gateway.tunnel_cidr).hosts()
    next(hosts)  # The gateway's own.
    free = next((str(host) for host in hosts if str(host) not in taken), None)
    if free is None or len(taken) >= PEERS_MAX:
        raise VpnPeerExists(f"VPN gateway {gateway.id} has no address left for a further peer.")
    return free


def _remote(cidr: str, ours: Sequence[str], gateway: VpnGateway) -> str:
    network = ipaddress.ip_network(cidr)
    if network.version != 4 or network.prefixlen == 0:
        raise InvalidInput(f"{cidr} cannot be behind a peer: an IPv4 network is.", field="remote_cidrs")
    for other in [*ours, gateway.tunnel_cidr]:
        if network.overlaps(ipaddress.ip_network(other)):
            raise InvalidInput(f"{cidr} overlaps {other}, which is on this side.", field="remote_cidrs")
    return str(network)


def _endpoint(place: str) -> str:
    address, _, port = place.rpartition(":")
    try:
        number, parsed = int(port), ipaddress.IPv4Address(address)
    except ValueError:
        number, parsed = 0, ipaddress.IPv4Address(0)
    if not 0 < number < 65_536:
        raise InvalidInput("endpoint must be ADDRESS:PORT with an IPv4 address.", field="endpoint")
    return f"{parsed}:{number}"


def _peer(row: Row[Any], private_key: str | None = None) -> VpnPeer:
    values = dict(row._mapping) | {"tags": tuple(row.tags), "remote_cidrs": tuple(row.remote_cidrs)}
    return VpnPeer(**values, private_key=private_key)
