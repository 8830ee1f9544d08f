"""Invoices, on the screen and as paper."""

from pathlib import Path
from typing import Any

from volutusclient.osc import base


class ListInvoices(base.Lister):
    """Invoices of the account, newest first"""

    def take_action(self, parsed: Any) -> Any:
        fields = ("number", "period_from", "period_to", "currency", "net", "tax", "gross")
        return base.table(self.billing.get("/invoices")["invoices"], fields)


class ShowInvoice(base.ShowOne):
    """One invoice with its lines"""

    def get_parser(self, prog_name: str) -> Any:
        return _with_number(super().get_parser(prog_name))

    def take_action(self, parsed: Any) -> Any:
        return base.shown(self.billing.get(f"/invoices/{parsed.number}")["invoice"])


class SaveInvoice(base.Command):
    """Write an invoice into a file, as PDF"""

    def get_parser(self, prog_name: str) -> Any:
        parser = _with_number(super().get_parser(prog_name))
        parser.add_argument("--file", type=Path, required=True, help="Where to")
        return parser

    def take_action(self, parsed: Any) -> None:
        parsed.file.write_bytes(self.billing.download(f"/invoices/{parsed.number}", "application/pdf"))


def _with_number(parser: Any) -> Any:
    parser.add_argument("number", type=int, metavar="<number>", help="Its number")
    return parser
