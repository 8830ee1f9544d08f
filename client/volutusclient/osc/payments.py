"""Paying into one's account."""

from typing import Any

from volutusclient.osc import base

_FIELDS = ("id", "created_at", "provider", "amount", "currency", "status", "url")


class CreatePayment(base.ShowOne):
    """Begin to pay; `payment show` has the page to go to a moment later"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("amount", type=base.amount, help="In the account's currency")
        parser.add_argument("--provider", default="stripe", help="By whom: stripe or bank (stripe)")
        return parser

    def take_action(self, parsed: Any) -> Any:
        body = {"payment": {"amount": str(parsed.amount), "provider": parsed.provider}}
        return base.shown(self.billing.post("/payments", body)["payment"])


class ListPayments(base.Lister):
    """Payments that were begun, newest first"""

    def take_action(self, parsed: Any) -> Any:
        return base.table(self.billing.get("/payments")["payments"], _FIELDS)


class ShowPayment(base.ShowOne):
    """One payment: how it stands, and where to pay"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", metavar="<payment>", help="Its id")
        return parser

    def take_action(self, parsed: Any) -> Any:
        return base.shown(self.billing.get(f"/payments/{parsed.id}")["payment"])


class RedeemVoucher(base.ShowOne):
    """Turn a voucher into a credit"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("code", help="As it was given to you")
        return parser

    def take_action(self, parsed: Any) -> Any:
        body = {"voucher": {"code": parsed.code}}
        return base.shown(self.billing.post("/vouchers/redeem", body)["credit"])


class ListCredits(base.Lister):
    """Credits, and what is left of each"""

    def take_action(self, parsed: Any) -> Any:
        fields = ("id", "amount", "remaining", "expires_at", "note")
        return base.table(self.billing.get("/credits")["credits"], fields)


class ShowTopUp(base.ShowOne):
    """Whether and how the account pays by itself when it runs low"""

    def take_action(self, parsed: Any) -> Any:
        return base.shown(self.billing.get("/top-up")["top_up"] or {"enabled": False})


class SetTopUp(base.ShowOne):
    """Pay by itself with the card used last, whenever the balance is below a threshold"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("amount", type=base.amount, help="So much each time")
        parser.add_argument("--below", type=base.amount, required=True, help="When less than this is left")
        parser.add_argument("--provider", default="stripe", help="By whom (stripe)")
        parser.add_argument("--disable", action="store_true", help="Do not, for now")
        return parser

    def take_action(self, parsed: Any) -> Any:
        wanted = {"amount": str(parsed.amount), "threshold": str(parsed.below), "provider": parsed.provider}
        wanted |= {"enabled": not parsed.disable}
        return base.shown(self.billing.send("PUT", "/top-up", {"top_up": wanted})["top_up"])
