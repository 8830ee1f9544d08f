"""The ledger, line by line, searched by the API: every charge with its use, price and cycle."""

from starlette.responses import Response

from volutus.console.api import Document
from volutus.console.costs import BILLING
from volutus.console.language import _
from volutus.console.money import KINDS, amount, kind_name, meter_name
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import PAGE_ROWS, Cell, Field, Row, Search, Sheet, Table, moment
from volutus.console.visits import Visit


async def show(renderer: Renderer, visit: Visit) -> Response:
    """The newest lines, or those that were searched for."""
    query: dict[str, str | int | None] = {
        "meter": visit.asked("q"),
        "kind": visit.asked("kind"),
        "since": visit.asked("since"),
        "marker": visit.asked("marker"),
        "limit": PAGE_ROWS,
    }
    found = await visit.api.get(f"{BILLING}/ledger", **query)
    lines = found["ledger"]
    more = visit.with_query(marker=str(lines[-1]["number"])) if "ledger_links" in found else ""
    kinds = [("", _("any")), *[(kind, kind_name(kind)) for kind in KINDS if kind != "burst"]]
    sheet = Sheet(
        title=_("Ledger"),
        about=_("Every entry with the balance before and after it. Nothing here is ever changed."),
        tables=[
            Table(
                (_("When"), _("What"), _("Why"), _("Amount"), _("Balance after")),
                [_row(line) for line in lines],
                _("No entry. Charges come every five minutes while something runs."),
                more=more,
                search=Search(_("Meter is"), [Field("kind", _("Kind"), "select", options=kinds)]),
            )
        ],
        command="openstack ledger list --meter cpu_mhz",
    )
    return renderer.sheet(visit, sheet)


def _row(line: Document) -> Row:
    return Row(
        (
            moment(line["time"]),
            Cell(meter_name(line["meter"]) or kind_name(line["kind"])),
            Cell(line["reason"]),
            Cell(amount(line["amount"], line["currency"]), number=True),
            Cell(amount(line["end"], line["currency"]), number=True),
        )
    )


PAGE = Page("/ledger", show)
