"""`/v2.0/floatingips`: addresses of an external network, and what each stands for."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET
from starlette.responses import Response

from volutus.http.kernel import Request, created, no_content
from volutus.http.openstack.network import addresses, lists, views
from volutus.http.openstack.network.bodies import (
    if_revision,
    project_of,
    read_many,
    read_one,
    require_attributes,
    value_or,
)
from volutus.http.openstack.network.schemas import FloatingIpBody
from volutus.network import floating_ips, port_forwardings
from volutus.network.errors import InvalidInput
from volutus.network.floating_ips import FloatingIp, FloatingIpChanges, FloatingIpOrder

_NAMES = {name: value for name, value in lists.COMMON_NAMES.items() if name != "name"} | {
    "floating_network_id": "network_id",
    "floating_ip_address": "address",
    "fixed_ip_address": "fixed_address",
    "port_id": "port_id",
    "router_id": "router_id",
    "status": "status",
    "qos_policy_id": "qos_policy_id",
}
_PERMISSIONS = {"floating_ip_address": "network:floating_ips:set_address"}


def create(request: Request) -> Response:
    bodies, bulk = read_many(request, "floatingip", "floatingips", FloatingIpBody)
    made = [floating_ips.create(request.tx, request.caller, _order(request, body)) for body in bodies]
    shown = _views(request, made)
    return created(lists.many("floatingips", "floatingip", shown, bulk=bulk))


def index(request: Request) -> Response:
    asked = lists.parse(request, _NAMES)
    found = floating_ips.list_(request.tx, request.caller, asked.query)
    return lists.answer(request, "floatingips", asked, _views(request, found))


def show(request: Request) -> Response:
    found = floating_ips.get(request.tx, request.caller, request.params["id"])
    return lists.one(request, "floatingip", _views(request, [found])[0])


def change(request: Request) -> Response:
    body = read_one(request, "floatingip", FloatingIpBody)
    for name in ("floating_network_id", "floating_ip_address", "subnet_id", "dns_name", "dns_domain"):
        if getattr(body, name) is not UNSET:
            raise InvalidInput(f"Cannot update read-only attribute {name}", field=name)
    fixed_address = value_or(body.fixed_ip_address, "")
    changes = FloatingIpChanges(
        port_id=body.port_id,
        fixed_address=addresses.one(fixed_address, "fixed_ip_address") if fixed_address else None,
        description=body.description,
        qos_policy_id=body.qos_policy_id,
    )
    changed = floating_ips.change(
        request.tx, request.caller, request.params["id"], changes, if_revision(request)
    )
    return lists.one(request, "floatingip", _views(request, [changed])[0])


def delete(request: Request) -> Response:
    floating_ips.remove(request.tx, request.caller, request.params["id"], if_revision(request))
    return no_content()


def _views(request: Request, found: Sequence[FloatingIp]) -> list[dict[str, Any]]:
    forwarded = port_forwardings.of_floating_ips(request.tx, [one.id for one in found])
    return [views.floating_ip(one, forwarded.get(one.id, ())) for one in found]


def _order(request: Request, body: FloatingIpBody) -> FloatingIpOrder:
    if body.floating_ip_address is not None:
        require_attributes(request, body, _PERMISSIONS)
    if body.floating_network_id is UNSET:
        raise InvalidInput("Failed to parse request. Required attribute 'floating_network_id' not specified")
    address = value_or(body.floating_ip_address, "")
    fixed_address = value_or(body.fixed_ip_address, "")
    return FloatingIpOrder(
        project_id=project_of(request, body),
        network_id=body.floating_network_id,
        subnet_id=value_or(body.subnet_id, "") or None,
        address=addresses.one(address, "floating_ip_address") if address else None,
        port_id=value_or(body.port_id, "") or None,
        fixed_address=addresses.one(fixed_address, "fixed_ip_address") if fixed_address else None,
        description=value_or(body.description, ""),
        qos_policy_id=value_or(body.qos_policy_id, "") or None,
        dns_name=value_or(body.dns_name, ""),
        dns_domain=value_or(body.dns_domain, ""),
    )
