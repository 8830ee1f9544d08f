"""Volumes and their snapshots in the form Nova had before 2.36: the volume service's own."""

from typing import Any

from msgspec import Struct
from starlette.responses import Response

from volutus import volume
from volutus.db import Page
from volutus.http.kernel import Request, document, empty, parse_page
from volutus.http.openstack.compute import schemas, views
from volutus.http.openstack.compute.security_groups import check_version
from volutus.volume import Snapshot, SnapshotFilter, SnapshotOrder, Volume, VolumeFilter, VolumeOrder

# Who pages through more asks the volume service, which has markers.
OFFSET_MAX = 10_000


class VolumeFields(Struct, forbid_unknown_fields=True):
    size: schemas.Number
    display_name: str | None = None
    display_description: str | None = None
    volume_type: str | None = None
    snapshot_id: str | None = None
    availability_zone: str | None = None
    metadata: schemas.Items | None = None


class VolumeBody(Struct, forbid_unknown_fields=True):
    volume: VolumeFields


class SnapshotFields(Struct, forbid_unknown_fields=True):
    volume_id: str
    display_name: str | None = None
    display_description: str | None = None
    force: schemas.Flag = False


class SnapshotBody(Struct, forbid_unknown_fields=True):
    snapshot: SnapshotFields


def index(request: Request) -> Response:
    """The project's volumes."""
    check_version(request)
    page, offset = _page(request)
    found = volume.volumes.list_(request.tx, request.caller, VolumeFilter(), page)
    return document({"volumes": [_volume(one) for one in found[offset:]]})


def show(request: Request) -> Response:
    """One volume."""
    check_version(request)
    found = volume.get_volume(request.tx, request.caller, request.params["id"])
    return document({"volume": _volume(found)})


def create(request: Request) -> Response:
    """A new volume."""
    check_version(request)
    fields = request.read(VolumeBody).volume
    order = VolumeOrder(
        size_gib=schemas.number(fields.size, "size", 1),
        name=fields.display_name,
        description=fields.display_description,
        type=fields.volume_type,
        zone=fields.availability_zone,
        snapshot_id=fields.snapshot_id,
        metadata=fields.metadata or {},
    )
    return document({"volume": _volume(volume.volumes.create(request.tx, request.caller, order))})


def delete(request: Request) -> Response:
    """Delete a volume."""
    check_version(request)
    volume.volumes.remove(request.tx, request.caller, request.params["id"])
    return empty()


def snapshots(request: Request) -> Response:
    """The project's snapshots."""
    check_version(request)
    page, offset = _page(request)
    found = volume.snapshots.list_(request.tx, request.caller, SnapshotFilter(), page)
    return document({"snapshots": [_snapshot(one) for one in found[offset:]]})


def snapshot(request: Request) -> Response:
    """One snapshot."""
    check_version(request)
    found = volume.get_snapshot(request.tx, request.caller, request.params["id"])
    return document({"snapshot": _snapshot(found)})


def create_snapshot(request: Request) -> Response:
    """A snapshot of a volume; of one in use with `force`."""
    check_version(request)
    fields = request.read(SnapshotBody).snapshot
    order = SnapshotOrder(
        volume_id=fields.volume_id,
        name=fields.display_name,
        description=fields.display_description,
        in_use=str(fields.force).lower() in ("true", "1"),
    )
    return document({"snapshot": _snapshot(volume.snapshots.create(request.tx, request.caller, order))})


def delete_snapshot(request: Request) -> Response:
    """Delete a snapshot."""
    check_version(request)
    volume.snapshots.remove(request.tx, request.caller, request.params["id"])
    return empty()


def _page(request: Request) -> tuple[Page, int]:
    """Nova's lists here count from an `offset`."""
    page, offset = parse_page(request), schemas.number(request.query.get("offset"), "offset") or 0
    return Page(page.limit + min(offset, OFFSET_MAX), page.marker, page.sort), offset


def _volume(one: Volume) -> dict[str, Any]:
    held = [
        {
            "id": one.id,
            "volumeId": one.id,
            "serverId": attachment.server_id or "",
            "device": attachment.device or "",
        }
        for attachment in one.attachments
    ]
    return {
        "id": one.id,
        "status": one.status,
        "size": one.size_gib,
        "availabilityZone": one.zone or "nova",
        "createdAt": views.long_time(one.created_at),
        "displayName": one.name,
        "displayDescription": one.description,
        "volumeType": one.type_name,
        "snapshotId": one.snapshot_id,
        "metadata": dict(one.metadata),
        "attachments": held or [{}],
    }


def _snapshot(one: Snapshot) -> dict[str, Any]:
    return {
        "id": one.id,
        "volumeId": one.volume_id,
        "status": one.status,
        "size": one.size_gib,
        "createdAt": views.long_time(one.created_at),
        "displayName": one.name,
        "displayDescription": one.description,
    }
