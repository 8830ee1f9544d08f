"""`/v2.0/vpn/gateways`: WireGuard at the edge of a router. An extension of ours: Neutron's VPN is IPsec."""

from typing import Any

from msgspec import UNSET
from starlette.responses import Response

from volutus.http.kernel import Request, created, no_content
from volutus.http.openstack.network import addresses, lists, views
from volutus.http.openstack.network.bodies import project_of, read_one, value_or
from volutus.http.openstack.network.schemas import VpnGatewayBody
from volutus.network.errors import InvalidInput
from volutus.network.vpn import GatewayOrder, gateways
from volutus.network.vpn.gateways import DEFAULT_PORT, DEFAULT_TUNNEL, VpnGateway

NOUN = "gateway"
_NAMES = lists.COMMON_NAMES | {"router_id": "router_id"}


def create(request: Request) -> Response:
    body = read_one(request, NOUN, VpnGatewayBody)
    if body.router_id is UNSET:
        raise InvalidInput("Failed to parse request. Required attribute 'router_id' not specified")
    order = GatewayOrder(
        project_id=project_of(request, body),
        router_id=body.router_id,
        subnet_id=value_or(body.subnet_id, "") or None,
        name=value_or(body.name, ""),
        description=value_or(body.description, ""),
        listen_port=value_or(body.listen_port, DEFAULT_PORT),
        tunnel_cidr=addresses.network(value_or(body.tunnel_cidr, DEFAULT_TUNNEL), "tunnel_cidr"),
    )
    return created({NOUN: view(gateways.create(request.tx, request.caller, order))})


def index(request: Request) -> Response:
    asked = lists.parse(request, _NAMES)
    found = gateways.list_(request.tx, request.caller, asked.query)
    return lists.answer(request, "gateways", asked, [view(one) for one in found])


def show(request: Request) -> Response:
    return lists.one(request, NOUN, view(gateways.get(request.tx, request.caller, request.params["id"])))


def change(request: Request) -> Response:
    body = read_one(request, NOUN, VpnGatewayBody)
    for name in ("router_id", "subnet_id", "listen_port", "tunnel_cidr"):
        if getattr(body, name) is not UNSET:
            raise InvalidInput(f"Cannot update read-only attribute {name}", field=name)
    given = {"name": body.name, "description": body.description}
    values = {name: value for name, value in given.items() if isinstance(value, str)}
    changed = gateways.change(request.tx, request.caller, request.params["id"], values)
    return lists.one(request, NOUN, view(changed))


def delete(request: Request) -> Response:
    gateways.remove(request.tx, request.caller, request.params["id"])
    return no_content()


def view(it: VpnGateway) -> dict[str, Any]:
    return {
        "id": it.id,
        "project_id": it.project_id,
        "tenant_id": it.project_id,
        "name": it.name,
        "description": it.description,
        "revision_number": it.revision,
        "created_at": views.time(it.created_at),
        "updated_at": views.time(it.updated_at),
        "router_id": it.router_id,
        "subnet_id": it.subnet_id,
        "port_id": it.port_id,
        "address": it.address,
        "listen_port": it.listen_port,
        "tunnel_cidr": it.tunnel_cidr,
        "public_key": it.public_key,
        "status": "ACTIVE" if it.ready else "PENDING_CREATE",
    }
