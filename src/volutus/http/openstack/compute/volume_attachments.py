"""Volumes of a server."""

from typing import Any

from msgspec import Struct
from starlette.responses import Response

from volutus import compute
from volutus.errors import Invalid
from volutus.http.kernel import Request, Version, document, empty, parse_page
from volutus.http.openstack.compute import schemas
from volutus.volume import Attachment, AttachOptions

V2_49 = Version(2, 49)
V2_70 = Version(2, 70)
V2_79 = Version(2, 79)
V2_85 = Version(2, 85)
V2_89 = Version(2, 89)
V2_101 = Version(2, 101)


class AttachmentBody(Struct, forbid_unknown_fields=True):
    volumeId: str  # noqa: N815
    device: str | None = None
    tag: str | None = None
    delete_on_termination: schemas.Flag | None = None


class CreateBody(Struct, forbid_unknown_fields=True):
    volumeAttachment: AttachmentBody  # noqa: N815


class UpdateFields(Struct, forbid_unknown_fields=True):
    volumeId: str  # noqa: N815
    delete_on_termination: schemas.Flag | None = None
    id: str | None = None
    serverId: str | None = None  # noqa: N815
    device: str | None = None
    tag: str | None = None


class UpdateBody(Struct, forbid_unknown_fields=True):
    volumeAttachment: UpdateFields  # noqa: N815


def index(request: Request) -> Response:
    """All of a server's volumes."""
    page = parse_page(request)
    found = compute.attachments.list_(request.tx, request.caller, request.params["id"], page)
    return document({"volumeAttachments": [_view(request, attachment) for attachment in found]})


def show(request: Request) -> Response:
    """One of a server's volumes."""
    found = compute.attachments.get(
        request.tx, request.caller, request.params["id"], request.params["volume_id"]
    )
    return document({"volumeAttachment": _view(request, found)})


def create(request: Request) -> Response:
    """Plug a volume in."""
    body = request.read(CreateBody).volumeAttachment
    version = request.microversion
    if body.tag is not None and version < V2_49:
        raise Invalid("A tag is understood since version 2.49.", field="tag")
    if body.delete_on_termination is not None and version < V2_79:
        raise Invalid(
            "delete_on_termination is understood since version 2.79.", field="delete_on_termination"
        )
    options = AttachOptions(
        tag=body.tag,
        delete_on_termination=schemas.flag(body.delete_on_termination, "delete_on_termination"),
    )
    made = compute.attachments.attach(
        request.tx, request.caller, request.params["id"], body.volumeId, body.device, options
    )
    if version >= V2_101:
        return empty()
    # The answer to a new attachment is the older form in all versions that have one.
    view: dict[str, Any] = {
        "id": made.volume_id,
        "volumeId": made.volume_id,
        "serverId": made.server_id,
        "device": made.device,
    }
    if version >= V2_70:
        view["tag"] = made.tag
    if version >= V2_79:
        view["delete_on_termination"] = made.delete_on_termination
    return document({"volumeAttachment": view})


def update(request: Request) -> Response:
    """Say whether the volume goes with the server. Swapping volumes is not offered."""
    body = request.read(UpdateBody).volumeAttachment
    volume_id = request.params["volume_id"]
    compute.attachments.get(request.tx, request.caller, request.params["id"], volume_id)
    if request.microversion < V2_85 or body.volumeId != volume_id or body.delete_on_termination is None:
        raise Invalid("Only delete_on_termination of an attachment can be changed.", field="volumeAttachment")
    compute.attachments.set_delete_on_termination(
        request.tx,
        request.caller,
        request.params["id"],
        volume_id,
        schemas.flag(body.delete_on_termination, "delete_on_termination"),
    )
    return empty()


def delete(request: Request) -> Response:
    """Unplug a volume."""
    compute.attachments.detach(request.tx, request.caller, request.params["id"], request.params["volume_id"])
    return empty()


def _view(request: Request, attachment: Attachment) -> dict[str, Any]:
    version = request.microversion
    view: dict[str, Any] = {
        "volumeId": attachment.volume_id,
        "serverId": attachment.server_id,
        "device": attachment.device,
    }
    if version < V2_89:
        view["id"] = attachment.volume_id
    else:
        # We have one row where Nova has a block device mapping beside Cinder's attachment.
        view |= {"attachment_id": attachment.id, "bdm_uuid": attachment.id}
    if version >= V2_70:
        view["tag"] = attachment.tag
    if version >= V2_79:
        view["delete_on_termination"] = attachment.delete_on_termination
    return view
