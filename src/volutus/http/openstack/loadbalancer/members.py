"""`/v2.0/lbaas/pools/{id}/members`: where the connections go."""

from typing import Any

from msgspec import UNSET, UnsetType
from starlette.responses import Response

from volutus.http.kernel import Request, empty, no_content
from volutus.http.kernel.bodies import decode
from volutus.http.openstack.loadbalancer import answers, views
from volutus.http.openstack.loadbalancer.schemas import MemberBody, fixed, read, read_part, required
from volutus.http.openstack.network import addresses
from volutus.http.openstack.network.bodies import value_or
from volutus.network.listing import parse_boolean
from volutus.network.loadbalancer import MemberOrder, members, nouns
from volutus.network.loadbalancer.errors import InvalidOption, UnsupportedOption
from volutus.network.loadbalancer.nouns import MEMBER, POOL

NAME = "member"
# One transaction writes them all.
MEMBERS_MAX = 500
_NAMES = {"address": "address", "protocol_port": "port", "subnet_id": "subnet_id", "weight": "weight"}


def create(request: Request) -> Response:
    order = _order(request.params["id"], read(request, NAME, MemberBody))
    made = members.create(request.tx, request.caller, order)
    return answers.one(request, NAME, views.member, made, 201)


def index(request: Request) -> Response:
    pool = nouns.get(request.tx, request.caller, POOL, request.params["id"])
    return answers.many(request, MEMBER, "members", views.member, _NAMES, pool_id=pool.id)


def show(request: Request) -> Response:
    found = members.get(request.tx, request.caller, request.params["id"], request.params["member_id"])
    return answers.one(request, NAME, views.member, found)


def change(request: Request) -> Response:
    body = read(request, NAME, MemberBody)
    fixed(body, ("address", "protocol_port", "subnet_id"))
    values = answers.changes(body) | {"weight": _weight(body)}
    pool_id, member_id = request.params["id"], request.params["member_id"]
    changed = members.update(request.tx, request.caller, pool_id, member_id, values)
    return answers.one(request, NAME, views.member, changed)


def replace(request: Request) -> Response:
    """All members of the pool at once."""
    document = decode(request.body, dict[str, Any])
    parts = document.get("members")
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise InvalidOption("The body should have a list of members.", field="members")
    if len(parts) > MEMBERS_MAX:
        raise InvalidOption(f"At most {MEMBERS_MAX} members can be set at once.", field="members")
    pool_id = request.params["id"]
    orders = [_order(pool_id, read_part(part, MemberBody)) for part in parts]
    additive = parse_boolean(request.query.get("additive_only", "false"))
    members.replace_all(request.tx, request.caller, pool_id, orders, additive=additive)
    return empty(202)


def delete(request: Request) -> Response:
    members.remove(request.tx, request.caller, request.params["id"], request.params["member_id"])
    return no_content()


def _order(pool_id: str, body: MemberBody) -> MemberOrder:
    weight = _weight(body)
    values = answers.ordered(body)
    values.pop("description", None)
    return MemberOrder(
        pool_id=pool_id,
        address=addresses.one(required(body.address, "address"), "address"),
        port=required(body.protocol_port, "protocol_port"),
        subnet_id=value_or(body.subnet_id, "") or None,
        weight=1 if isinstance(weight, UnsetType) else weight,
        **values,
    )


def _weight(body: MemberBody) -> int | UnsetType:
    if body.weight is not UNSET and body.weight not in (0, 1):
        raise UnsupportedOption(
            "weight is not supported except 1, and 0 for no new connections: members share alike.",
            field="weight",
        )
    return body.weight
