"""The list of servers: searched, sorted and cut by the API; several can be acted on at once."""

import re
import shlex

from starlette.responses import Response

from volutus.console.api import Api, ApiProblem, Document, together
from volutus.console.language import _
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import Cell, Field, Form, Link, Row, Search, Sheet, Table, moment, page_of
from volutus.console.states import is_busy, state_name
from volutus.console.visits import Visit, see

ROOT = "/compute/v2.1/servers"
# A page's rows at most; a form cannot tick more.
BULK_MAX = 50
POWER: dict[str, Document] = {
    "start": {"os-start": None},
    "stop": {"os-stop": None},
    "reboot": {"reboot": {"type": "SOFT"}},
    "hard-reboot": {"reboot": {"type": "HARD"}},
    "pause": {"pause": None},
    "unpause": {"unpause": None},
    "lock": {"lock": None},
    "unlock": {"unlock": None},
    "suspend": {"suspend": None},
    "resume": {"resume": None},
    "rescue": {"rescue": None},
    "unrescue": {"unrescue": None},
    "shelve": {"shelve": None},
    "unshelve": {"unshelve": None},
    "confirm": {"confirmResize": None},
    "revert": {"revertResize": None},
}
_STATES = ("ACTIVE", "SHUTOFF", "BUILD", "ERROR", "PAUSED")


async def show(renderer: Renderer, visit: Visit) -> Response:
    """One page of them."""
    servers, more = await page_of(visit, f"{ROOT}/detail", "servers", **_query(visit))
    searched = bool(visit.asked("q") or visit.asked("status"))
    empty = _("No server yet. Create your first: it takes an image, a size and a network.")
    sheet = Sheet(
        title=_("Servers"),
        about="",
        tables=[
            Table(
                (_("Name"), _("State"), _("Addresses"), _("Size"), _("Created")),
                [_row(server) for server in servers],
                _("No server fits.") if searched else empty,
                more=more,
                search=_search(),
                bulk=_bulk_forms(),
            )
        ],
        command=_command(visit),
        links=[Link("/servers/new", _("Create a server"))],
        busy=any(is_busy(shown_state(one)) for one in servers),
    )
    return renderer.sheet(visit, sheet)


async def act(_renderer: Renderer, visit: Visit) -> Response:
    """The same to all that are ticked. What was refused is told; the others are done."""
    wanted, ids = visit.sent("act"), visit.many.get("mark", [])[:BULK_MAX]
    if not ids:
        raise ApiProblem(400, _("Tick the servers first."), "")
    results = await together(*(_one(visit.api, wanted, server_id) for server_id in ids))
    refused = [problem for problem in results if problem]
    if refused:
        text = _(
            "%(count)s of %(all)s were refused: %(why)s",
            count=len(refused),
            all=len(ids),
            why=refused[0].message,
        )
        raise ApiProblem(refused[0].status, text, refused[0].request_id)
    return see("/servers", "deleted" if wanted == "delete" else "changed")


def shown_state(server: Document) -> str:
    """What it does now if it does something, else its status."""
    return str(server.get("OS-EXT-STS:task_state") or server["status"])


async def _one(api: Api, wanted: str, server_id: str) -> ApiProblem | None:
    try:
        if wanted == "delete":
            await api.delete(f"{ROOT}/{server_id}")
        elif wanted in POWER:
            await api.post(f"{ROOT}/{server_id}/action", POWER[wanted])
    except ApiProblem as problem:
        return problem
    return None


def _query(visit: Visit) -> dict[str, str]:
    query = {"status": visit.asked("status")}
    if text := visit.asked("q"):
        # The API takes a regular expression; people type a piece of a name.
        query["name"] = re.escape(text)
    if visit.asked("sort") == "display_name":
        query |= {"sort_key": "display_name", "sort_dir": "asc"}
    return query


def _search() -> Search:
    states = [("", _("any")), *[(state, state_name(state)) for state in _STATES]]
    orders = [("created_at", _("newest first")), ("display_name", _("by name"))]
    return Search(
        _("Name has"),
        [
            Field("status", _("State"), "select", options=states),
            Field("sort", _("Order"), "select", options=orders),
        ],
    )


def _bulk_forms() -> list[Form]:
    lost = _("All that are ticked, their own disks and all on them are gone at once. Attached volumes stay.")
    return [
        Form("start", _("Start")),
        Form("stop", _("Stop")),
        Form("reboot", _("Reboot")),
        Form("delete", _("Delete"), button=_("Delete all that are ticked"), danger=lost),
    ]


def _row(server: Document) -> Row:
    addresses = " ".join(str(one["addr"]) for found in server["addresses"].values() for one in found)
    cells = (
        Cell(server["name"], f"/servers/{server['id']}"),
        Cell(shown_state(server), state=True),
        Cell(addresses, code=True),
        Cell(server["flavor"]["original_name"]),
        moment(server["created"]),
    )
    return Row(cells, key=server["id"], mark=server["id"])


def _command(visit: Visit) -> str:
    command = "openstack server list"
    if text := visit.asked("q"):
        command += f" --name {shlex.quote(text)}"
    if state := visit.asked("status"):
        command += f" --status {shlex.quote(state)}"
    if visit.asked("sort") == "display_name":
        command += " --sort-column Name"
    return f"{command}\nopenstack server stop NAME NAME …"


PAGE = Page("/servers", show, act)
