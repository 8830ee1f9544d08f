"""What operators do: accounts, payments that came in, price lists."""

from pathlib import Path
from typing import Any

from volutusclient.osc import base

_SETTABLE = ("name", "mode", "country", "language", "contact", "address", "vat_number")


class ListAccounts(base.Lister):
    """All accounts"""

    def take_action(self, parsed: Any) -> Any:
        fields = ("id", "name", "currency", "mode", "country", "language", "contact", "credit_limit")
        return base.table(self.billing.get("/accounts")["accounts"], fields)


class SetAccount(base.ShowOne):
    """Change an account"""

    def get_parser(self, prog_name: str) -> Any:
        parser = _with_account(super().get_parser(prog_name))
        for name in _SETTABLE:
            parser.add_argument(f"--{name.replace('_', '-')}")
        parser.add_argument("--credit-limit", type=base.amount, help="How far below zero it may go")
        return parser

    def take_action(self, parsed: Any) -> Any:
        wanted = {name: value for name in _SETTABLE if (value := getattr(parsed, name)) is not None}
        if parsed.credit_limit is not None:
            wanted["credit_limit"] = str(parsed.credit_limit)
        answer = self.billing.send("PATCH", f"/accounts/{parsed.account}", {"account": wanted})
        return base.shown(answer["account"])


class PayIn(base.ShowOne):
    """Note money that arrived; the same reference again changes nothing"""

    def get_parser(self, prog_name: str) -> Any:
        parser = _with_account(super().get_parser(prog_name))
        parser.add_argument("amount", type=base.amount, help="In the account's currency")
        parser.add_argument("--reference", required=True, help="The bank's own id of it, or our payment's")
        return parser

    def take_action(self, parsed: Any) -> Any:
        body = {"payment": {"amount": str(parsed.amount), "reference": parsed.reference}}
        return base.shown(self.billing.post(f"/accounts/{parsed.account}/payments", body)["payment"])


class PublishPrices(base.ShowOne):
    """Publish a price list (TOML or CSV); it holds from the next cycle, or from when it says"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("file", type=Path)
        return parser

    def take_action(self, parsed: Any) -> Any:
        media_type = "text/csv" if parsed.file.suffix == ".csv" else "application/toml"
        found = self.billing.upload("/price-lists", parsed.file.read_bytes(), media_type)
        return base.shown(found["price_list"])


def _with_account(parser: Any) -> Any:
    parser.add_argument("account", metavar="<account>", help="Its id: mostly the project's")
    return parser
