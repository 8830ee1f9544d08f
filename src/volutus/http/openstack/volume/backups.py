"""`/backups`: create, list, show, update, restore, delete, and records of them."""

from typing import Any

from starlette.responses import Response

from volutus.db import SortKey
from volutus.errors import Invalid
from volutus.http.kernel import Request, Version, accepted, decode, document, empty, next_links, parse_page
from volutus.http.openstack.volume import schemas, views
from volutus.http.openstack.volume.bodies import cut, flag, missing, pairs, read, require_uuid
from volutus.http.openstack.volume.volumes import changes_of
from volutus.volume import VolumeOrder, backups, reworks, volumes
from volutus.volume.backups import Backup, BackupFilter, BackupOrder

NEWEST = (SortKey("created_at", descending=True),)


def create(request: Request) -> Response:
    """`POST /backups`."""
    body = read(request, "backup", schemas.BackupCreate)
    require_uuid(body.volume_id, "volume_id")
    require_uuid(body.snapshot_id, "snapshot_id")
    order = BackupOrder(
        volume_id=body.volume_id,
        snapshot_id=body.snapshot_id,
        name=body.name,
        description=body.description,
        metadata=pairs(body.metadata or {}),
        incremental=bool(body.incremental),
        in_use=bool(body.force),
        zone=body.availability_zone,
    )
    made = backups.create(request.tx, request.caller, order)
    return accepted({"backup": _brief(request, made)})


def list_(request: Request) -> Response:
    """`GET /backups`."""
    return _listed(request, detail=False)


def list_detail(request: Request) -> Response:
    """`GET /backups/detail`."""
    return _listed(request, detail=True)


def show(request: Request) -> Response:
    """`GET /backups/ID`."""
    found = backups.get(request.tx, request.caller, request.params["backup_id"])
    return document({"backup": _detail(request, found)})


def update(request: Request) -> Response:
    """`PUT /backups/ID`."""
    changes = changes_of(read(request, "backup", schemas.VolumeUpdate))
    changed = backups.change(request.tx, request.caller, request.params["backup_id"], changes)
    return document({"backup": _brief(request, changed)})


def delete(request: Request) -> Response:
    """`DELETE /backups/ID`."""
    backups.remove(request.tx, request.caller, request.params["backup_id"])
    return empty()


def restore(request: Request) -> Response:
    """`POST /backups/ID/restore`: over a volume, or to a new one."""
    body = read(request, "restore", schemas.BackupRestore)
    require_uuid(body.volume_id, "volume_id")
    backup_id = request.params["backup_id"]
    if body.volume_id is not None:
        volume = reworks.restore(request.tx, request.caller, backup_id, body.volume_id)
    else:
        name = body.name or f"restore_backup_{backup_id}"
        order = VolumeOrder(name=name, backup_id=backup_id)
        volume = volumes.create(request.tx, request.caller, order)
    told = {"backup_id": backup_id, "volume_id": volume.id, "volume_name": volume.name or ""}
    return accepted({"restore": told})


def act(request: Request) -> Response:
    """`POST /backups/ID/action`."""
    body, backup_id = decode(request.body, dict[str, Any]), request.params["backup_id"]
    policy, caller = request.plane.policy, request.caller
    if "os-reset_status" in body:
        policy.require("volume:backups:reset_status", caller)
        asked = read(request, "os-reset_status", schemas.ResetStatus)
        backups.force_status(request.tx, caller, backup_id, asked.status or "")
    elif "os-force_delete" in body:
        policy.require("volume:backups:force_delete", caller)
        backups.remove(request.tx, caller, backup_id, force=True)
    else:
        raise Invalid("There is no such action.")
    return empty()


def export_record(request: Request) -> Response:
    """`GET /backups/ID/export_record`."""
    service, url = backups.export_record(request.tx, request.caller, request.params["backup_id"])
    return document({"backup-record": {"backup_service": service, "backup_url": url}})


def import_record(request: Request) -> Response:
    """`POST /backups/import_record`."""
    body = read(request, "backup-record", schemas.BackupRecord)
    made = backups.import_record(request.tx, request.caller, body.backup_service, body.backup_url)
    return document({"backup": _brief(request, made)}, 201)


def _listed(request: Request, *, detail: bool) -> Response:
    if request.path.endswith("/"):
        missing(request)
    query = request.query
    wanted = BackupFilter(
        everyones=flag(request, "all_tenants"),
        project_id=query.get("project_id") if request.caller.is_admin else None,
        name=query.get("name"),
        status=query.get("status"),
        volume_id=query.get("volume_id"),
    )
    page = parse_page(request, default_sort=NEWEST, direction="desc")
    found = cut(request, page, lambda whole: backups.list_(request.tx, request.caller, wanted, whole))
    view = _detail if detail else _brief
    entries = [view(request, one) for one in found]
    if not detail:
        entries = [{name: one[name] for name in ("id", "name", "links")} for one in entries]
    body: dict[str, Any] = {"backups": entries}
    body.update(next_links(request, "backups", page, [one.id for one in found]))
    if request.microversion >= Version(3, 45) and flag(request, "with_count"):
        body["count"] = backups.count(request.tx, request.caller, wanted)
    return document(body)


def _brief(request: Request, one: Backup) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": one.id,
        "name": one.name,
        "links": views.links(request, "backups", one.id),
    }
    if request.microversion >= Version(3, 43):
        body["metadata"] = dict(one.metadata)
    return body


def _detail(request: Request, one: Backup) -> dict[str, Any]:
    body = _brief(request, one) | {
        "status": one.status,
        "size": one.size_gib,
        "object_count": 1 if one.made_at else 0,
        "availability_zone": one.zone or request.plane.settings.zone,
        "container": None,
        "created_at": views.moment(one.created_at),
        "updated_at": views.moment(one.updated_at),
        "description": one.description,
        "fail_reason": one.fault,
        "volume_id": one.volume_id,
        "snapshot_id": one.snapshot_id,
        "is_incremental": one.parent_id is not None,
        "has_dependent_backups": one.dependents,
        "data_timestamp": views.moment(one.created_at),
    }
    if request.microversion >= Version(3, 18) and request.caller.is_admin:
        body["os-backup-project-attr:project_id"] = one.project_id
    if request.microversion >= Version(3, 56):
        body["user_id"] = one.user_id
    return body
