"""For operators: work that does not get on, with what each waits for; and who changed what."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from volutus.console.admin_projects import ROOT as PROJECTS
from volutus.console.admin_projects import USERS
from volutus.console.api import Document, together
from volutus.console.language import _
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import (
    CHOICES_MAX,
    Cell,
    Field,
    Row,
    Search,
    Sheet,
    Table,
    choices,
    moment,
    page_of,
    short,
)
from volutus.console.visits import Visit

_ROOT = "/operations/v1"
# Where a kind of object has a page of its own.
_PAGES = {"compute.server": "/servers"}


async def show_work(renderer: Renderer, visit: Visit) -> Response:
    """What failed at least once or is late, the worst first; or all that is under way."""
    attempts = "0" if visit.asked("which") == "all" else "1"
    found = await visit.api.items(f"{_ROOT}/work", "work", attempts=attempts)
    which = [("", _("what failed or is late")), ("all", _("all that is under way"))]
    sheet = Sheet(
        title=_("Stuck work"),
        about=_("Long work is tried again until it succeeds or its deadline ends it. What each waits for:"),
        tables=[
            Table(
                (_("Kind"), _("Object"), _("Failed"), _("Waits for"), _("Next try"), _("Deadline")),
                [_work_row(one) for one in found],
                _("Nothing is stuck."),
                search=Search("", [Field("which", _("Which"), "select", options=which)]),
            )
        ],
        command=_command(visit, "work?attempts=1"),
    )
    return renderer.sheet(visit, sheet)


async def show_audit(renderer: Renderer, visit: Visit) -> Response:
    """Records, searched by what they have."""
    names = ("object_id", "object_kind", "user_id", "project_id", "request_id", "action")
    query: dict[str, Any] = {"object_id": visit.asked("q")}
    query |= {name: visit.asked(name) for name in names if visit.asked(name)}
    (found, more), users, projects = await together(
        page_of(visit, f"{_ROOT}/audit", "audit", **query),
        visit.api.items(USERS, "users", limit=CHOICES_MAX),
        visit.api.items(PROJECTS, "projects", limit=CHOICES_MAX),
    )
    known = dict(choices([*users, *projects]))
    fields = [
        Field("object_kind", _("Kind")),
        Field("user_id", _("User's id")),
        Field("project_id", _("Project's id")),
        Field("request_id", _("Request's id")),
    ]
    sheet = Sheet(
        title=_("Audit"),
        about=_("Every change of every tenant: who made it, when, by which request. Nothing is ever edited."),
        tables=[
            Table(
                (_("When"), _("Change"), _("Object"), _("Who"), _("Request"), _("Detail")),
                [_audit_row(one, known) for one in found],
                _("No record fits."),
                more=more,
                search=Search(_("Object's id"), fields),
            )
        ],
        command=_command(visit, "audit?object_id=ID"),
    )
    return renderer.sheet(visit, sheet)


def _command(visit: Visit, path: str) -> str:
    address = visit.address(f"{_ROOT}/{path}")
    return f"curl -H \"X-Auth-Token: $(openstack token issue -f value -c id)\" '{address}'"


def _work_row(one: Document) -> Row:
    cells = (
        Cell(one["kind"], code=True),
        Cell(one["key"], code=True),
        Cell(str(one["attempts"]), number=True),
        Cell(one["why"], code=True),
        moment(one["due_at"]),
        moment(one["deadline_at"]) if one["deadline_at"] else Cell(_("none")),
    )
    return Row(cells, key=f"{one['kind']}-{one['key']}")


def _audit_row(one: Document, names: Mapping[str, str]) -> Row:
    kind, key = str(one["object_kind"]), str(one["object_id"])
    detail = ", ".join(f"{name}: {value}" for name, value in one["detail"].items())
    cells = (
        moment(one["at"]),
        Cell(f"{kind}: {one['action']}", code=True),
        Cell(key, f"{_PAGES[kind]}/{key}") if kind in _PAGES else Cell(key, code=True),
        _who(one, names),
        Cell(one["request_id"], code=True),
        Cell(detail, code=True),
    )
    return Row(cells, key=str(one["id"]))


def _who(one: Document, names: Mapping[str, str]) -> Cell:
    """User and project, or nobody but the cloud itself; all that the user did is one click away."""
    if not (user := one["user_id"]):
        return Cell(_("the cloud"))
    project = one["project_id"]
    where = f" / {names.get(project, short(project))}" if project else ""
    return Cell(f"{names.get(user, short(user))}{where}", f"/admin/audit?{urlencode({'user_id': user})}")


PAGES = (Page("/admin/work", show_work), Page("/admin/audit", show_audit))
