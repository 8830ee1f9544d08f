"""`/v2.0/subnetpools`: bodies to orders, pools of prefixes to documents."""

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
from volutus.http.openstack.network.schemas import SubnetPoolBody
from volutus.network import subnet_pools
from volutus.network.errors import InvalidInput
from volutus.network.subnet_pools import SubnetPoolChanges, SubnetPoolOrder

_NAMES = lists.COMMON_NAMES | {
    "ip_version": "ip_version",
    "default_prefixlen": "default_prefix_length",
    "min_prefixlen": "min_prefix_length",
    "max_prefixlen": "max_prefix_length",
    "default_quota": "default_quota",
    "shared": "shared",
    "is_default": "is_default",
    "address_scope_id": "address_scope_id",
}
_PERMISSIONS = {
    "shared": "network:subnet_pools:set_shared",
    "is_default": "network:subnet_pools:set_is_default",
}


def create(request: Request) -> Response:
    bodies, bulk = read_many(request, "subnetpool", "subnetpools", SubnetPoolBody)
    made = [subnet_pools.create(request.tx, request.caller, _order(request, body)) for body in bodies]
    return created(lists.many("subnetpools", "subnetpool", [views.subnet_pool(it) for it in made], bulk=bulk))


def index(request: Request) -> Response:
    asked = lists.parse(request, _NAMES)
    found = subnet_pools.list_(request.tx, request.caller, asked.query)
    return lists.answer(request, "subnetpools", asked, [views.subnet_pool(one) for one in found])


def show(request: Request) -> Response:
    found = subnet_pools.get(request.tx, request.caller, request.params["id"])
    return lists.one(request, "subnetpool", views.subnet_pool(found))


def change(request: Request) -> Response:
    body = read_one(request, "subnetpool", SubnetPoolBody)
    require_attributes(request, body, _PERMISSIONS)
    if body.shared is not UNSET:
        raise InvalidInput("Cannot update read-only attribute shared", field="shared")
    changes = SubnetPoolChanges(
        name=body.name,
        description=body.description,
        prefixes=UNSET if body.prefixes is UNSET else _prefixes(body),
        default_prefix_length=body.default_prefixlen,
        min_prefix_length=body.min_prefixlen,
        max_prefix_length=body.max_prefixlen,
        default_quota=body.default_quota,
        is_default=body.is_default,
        address_scope_id=body.address_scope_id,
    )
    changed = subnet_pools.change(
        request.tx, request.caller, request.params["id"], changes, if_revision(request)
    )
    return lists.one(request, "subnetpool", views.subnet_pool(changed))


def delete(request: Request) -> Response:
    subnet_pools.remove(request.tx, request.caller, request.params["id"], if_revision(request))
    return no_content()


def _order(request: Request, body: SubnetPoolBody) -> SubnetPoolOrder:
    require_attributes(request, body, _PERMISSIONS)
    return SubnetPoolOrder(
        project_id=project_of(request, body),
        name=value_or(body.name, ""),
        prefixes=_prefixes(body),
        description=value_or(body.description, ""),
        default_prefix_length=value_or(body.default_prefixlen, 0) or None,
        min_prefix_length=value_or(body.min_prefixlen, 0) or None,
        max_prefix_length=value_or(body.max_prefixlen, 0) or None,
        default_quota=value_or(body.default_quota, None),
        shared=value_or(body.shared, False),
        is_default=value_or(body.is_default, False),
        address_scope_id=value_or(body.address_scope_id, None),
    )


def _prefixes(body: SubnetPoolBody) -> tuple[str, ...]:
    return tuple(addresses.network(prefix, "prefixes") for prefix in value_or(body.prefixes, []))
