"""Budgets: what a month may cost, with warnings on the way there."""

from starlette.responses import Response

from volutus.console.api import Document
from volutus.console.costs import BILLING
from volutus.console.language import _
from volutus.console.money import amount
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import Cell, Field, Form, Row, Sheet, Table, delete_form
from volutus.console.visits import Visit, see

_ROOT = f"{BILLING}/budgets"


async def show(renderer: Renderer, visit: Visit) -> Response:
    """All of the account."""
    found = await visit.api.items(_ROOT, "budgets")
    mine = _("Only what this project spends")
    stops = _("Stop the servers when it is spent")
    fields = [
        Field("name", _("Name"), value=visit.sent("name")),
        Field("amount", _("Amount a month"), "number", visit.sent("amount") or "100", bounds=(1, None)),
        Field("mine", mine, "checkbox", visit.sent("mine"), required=False),
        Field("stops", stops, "checkbox", visit.sent("stops"), required=False),
    ]
    opened = bool(visit.problem and visit.sent("act") == "create")
    sheet = Sheet(
        title=_("Budgets"),
        about=_("You are told when half, four fifths and all of it are spent."),
        tables=[
            Table(
                (_("Name"), _("Amount a month"), _("Spent"), _("For"), _("Then")),
                [_row(visit, one) for one in found],
                _("No budget yet. Create one to be warned before a month costs too much."),
            )
        ],
        create=[Form("create", _("Create a budget"), fields, _("Create"), open=opened)],
        command="openstack budget create --alert 80 NAME 100\n"
        "openstack budget list\nopenstack budget delete BUDGET",
    )
    return renderer.sheet(visit, sheet)


async def act(_renderer: Renderer, visit: Visit) -> Response:
    """Create or delete one."""
    if visit.sent("act") == "delete":
        await visit.api.delete(f"{_ROOT}/{visit.sent('id')}")
        return see("/budgets", "deleted")
    order: Document = {
        "name": visit.sent("name"),
        "amount": visit.sent("amount"),
        "stops": visit.sent("stops") == "yes",
    }
    if visit.sent("mine"):
        order["project_id"] = visit.session.project_id
    await visit.api.post(_ROOT, {"budget": order})
    return see("/budgets", "created")


def _row(visit: Visit, one: Document) -> Row:
    key, name = str(one["id"]), str(one["name"])
    whose = _("the account")
    if one["project_id"]:
        whose = visit.session.project if one["project_id"] == visit.session.project_id else one["project_id"]
    cells = (
        Cell(name),
        Cell(amount(one["amount"]), number=True),
        Cell(amount(one["spent"]), number=True),
        Cell(whose),
        Cell(_("servers stop") if one["stops"] else _("you are told")),
    )
    return Row(cells, [delete_form(key, name, _("Nobody is warned by %(name)s any more.", name=name))], key)


PAGE = Page("/budgets", show, act)
