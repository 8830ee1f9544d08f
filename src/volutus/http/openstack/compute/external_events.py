"""Events that other services tell of: each has the cloud look at its server again, which is all they need."""

from typing import Annotated

from msgspec import Meta, Struct
from starlette.responses import Response

from volutus import compute
from volutus.errors import Invalid
from volutus.http.kernel import Request, document

NAMES = (
    *("network-changed", "network-vif-plugged", "network-vif-unplugged", "network-vif-deleted"),
    *("volume-extended", "power-update", "accelerator-request-bound", "volume-reimaged"),
)
EVENTS_MAX = 100


class Event(Struct, forbid_unknown_fields=True):
    name: str
    server_uuid: str
    status: str | None = None
    tag: str | None = None


class Body(Struct, forbid_unknown_fields=True):
    events: Annotated[list[Event], Meta(min_length=1, max_length=EVENTS_MAX)]


def create(request: Request) -> Response:
    """Each event is answered with what became of it; 207 when not all were of servers that there are."""
    events = request.read(Body).events
    for event in events:
        if event.name not in NAMES or event.status not in (None, "completed", "failed", "in-progress"):
            raise Invalid(f"There is no event {event.name} with status {event.status}.", field="events")
    known = compute.actions.look_again(request.tx, [event.server_uuid for event in events])
    lines = [
        {
            "name": event.name,
            "server_uuid": event.server_uuid,
            "status": (event.status or "completed") if event.server_uuid in known else "failed",
            "code": 200 if event.server_uuid in known else 404,
            **({"tag": event.tag} if event.tag is not None else {}),
        }
        for event in events
    ]
    return document({"events": lines}, 200 if all(line["code"] == 200 for line in lines) else 207)
