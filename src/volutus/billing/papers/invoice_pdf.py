"""An invoice as PDF, with its font embedded: it looks the same everywhere, for years.

One font has both Latin and Chinese: text that changes fonts within a line came out wrong.
"""

from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from fpdf import FPDF
from fpdf.fonts import FontFace

from volutus.billing import money
from volutus.billing.accounts import Account
from volutus.billing.invoices import Invoice
from volutus.billing.meters import CLASS_SEPARATOR, meter_of
from volutus.billing.papers.words import say

# Debian's package fonts-wqy-microhei.
FONT = Path("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc")
_WIDTHS_MM = (94, 56, 40)
# Lines are often parts of a cent: shown with more places, so that a reader can add them up.
_LINE_PLACES = Decimal("0.0001")
_QUANTITY_PLACES = 6
_SMALL, _NORMAL, _TOTAL, _LARGE = 8, 10, 13, 22
_GREY = (100, 100, 100)
_SHADE, _RULE = (235, 235, 235), 200


class _Paper(FPDF):
    """A4, with the page's number in the account's language below."""

    def __init__(self, language: str) -> None:
        super().__init__(format="A4")
        self.language = language
        self.add_font("paper", "", str(FONT))
        self.set_font("paper", size=_NORMAL)
        self.set_margin(10)
        self.add_page()

    def footer(self) -> None:
        """Called for each page when it is full."""
        self.set_y(-15)
        self.set_font("paper", size=_SMALL)
        pages = {"page": self.page_no(), "pages": "{nb}"}
        self.cell(0, 10, say(self.language, "invoice.page", pages), align="C")


def render(invoice: Invoice, account: Account, seller: str) -> bytes:
    """The same invoice gives the same paper, whenever it is asked for."""
    paper = _Paper(account.language)
    paper.set_creation_date(invoice.issued_at)
    paper.set_title(f"{say(account.language, 'invoice')} {invoice.number}")
    _head(paper, invoice, account, seller)
    _lines(paper, invoice)
    _sums(paper, invoice)
    return bytes(paper.output())


def _head(paper: _Paper, invoice: Invoice, account: Account, seller: str) -> None:
    language = paper.language
    paper.set_font("paper", size=_SMALL)
    paper.multi_cell(0, 4, seller, align="R", new_x="LMARGIN", new_y="NEXT")
    paper.set_font("paper", size=_LARGE)
    paper.cell(0, 14, say(language, "invoice"), new_x="LMARGIN", new_y="NEXT")
    last_day = invoice.period_to - timedelta(microseconds=1)
    facts = {
        "invoice.number": str(invoice.number),
        "invoice.issued": _day(invoice.issued_at),
        "invoice.period": f"{_day(invoice.period_from)} – {_day(last_day)}",
        "invoice.account": account.id,
        "invoice.buyer": "\n".join(part for part in (account.name, account.address, account.country) if part),
        "invoice.vat_number": account.vat_number,
    }
    paper.set_font("paper", size=_NORMAL)
    for key, value in facts.items():
        if value:
            paper.set_text_color(*_GREY)
            paper.cell(40, 6, say(language, key))
            paper.set_text_color(0)
            paper.multi_cell(0, 6, value, new_x="LMARGIN", new_y="NEXT")
    paper.ln(6)


def _lines(paper: _Paper, invoice: Invoice) -> None:
    """Each project under its name, and what it had."""
    say_ = partial(say, paper.language)
    amount = f"{say_('invoice.amount')} ({invoice.currency})"
    paper.set_font("paper", size=_SMALL)
    paper.set_draw_color(_RULE)
    with paper.table(
        col_widths=_WIDTHS_MM,
        text_align=("LEFT", "RIGHT", "RIGHT"),
        borders_layout="HORIZONTAL_LINES",
        line_height=5,
        headings_style=FontFace(fill_color=_SHADE),
    ) as table:
        table.row([say_("invoice.item"), say_("invoice.quantity"), amount])
        for project, lines in groupby(invoice.lines, _project):
            if project:
                heading = table.row(style=FontFace(color=_GREY))
                heading.cell(f"{say_('invoice.project')} {project}", colspan=len(_WIDTHS_MM), align="LEFT")
            for line in lines:
                exact = Decimal(line["amount"]).quantize(_LINE_PLACES, ROUND_HALF_UP)
                table.row([_item(paper.language, line), _quantity(paper.language, line), f"{exact:f}"])
    paper.ln(4)


def _project(line: dict[str, Any]) -> str:
    """As it was called when the invoice was made, with its id."""
    project_id, name = line["project_id"], line.get("project")
    return f"{name} ({project_id})" if name else project_id or ""


def _sums(paper: _Paper, invoice: Invoice) -> None:
    name = invoice.tax_name or say(paper.language, "invoice.tax")
    tax = f"{name} {invoice.tax_percent.normalize():f} %"
    sums = ((say(paper.language, "invoice.net"), invoice.net), (tax, invoice.tax))
    paper.set_font("paper", size=_NORMAL)
    for label, amount in (*sums, (say(paper.language, "invoice.gross"), invoice.gross)):
        if amount is invoice.gross:
            paper.set_font("paper", size=_TOTAL)
        paper.cell(150, 7, label, align="R")
        paper.cell(40, 7, money.shown(amount, invoice.currency), align="R", new_x="LMARGIN", new_y="NEXT")
    paper.ln(6)
    paper.set_font("paper", size=_SMALL)
    paper.multi_cell(0, 4, say(paper.language, "invoice.balance"))


def _item(language: str, line: dict[str, Any]) -> str:
    kind = say(language, f"kind.{line['kind']}")
    if not line["meter"]:
        return kind
    meter, _, of_class = line["meter"].partition(CLASS_SEPARATOR)
    named = say(language, f"meter.{meter}") + (f" {of_class}" if of_class else "")
    return f"{named} ({kind})"


def _quantity(language: str, line: dict[str, Any]) -> str:
    """In the unit of the price: GHz·h, GB·month."""
    if not line["meter"]:
        return ""
    meter = meter_of(line["meter"])
    amount = money.ratio(Decimal(line["quantity"]), meter.per)
    digits = f"{amount:.{_QUANTITY_PLACES}f}".rstrip("0").rstrip(".")
    return f"{digits} {say(language, f'unit.{meter.unit}')}"


def _day(at: datetime) -> str:
    return at.strftime("%Y-%m-%d")
