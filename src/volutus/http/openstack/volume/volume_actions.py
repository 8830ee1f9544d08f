"""`POST /volumes/ID/action`: one key in the body says what to do."""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response

from volutus.compute.attachments import extend
from volutus.errors import Invalid
from volutus.http.kernel import Request, Version, decode, document, empty
from volutus.http.openstack.volume import schemas, views
from volutus.http.openstack.volume.bodies import pairs, read, require_uuid, since
from volutus.image import ImageFields
from volutus.volume import attachments, get_volume, metadata, releases, reworks, volumes
from volutus.volume.attachments import AttachmentOrder
from volutus.volume.metadata import Notes
from volutus.volume.status import Status

MODES = ("rw", "ro")
# Until then only available volumes grow.
IN_USE_EXTENDS = Version(3, 42)
REVERTS = Version(3, 40)
REIMAGES = Version(3, 68)


def act(request: Request) -> Response:
    """Find the action by its name. Raises Invalid for one that there is not."""
    body = decode(request.body, dict[str, Any])
    if len(body) != 1:
        raise Invalid("There is not exactly one action in the request body.")
    name = next(iter(body))
    if name not in ACTIONS:
        raise Invalid(f"There is no such action: {name}")
    handler, permission = ACTIONS[name]
    if permission:
        request.plane.policy.require(permission, request.caller)
    return handler(request, request.params["volume_id"])


def mode(word: str) -> str:
    """An attachment's mode, `rw` or `ro`. Raises Invalid."""
    if word not in MODES:
        raise Invalid(f"Invalid request to attach volume with mode {word}: it is rw or ro.", field="mode")
    return word


def _attach(request: Request, volume_id: str) -> Response:
    body = read(request, "os-attach", schemas.Attach)
    if (body.instance_uuid is None) == (body.host_name is None):
        raise Invalid("Invalid request to attach volume to an invalid target")
    order = AttachmentOrder(
        volume_id, body.instance_uuid, None, mode(body.mode), body.mountpoint, body.host_name
    )
    attachments.attach(request.tx, request.caller, order)
    return empty()


def _detach(request: Request, volume_id: str) -> Response:
    body = read(request, "os-detach", schemas.Detach)
    attachments.detach(request.tx, request.caller, volume_id, body.attachment_id)
    return empty()


def _force_detach(request: Request, volume_id: str) -> Response:
    body = read(request, "os-force_detach", schemas.ForceDetach)
    attachments.detach(request.tx, request.caller, volume_id, body.attachment_id)
    return empty()


def _reserve(request: Request, volume_id: str) -> Response:
    attachments.announce(request.tx, request.caller, volume_id)
    return empty()


def _unreserve(request: Request, volume_id: str) -> Response:
    attachments.withdraw(request.tx, request.caller, volume_id)
    return empty()


def _begin_detaching(request: Request, volume_id: str) -> Response:
    attachments.begin_detaching(request.tx, request.caller, volume_id)
    return empty()


def _roll_detaching(request: Request, volume_id: str) -> Response:
    attachments.roll_detaching(request.tx, request.caller, volume_id)
    return empty()


def _initialize_connection(request: Request, volume_id: str) -> Response:
    read(request, "os-initialize_connection", schemas.Connection)
    found = get_volume(request.tx, request.caller, volume_id)
    info = views.connection_info(volume_id, "ro" if found.read_only else "rw")
    return document({"connection_info": {"driver_volume_type": info["driver_volume_type"], "data": info}})


def _terminate_connection(request: Request, volume_id: str) -> Response:
    read(request, "os-terminate_connection", schemas.Connection)
    attachments.end_connection(request.tx, request.caller, volume_id)
    return empty()


def _extend(request: Request, volume_id: str) -> Response:
    body = read(request, "os-extend", schemas.Extend)
    in_use = request.microversion >= IN_USE_EXTENDS
    extend(request.tx, request.caller, volume_id, body.new_size, in_use=in_use)
    return empty()


def _set_bootable(request: Request, volume_id: str) -> Response:
    body = read(request, "os-set_bootable", schemas.Bootable)
    volumes.change(request.tx, request.caller, volume_id, {"bootable": body.bootable})
    return empty(200)


def _set_read_only(request: Request, volume_id: str) -> Response:
    body = read(request, "os-update_readonly_flag", schemas.ReadOnly)
    if get_volume(request.tx, request.caller, volume_id).status != Status.AVAILABLE:
        raise Invalid("Invalid volume: Volume status must be available to update the readonly flag.")
    volumes.change(request.tx, request.caller, volume_id, {"read_only": body.readonly})
    return empty()


def _retype(request: Request, volume_id: str) -> Response:
    body = read(request, "os-retype", schemas.Retype)
    policy = body.migration_policy or "never"
    reworks.retype(request.tx, request.caller, volume_id, body.new_type, policy)
    return empty()


def _migrate(request: Request, volume_id: str) -> Response:
    body = read(request, "os-migrate_volume", schemas.Migrate)
    if body.host is None:
        raise Invalid("A volume migrates to a host, as HOST@POOL#POOL; there are no clusters.", field="host")
    reworks.migrate(request.tx, request.caller, volume_id, body.host, lock=body.lock_volume)
    return empty()


def _complete_migration(request: Request, volume_id: str) -> Response:
    get_volume(request.tx, request.caller, volume_id)
    raise Invalid("Migrations are completed by the host that moves the disk: there is nothing to call.")


def _revert(request: Request, volume_id: str) -> Response:
    since(request, REVERTS)
    body = read(request, "revert", schemas.Revert)
    require_uuid(body.snapshot_id, "snapshot_id")
    reworks.revert(request.tx, request.caller, volume_id, body.snapshot_id)
    return empty()


def _reimage(request: Request, volume_id: str) -> Response:
    since(request, REIMAGES)
    body = read(request, "os-reimage", schemas.Reimage)
    require_uuid(body.image_id, "image_id")
    reworks.reimage(request.tx, request.caller, volume_id, body.image_id)
    return empty()


def _unmanage(request: Request, volume_id: str) -> Response:
    releases.release_volume(request.tx, request.caller, volume_id)
    return empty()


def _force_delete(request: Request, volume_id: str) -> Response:
    volumes.remove(request.tx, request.caller, volume_id, force=True)
    return empty()


def _reset_status(request: Request, volume_id: str) -> Response:
    body = read(request, "os-reset_status", schemas.ResetStatus)
    if body.status is None and body.attach_status is None and body.migration_status is None:
        raise Invalid("Must specify 'status', 'attach_status' or 'migration_status' for update.")
    detached = body.attach_status == "detached"
    volumes.force_status(request.tx, request.caller, volume_id, body.status, detached=detached)
    return empty()


def _set_image_metadata(request: Request, volume_id: str) -> Response:
    body = read(request, "os-set_image_metadata", schemas.ImageMetadata)
    merged = metadata.set_(request.tx, request.caller, Notes.IMAGE, volume_id, pairs(body.metadata))
    return document({"metadata": merged})


def _unset_image_metadata(request: Request, volume_id: str) -> Response:
    body = read(request, "os-unset_image_metadata", schemas.ImageMetadataKey)
    metadata.remove(request.tx, request.caller, Notes.IMAGE, volume_id, body.key)
    return empty(200)


def _show_image_metadata(request: Request, volume_id: str) -> Response:
    return document({"metadata": metadata.items(request.tx, request.caller, Notes.IMAGE, volume_id)})


def _upload_image(request: Request, volume_id: str) -> Response:
    body = read(request, "os-volume_upload_image", schemas.UploadImage)
    wanted = ImageFields(
        name=body.image_name,
        visibility=body.visibility,
        protected=body.protected,
        disk_format=body.disk_format,
        container_format=body.container_format,
    )
    volume, made = volumes.to_image(request.tx, request.caller, volume_id, wanted, force=body.force)
    return document({"os-volume_upload_image": views.uploaded(request, volume, made)}, 202)


Action = Callable[[Request, str], Response]
# Name to handler, and the permission beyond that of acting at all.
ACTIONS: Mapping[str, tuple[Action, str]] = {
    "os-attach": (_attach, ""),
    "os-detach": (_detach, ""),
    "os-force_detach": (_force_detach, "volume:volumes:force_detach"),
    "os-reserve": (_reserve, ""),
    "os-unreserve": (_unreserve, ""),
    "os-begin_detaching": (_begin_detaching, ""),
    "os-roll_detaching": (_roll_detaching, ""),
    "os-initialize_connection": (_initialize_connection, ""),
    "os-terminate_connection": (_terminate_connection, ""),
    "os-extend": (_extend, ""),
    "os-set_bootable": (_set_bootable, ""),
    "os-update_readonly_flag": (_set_read_only, ""),
    "os-retype": (_retype, ""),
    "os-migrate_volume": (_migrate, "volume:volumes:migrate"),
    "os-migrate_volume_completion": (_complete_migration, "volume:volumes:migrate"),
    "revert": (_revert, ""),
    "os-reimage": (_reimage, ""),
    "os-unmanage": (_unmanage, "volume:volumes:unmanage"),
    "os-force_delete": (_force_delete, "volume:volumes:force_delete"),
    "os-reset_status": (_reset_status, "volume:volumes:reset_status"),
    "os-volume_upload_image": (_upload_image, "volume:volumes:upload"),
    "os-set_image_metadata": (_set_image_metadata, ""),
    "os-unset_image_metadata": (_unset_image_metadata, ""),
    "os-show_image_metadata": (_show_image_metadata, ""),
}
