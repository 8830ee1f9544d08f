"""The list of servers, and the page of one: its state as it changes, and what can be done with it."""

import re
from typing import Any

from starlette.responses import Response

from volutus.console.api import Document, together
from volutus.console.rendering import Page, Renderer, is_busy
from volutus.console.shapes import page_of
from volutus.console.visits import Visit, see

ROOT = "/compute/v2.1/servers"
SORTS = {"created_at": "newest first", "display_name": "by name"}
# Steps of one action are asked for one by one: the newest few say what is going on.
ACTIONS_SHOWN = 6
LOG_LINES = 400
_ACTS: dict[str, Document] = {
    "start": {"os-start": None},
    "stop": {"os-stop": None},
    "reboot": {"reboot": {"type": "SOFT"}},
    "hard-reboot": {"reboot": {"type": "HARD"}},
}


async def show_list(renderer: Renderer, visit: Visit) -> Response:
    """Searched, sorted and cut by the API."""
    query = {"status": visit.asked("status")}
    if text := visit.asked("q"):
        # The API takes a regular expression; people type a piece of a name.
        query["name"] = re.escape(text)
    if visit.asked("sort") == "display_name":
        query |= {"sort_key": "display_name", "sort_dir": "asc"}
    servers, more = await page_of(visit, f"{ROOT}/detail", "servers", **query)
    searched = bool(visit.asked("q") or visit.asked("status"))
    values: dict[str, Any] = {"servers": servers, "more": more, "searched": searched, "sorts": SORTS}
    return renderer.page(
        "servers.html", visit, busy=any(is_busy(shown_state(one)) for one in servers), **values
    )


async def show(renderer: Renderer, visit: Visit) -> Response:
    """One server."""
    server_id = visit.param("id")
    found, attachments, actions = await together(
        visit.api.get(f"{ROOT}/{server_id}"),
        visit.api.items(f"{ROOT}/{server_id}/os-volume_attachments", "volumeAttachments"),
        visit.api.items(f"{ROOT}/{server_id}/os-instance-actions", "instanceActions", limit=ACTIONS_SHOWN),
    )
    server = found["server"]
    steps = await together(
        *(
            visit.api.get(f"{ROOT}/{server_id}/os-instance-actions/{action['request_id']}")
            for action in actions[:ACTIONS_SHOWN]
        )
    )
    values: dict[str, Any] = {
        "server": server,
        "state": shown_state(server),
        "busy": is_busy(shown_state(server)),
        "attachments": attachments,
        "events": [step["instanceAction"] for step in steps],
    }
    return renderer.page("server.html", visit, **values)


async def act(_: Renderer, visit: Visit) -> Response:
    """Start, stop, reboot or delete."""
    server_id, wanted = visit.param("id"), visit.sent("act")
    if wanted == "delete":
        await visit.api.delete(f"{ROOT}/{server_id}")
        return see("/servers", "deleted")
    if wanted in _ACTS:
        await visit.api.post(f"{ROOT}/{server_id}/action", _ACTS[wanted])
    return see(visit.path, "changed")


async def show_log(renderer: Renderer, visit: Visit) -> Response:
    """The end of what the server wrote to its serial console."""
    server_id = visit.param("id")
    found, output = await together(
        visit.api.get(f"{ROOT}/{server_id}"),
        visit.api.post(f"{ROOT}/{server_id}/action", {"os-getConsoleOutput": {"length": LOG_LINES}}),
    )
    return renderer.page("server_log.html", visit, server=found["server"], log=output["output"] or "")


def shown_state(server: Document) -> str:
    """What it does now if it does something, else its status."""
    return str(server.get("OS-EXT-STS:task_state") or server["status"])


PAGES = (
    Page("/servers", show_list),
    Page("/servers/{id}", show, act),
    Page("/servers/{id}/log", show_log),
)
