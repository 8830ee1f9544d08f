"""What operators do: accounts, payments that came in, price lists."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from volutusclient.osc import base

_SETTABLE = ("name", "mode", "country", "language", "contact", "address", "vat_number")


class ListAccounts(base.Lister):
    """All accounts"""

    def take_action(self, parsed: Any) -> Any:
        fields = ("id", "name", "currency", "mode", "country", "language", "contact", "credit_limit")
        return base.table(self.billing.get("/accounts")["accounts"], fields)


class CreateAccount(base.ShowOne):
    """A new account, which may pay for many projects"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("name")
        parser.add_argument("--id", help="Made where it is not given")
        parser.add_argument("--currency", help="For good (the region's)")
        return _with_settable(parser, _SETTABLE[1:])

    def take_action(self, parsed: Any) -> Any:
        wanted = _settable(parsed, ("name", "id", "currency", *_SETTABLE[1:]))
        return base.shown(self.billing.post("/accounts", {"account": wanted})["account"])


class SetAccount(base.ShowOne):
    """Change an account"""

    def get_parser(self, prog_name: str) -> Any:
        return _with_settable(_with_account(super().get_parser(prog_name)), _SETTABLE)

    def take_action(self, parsed: Any) -> Any:
        wanted = _settable(parsed, _SETTABLE)
        answer = self.billing.send("PATCH", f"/accounts/{parsed.account}", {"account": wanted})
        return base.shown(answer["account"])


class PayFor(base.Command):
    """Have an account pay for a project, from the present cycle on"""

    def get_parser(self, prog_name: str) -> Any:
        parser = _with_account(super().get_parser(prog_name))
        parser.add_argument("project", metavar="<project>", help="Its id")
        return parser

    def take_action(self, parsed: Any) -> None:
        self.billing.send("PUT", f"/accounts/{parsed.account}/projects/{parsed.project}")


class UseList(base.Command):
    """Have an account pay by another price list from now on"""

    def get_parser(self, prog_name: str) -> Any:
        parser = _with_account(super().get_parser(prog_name))
        parser.add_argument("list", metavar="<price-list>", help="Its id")
        return parser

    def take_action(self, parsed: Any) -> None:
        self.billing.send("PUT", f"/accounts/{parsed.account}/price-list/{parsed.list}")


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


def _with_settable(parser: Any, names: Sequence[str]) -> Any:
    for name in names:
        parser.add_argument(f"--{name.replace('_', '-')}")
    parser.add_argument("--credit-limit", type=base.amount, help="How far below zero it may go")
    return parser


def _settable(parsed: Any, names: Sequence[str]) -> dict[str, str]:
    asked = ((name, getattr(parsed, name)) for name in (*names, "credit_limit"))
    return {name: str(value) for name, value in asked if value is not None}


def _with_account(parser: Any) -> Any:
    parser.add_argument("account", metavar="<account>", help="Its id: mostly the project's")
    return parser
