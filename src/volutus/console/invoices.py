"""Invoices: the ledger of a time, added up, with tax."""

from starlette.responses import Response

from volutus.console.api import Document
from volutus.console.costs import BILLING
from volutus.console.files import passed_on
from volutus.console.language import _
from volutus.console.money import amount, kind_name, meter_name, plain
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import Cell, Facts, Link, Row, Sheet, Table, moment
from volutus.console.visits import Visit


async def show_list(renderer: Renderer, visit: Visit) -> Response:
    """The account's invoices."""
    found = await visit.api.items(f"{BILLING}/invoices", "invoices")
    sheet = Sheet(
        title=_("Invoices"),
        about=_("Each adds up the ledger of a time; its lines are the ledger's."),
        tables=[
            Table(
                (_("Number"), _("From"), _("Until"), _("Net"), _("Gross")),
                [_row(one) for one in found],
                _("No invoice yet. The first one comes after the end of the month."),
            )
        ],
        command="openstack invoice list",
    )
    return renderer.sheet(visit, sheet)


async def show(renderer: Renderer, visit: Visit) -> Response:
    """One invoice."""
    number = visit.param("number")
    one = (await visit.api.get(f"{BILLING}/invoices/{number}"))["invoice"]
    currency = one["currency"]
    pairs = [
        (_("From"), moment(one["period_from"])),
        (_("Until"), moment(one["period_to"])),
        (_("Net"), Cell(amount(one["net"], currency))),
        (f"{one['tax_name']} {plain(one['tax_percent'])} %".strip(), Cell(amount(one["tax"], currency))),
        (_("Gross"), Cell(amount(one["gross"], currency))),
        (_("Issued"), moment(one["issued_at"])),
    ]
    sheet = Sheet(
        title=_("Invoice %(number)s", number=number),
        about="",
        facts=[Facts(_("Sum"), pairs)],
        tables=[
            Table(
                (_("What"), _("Amount")),
                [_line_row(line, currency) for line in one["lines"]],
                _("Nothing was charged in this time."),
                title=_("Lines"),
            )
        ],
        command=f"openstack invoice show {number}\nopenstack invoice save --file invoice.pdf {number}",
        links=[Link(f"/invoices/{number}/pdf", _("Download as PDF"), download=f"invoice-{number}.pdf")],
        crumb=("/invoices", _("Invoices")),
    )
    return renderer.sheet(visit, sheet)


async def show_pdf(_renderer: Renderer, visit: Visit) -> Response:
    """One invoice on paper."""
    number = visit.param("number")
    name = f"invoice-{number}.pdf"
    return passed_on(visit.api, f"{BILLING}/invoices/{number}", name, accept="application/pdf")


def _row(one: Document) -> Row:
    cells = (
        Cell(str(one["number"]), f"/invoices/{one['number']}"),
        moment(one["period_from"]),
        moment(one["period_to"]),
        Cell(amount(one["net"], one["currency"]), number=True),
        Cell(amount(one["gross"], one["currency"]), number=True),
    )
    return Row(cells, key=str(one["number"]))


def _line_row(line: Document, currency: str) -> Row:
    what = meter_name(line.get("meter")) or kind_name(str(line.get("kind", "")))
    return Row((Cell(what), Cell(amount(str(line.get("amount", "")), currency), number=True)))


PAGES = (
    Page("/invoices", show_list),
    Page("/invoices/{number}", show),
    Page("/invoices/{number}/pdf", show_pdf),
)
