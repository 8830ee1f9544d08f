"""`/v2.0/trunks`: parent ports, and the ports that join and leave them."""

from collections.abc import Sequence

from msgspec import UNSET
from starlette.responses import Response

from volutus.http.kernel import Request, created, document, no_content
from volutus.http.openstack.network import lists, views
from volutus.http.openstack.network.bodies import if_revision, project_of, read_many, read_one, value_or
from volutus.http.openstack.network.schemas import (
    SubPortPart,
    SubPortReferencesBody,
    SubPortsBody,
    TrunkBody,
)
from volutus.network import trunks
from volutus.network.errors import InvalidInput
from volutus.network.trunks import SubPort, TrunkChanges, TrunkOrder

_NAMES = lists.COMMON_NAMES | {"port_id": "port_id", "admin_state_up": "enabled"}


def create(request: Request) -> Response:
    bodies, bulk = read_many(request, "trunk", "trunks", TrunkBody)
    made = [trunks.create(request.tx, request.caller, _order(request, body)) for body in bodies]
    return created(lists.many("trunks", "trunk", [views.trunk(one) for one in made], bulk=bulk))


def index(request: Request) -> Response:
    asked = lists.parse(request, _NAMES)
    found = trunks.list_(request.tx, request.caller, asked.query)
    return lists.answer(request, "trunks", asked, [views.trunk(one) for one in found])


def show(request: Request) -> Response:
    found = trunks.get(request.tx, request.caller, request.params["id"])
    return lists.one(request, "trunk", views.trunk(found))


def change(request: Request) -> Response:
    body = read_one(request, "trunk", TrunkBody)
    if body.port_id is not UNSET or body.sub_ports is not UNSET:
        raise InvalidInput("Cannot update read-only attribute port_id or sub_ports", field="port_id")
    changes = TrunkChanges(body.name, body.description, body.admin_state_up)
    changed = trunks.change(request.tx, request.caller, request.params["id"], changes, if_revision(request))
    return lists.one(request, "trunk", views.trunk(changed))


def delete(request: Request) -> Response:
    trunks.remove(request.tx, request.caller, request.params["id"], if_revision(request))
    return no_content()


def add_sub_ports(request: Request) -> Response:
    more = _sub_ports(request.read(SubPortsBody).sub_ports)
    return document(views.trunk(trunks.add_sub_ports(request.tx, request.caller, request.params["id"], more)))


def remove_sub_ports(request: Request) -> Response:
    gone = [part.port_id for part in request.read(SubPortReferencesBody).sub_ports]
    left = trunks.remove_sub_ports(request.tx, request.caller, request.params["id"], gone)
    return document(views.trunk(left))


def show_sub_ports(request: Request) -> Response:
    found = trunks.get(request.tx, request.caller, request.params["id"])
    return document({"sub_ports": views.trunk(found)["sub_ports"]})


def _order(request: Request, body: TrunkBody) -> TrunkOrder:
    if body.port_id is UNSET:
        raise InvalidInput("Failed to parse request. Required attribute 'port_id' not specified")
    return TrunkOrder(
        project_id=project_of(request, body),
        port_id=body.port_id,
        name=value_or(body.name, ""),
        description=value_or(body.description, ""),
        enabled=value_or(body.admin_state_up, True),
        sub_ports=_sub_ports(value_or(body.sub_ports, [])),
    )


def _sub_ports(parts: Sequence[SubPortPart]) -> tuple[SubPort, ...]:
    return tuple(SubPort(part.port_id, part.segmentation_type, part.segmentation_id) for part in parts)
