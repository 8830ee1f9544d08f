"""`/v2.0/subnets`: bodies to orders, subnets to documents."""

from collections.abc import Sequence

from msgspec import UNSET, UnsetType
from starlette.responses import Response

from volutus.http.kernel import Request, created, no_content
from volutus.http.openstack.network import addresses, lists, views
from volutus.http.openstack.network.bodies import if_revision, project_of, read_many, read_one, value_or
from volutus.http.openstack.network.schemas import PoolPart, RoutePart, SubnetBody
from volutus.network import subnets
from volutus.network.allocation import Pool
from volutus.network.errors import InvalidInput
from volutus.network.subnets import HostRoute, SubnetChanges, SubnetOrder

_NAMES = lists.COMMON_NAMES | {
    "network_id": "network_id",
    "cidr": "cidr",
    "gateway_ip": "gateway",
    "ip_version": "ip_version",
    "enable_dhcp": "enable_dhcp",
    "ipv6_address_mode": "address_mode",
    "ipv6_ra_mode": "ra_mode",
    "router:external": "external",
    "shared": "shared",
    "subnetpool_id": "subnet_pool_id",
    "segment_id": "segment_id",
}
_MODES = ("slaac", "dhcpv6-stateful", "dhcpv6-stateless")
_FIXED = (
    "segment_id",
    "network_id",
    "cidr",
    "ip_version",
    "ipv6_address_mode",
    "ipv6_ra_mode",
    "subnetpool_id",
    "prefixlen",
)


def create(request: Request) -> Response:
    bodies, bulk = read_many(request, "subnet", "subnets", SubnetBody)
    made = [subnets.create(request.tx, request.caller, _order(request, body)) for body in bodies]
    return created(lists.many("subnets", "subnet", [views.subnet(one) for one in made], bulk=bulk))


def index(request: Request) -> Response:
    asked = lists.parse(request, _NAMES)
    found = subnets.list_(request.tx, request.caller, asked.query)
    return lists.answer(request, "subnets", asked, [views.subnet(one) for one in found])


def show(request: Request) -> Response:
    found = subnets.get(request.tx, request.caller, request.params["id"])
    return lists.one(request, "subnet", views.subnet(found))


def change(request: Request) -> Response:
    body = read_one(request, "subnet", SubnetBody)
    for name in _FIXED:
        if getattr(body, name) is not UNSET:
            raise InvalidInput(f"Cannot update read-only attribute {name}", field=name)
    changes = SubnetChanges(
        name=body.name,
        description=body.description,
        gateway=_gateway(body),
        pools=UNSET if body.allocation_pools is UNSET else _pools(body.allocation_pools),
        enable_dhcp=body.enable_dhcp,
        dns_servers=UNSET if body.dns_nameservers is UNSET else _servers(body.dns_nameservers),
        host_routes=UNSET if body.host_routes is UNSET else routes(body.host_routes),
        service_types=UNSET if body.service_types is UNSET else tuple(body.service_types or ()),
    )
    changed = subnets.change(request.tx, request.caller, request.params["id"], changes, if_revision(request))
    return lists.one(request, "subnet", views.subnet(changed))


def delete(request: Request) -> Response:
    subnets.remove(request.tx, request.caller, request.params["id"], if_revision(request))
    return no_content()


def routes(parts: Sequence[RoutePart] | None) -> tuple[HostRoute, ...]:
    """Routes of a body, each part checked."""
    return tuple(
        HostRoute(addresses.network(part.destination, "destination"), addresses.one(part.nexthop, "nexthop"))
        for part in parts or ()
    )


def _order(request: Request, body: SubnetBody) -> SubnetOrder:
    if not body.network_id:
        raise InvalidInput("Failed to parse request. Required attribute 'network_id' not specified")
    if body.ip_version is UNSET:
        raise InvalidInput("Failed to parse request. Required attribute 'ip_version' not specified")
    return SubnetOrder(
        project_id=project_of(request, body),
        network_id=body.network_id,
        cidr=value_or(body.cidr, "") or None,
        subnet_pool_id=value_or(body.subnetpool_id, "") or None,
        prefix_length=value_or(body.prefixlen, 0) or None,
        ip_version=_version(body.ip_version),
        name=value_or(body.name, ""),
        description=value_or(body.description, ""),
        gateway=_gateway(body),
        pools=None
        if body.allocation_pools is UNSET or body.allocation_pools is None
        else _pools(body.allocation_pools),
        enable_dhcp=value_or(body.enable_dhcp, True),
        address_mode=_mode(body.ipv6_address_mode, "ipv6_address_mode"),
        ra_mode=_mode(body.ipv6_ra_mode, "ipv6_ra_mode"),
        dns_servers=_servers(value_or(body.dns_nameservers, [])),
        host_routes=routes(value_or(body.host_routes, [])),
        service_types=tuple(value_or(body.service_types, [])),
        segment_id=value_or(body.segment_id, "") or None,
    )


def _version(value: int | UnsetType) -> int:
    if value not in (4, 6):
        raise InvalidInput(f"Invalid input for ip_version. Reason: '{value}' is not in [4, 6].")
    return int(value)


def _mode(value: str | UnsetType | None, name: str) -> str | None:
    if value is UNSET or value is None:
        return None
    if value not in _MODES:
        raise InvalidInput(
            f"Invalid input for {name}. Reason: '{value}' is not in {list(_MODES)}.", field=name
        )
    return value


def _gateway(body: SubnetBody) -> str | UnsetType | None:
    if body.gateway_ip is UNSET or body.gateway_ip is None:
        return body.gateway_ip
    return addresses.one(body.gateway_ip, "gateway_ip")


def _pools(parts: Sequence[PoolPart] | None) -> tuple[Pool, ...]:
    return tuple(
        Pool(addresses.one(part.start, "allocation_pools"), addresses.one(part.end, "allocation_pools"))
        for part in parts or ()
    )


def _servers(values: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(addresses.one(value, "dns_nameservers") for value in values or ())
