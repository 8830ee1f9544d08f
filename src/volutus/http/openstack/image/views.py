"""The domain's images and members as Glance's documents."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from volutus.http.openstack.image.discovery import STORE
from volutus.image import Image
from volutus.image.caches import CachedImage
from volutus.image.members import Member
from volutus.image.tasks import Task


def image(shown: Image) -> dict[str, Any]:
    """One image. The tenant's properties lie among Glance's own, which come last so that they prevail."""
    document: dict[str, Any] = dict(shown.properties)
    document |= {
        "id": shown.id,
        "name": shown.name,
        "status": shown.status,
        "visibility": shown.visibility,
        "protected": shown.protected,
        "os_hidden": shown.hidden,
        "owner": shown.owner,
        "disk_format": shown.disk_format,
        "container_format": shown.container_format,
        "min_disk": shown.min_disk_gib,
        "min_ram": shown.min_ram_mib,
        "size": shown.size_bytes,
        "virtual_size": shown.virtual_size_bytes,
        "checksum": shown.md5,
        "os_hash_algo": "sha256" if shown.sha256 else None,
        "os_hash_value": shown.sha256,
        "tags": list(shown.tags),
        "created_at": moment(shown.created_at),
        "updated_at": moment(shown.updated_at),
        "self": f"/v2/images/{shown.id}",
        "file": f"/v2/images/{shown.id}/file",
        "schema": "/v2/schemas/image",
    }
    if shown.has_data:
        document["stores"] = STORE
    if shown.import_state is not None:
        document["os_glance_importing_to_stores"] = STORE if shown.import_state == "pending" else ""
        document["os_glance_failed_import"] = STORE if shown.import_state == "failure" else ""
    return document


def cache(shown: Sequence[CachedImage]) -> dict[str, Any]:
    """What hosts have and will have. Times are seconds of Unix time; `hits` are the disks that stand on an
    image."""
    cached = [
        {
            "image_id": one.image_id,
            "hits": one.disks,
            "last_accessed": one.used_at.timestamp() if one.used_at else 0.0,
            "last_modified": one.cached_at.timestamp(),
            "size": one.size_bytes,
        }
        for one in shown
        if one.cached_at is not None
    ]
    return {"cached_images": cached, "queued_images": [one.image_id for one in shown if one.queued]}


def task(shown: Task, *, whole: bool = True) -> dict[str, Any]:
    """One task; a list leaves out what it was given and what came of it."""
    document: dict[str, Any] = {
        "id": shown.id,
        "type": shown.type,
        "status": shown.state,
        "owner": shown.owner,
        "created_at": moment(shown.created_at),
        "updated_at": moment(shown.updated_at),
        "expires_at": moment(shown.expires_at) if shown.expires_at else None,
        "self": f"/v2/tasks/{shown.id}",
        "schema": "/v2/schemas/task",
    }
    if whole:
        document |= {
            "input": dict(shown.input),
            "result": {"image_id": shown.image_id} if shown.image_id else None,
            "message": shown.message,
            "image_id": shown.image_id,
            "request_id": shown.request_id,
            "user_id": shown.user_id,
        }
    return document


def member(shown: Member) -> dict[str, Any]:
    """One project that an image is shared with."""
    return {
        "image_id": shown.image_id,
        "member_id": shown.project_id,
        "status": shown.status,
        "created_at": moment(shown.created_at),
        "updated_at": moment(shown.updated_at),
        "schema": "/v2/schemas/member",
    }


def moment(at: datetime) -> str:
    """Whole seconds, UTC."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
