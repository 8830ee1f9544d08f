"""`/group_types`: kinds of groups, and their specs."""

from typing import Any

import msgspec
from starlette.responses import Response

from volutus.db import SortKey
from volutus.errors import Invalid, NotFound
from volutus.http.kernel import Request, Version, accepted, decode, document, empty, next_links, parse_page
from volutus.http.openstack.volume import schemas
from volutus.http.openstack.volume.bodies import boolean, pairs, read, since
from volutus.volume import group_types
from volutus.volume.group_types import GroupType, GroupTypeOrder

NEWEST = (SortKey("created_at", descending=True),)
FIRST = Version(3, 11)


def create(request: Request) -> Response:
    """`POST /group_types`."""
    since(request, FIRST)
    body = read(request, "group_type", schemas.GroupTypeCreate)
    specs = pairs(body.group_specs or {}, "group_specs")
    order = GroupTypeOrder(body.name.strip(), body.description, body.is_public, specs)
    if not order.name:
        raise Invalid("Invalid input for name: it must not be blank.", field="name")
    return accepted({"group_type": _view(request, group_types.create(request.tx, request.caller, order))})


def list_(request: Request) -> Response:
    """`GET /group_types`."""
    since(request, FIRST)
    text = request.query.get("is_public", "true")
    is_public = None if text.lower() == "none" else boolean(text, "is_public")
    page = parse_page(request, default_sort=NEWEST, direction="desc")
    found = group_types.list_(request.tx, request.caller, page, is_public=is_public)
    body: dict[str, Any] = {"group_types": [_view(request, one) for one in found]}
    body.update(next_links(request, "group_types", page, [one.id for one in found]))
    return document(body)


def show(request: Request) -> Response:
    """`GET /group_types/ID`. There is no default group type."""
    since(request, FIRST)
    if request.params["group_type_id"] == "default":
        raise NotFound("Default group type can not be found.")
    found = group_types.get(request.tx, request.caller, request.params["group_type_id"])
    return document({"group_type": _view(request, found)})


def update(request: Request) -> Response:
    """`PUT /group_types/ID`."""
    since(request, FIRST)
    body = read(request, "group_type", schemas.GroupTypeUpdate)
    given: dict[str, Any] = {"name": body.name, "is_public": body.is_public}
    changes = {name: value for name, value in given.items() if value is not None}
    if body.description is not msgspec.UNSET:
        changes["description"] = body.description
    if not changes:
        raise Invalid("Specify group type name, description, is_public or a combination thereof.")
    changed = group_types.update_(request.tx, request.caller, request.params["group_type_id"], changes)
    return document({"group_type": _view(request, changed)})


def delete(request: Request) -> Response:
    """`DELETE /group_types/ID`."""
    since(request, FIRST)
    group_types.remove(request.tx, request.caller, request.params["group_type_id"])
    return empty()


def list_specs(request: Request) -> Response:
    """`GET /group_types/ID/group_specs`."""
    since(request, FIRST)
    found = group_types.get(request.tx, request.caller, request.params["group_type_id"])
    return document({"group_specs": dict(found.specs)})


def set_specs(request: Request) -> Response:
    """`POST /group_types/ID/group_specs`."""
    since(request, FIRST)
    given = pairs(decode(request.body, dict[str, Any]).get("group_specs"), "group_specs")
    group_types.set_specs(request.tx, request.caller, request.params["group_type_id"], given)
    return accepted({"group_specs": given})


def show_spec(request: Request) -> Response:
    """`GET /group_types/ID/group_specs/KEY`."""
    since(request, FIRST)
    key = request.params["key"]
    found = group_types.spec(request.tx, request.caller, request.params["group_type_id"], key)
    return document({key: found})


def set_spec(request: Request) -> Response:
    """`PUT /group_types/ID/group_specs/KEY`."""
    since(request, FIRST)
    given = pairs(decode(request.body, dict[str, Any]), "group_specs")
    if list(given) != [request.params["key"]]:
        raise Invalid("Request body and URI mismatch", field="group_specs")
    group_types.set_specs(request.tx, request.caller, request.params["group_type_id"], given)
    return document(given)


def delete_spec(request: Request) -> Response:
    """`DELETE /group_types/ID/group_specs/KEY`."""
    since(request, FIRST)
    type_id, key = request.params["group_type_id"], request.params["key"]
    group_types.remove_spec(request.tx, request.caller, type_id, key)
    return empty()


def _view(request: Request, one: GroupType) -> dict[str, Any]:
    body = {"id": one.id, "name": one.name, "description": one.description, "is_public": one.is_public}
    return body | ({"group_specs": dict(one.specs)} if request.caller.is_admin else {})
