"""What operators look at: margins, showback, the books, and the audit of the ledger."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from volutusclient.osc import base


class ShowMargin(base.Lister):
    """What each meter earned and cost"""

    def get_parser(self, prog_name: str) -> Any:
        parser = base.add_span(super().get_parser(prog_name))
        parser.add_argument("--currency", help="Of accounts in this currency (the region's)")
        return parser

    def take_action(self, parsed: Any) -> Any:
        found = self.billing.get("/margin", currency=parsed.currency, **base.span(parsed))["margin"]
        lines = [{**line, "currency": found["currency"]} for line in found["meters"]]
        return base.table(lines, ("meter", "quantity", "unit", "currency", "revenue", "cost", "margin"))


class ShowShowback(base.Lister):
    """What each department spent: itself, and with all that is below it"""

    def get_parser(self, prog_name: str) -> Any:
        return base.add_span(super().get_parser(prog_name))

    def take_action(self, parsed: Any) -> Any:
        found = self.billing.get("/showback", **base.span(parsed))["showback"]["projects"]
        lines = [{**one, "name": "  " * one["depth"] + (one["name"] or "(deleted)")} for one in found]
        return base.table(lines, ("name", "project_id", "currency", "own", "total"))


class ListBooks(base.Lister):
    """Every account of the ledger with what it holds; the sum is zero"""

    def take_action(self, parsed: Any) -> Any:
        return base.table(list(self._pages()), ("kind", "owner", "currency", "balance"))

    def _pages(self) -> Iterator[Any]:
        """All lines, page by page."""
        found = self.billing.get("/books")
        yield from found["books"]
        while "books_links" in found:
            found = self.billing.get("/books", marker=found["books"][-1]["id"])
            yield from found["books"]


class Audit(base.Lister):
    """Recompute cycles from usage and name every difference from the ledger"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("--first", type=int, help="The number of a cycle (the last one)")
        parser.add_argument("--last", type=int, help="Of another, 288 at once at most (the last one rated)")
        return parser

    def take_action(self, parsed: Any) -> Any:
        found = self.billing.get("/audit", first=parsed.first, last=parsed.last)["audit"]
        fields = ("cycle", "what", "account_id", "project_id", "meter", "expected", "booked", "currency")
        gaps = [{**gap, "what": gap["reason"]} for gap in found["gaps"]]
        return base.table([*found["differences"], *gaps], fields)


class ExportPrices(base.Command):
    """Save a price list as the file that publishes it: TOML, or CSV for a name that ends so"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("list", metavar="<price-list>", help="Its id, as openstack price list shows it")
        parser.add_argument("file", type=Path)
        return parser

    def take_action(self, parsed: Any) -> None:
        media_type = "text/csv" if parsed.file.suffix == ".csv" else "application/toml"
        parsed.file.write_bytes(self.billing.download(f"/price-lists/{parsed.list}/edition", media_type))
