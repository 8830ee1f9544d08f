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


class CreateInvoice(base.ShowOne):
    """Make the invoice of a part of an account's time, now and not at the end of the month"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("account", metavar="<account>", help="Its id")
        parser.add_argument("--since", required=True, help="From the beginning of a cycle on")
        parser.add_argument("--until", required=True, help="Until the end of one that is rated")
        return parser

    def take_action(self, parsed: Any) -> Any:
        period = {"period_from": parsed.since, "period_to": parsed.until}
        made = self.billing.post(f"/accounts/{parsed.account}/invoices", {"invoice": period})["invoice"]
        return base.shown({name: value for name, value in made.items() if name != "lines"})


def _with_number(parser: Any) -> Any:
    parser.add_argument("number", type=int, metavar="<number>", help="Its number")
    return parser
