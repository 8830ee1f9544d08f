"""`/v2.0/routers`, with interfaces and routes as actions of their own."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from volutus.http.kernel import Request, created, document, no_content
from volutus.http.openstack.network import lists, views
from volutus.http.openstack.network.bodies import (
    if_revision,
    project_of,
    read_many,
    read_one,
    require_attributes,
    value_or,
)
from volutus.http.openstack.network.ports import fixed_ips
from volutus.http.openstack.network.schemas import (
    GatewayPart,
    GatewaysBody,
    InterfaceBody,
    RouterBody,
    RoutesBody,
)
from volutus.http.openstack.network.subnets import routes
from volutus.network import router_interfaces, routers
from volutus.network.errors import InvalidInput
from volutus.network.router_gateways import GatewayOrder
from volutus.network.routers import Router, RouterChanges, RouterOrder

_PERMISSIONS = {"enable_default_route_ecmp": "network:routers:set_ecmp"}
_NAMES = lists.COMMON_NAMES | {"admin_state_up": "enabled", "status": "status"}
_GATEWAY_PERMISSIONS = {
    "enable_snat": "network:routers:set_snat",
    "external_fixed_ips": "network:routers:set_gateway_addresses",
}


def create(request: Request) -> Response:
    bodies, bulk = read_many(request, "router", "routers", RouterBody)
    made = [routers.create(request.tx, request.caller, _order(request, body)) for body in bodies]
    return created(lists.many("routers", "router", [_view(request, one) for one in made], bulk=bulk))


def index(request: Request) -> Response:
    asked = lists.parse(request, _NAMES)
    found = routers.list_(request.tx, request.caller, asked.query)
    return lists.answer(request, "routers", asked, [_view(request, one) for one in found])


def show(request: Request) -> Response:
    found = routers.get(request.tx, request.caller, request.params["id"])
    return lists.one(request, "router", _view(request, found))


def change(request: Request) -> Response:
    body = read_one(request, "router", RouterBody)
    require_attributes(request, body, _PERMISSIONS)
    changes = RouterChanges(
        name=body.name,
        description=body.description,
        enabled=body.admin_state_up,
        gateway=_gateway(request, body),
        routes=UNSET if body.routes is UNSET else routes(body.routes),
        ecmp=body.enable_default_route_ecmp,
    )
    changed = routers.change(request.tx, request.caller, request.params["id"], changes, if_revision(request))
    return lists.one(request, "router", _view(request, changed))


def delete(request: Request) -> Response:
    routers.remove(request.tx, request.caller, request.params["id"], if_revision(request))
    return no_content()


def add_interface(request: Request) -> Response:
    body = _interface(request)
    if body.port_id is not None and body.subnet_id is not None:
        raise InvalidInput("Bad router request: Cannot specify both subnet-id and port-id.")
    if body.port_id is not None:
        added = router_interfaces.add_by_port(request.tx, request.caller, request.params["id"], body.port_id)
    else:
        added = router_interfaces.add_by_subnet(
            request.tx, request.caller, request.params["id"], body.subnet_id or ""
        )
    return document(views.interface(added))


def remove_interface(request: Request) -> Response:
    body = _interface(request)
    removed = router_interfaces.remove(
        request.tx, request.caller, request.params["id"], subnet_id=body.subnet_id, port_id=body.port_id
    )
    return document(views.interface(removed))


def add_routes(request: Request) -> Response:
    body = read_one(request, "router", RoutesBody)
    changed = routers.add_routes(request.tx, request.caller, request.params["id"], routes(body.routes))
    return lists.one(request, "router", _view(request, changed))


def remove_routes(request: Request) -> Response:
    body = read_one(request, "router", RoutesBody)
    changed = routers.remove_routes(request.tx, request.caller, request.params["id"], routes(body.routes))
    return lists.one(request, "router", _view(request, changed))


def add_gateways(request: Request) -> Response:
    orders = _gateways(request)
    changed = routers.add_gateways(request.tx, request.caller, request.params["id"], orders)
    return lists.one(request, "router", _view(request, changed))


def change_gateways(request: Request) -> Response:
    orders = _gateways(request)
    changed = routers.change_gateways(request.tx, request.caller, request.params["id"], orders)
    return lists.one(request, "router", _view(request, changed))


def remove_gateways(request: Request) -> Response:
    # Attributes of what goes are those of what was shown: nothing is set.
    body = read_one(request, "router", GatewaysBody)
    orders = [_gateway_order(part) for part in body.parts]
    changed = routers.remove_gateways(request.tx, request.caller, request.params["id"], orders)
    return lists.one(request, "router", _view(request, changed))


def _interface(request: Request) -> InterfaceBody:
    body = request.read(InterfaceBody)
    if body.port_id is None and body.subnet_id is None:
        raise InvalidInput("Bad router request: Either subnet_id or port_id must be specified.")
    return body


def _order(request: Request, body: RouterBody) -> RouterOrder:
    require_attributes(request, body, _PERMISSIONS)
    gateway = _gateway(request, body)
    return RouterOrder(
        project_id=project_of(request, body),
        name=value_or(body.name, ""),
        description=value_or(body.description, ""),
        enabled=value_or(body.admin_state_up, True),
        gateway=None if gateway is UNSET else gateway,
        zone_hints=tuple(value_or(body.availability_zone_hints, [])),
        flavor_id=value_or(body.flavor_id, "") or None,
        ecmp=value_or(body.enable_default_route_ecmp, False),
    )


def _gateway(request: Request, body: RouterBody) -> GatewayOrder | UnsetType | None:
    if body.external_gateway_info is UNSET:
        return UNSET
    part: GatewayPart | None = body.external_gateway_info
    if part is None or part.network_id is None:
        return None
    require_attributes(request, part, _GATEWAY_PERMISSIONS)
    return _gateway_order(part)


def _gateways(request: Request) -> list[GatewayOrder]:
    body = read_one(request, "router", GatewaysBody)
    for part in body.parts:
        require_attributes(request, part, _GATEWAY_PERMISSIONS)
    return [_gateway_order(part) for part in body.parts]


def _gateway_order(part: GatewayPart) -> GatewayOrder:
    if part.network_id is None:
        raise InvalidInput("A gateway needs a network_id.", field="network_id")
    return GatewayOrder(
        part.network_id,
        None if part.enable_snat is UNSET else part.enable_snat,
        None
        if isinstance(part.external_fixed_ips, msgspec.UnsetType)
        else fixed_ips(part.external_fixed_ips),
        part.qos_policy_id,
    )


def _view(request: Request, it: Router) -> dict[str, Any]:
    return views.router(it, request.plane.settings.zone)
