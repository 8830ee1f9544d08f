"""`/v2.0/vpn/peers`: who may connect to a VPN gateway, and the file by which it does."""

from typing import Any

from msgspec import UNSET
from starlette.responses import Response

from volutus.http.kernel import Request, created, no_content
from volutus.http.openstack.network import addresses, lists, views
from volutus.http.openstack.network.bodies import read_one, value_or
from volutus.http.openstack.network.schemas import VpnPeerBody
from volutus.network.errors import InvalidInput
from volutus.network.vpn import PeerOrder, peers
from volutus.network.vpn.peers import KEEPALIVE_S, VpnPeer

NOUN = "peer"
_NAMES = lists.COMMON_NAMES | {"gateway_id": "gateway_id"}


def create(request: Request) -> Response:
    """The answer has the peer's configuration, and the private key if the cloud made it: nobody is told it
    again."""
    body = read_one(request, NOUN, VpnPeerBody)
    if body.gateway_id is UNSET:
        raise InvalidInput("Failed to parse request. Required attribute 'gateway_id' not specified")
    order = PeerOrder(
        gateway_id=body.gateway_id,
        name=value_or(body.name, ""),
        description=value_or(body.description, ""),
        public_key=value_or(body.public_key, "") or None,
        preshared_key=value_or(body.preshared_key, "") or None,
        remote_cidrs=tuple(addresses.network(one, "remote_cidrs") for one in value_or(body.remote_cidrs, [])),
        endpoint=value_or(body.endpoint, "") or None,
        keepalive_s=value_or(body.keepalive, KEEPALIVE_S),
    )
    made = peers.create(request.tx, request.caller, order)
    told = {
        "private_key": made.private_key,
        "configuration": peers.configuration(request.tx, request.caller, made),
    }
    return created({NOUN: view(made) | told})


def index(request: Request) -> Response:
    asked = lists.parse(request, _NAMES)
    found = peers.list_(request.tx, request.caller, asked.query)
    return lists.answer(request, "peers", asked, [view(one) for one in found])


def show(request: Request) -> Response:
    return lists.one(request, NOUN, view(peers.get(request.tx, request.caller, request.params["id"])))


def configuration(request: Request) -> Response:
    """The file for the peer's own WireGuard, to be downloaded."""
    peer = peers.get(request.tx, request.caller, request.params["id"])
    text = peers.configuration(request.tx, request.caller, peer)
    headers = {"Content-Disposition": 'attachment; filename="wg0.conf"', "Cache-Control": "no-store"}
    return Response(text, 200, headers, media_type="text/plain; charset=utf-8")


def delete(request: Request) -> Response:
    peers.remove(request.tx, request.caller, request.params["id"])
    return no_content()


def view(it: VpnPeer) -> dict[str, Any]:
    return {
        "id": it.id,
        "project_id": it.project_id,
        "tenant_id": it.project_id,
        "name": it.name,
        "description": it.description,
        "revision_number": it.revision,
        "created_at": views.time(it.created_at),
        "updated_at": views.time(it.updated_at),
        "gateway_id": it.gateway_id,
        "public_key": it.public_key,
        "tunnel_ip": it.tunnel_ip,
        "remote_cidrs": list(it.remote_cidrs),
        "endpoint": it.endpoint,
        "keepalive": it.keepalive_s,
        "last_handshake_at": views.time(it.last_handshake_at) if it.last_handshake_at else None,
    }
