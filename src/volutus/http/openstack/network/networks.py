"""`/v2.0/networks`: bodies to orders, networks to documents."""

from typing import Any

from msgspec import UNSET
from starlette.responses import Response

from volutus.http.kernel import Request, created, no_content
from volutus.http.openstack.network import lists, views
from volutus.http.openstack.network.bodies import (
    if_revision,
    project_of,
    read_many,
    read_one,
    require_attributes,
    value_or,
)
from volutus.http.openstack.network.schemas import NetworkBody
from volutus.network import network_removal, networks
from volutus.network.errors import InvalidInput
from volutus.network.networks import Network, NetworkChanges, NetworkOrder
from volutus.network.segmentation import Wire

_NAMES = lists.COMMON_NAMES | {
    "admin_state_up": "enabled",
    "status": "status",
    "shared": "shared",
    "router:external": "external",
    "is_default": "is_default",
    "mtu": "mtu",
    "port_security_enabled": "port_security",
    "provider:network_type": "network_type",
    "provider:physical_network": "physical_network",
    "provider:segmentation_id": "segmentation_id",
    "subnets": "subnet_id",
    "qos_policy_id": "qos_policy_id",
    "dns_domain": "dns_domain",
}
_PERMISSIONS = {
    "shared": "network:networks:set_shared",
    "external": "network:networks:set_external",
    "is_default": "network:networks:set_is_default",
    "network_type": "network:networks:set_provider",
    "physical_network": "network:networks:set_provider",
    "segmentation_id": "network:networks:set_provider",
    "segments": "network:networks:set_provider",
}
_FIXED = ("segments", "network_type", "physical_network", "segmentation_id", "availability_zone_hints")


def create(request: Request) -> Response:
    bodies, bulk = read_many(request, "network", "networks", NetworkBody)
    made = [networks.create(request.tx, request.caller, _order(request, body)) for body in bodies]
    return created(lists.many("networks", "network", [_view(request, one) for one in made], bulk=bulk))


def index(request: Request) -> Response:
    asked = lists.parse(request, _NAMES)
    found = networks.list_(request.tx, request.caller, asked.query)
    return lists.answer(request, "networks", asked, [_view(request, one) for one in found])


def show(request: Request) -> Response:
    found = networks.get(request.tx, request.caller, request.params["id"])
    return lists.one(request, "network", _view(request, found))


def change(request: Request) -> Response:
    body = read_one(request, "network", NetworkBody)
    require_attributes(request, body, _PERMISSIONS)
    for name in _FIXED:
        if getattr(body, name) is not UNSET:
            raise InvalidInput(f"Cannot update read-only attribute {name}", field=name)
    changes = NetworkChanges(
        name=body.name,
        description=body.description,
        enabled=body.admin_state_up,
        shared=body.shared,
        external=body.external,
        is_default=body.is_default,
        mtu=body.mtu,
        port_security=body.port_security_enabled,
        qos_policy_id=body.qos_policy_id,
        dns_domain=body.dns_domain or "" if body.dns_domain is not UNSET else UNSET,
    )
    changed = networks.change(request.tx, request.caller, request.params["id"], changes, if_revision(request))
    return lists.one(request, "network", _view(request, changed))


def delete(request: Request) -> Response:
    network_removal.remove(request.tx, request.caller, request.params["id"], if_revision(request))
    return no_content()


def _order(request: Request, body: NetworkBody) -> NetworkOrder:
    require_attributes(request, body, _PERMISSIONS)
    return NetworkOrder(
        project_id=project_of(request, body),
        name=value_or(body.name, ""),
        description=value_or(body.description, ""),
        enabled=value_or(body.admin_state_up, True),
        shared=value_or(body.shared, False),
        external=value_or(body.external, False),
        is_default=value_or(body.is_default, False),
        mtu=value_or(body.mtu, 0) or None,
        port_security=value_or(body.port_security_enabled, True),
        network_type=value_or(body.network_type, "") or None,
        physical_network=value_or(body.physical_network, "") or None,
        segmentation_id=value_or(body.segmentation_id, 0) or None,
        segments=tuple(
            Wire(one.network_type, one.physical_network, one.segmentation_id)
            for one in value_or(body.segments, [])
        ),
        zone_hints=tuple(value_or(body.availability_zone_hints, [])),
        qos_policy_id=value_or(body.qos_policy_id, "") or None,
        dns_domain=value_or(body.dns_domain, ""),
    )


def _view(request: Request, it: Network) -> dict[str, Any]:
    provider = request.plane.policy.allows("network:networks:see_provider", request.caller)
    return views.network(it, request.plane.settings.zone, provider=provider)
