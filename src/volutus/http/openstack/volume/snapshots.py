"""`/snapshots`: create, list, show, update, delete and actions."""

from typing import Any

from starlette.responses import Response

from volutus.errors import Invalid
from volutus.http.kernel import Request, Version, accepted, decode, document, empty, next_links, parse_page
from volutus.http.openstack.volume import schemas, views
from volutus.http.openstack.volume.bodies import (
    cut,
    flag,
    metadata_filter,
    missing,
    pairs,
    read,
    require_uuid,
)
from volutus.http.openstack.volume.volumes import NEWEST, RENAMED, changes_of
from volutus.volume import SnapshotFilter, SnapshotOrder, get_snapshot, releases, snapshots
from volutus.volume.faults import VolumeNotFound

# From here on a volume in use is copied without asking for force. Before, only who says `"force": false` is
# refused: the stock client (openstackclient 10.5) asks for 3.65 and loses its own `--force` on the way.
FORCE_IMPLIED = Version(3, 66)


def create(request: Request) -> Response:
    """`POST /snapshots`."""
    body = read(request, "snapshot", schemas.SnapshotCreate)
    if body.volume_id is None:
        raise VolumeNotFound("Volume None could not be found.")
    require_uuid(body.volume_id, "volume_id")
    if request.microversion >= FORCE_IMPLIED and body.force is False:
        raise Invalid("Since microversion 3.66 the force flag is silently assumed to be true.", field="force")
    order = SnapshotOrder(
        volume_id=body.volume_id,
        name=body.name if body.name is not None else body.display_name,
        description=body.description if body.description is not None else body.display_description,
        metadata=pairs(body.metadata or {}),
        in_use=body.force is not False,
    )
    made = snapshots.create(request.tx, request.caller, order)
    return accepted({"snapshot": views.snapshot(request, made)})


def list_(request: Request) -> Response:
    """`GET /snapshots`."""
    return _listed(request, detail=False)


def list_detail(request: Request) -> Response:
    """`GET /snapshots/detail`."""
    return _listed(request, detail=True)


def show(request: Request) -> Response:
    """`GET /snapshots/ID`."""
    found = get_snapshot(request.tx, request.caller, request.params["snapshot_id"])
    return document({"snapshot": views.snapshot_detail(request, found)})


def update(request: Request) -> Response:
    """`PUT /snapshots/ID`."""
    changes = changes_of(read(request, "snapshot", schemas.VolumeUpdate))
    changed = snapshots.change(request.tx, request.caller, request.params["snapshot_id"], changes)
    return document({"snapshot": views.snapshot(request, changed)})


def delete(request: Request) -> Response:
    """`DELETE /snapshots/ID`."""
    snapshots.remove(request.tx, request.caller, request.params["snapshot_id"])
    return empty()


def act(request: Request) -> Response:
    """`POST /snapshots/ID/action`."""
    body = decode(request.body, dict[str, Any])
    snapshot_id = request.params["snapshot_id"]
    policy, caller = request.plane.policy, request.caller
    if "os-reset_status" in body:
        policy.require("volume:snapshots:reset_status", caller)
        asked = read(request, "os-reset_status", schemas.ResetStatus)
        snapshots.force_status(request.tx, request.caller, snapshot_id, asked.status or "")
    elif "os-force_delete" in body:
        policy.require("volume:snapshots:force_delete", caller)
        snapshots.remove(request.tx, request.caller, snapshot_id, force=True)
    elif "os-unmanage" in body:
        policy.require("volume:snapshots:unmanage", caller)
        releases.release_snapshot(request.tx, request.caller, snapshot_id)
    elif "os-update_snapshot_status" in body:
        told = read(request, "os-update_snapshot_status", schemas.SnapshotProgress)
        _progress(request, snapshot_id, told)
    else:
        raise Invalid("There is no such action.")
    return empty()


def _progress(request: Request, snapshot_id: str, told: schemas.SnapshotProgress) -> None:
    """A driver outside says how its part of a snapshot went."""
    if get_snapshot(request.tx, request.caller, snapshot_id).status not in ("creating", "deleting"):
        raise Invalid("Snapshot status is not one that can be updated from outside.", field="status")
    snapshots.force_status(request.tx, request.caller, snapshot_id, told.status or "", told.progress)


def _listed(request: Request, *, detail: bool) -> Response:
    if request.path.endswith("/"):
        missing(request)
    query = request.query
    wanted = SnapshotFilter(
        everyones=flag(request, "all_tenants"),
        project_id=query.get("project_id") if request.caller.is_admin else None,
        name=query.get("name") or query.get("display_name"),
        status=query.get("status"),
        volume_id=query.get("volume_id"),
        ids=tuple(query["id"].split(",")) if query.get("id") else None,
        metadata=metadata_filter(request) if request.microversion >= Version(3, 22) else None,
    )
    page = parse_page(request, default_sort=NEWEST, direction="desc", fields=RENAMED)
    found = cut(request, page, lambda whole: snapshots.list_(request.tx, request.caller, wanted, whole))
    view = views.snapshot_detail if detail else views.snapshot
    body: dict[str, Any] = {"snapshots": [view(request, one) for one in found]}
    body.update(next_links(request, "snapshots", page, [one.id for one in found]))
    if request.microversion >= Version(3, 45) and flag(request, "with_count"):
        body["count"] = snapshots.count(request.tx, request.caller, wanted)
    return document(body)
