"""Server groups, which say whether servers may share a host, over HTTP."""

from typing import Any

from msgspec import Struct
from starlette.responses import Response

from volutus import compute
from volutus.compute.groups import POLICIES, ServerGroup
from volutus.db import Page
from volutus.errors import Invalid
from volutus.http.kernel import Request, Version, document, no_content
from volutus.http.openstack.compute import schemas

V2_13 = Version(2, 13)
V2_15 = Version(2, 15)
V2_64 = Version(2, 64)


class Rules(Struct, forbid_unknown_fields=True):
    max_server_per_host: schemas.Number | None = None


class GroupBody(Struct, forbid_unknown_fields=True):
    name: schemas.Name
    policies: list[str] | None = None
    policy: str | None = None
    rules: Rules | None = None


class CreateBody(Struct, forbid_unknown_fields=True):
    server_group: GroupBody


def create(request: Request) -> Response:
    """A new group."""
    body = request.read(CreateBody).server_group
    policy = _policy(body, request.microversion)
    most = schemas.number(body.rules.max_server_per_host, "max_server_per_host", 1) if body.rules else None
    name = schemas.name_of(body.name, "name")
    made = compute.groups.create(request.tx, request.caller, name, policy, most)
    return document({"server_group": _view(request, made)})


def index(request: Request) -> Response:
    """The project's groups, or for administrators all."""
    limit, offset = (request.query.get(name) for name in ("limit", "offset"))
    everyones = "all_projects" in request.query and request.caller.is_admin
    found = compute.groups.list_(request.tx, request.caller, Page(), all_projects=everyones)
    start = schemas.number(offset, "offset") or 0
    count = schemas.number(limit, "limit") or len(found)
    return document({"server_groups": [_view(request, one) for one in found[start : start + count]]})


def show(request: Request) -> Response:
    """One group."""
    found = compute.groups.get(request.tx, request.caller, request.params["id"])
    return document({"server_group": _view(request, found)})


def delete(request: Request) -> Response:
    """Remove a group."""
    compute.groups.remove(request.tx, request.caller, request.params["id"])
    return no_content()


def _policy(body: GroupBody, version: Version) -> str:
    given = body.policies if version < V2_64 else [body.policy] if body.policy else None
    known = POLICIES if version >= V2_15 else POLICIES[:2]
    if not given or len(given) != 1 or given[0] not in known:
        raise Invalid(
            "Invalid input for field/attribute policies: one of " + ", ".join(known), field="policies"
        )
    return str(given[0])


def _view(request: Request, group: ServerGroup) -> dict[str, Any]:
    version = request.microversion
    view: dict[str, Any] = {"id": group.id, "name": group.name, "members": list(group.members)}
    if version < V2_64:
        view |= {"policies": [group.policy], "metadata": {}}
    else:
        most = group.max_server_per_host
        view |= {"policy": group.policy, "rules": {"max_server_per_host": most} if most else {}}
    if version >= V2_13:
        view |= {"project_id": group.project_id, "user_id": group.user_id}
    return view
