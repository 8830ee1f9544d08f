"""`/messages`, since microversion 3.3: why something of the tenant's failed."""

from typing import Any

from starlette.responses import Response

from volutus.db import SortKey
from volutus.http.kernel import Request, Version, document, next_links, no_content, parse_page
from volutus.http.openstack.volume.bodies import flag, since
from volutus.http.openstack.volume.views import links, moment
from volutus.volume import messages
from volutus.volume.messages import Message

FIRST = Version(3, 3)


def list_(request: Request) -> Response:
    """`GET /messages`."""
    since(request, FIRST)
    page = parse_page(request, default_sort=(SortKey("created_at", descending=True),), direction="desc")
    everyones = flag(request, "all_tenants")
    found = messages.list_(request.tx, request.caller, page, everyones=everyones)
    body: dict[str, Any] = {"messages": [_view(request, one) for one in found]}
    body.update(next_links(request, "messages", page, [one.id for one in found]))
    return document(body)


def show(request: Request) -> Response:
    """`GET /messages/ID`."""
    since(request, FIRST)
    found = messages.get(request.tx, request.caller, request.params["message_id"])
    return document({"message": _view(request, found)})


def delete(request: Request) -> Response:
    """`DELETE /messages/ID`."""
    since(request, FIRST)
    messages.remove(request.tx, request.caller, request.params["message_id"])
    return no_content()


def _view(request: Request, one: Message) -> dict[str, Any]:
    return {
        "id": one.id,
        "event_id": f"VOLUME_{one.resource_type}_{one.event}".upper().replace("VOLUME_VOLUME", "VOLUME"),
        "message_level": "ERROR",
        "request_id": one.request_id,
        "resource_type": one.resource_type,
        "resource_uuid": one.resource_id,
        "user_message": f"{one.event} {one.resource_type.lower().replace('_', ' ')}: {one.message}",
        "created_at": moment(one.created_at),
        "guaranteed_until": moment(one.expires_at),
        "links": links(request, "messages", one.id),
    }
