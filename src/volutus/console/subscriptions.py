"""Subscriptions: a price frozen for a term. The calculator says what one costs before it is bought."""

from starlette.responses import Response

from volutus.console.api import ApiProblem, Document, together
from volutus.console.costs import BILLING
from volutus.console.language import _
from volutus.console.money import amount, meter_name, meter_unit, plain, unit_name
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import Cell, Facts, Field, Form, Row, Sheet, Table, hidden, moment
from volutus.console.visits import Visit, see

_ROOT = f"{BILLING}/subscriptions"
_MONTHS = (1, 3, 6, 12, 24, 36)


async def show(renderer: Renderer, visit: Visit) -> Response:
    """What was bought, and the calculator."""
    found, prices = await together(
        visit.api.items(_ROOT, "subscriptions"), visit.api.items(f"{BILLING}/prices", "prices")
    )
    ahead = [price for price in prices if price["ahead"]]
    calculated = await _calculated(visit)
    columns = (_("What"), _("State"), _("Amount"), _("From"), _("Until"), _("Paid"), _("Renews itself"))
    sheet = Sheet(
        title=_("Subscriptions"),
        about=_(
            "Bought ahead, an amount costs less and its price stays for the term. "
            "What you use beyond it is charged by use."
        ),
        facts=[calculated] if calculated else [],
        tables=[
            Table(
                columns,
                [_row(one) for one in found],
                _("No subscription yet. Calculate one, then buy it."),
            )
        ],
        create=[_form(visit, ahead)],
        command="openstack subscription create --months 3 --dry-run cpu_mhz=1000 memory_mib=1024\n"
        "openstack subscription create --months 3 cpu_mhz=1000 memory_mib=1024\nopenstack subscription list",
    )
    return renderer.sheet(visit, sheet)


async def act(renderer: Renderer, visit: Visit) -> Response:
    """Calculate, buy, extend, or change whether it renews itself."""
    wanted, path = visit.sent("act"), f"{_ROOT}/{visit.sent('id')}"
    if wanted == "calculate":
        return await show(renderer, visit)
    if wanted == "buy":
        await visit.api.post(_ROOT, {"subscriptions": [_order(visit)]})
        return see("/subscriptions", "created")
    if wanted == "renew":
        await visit.api.patch(path, {"subscription": {"auto_renew": visit.sent("renew") == "yes"}})
    elif wanted == "extend":
        months = visit.number("months", _("Months"))
        await visit.api.post(f"{path}/extend", {"extend": {"months": months}})
    return see("/subscriptions", "changed")


def _order(visit: Visit) -> Document:
    return {
        "meter": visit.sent("meter"),
        "amount": visit.sent("amount"),
        "months": visit.number("months", _("Months")),
        "auto_renew": visit.sent("renew") == "yes",
    }


async def _calculated(visit: Visit) -> Facts | None:
    """The cost of what the form has, if that was asked for."""
    if visit.sent("act") != "calculate":
        return None
    order = {name: value for name, value in _order(visit).items() if name != "auto_renew"}
    try:
        found = await visit.api.post(f"{BILLING}/subscription-calculator", {"subscriptions": [order]})
    except ApiProblem as problem:
        visit.problem = problem
        return None
    sums = found["calculation"]
    line = sums["lines"][0]
    return Facts(
        _("What it costs"),
        [
            (meter_name(line["meter"]), Cell(f"{plain(line['amount'])} {meter_unit(line['meter'])}")),
            (_("Price"), Cell(f"{plain(line['price'])} {sums['currency']} / {unit_name(line['unit'])}")),
            (_("Discount of the term"), Cell(f"{plain(line['discount_percent'])} %")),
            (_("Total"), Cell(amount(sums["total"], sums["currency"]))),
        ],
    )


def _form(visit: Visit, prices: list[Document]) -> Form:
    meters = [
        (one["meter"], f"{meter_name(one['meter'])}: {plain(one['ahead'])} / {unit_name(one['unit'])}")
        for one in prices
    ]
    terms = [(str(months), str(months)) for months in _MONTHS]
    hint = _("In MHz, MiB, GiB or pieces")
    acts = [("calculate", _("only calculate")), ("buy", _("buy it"))]
    fields = [
        Field("meter", _("What"), "select", visit.sent("meter"), options=meters),
        Field("amount", _("Amount"), "number", visit.sent("amount") or "1000", hint=hint, bounds=(1, None)),
        Field("months", _("Months"), "select", visit.sent("months") or "1", options=terms),
        Field("renew", _("Renew it at its end"), "checkbox", visit.sent("renew"), required=False),
        # The last field of a name counts: the choice is what the form does.
        Field("act", _("Now"), "select", "calculate", options=acts),
    ]
    opened = bool(visit.sent("act"))
    return Form("calculate", _("Calculate or buy"), fields, _("Go on"), open=opened)


def _row(one: Document) -> Row:
    key = str(one["id"])
    name = f"{meter_name(one['meter'])} {plain(one['amount'])} {meter_unit(one['meter'])}"
    renews = bool(one["auto_renew"])
    cells = (
        Cell(meter_name(one["meter"])),
        Cell(one["status"], state=True),
        Cell(f"{plain(one['amount'])} {meter_unit(one['meter'])}", number=True),
        moment(one["starts_at"]),
        moment(one["ends_at"]),
        Cell(amount(one["paid"]), number=True),
        Cell(_("yes") if renews else _("no")),
    )
    change = Form(
        "renew",
        _("Do not renew") if renews else _("Renew it"),
        hidden(id=key, renew="" if renews else "yes"),
        direct=True,
    )
    months = Field("months", _("Months"), "number", "1", bounds=(1, 36))
    longer = Form("extend", _("Extend"), [*hidden(id=key), months], _("Extend %(name)s", name=name))
    return Row(cells, [change, longer], key)


PAGE = Page("/subscriptions", show, act)
