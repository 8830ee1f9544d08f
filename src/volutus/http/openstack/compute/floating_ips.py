"""Floating IPs in the form Nova had before 2.36 (2.44 for a server's actions): the network's own."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from starlette.responses import Response

from volutus import compute
from volutus.errors import Invalid, NotFound
from volutus.http.kernel import Request, Version, document, empty, parse_page
from volutus.http.openstack.compute.security_groups import check_version
from volutus.network import floating_ips, networks
from volutus.network.floating_ips import FloatingIp, FloatingIpOrder
from volutus.network.listing import Query

V2_44 = Version(2, 44)


class Order(Struct, forbid_unknown_fields=True):
    pool: str | None = None


def index(request: Request) -> Response:
    """The project's addresses."""
    check_version(request)
    filters = {"project_id": [request.caller.own_project()]}
    found = floating_ips.list_(request.tx, request.caller, Query(filters, parse_page(request)))
    return document({"floating_ips": _views(request, found)})


def show(request: Request) -> Response:
    """One address."""
    check_version(request)
    found = floating_ips.get(request.tx, request.caller, request.params["id"])
    return document({"floating_ip": _views(request, [found])[0]})


def create(request: Request) -> Response:
    """One more address of the pool, or of the only one."""
    check_version(request)
    pool = request.read(Order).pool
    found = [one for one in _pools(request) if pool in (None, one.id, one.name)]
    if not found:
        raise NotFound(f"Floating IP pool {pool} was not found.")
    order = FloatingIpOrder(request.caller.own_project(), found[0].id)
    made = floating_ips.create(request.tx, request.caller, order)
    return document({"floating_ip": _views(request, [made])[0]})


def delete(request: Request) -> Response:
    """Give an address back."""
    check_version(request)
    floating_ips.remove(request.tx, request.caller, request.params["id"])
    return empty()


def pools(request: Request) -> Response:
    """The external networks."""
    check_version(request)
    return document({"floating_ip_pools": [{"name": one.name} for one in _pools(request)]})


def add(request: Request, server_id: str, arguments: Any) -> Response:
    """The server's action `addFloatingIp`."""
    fields = _fields(request, arguments)
    compute.floating_ips.associate(
        request.tx, request.caller, server_id, fields["address"], fields.get("fixed_address")
    )
    return empty()


def remove(request: Request, server_id: str, arguments: Any) -> Response:
    """The server's action `removeFloatingIp`."""
    fields = _fields(request, arguments)
    compute.floating_ips.dissociate(request.tx, request.caller, server_id, fields["address"])
    return empty()


def _fields(request: Request, arguments: Any) -> dict[str, str]:
    if request.microversion >= V2_44:
        raise NotFound("The resource could not be found.")
    fields = arguments if isinstance(arguments, dict) else {}
    if not fields.get("address") or not all(isinstance(value, str) for value in fields.values()):
        raise Invalid("Invalid input for field/attribute address.", field="address")
    return fields


def _pools(request: Request) -> list[networks.Network]:
    return networks.list_(request.tx, request.caller, Query({"external": ["true"]}))


def _views(request: Request, found: Sequence[FloatingIp]) -> list[dict[str, Any]]:
    names = {one.id: one.name for one in _pools(request)} if found else {}
    return [
        {
            "id": floating.id,
            "pool": names.get(floating.network_id, floating.network_id),
            "instance_id": floating.port_details.device_id if floating.port_details else None,
            "ip": floating.address,
            "fixed_ip": floating.fixed_address,
        }
        for floating in found
    ]
