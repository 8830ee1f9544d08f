"""Images made of servers: the root disk as it is at one instant, whether the server runs or not.

The server only asks, and follows: the image is its tenant's from the order on, and is made by an upload of
the volume domain. While it is under way `image_task` says how far it is.

Of a server that boots from a volume there is nothing to upload: its volumes are snapshotted, and the image
names the snapshots, as Nova's does. A backup is a copy of the root disk there too, since what it is for is to
outlive the volumes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from volutus import audit, image, volume
from volutus.compute import actions, history, image_devices, orders, reports, servers
from volutus.compute.faults import WrongState
from volutus.compute.servers import Server
from volutus.db import Page, SortKey, Tx
from volutus.errors import Conflict, NotFound
from volutus.identity import Caller
from volutus.identity.caller import CLOUD
from volutus.image import Image, ImageFields
from volutus.reconcile import wake
from volutus.volume import SnapshotOrder, UploadOrder

_STATES = frozenset({"active", "stopped", "paused", "suspended"})
# Properties of the image a server was made from that are not its copy's: what tells a built image from a
# tenant's, and what Nova itself says of each snapshot anew.
_NOT_INHERITED = ("volutus_recipe", "volutus_build", *image_devices.PROPERTIES)
# How many backups of its kind a backup leaves, kept with it until it is there.
ROTATION = "volutus_backup_rotation"
# More backups of one kind than anyone keeps; what is over goes with the next one.
BACKUPS_MAX = 1000
SNAPSHOT, UPLOADING = "image_snapshot", "image_uploading"


@dataclass(frozen=True)
class Backup:
    """An image of a kind (`daily`, `weekly` …) of which the newest `rotation` are kept; with 0, none."""

    name: str
    kind: str
    rotation: int
    metadata: Mapping[str, str]


def back_up(tx: Tx, caller: Caller, server_id: str, wanted: Backup) -> Image | None:
    """Order a backup. Older ones go once it is there, so that a failure costs none; with a rotation of 0
    they go at once and none is made."""
    if wanted.rotation == 0:
        server = actions.changeable(tx, caller, server_id, "createBackup", _STATES)
        _rotate(tx, server, wanted.kind, 0)
        audit.record(tx, caller, "createBackup", "compute.server", server_id, {"kind": wanted.kind})
        return None
    kept = {"image_type": "backup", "backup_type": wanted.kind, ROTATION: str(wanted.rotation)}
    server = _idle(tx, caller, server_id, wanted.metadata)
    return _begin_copy(tx, caller, server, wanted.name, {**wanted.metadata, **kept})


def create(tx: Tx, caller: Caller, server_id: str, name: str, metadata: Mapping[str, str]) -> Image:
    """Order an image of the server's root disk, or snapshots of its volumes and an image that names them.
    Raises WrongState, TooMany, QuotaExceeded."""
    server = _idle(tx, caller, server_id, metadata)
    if server.root_volume_gib:
        return _begin_copy(tx, caller, server, name, metadata)
    return _describe(tx, caller, server, name, metadata)


def _idle(tx: Tx, caller: Caller, server_id: str, metadata: Mapping[str, str]) -> Server:
    server = actions.changeable(tx, caller, server_id, "createImage", _STATES)
    task = server.image_task or server.status.task_state
    if task is not None:
        raise WrongState(f"Cannot 'createImage' instance {server_id} while it is in task_state {task}")
    orders.check_metadata(tx, server.project_id, metadata)
    return server


def _begin_copy(tx: Tx, caller: Caller, server: Server, name: str, metadata: Mapping[str, str]) -> Image:
    made = order_copy(tx, caller, server, name, metadata)
    history.began(tx, caller, server.id, "createImage")
    wake(tx, reports.SERVER, server.id)
    return made


def _describe(tx: Tx, caller: Caller, server: Server, name: str, metadata: Mapping[str, str]) -> Image:
    tied = volume.attachments_of(tx, [server.id])[server.id]
    orders_by_volume = {
        one.volume_id: SnapshotOrder(one.volume_id, f"snapshot for {name}", in_use=True) for one in tied
    }
    taken = {key: volume.snapshots.create(tx, caller, order) for key, order in orders_by_volume.items()}
    root = next((taken[one.volume_id] for one in tied if one.boot_index == 0), None)
    fields = _fields(tx, caller, server, name, {**image_devices.described(tied, taken), **metadata})
    made = image.describe(tx, caller, replace(fields, min_disk_gib=root.size_gib if root else 0))
    history.began(tx, caller, server.id, "createImage", finished=True)
    audit.record(tx, caller, "createImage", "compute.server", server.id, {"image_id": made.id})
    return made


def order_copy(tx: Tx, caller: Caller, server: Server, name: str, metadata: Mapping[str, str]) -> Image:
    """Order an image of a server that nothing else goes on with. Raises Conflict, QuotaExceeded."""
    server_id = server.id
    disks = volume.guest_disks(tx, server_id)
    if not disks:
        raise Conflict("The server has no disk to make an image of.")
    # An outcome that the server has not taken yet would be mistaken for this one's.
    volume.uploads.dismiss(tx, server_id)
    fields = _fields(tx, caller, server, name, metadata)
    made = volume.uploads.order(tx, caller, UploadOrder(disks[0].disk_id, fields, server_id))
    servers.write(tx, server_id, image_task=SNAPSHOT)
    audit.record(tx, caller, "createImage", "compute.server", server_id, {"image_id": made.id})
    return made


def _fields(tx: Tx, caller: Caller, server: Server, name: str, properties: Mapping[str, str]) -> ImageFields:
    return ImageFields(
        owner=caller.project_id,
        name=name,
        visibility="private",
        disk_format="qcow2",
        container_format="bare",
        min_disk_gib=server.disk_gib or server.root_volume_gib,
        min_ram_mib=_min_ram_mib(tx, server),
        properties={**_properties(server), **properties},
    )


def follow(tx: Tx, server: Server) -> None:
    """See how far the image of the server is, and take its outcome."""
    upload = volume.uploads.of_server(tx, server.id)
    if upload is not None and upload.ended_at is None:
        if upload.captured and server.image_task != UPLOADING:
            servers.write(tx, server.id, image_task=UPLOADING)
        return
    volume.uploads.dismiss(tx, server.id)
    servers.write(tx, server.id, image_task=None)
    if upload is not None and upload.failure is None:
        _make_room(tx, server, upload.image_id)
    history.image_ended(tx, server.id, upload.failure if upload else None)


def _make_room(tx: Tx, server: Server, image_id: str) -> None:
    """If that was a backup, its kind's oldest ones go."""
    try:
        properties = image.get(tx, CLOUD, image_id).properties
    except NotFound:
        return
    rotation, kind = properties.get(ROTATION, ""), properties.get("backup_type")
    # A tenant may change properties; what is no number any more asks for nothing.
    if kind and rotation.isascii() and rotation.isdigit():
        _rotate(tx, server, kind, int(rotation))


def _rotate(tx: Tx, server: Server, kind: str, rotation: int) -> None:
    properties = {"instance_uuid": server.id, "image_type": "backup", "backup_type": kind}
    newest_first = Page(BACKUPS_MAX, None, (SortKey("created_at", descending=True),))
    owner = Caller(user_id=server.user_id, project_id=server.project_id, roles=frozenset({"member"}))
    wanted = image.ImageFilter(exact={"status": ["active"]}, properties=properties)
    for old in image.page(tx, owner, wanted, newest_first)[rotation:]:
        if not old.protected and old.owner == server.project_id:
            image.delete(tx, owner, old.id)


def _min_ram_mib(tx: Tx, server: Server) -> int:
    """What the image it was made from asked for, if that is still there."""
    try:
        return image.get(tx, CLOUD, server.image_id or "").min_ram_mib
    except NotFound:
        return 0


def _properties(server: Server) -> dict[str, Any]:
    inherited = {k: v for k, v in server.image_properties.items() if k not in _NOT_INHERITED}
    return {
        **inherited,
        "base_image_ref": server.image_id or "",
        "image_type": "snapshot",
        "instance_uuid": server.id,
        "user_id": server.user_id,
        "owner_id": server.project_id,
    }
