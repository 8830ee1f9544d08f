"""`/v2.0/floatingips/{id}/port_forwardings`: single ports of a floating IP."""

from msgspec import UNSET
from starlette.responses import Response

from volutus.http.kernel import Request, created, no_content
from volutus.http.openstack.network import addresses, lists, views
from volutus.http.openstack.network.bodies import read_one, value_or
from volutus.http.openstack.network.schemas import PortForwardingBody
from volutus.network import port_forwardings
from volutus.network.errors import InvalidInput
from volutus.network.port_forwardings import PortForwardingChanges, PortForwardingOrder

_NOUN = "port_forwarding"
_NAMES = {
    "id": "id",
    "internal_port_id": "port_id",
    "internal_ip_address": "internal_ip",
    "internal_port": "internal_port",
    "external_port": "external_port",
    "protocol": "protocol",
}
_REQUIRED = ("internal_port_id", "internal_port", "external_port", "protocol")


def create(request: Request) -> Response:
    body = read_one(request, _NOUN, PortForwardingBody)
    for name in _REQUIRED:
        if getattr(body, name) is UNSET:
            raise InvalidInput(f"Failed to parse request. Required attribute '{name}' not specified")
    order = PortForwardingOrder(
        port_id=str(body.internal_port_id),
        internal_port=value_or(body.internal_port, 0),
        external_port=value_or(body.external_port, 0),
        protocol=value_or(body.protocol, "").lower(),
        internal_ip=_address(body),
        description=value_or(body.description, ""),
    )
    made = port_forwardings.create(request.tx, request.caller, request.params["floating_ip_id"], order)
    return created({_NOUN: views.port_forwarding(made)})


def index(request: Request) -> Response:
    asked = lists.parse(request, _NAMES)
    floating_id = request.params["floating_ip_id"]
    found = port_forwardings.list_(request.tx, request.caller, floating_id, asked.query)
    return lists.answer(request, "port_forwardings", asked, [views.port_forwarding(one) for one in found])


def show(request: Request) -> Response:
    found = port_forwardings.get(request.tx, request.caller, *_ids(request))
    return lists.one(request, _NOUN, views.port_forwarding(found))


def change(request: Request) -> Response:
    body = read_one(request, _NOUN, PortForwardingBody)
    changes = PortForwardingChanges(
        port_id=body.internal_port_id,
        internal_ip=_address(body) or UNSET,
        internal_port=body.internal_port,
        external_port=body.external_port,
        protocol=body.protocol if body.protocol is UNSET else body.protocol.lower(),
        description=body.description,
    )
    changed = port_forwardings.change(request.tx, request.caller, *_ids(request), changes)
    return lists.one(request, _NOUN, views.port_forwarding(changed))


def delete(request: Request) -> Response:
    port_forwardings.remove(request.tx, request.caller, *_ids(request))
    return no_content()


def _ids(request: Request) -> tuple[str, str]:
    return request.params["floating_ip_id"], request.params["id"]


def _address(body: PortForwardingBody) -> str | None:
    given = value_or(body.internal_ip_address, "")
    return addresses.one(given, "internal_ip_address") if given else None
