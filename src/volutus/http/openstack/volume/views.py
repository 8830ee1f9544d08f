"""How volumes, snapshots and attachments look on the wire, by microversion."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from volutus import placement
from volutus.http.kernel import Request, Version
from volutus.image import Image
from volutus.volume import Attachment, Snapshot, Volume


def moment(at: datetime | None) -> str | None:
    """A time as Cinder writes it: UTC without saying so, microseconds always there."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f") if at else None


def links(request: Request, kind: str, object_id: str) -> list[dict[str, str]]:
    """Where a thing is found again."""
    project = request.caller.project_id or ""
    root = request.service_url.removesuffix("/v3")
    return [
        {"rel": "self", "href": f"{root}/v3/{project}/{kind}/{object_id}"},
        {"rel": "bookmark", "href": f"{root}/{project}/{kind}/{object_id}"},
    ]


def host_names(request: Request, host_ids: Sequence[str | None]) -> Mapping[str, str]:
    """Names of hosts for those who may know them; one statement for a whole list."""
    if not request.caller.is_admin:
        return {}
    return placement.hosts.names(request.tx, [host_id for host_id in host_ids if host_id])


def volume_brief(request: Request, volume: Volume) -> dict[str, Any]:
    """An entry of the list without details."""
    return {"id": volume.id, "name": volume.name, "links": links(request, "volumes", volume.id)}


def volume(request: Request, one: Volume) -> dict[str, Any]:
    """What creating and changing a volume answers."""
    body: dict[str, Any] = {
        "id": one.id,
        "name": one.name,
        "description": one.description,
        "status": one.status,
        "size": one.size_gib,
        "availability_zone": one.zone or request.plane.settings.zone,
        "created_at": moment(one.created_at),
        "updated_at": moment(one.updated_at),
        "attachments": _attachments(request, one),
        "volume_type": one.type_name,
        "snapshot_id": one.snapshot_id,
        "source_volid": one.source_volume_id,
        "metadata": _metadata(one),
        "links": links(request, "volumes", one.id),
        "user_id": one.user_id,
        "bootable": "true" if one.bootable else "false",
        "encrypted": one.encrypted,
        "replication_status": None,
        "consistencygroup_id": None,
        "multiattach": one.multiattach,
        "migration_status": one.migration,
    }
    added: list[tuple[Version, str, Any]] = [
        (Version(3, 13), "group_id", one.group_id),
        (Version(3, 21), "provider_id", None),
        (Version(3, 48), "service_uuid", None),
        (Version(3, 48), "shared_targets", False),
        (Version(3, 63), "volume_type_id", one.type_id),
        (Version(3, 65), "consumes_quota", True),
    ]
    shown = {name: value for since, name, value in added if request.microversion >= since}
    if not request.caller.is_admin:
        shown.pop("provider_id", None)
    return body | shown


def uploaded(request: Request, one: Volume, made: Image) -> dict[str, Any]:
    """What making an image of a volume answers."""
    body: dict[str, Any] = {
        "id": one.id,
        "updated_at": moment(one.updated_at),
        "status": one.status,
        "display_description": one.description,
        "size": one.size_gib,
        "volume_type": {"id": one.type_id, "name": one.type_name},
        "image_id": made.id,
        "image_name": made.name,
        "container_format": made.container_format,
        "disk_format": made.disk_format,
    }
    if request.microversion >= Version(3, 1):
        body |= {"visibility": made.visibility, "protected": made.protected}
    return body


def volume_detail(request: Request, one: Volume, hosts: Mapping[str, str]) -> dict[str, Any]:
    """What showing a volume answers. `hosts` comes from `host_names`."""
    body = volume(request, one)
    body["os-vol-tenant-attr:tenant_id"] = one.project_id
    if one.image_metadata:
        body["volume_image_metadata"] = one.image_metadata
    if request.caller.is_admin:
        name = hosts.get(one.host_id or "")
        body["os-vol-host-attr:host"] = f"{name}@{one.pool}#{one.pool}" if name else None
        body["os-vol-mig-status-attr:migstat"] = one.migration
        body["os-vol-mig-status-attr:name_id"] = None
        if request.microversion >= Version(3, 61):
            body["cluster_name"] = None
    return body


def snapshot(request: Request, one: Snapshot) -> dict[str, Any]:
    """What creating, changing and briefly listing snapshots answers."""
    body = {
        "id": one.id,
        "name": one.name,
        "description": one.description,
        "volume_id": one.volume_id,
        "status": one.status,
        "size": one.size_gib,
        "metadata": dict(one.metadata),
        "created_at": moment(one.created_at),
        "updated_at": moment(one.updated_at),
    }
    if request.microversion >= Version(3, 41):
        body["user_id"] = one.user_id
    if request.microversion >= Version(3, 65):
        body["consumes_quota"] = True
    return body


def snapshot_detail(request: Request, one: Snapshot) -> dict[str, Any]:
    """What showing a snapshot answers."""
    body = snapshot(request, one)
    body["os-extended-snapshot-attributes:progress"] = one.progress
    body["os-extended-snapshot-attributes:project_id"] = one.project_id
    if request.microversion >= Version(3, 14):
        body["group_snapshot_id"] = one.group_snapshot_id
    return body


def attachment_brief(one: Attachment) -> dict[str, Any]:
    """An entry of the list without details."""
    return {"id": one.id, "status": one.status, "instance": one.server_id, "volume_id": one.volume_id}


def attachment(one: Attachment) -> dict[str, Any]:
    """An attachment; `connection_info` says what a client needs to connect."""
    return {
        **attachment_brief(one),
        "attach_mode": one.mode,
        "attached_at": moment(one.attached_at) or "",
        "detached_at": "",
        "connection_info": connection_info(one.volume_id, one.mode) if one.connector else {},
    }


def connection_info(volume_id: str, mode: str, *, encrypted: bool = False) -> dict[str, Any]:
    """Volumes are files of the host's agent, which alone opens them: there is no target to log in to."""
    return {
        "driver_volume_type": "volutus",
        "volume_id": volume_id,
        "access_mode": mode,
        "encrypted": encrypted,
        "qos_specs": None,
        "cacheable": False,
    }


def _metadata(one: Volume) -> dict[str, str]:
    shown = dict(one.metadata)
    if one.read_only is not None:
        shown["readonly"] = str(one.read_only)
    modes = [attachment.mode for attachment in one.attachments if attachment.attached_at is not None]
    if modes:
        shown["attached_mode"] = modes[0]
    return shown


def _attachments(request: Request, volume: Volume) -> list[dict[str, Any]]:
    """A volume lists who uses it; a reservation is no use yet."""
    return [
        {
            "id": one.volume_id,
            "attachment_id": one.id,
            "volume_id": one.volume_id,
            "server_id": one.server_id,
            "host_name": one.host_name if request.caller.is_admin else None,
            "device": one.device,
            "attached_at": moment(one.attached_at),
        }
        for one in volume.attachments
        if one.attached_at is not None
    ]
