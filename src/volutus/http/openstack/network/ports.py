"""`/v2.0/ports`: bodies to orders, ports to documents, filters within filters."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, UnsetType
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
from volutus.http.openstack.network.schemas import AddressPairPart, DhcpOptionPart, FixedIpPart, PortBody
from volutus.network import port_changes, ports, trunks
from volutus.network.allocation import FixedIpRequest
from volutus.network.dhcp_options import DhcpOption
from volutus.network.errors import InvalidInput
from volutus.network.listing import Query
from volutus.network.port_changes import PortChanges
from volutus.network.ports import AddressPair, Port, PortOrder

_NAMES = lists.COMMON_NAMES | {
    "network_id": "network_id",
    "mac_address": "mac",
    "admin_state_up": "enabled",
    "port_security_enabled": "port_security",
    "device_id": "device_id",
    "device_owner": "device_owner",
    "status": "status",
    "binding:host_id": "host_name",
    "binding:vnic_type": "vnic_type",
    "fixed_ips": "fixed_ips",
    "ip_address": "address",
    "subnet_id": "subnet_id",
    "security_groups": "security_group_id",
    "security_group_ids": "security_group_id",
    "router_id": "router_id",
    "dns_name": "dns_name",
    "qos_policy_id": "qos_policy_id",
}
# `fixed_ips=ip_address=10.0.0.5` is a filter within a filter.
_FIXED_IP_NAMES = {"ip_address": "address", "subnet_id": "subnet_id", "ip_address_substr": "address_part"}
_PERMISSIONS = {
    "host_id": "network:ports:set_binding",
    "profile": "network:ports:set_binding",
}
_VNIC_TYPES = ("normal",)


def create(request: Request) -> Response:
    bodies, bulk = read_many(request, "port", "ports", PortBody)
    made = [ports.create(request.tx, request.caller, _order(request, body)) for body in bodies]
    # What is new is no trunk's parent: nothing is asked about that.
    shown = [views.port(one, binding=_sees_binding(request)) for one in made]
    return created(lists.many("ports", "port", shown, bulk=bulk))


def index(request: Request) -> Response:
    asked = lists.parse(request, _NAMES)
    filters = dict(asked.query.filters)
    for condition in filters.pop("fixed_ips", ()):
        name, _, value = condition.partition("=")
        if name not in _FIXED_IP_NAMES:
            raise InvalidInput(f"fixed_ips cannot be filtered by {name!r}.", field="fixed_ips")
        filters[_FIXED_IP_NAMES[name]] = [*filters.get(_FIXED_IP_NAMES[name], ()), value]
    query = Query(filters, asked.query.page)
    found = ports.list_(request.tx, request.caller, query)
    return lists.answer(request, "ports", asked, _views(request, found))


def show(request: Request) -> Response:
    found = ports.get(request.tx, request.caller, request.params["id"])
    return lists.one(request, "port", _views(request, [found])[0])


def change(request: Request) -> Response:
    body = read_one(request, "port", PortBody)
    require_attributes(request, body, _PERMISSIONS)
    if body.network_id is not UNSET:
        raise InvalidInput("Cannot update read-only attribute network_id", field="network_id")
    changes = PortChanges(
        name=body.name,
        description=body.description,
        enabled=body.admin_state_up,
        mac=_mac(body),
        fixed_ips=UNSET if body.fixed_ips is UNSET else fixed_ips(body.fixed_ips),
        security_group_ids=UNSET if body.security_groups is UNSET else tuple(body.security_groups or ()),
        port_security=body.port_security_enabled,
        address_pairs=UNSET if body.allowed_address_pairs is UNSET else _pairs(body.allowed_address_pairs),
        device_id=body.device_id,
        device_owner=body.device_owner,
        host_name=body.host_id if body.host_id is UNSET else body.host_id or "",
        vnic_type=_vnic_type(body),
        binding_profile=UNSET if body.profile is UNSET else body.profile or {},
        qos_policy_id=body.qos_policy_id,
        dhcp_options=UNSET if body.extra_dhcp_opts is UNSET else _dhcp_options(body.extra_dhcp_opts),
        dns_name=body.dns_name if body.dns_name is UNSET else body.dns_name or "",
        dns_domain=body.dns_domain if body.dns_domain is UNSET else body.dns_domain or "",
    )
    changed = port_changes.change(
        request.tx, request.caller, request.params["id"], changes, if_revision(request)
    )
    return lists.one(request, "port", _views(request, [changed])[0])


def delete(request: Request) -> Response:
    port_changes.remove(request.tx, request.caller, request.params["id"], if_revision(request))
    return no_content()


def fixed_ips(parts: Sequence[FixedIpPart] | None) -> tuple[FixedIpRequest, ...]:
    """Addresses asked for by a body."""
    return tuple(
        FixedIpRequest(
            part.subnet_id, None if part.ip_address is None else addresses.one(part.ip_address, "fixed_ips")
        )
        for part in parts or ()
    )


def _order(request: Request, body: PortBody) -> PortOrder:
    require_attributes(request, body, _PERMISSIONS)
    if body.network_id is UNSET:
        raise InvalidInput("Failed to parse request. Required attribute 'network_id' not specified")
    mac = _mac(body)
    groups = value_or(body.security_groups, None)
    return PortOrder(
        network_id=body.network_id,
        project_id=project_of(request, body),
        name=value_or(body.name, ""),
        description=value_or(body.description, ""),
        enabled=value_or(body.admin_state_up, True),
        mac=None if mac is UNSET else mac,
        fixed_ips=None if body.fixed_ips is UNSET or body.fixed_ips is None else fixed_ips(body.fixed_ips),
        security_group_ids=None if groups is None else tuple(groups),
        port_security=None if body.port_security_enabled is UNSET else body.port_security_enabled,
        address_pairs=_pairs(value_or(body.allowed_address_pairs, [])),
        device_id=value_or(body.device_id, ""),
        device_owner=value_or(body.device_owner, ""),
        host_name=value_or(body.host_id, ""),
        vnic_type=value_or(_vnic_type(body), "normal"),
        binding_profile=value_or(body.profile, {}),
        qos_policy_id=value_or(body.qos_policy_id, "") or None,
        dhcp_options=tuple(one for one in _dhcp_options(value_or(body.extra_dhcp_opts, [])) if one.value),
        dns_name=value_or(body.dns_name, ""),
        dns_domain=value_or(body.dns_domain, ""),
    )


def _dhcp_options(parts: Sequence[DhcpOptionPart] | None) -> tuple[DhcpOption, ...]:
    return tuple(DhcpOption(part.opt_name, part.opt_value, part.ip_version) for part in parts or ())


def _mac(body: PortBody) -> str | UnsetType:
    if body.mac_address is UNSET or body.mac_address is None:
        return UNSET
    return addresses.mac(body.mac_address, "mac_address")


def _vnic_type(body: PortBody) -> str | UnsetType:
    if body.vnic_type is not UNSET and body.vnic_type not in _VNIC_TYPES:
        raise InvalidInput(
            f"Invalid input for binding:vnic_type. Reason: '{body.vnic_type}' is not in {list(_VNIC_TYPES)}.",
            field="binding:vnic_type",
        )
    return body.vnic_type


def _pairs(parts: Sequence[AddressPairPart] | None) -> tuple[AddressPair, ...]:
    pairs = tuple(
        AddressPair(
            addresses.one_or_network(part.ip_address, "allowed_address_pairs"),
            part.mac_address and addresses.mac(part.mac_address, "allowed_address_pairs"),
        )
        for part in parts or ()
    )
    if len(set(pairs)) != len(pairs):
        raise InvalidInput("Request contains duplicate address pair.", field="allowed_address_pairs")
    return pairs


def _sees_binding(request: Request) -> bool:
    return request.plane.policy.allows("network:ports:see_binding", request.caller)


def _views(request: Request, found: Sequence[Port]) -> list[dict[str, Any]]:
    binding = _sees_binding(request)
    parents = trunks.of_ports(request.tx, [one.id for one in found])
    return [views.port(one, parents.get(one.id), binding=binding) for one in found]
