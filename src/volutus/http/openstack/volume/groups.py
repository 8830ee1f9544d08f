"""`/groups` and `/group_snapshots`: volumes that are snapshotted, copied and removed together."""

from typing import Any

from starlette.responses import Response

from volutus.db import SortKey
from volutus.errors import Invalid
from volutus.http.kernel import Request, Version, accepted, decode, document, empty, next_links, parse_page
from volutus.http.openstack.volume import schemas
from volutus.http.openstack.volume.bodies import cut, flag, read, require_uuid, since
from volutus.http.openstack.volume.views import moment
from volutus.volume import group_snapshots, groups
from volutus.volume.group_snapshots import GroupSnapshot
from volutus.volume.groups import Group, GroupChange, GroupOrder

NEWEST = (SortKey("created_at", descending=True),)
FIRST, SNAPSHOTS, RESET, RESET_SNAPSHOT = Version(3, 13), Version(3, 14), Version(3, 20), Version(3, 19)


def create(request: Request) -> Response:
    """`POST /groups`."""
    since(request, FIRST)
    body = read(request, "group", schemas.GroupCreate)
    order = GroupOrder(
        body.group_type, body.volume_types, body.name, body.description, body.availability_zone
    )
    return accepted({"group": _brief(groups.create(request.tx, request.caller, order))})


def create_from_source(request: Request) -> Response:
    """`POST /groups/action` with `create-from-src`."""
    since(request, SNAPSHOTS)
    body = read(request, "create-from-src", schemas.GroupFromSource)
    require_uuid(body.group_snapshot_id, "group_snapshot_id")
    require_uuid(body.source_group_id, "source_group_id")
    order = GroupOrder(
        group_type="",
        types=(),
        name=body.name,
        description=body.description,
        group_snapshot_id=body.group_snapshot_id,
        source_group_id=body.source_group_id,
    )
    return accepted({"group": _brief(group_snapshots.copy_group(request.tx, request.caller, order))})


def list_(request: Request) -> Response:
    """`GET /groups`."""
    return _listed(request, detail=False)


def list_detail(request: Request) -> Response:
    """`GET /groups/detail`."""
    return _listed(request, detail=True)


def show(request: Request) -> Response:
    """`GET /groups/ID`, with `list_volume=true` also its volumes."""
    since(request, FIRST)
    found = groups.get(request.tx, request.caller, request.params["group_id"])
    members = _members(request, [found])
    return document({"group": _detail(request, found, members)})


def update(request: Request) -> Response:
    """`PUT /groups/ID`."""
    since(request, FIRST)
    body = read(request, "group", schemas.GroupUpdate)
    wanted = GroupChange(body.name, body.description, _ids(body.add_volumes), _ids(body.remove_volumes))
    if wanted == GroupChange():
        raise Invalid("Name, description, add_volumes and remove_volumes cannot all be empty.")
    groups.change(request.tx, request.caller, request.params["group_id"], wanted)
    return empty()


def act(request: Request) -> Response:
    """`POST /groups/ID/action`."""
    since(request, FIRST)
    body, group_id = decode(request.body, dict[str, Any]), request.params["group_id"]
    if "delete" in body:
        asked = read(request, "delete", schemas.GroupDelete)
        groups.remove(request.tx, request.caller, group_id, with_volumes=asked.delete_volumes)
    elif "reset_status" in body:
        since(request, RESET)
        request.plane.policy.require("volume:groups:reset_status", request.caller)
        status = read(request, "reset_status", schemas.ResetStatus).status
        groups.force_status(request.tx, request.caller, group_id, status or "")
    else:
        raise Invalid("There is no such action.")
    return empty()


def create_snapshot(request: Request) -> Response:
    """`POST /group_snapshots`."""
    since(request, SNAPSHOTS)
    body = read(request, "group_snapshot", schemas.GroupSnapshotCreate)
    require_uuid(body.group_id, "group_id")
    made = group_snapshots.create(request.tx, request.caller, body.group_id, body.name, body.description)
    told = {"id": made.id, "name": made.name, "group_type_id": made.group_type_id}
    return accepted({"group_snapshot": told})


def list_snapshots(request: Request) -> Response:
    """`GET /group_snapshots`."""
    return _listed_snapshots(request, detail=False)


def list_snapshots_detail(request: Request) -> Response:
    """`GET /group_snapshots/detail`."""
    return _listed_snapshots(request, detail=True)


def show_snapshot(request: Request) -> Response:
    """`GET /group_snapshots/ID`."""
    since(request, SNAPSHOTS)
    found = group_snapshots.get(request.tx, request.caller, request.params["group_snapshot_id"])
    return document({"group_snapshot": _snapshot(found)})


def delete_snapshot(request: Request) -> Response:
    """`DELETE /group_snapshots/ID`."""
    since(request, SNAPSHOTS)
    group_snapshots.remove(request.tx, request.caller, request.params["group_snapshot_id"])
    return empty()


def act_on_snapshot(request: Request) -> Response:
    """`POST /group_snapshots/ID/action` with `reset_status`."""
    since(request, RESET_SNAPSHOT)
    status = read(request, "reset_status", schemas.ResetStatus).status
    found = request.params["group_snapshot_id"]
    group_snapshots.force_status(request.tx, request.caller, found, status or "")
    return empty()


def _listed(request: Request, *, detail: bool) -> Response:
    since(request, FIRST)
    page = parse_page(request, default_sort=NEWEST, direction="desc")
    everyones = flag(request, "all_tenants")
    found = cut(
        request, page, lambda whole: groups.list_(request.tx, request.caller, whole, everyones=everyones)
    )
    members = _members(request, found) if detail else {}
    entries = [_detail(request, one, members) if detail else _brief(one) for one in found]
    body: dict[str, Any] = {"groups": entries}
    body.update(next_links(request, "groups", page, [one.id for one in found]))
    return document(body)


def _listed_snapshots(request: Request, *, detail: bool) -> Response:
    since(request, SNAPSHOTS)
    page = parse_page(request, default_sort=NEWEST, direction="desc")
    everyones = flag(request, "all_tenants")
    found = cut(
        request,
        page,
        lambda whole: group_snapshots.list_(request.tx, request.caller, whole, everyones=everyones),
    )
    entries = [_snapshot(one) if detail else {"id": one.id, "name": one.name} for one in found]
    body: dict[str, Any] = {"group_snapshots": entries}
    body.update(next_links(request, "group_snapshots", page, [one.id for one in found]))
    return document(body)


def _members(request: Request, found: list[Group]) -> dict[str, list[str]]:
    if request.microversion < Version(3, 25) or not flag(request, "list_volume"):
        return {}
    return groups.members(request.tx, [one.id for one in found])


def _brief(one: Group) -> dict[str, Any]:
    return {"id": one.id, "name": one.name}


def _detail(request: Request, one: Group, members: dict[str, list[str]]) -> dict[str, Any]:
    body = _brief(one) | {
        "status": one.status,
        "description": one.description,
        "availability_zone": one.zone or request.plane.settings.zone,
        "created_at": moment(one.created_at),
        "group_type": one.group_type_id,
        "volume_types": list(one.type_ids),
    }
    if request.microversion >= SNAPSHOTS:
        body |= {"group_snapshot_id": one.group_snapshot_id, "source_group_id": one.source_group_id}
    if one.id in members:
        body["volumes"] = members[one.id]
    if request.microversion >= Version(3, 38):
        body["replication_status"] = "disabled"
    return body


def _snapshot(one: GroupSnapshot) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "description": one.description,
        "status": one.status,
        "group_id": one.group_id,
        "group_type_id": one.group_type_id,
        "created_at": moment(one.created_at),
    }


def _ids(text: str | None) -> tuple[str, ...]:
    found = tuple(one.strip() for one in (text or "").split(",") if one.strip())
    for one in found:
        require_uuid(one, "volume_id")
    return found
