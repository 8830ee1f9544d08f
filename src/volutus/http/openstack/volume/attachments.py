"""`/attachments`, since microversion 3.27."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from volutus.http.kernel import Request, Version, document, next_links, no_content, parse_page
from volutus.http.kernel.bodies import convert_strictly
from volutus.http.openstack.volume import schemas, views
from volutus.http.openstack.volume.bodies import flag, read, require_uuid, since
from volutus.http.openstack.volume.volume_actions import mode
from volutus.volume import attachments
from volutus.volume.attachments import AttachmentFilter, AttachmentOrder

FIRST = Version(3, 27)
COMPLETE = Version(3, 44)


def create(request: Request) -> Response:
    """`POST /attachments`: reserve, or with a connector attach."""
    since(request, FIRST)
    body = read(request, "attachment", schemas.AttachmentCreate)
    require_uuid(body.volume_uuid, "volume_uuid")
    _check_connector(body.connector or {})
    order = AttachmentOrder(
        body.volume_uuid, body.instance_uuid, body.connector, mode(body.mode) if body.mode else None
    )
    made = attachments.create(request.tx, request.caller, order)
    return document({"attachment": views.attachment(made)})


def _check_connector(connector: Mapping[str, Any]) -> None:
    convert_strictly(connector, schemas.Connector, "attachment.connector")


def list_(request: Request) -> Response:
    """`GET /attachments`."""
    return _listed(request, detail=False)


def list_detail(request: Request) -> Response:
    """`GET /attachments/detail`."""
    return _listed(request, detail=True)


def show(request: Request) -> Response:
    """`GET /attachments/ID`."""
    since(request, FIRST)
    found = attachments.get(request.tx, request.caller, request.params["attachment_id"])
    return document({"attachment": views.attachment(found)})


def update(request: Request) -> Response:
    """`PUT /attachments/ID`: who will connect."""
    since(request, FIRST)
    body = read(request, "attachment", schemas.AttachmentUpdate)
    _check_connector(body.connector)
    wanted = mode(body.mode) if body.mode else None
    attachment_id = request.params["attachment_id"]
    changed = attachments.connect(request.tx, request.caller, attachment_id, body.connector, wanted)
    return document({"attachment": views.attachment(changed)})


def act(request: Request) -> Response:
    """`POST /attachments/ID/action` with `os-complete`."""
    since(request, COMPLETE)
    attachments.complete(request.tx, request.caller, request.params["attachment_id"])
    return no_content()


def delete(request: Request) -> Response:
    """`DELETE /attachments/ID`; answers what is left of the volume's attachments."""
    since(request, FIRST)
    attachments.remove(request.tx, request.caller, request.params["attachment_id"])
    return document({"attachments": []})


def _listed(request: Request, *, detail: bool) -> Response:
    since(request, FIRST)
    query = request.query
    wanted = AttachmentFilter(
        everyones=flag(request, "all_tenants"),
        project_id=query.get("project_id") if request.caller.is_admin else None,
        volume_id=query.get("volume_id"),
        server_id=query.get("instance_id") or query.get("instance_uuid"),
        status=query.get("status") or query.get("attach_status"),
    )
    page = parse_page(request, direction="desc")
    found = attachments.list_(request.tx, request.caller, wanted, page)
    view = views.attachment if detail else views.attachment_brief
    body: dict[str, Any] = {"attachments": [view(one) for one in found]}
    body.update(next_links(request, "attachments", page, [one.id for one in found]))
    return document(body)
