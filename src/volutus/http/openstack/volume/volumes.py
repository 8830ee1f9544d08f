"""`/volumes`: create, list, show, update, delete and the summary."""

from typing import Any

import msgspec
from starlette.responses import Response

from volutus.db import SortKey
from volutus.errors import Invalid
from volutus.http.kernel import Request, Version, accepted, document, empty, next_links, parse_page
from volutus.http.openstack.volume import views
from volutus.http.openstack.volume.bodies import (
    boolean,
    cut,
    flag,
    metadata_filter,
    missing,
    pairs,
    read,
    require_uuid,
)
from volutus.http.openstack.volume.schemas import VolumeCreate, VolumeUpdate
from volutus.volume import VolumeFilter, VolumeOrder, get_volume, types, volumes

NEWEST = (SortKey("created_at", descending=True),)
RENAMED = {"display_name": "name"}


def create(request: Request) -> Response:
    """`POST /volumes`."""
    made = volumes.create(request.tx, request.caller, _order(read(request, "volume", VolumeCreate)))
    return accepted({"volume": views.volume(request, made)})


def list_(request: Request) -> Response:
    """`GET /volumes`."""
    return _listed(request, detail=False)


def list_detail(request: Request) -> Response:
    """`GET /volumes/detail`."""
    return _listed(request, detail=True)


def summary(request: Request) -> Response:
    """`GET /volumes/summary`."""
    wanted = VolumeFilter(everyones=flag(request, "all_tenants"))
    number, total_gib, metadata = volumes.summary(request.tx, request.caller, wanted)
    body: dict[str, Any] = {"total_count": number, "total_size": total_gib}
    if request.microversion >= Version(3, 36):
        body["metadata"] = metadata
    return document({"volume-summary": body})


def show(request: Request) -> Response:
    """`GET /volumes/ID`."""
    found = get_volume(request.tx, request.caller, request.params["volume_id"])
    hosts = views.host_names(request, [found.host_id])
    return document({"volume": views.volume_detail(request, found, hosts)})


def update(request: Request) -> Response:
    """`PUT /volumes/ID`."""
    body = read(request, "volume", VolumeUpdate)
    changed = volumes.change(request.tx, request.caller, request.params["volume_id"], changes_of(body))
    return document({"volume": views.volume(request, changed)})


def delete(request: Request) -> Response:
    """`DELETE /volumes/ID`, with `cascade` and, by an administrator, `force`."""
    force = flag(request, "force") and request.microversion >= Version(3, 23)
    if force:
        request.plane.policy.require("volume:volumes:force_delete", request.caller)
    volumes.remove(
        request.tx,
        request.caller,
        request.params["volume_id"],
        cascade=flag(request, "cascade"),
        force=force,
    )
    return empty()


def changes_of(body: VolumeUpdate) -> dict[str, Any]:
    """What an update sets; the older names stand for the newer ones."""
    changes: dict[str, Any] = {}
    for column, names in {
        "name": (body.display_name, body.name),
        "description": (body.display_description, body.description),
    }.items():
        for value in names:
            if value is not msgspec.UNSET:
                changes[column] = value
    if body.metadata is not msgspec.UNSET:
        changes["metadata"] = pairs(body.metadata)
    if not changes:
        raise Invalid("Invalid input: nothing is to be updated.")
    return changes


def _order(body: VolumeCreate) -> VolumeOrder:
    if body.multiattach:
        raise Invalid("A volume is shared by its type: one with multiattach.", field="multiattach")
    if body.consistencygroup_id:
        raise Invalid("Volumes are grouped by group_id.", field="consistencygroup_id")
    for name in ("snapshot_id", "source_volid", "backup_id", "group_id"):
        require_uuid(getattr(body, name), name)
    image_id = body.image_ref or body.image_id or None
    if body.size is None and not (body.snapshot_id or body.source_volid or body.backup_id):
        raise Invalid("Invalid input for size: a new volume needs one.", field="size")
    return VolumeOrder(
        size_gib=body.size,
        name=body.name if body.name is not None else body.display_name,
        description=body.description if body.description is not None else body.display_description,
        type=body.volume_type or None,
        zone=body.availability_zone or None,
        image_id=image_id.rsplit("/", 1)[-1] if image_id else None,
        snapshot_id=body.snapshot_id,
        source_volume_id=body.source_volid,
        metadata=pairs(body.metadata or {}),
        backup_id=body.backup_id,
        group_id=body.group_id,
    )


def _listed(request: Request, *, detail: bool) -> Response:
    if request.path.endswith("/"):
        missing(request)
    wanted = _filter(request)
    page = parse_page(request, default_sort=NEWEST, direction="desc", fields=RENAMED)
    found = cut(request, page, lambda whole: volumes.list_(request.tx, request.caller, wanted, whole))
    if detail:
        hosts = views.host_names(request, [one.host_id for one in found])
        entries = [views.volume_detail(request, one, hosts) for one in found]
    else:
        entries = [views.volume_brief(request, one) for one in found]
    body: dict[str, Any] = {"volumes": entries}
    body.update(next_links(request, "volumes", page, [one.id for one in found]))
    if request.microversion >= Version(3, 45) and flag(request, "with_count"):
        body["count"] = volumes.count(request.tx, request.caller, wanted)
    return document(body)


def _filter(request: Request) -> VolumeFilter:
    query, caller = request.query, request.caller
    bootable = query.get("bootable")
    ids = query.get("id")
    named = query.get("volume_type") or query.get("volume_type_id")
    return VolumeFilter(
        everyones=flag(request, "all_tenants"),
        project_id=query.get("project_id") if caller.is_admin else None,
        name=query.get("name") or query.get("display_name"),
        status=query.get("status"),
        bootable=boolean(bootable, "bootable") if bootable is not None else None,
        metadata=metadata_filter(request),
        zone=query.get("availability_zone"),
        zone_unsaid=query.get("availability_zone") == request.plane.settings.zone,
        ids=tuple(ids.split(",")) if ids else None,
        type_id=types.find(request.tx, caller, named).id if named else None,
        group_id=query.get("group_id"),
    )
