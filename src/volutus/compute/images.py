"""Images made of servers: the root disk as it is at one instant, whether the server runs or not.

The server only asks, and follows: the image is its tenant's from the order on, and is made by an upload of
the volume domain. While it is under way `image_task` says how far it is.
"""

from collections.abc import Mapping
from typing import Any

from volutus import audit, image, volume
from volutus.compute import actions, history, orders, reports, servers
from volutus.compute.faults import WrongState
from volutus.compute.servers import Server
from volutus.db import Tx
from volutus.errors import Conflict, NotFound
from volutus.identity import Caller
from volutus.identity.caller import CLOUD
from volutus.image import Image, ImageFields
from volutus.reconcile import wake
from volutus.volume import UploadOrder

_STATES = frozenset({"active", "stopped", "paused", "suspended"})
# Properties of the image a server was made from that are not its copy's: what tells a built image from a
# tenant's, and what Nova itself says of each snapshot anew.
_NOT_INHERITED = ("volutus_recipe", "volutus_build")
SNAPSHOT, UPLOADING = "image_snapshot", "image_uploading"


def create(tx: Tx, caller: Caller, server_id: str, name: str, metadata: Mapping[str, str]) -> Image:
    """Order an image of the server's root disk. Raises WrongState, TooMany, QuotaExceeded."""
    server = actions.changeable(tx, caller, server_id, "createImage", _STATES)
    task = server.image_task or server.status.task_state
    if task is not None:
        raise WrongState(f"Cannot 'createImage' instance {server_id} while it is in task_state {task}")
    orders.check_metadata(tx, server.project_id, metadata)
    disks = volume.guest_disks(tx, server_id)
    if not disks:
        raise Conflict("The server has no disk to make an image of.")
    # An outcome that the server has not taken yet would be mistaken for this one's.
    volume.uploads.dismiss(tx, server_id)
    fields = ImageFields(
        owner=caller.project_id,
        name=name,
        visibility="private",
        disk_format="qcow2",
        container_format="bare",
        min_disk_gib=server.disk_gib or server.root_volume_gib,
        min_ram_mib=_min_ram_mib(tx, server),
        properties={**_properties(server), **metadata},
    )
    made = volume.uploads.order(tx, caller, UploadOrder(disks[0].disk_id, fields, server_id))
    servers.write(tx, server_id, image_task=SNAPSHOT)
    history.began(tx, caller, server_id, "createImage")
    audit.record(tx, caller, "createImage", "compute.server", server_id, {"image_id": made.id})
    wake(tx, reports.SERVER, server_id)
    return made


def follow(tx: Tx, server: Server) -> None:
    """See how far the image of the server is, and take its outcome."""
    upload = volume.uploads.of_server(tx, server.id)
    if upload is not None and upload.ended_at is None:
        if upload.captured and server.image_task != UPLOADING:
            servers.write(tx, server.id, image_task=UPLOADING)
        return
    volume.uploads.dismiss(tx, server.id)
    servers.write(tx, server.id, image_task=None)
    history.image_ended(tx, server.id, upload.failure if upload else None)


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
