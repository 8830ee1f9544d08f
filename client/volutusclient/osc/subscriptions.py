"""Amounts of meters bought for a term."""

from typing import Any

from volutusclient.osc import base

_FIELDS = ("id", "meter", "amount", "status", "starts_at", "ends_at", "auto_renew", "paid")


class ListSubscriptions(base.Lister):
    """Subscriptions of the account"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("--active", action="store_true", help="Only those that are not over")
        return parser

    def take_action(self, parsed: Any) -> Any:
        found = self.billing.get("/subscriptions", status="active" if parsed.active else None)
        return base.table(found["subscriptions"], _FIELDS)


class CreateSubscription(base.Lister):
    """Buy amounts of meters for a term: all of them or none"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("items", nargs="+", type=base.item, metavar="METER=AMOUNT", help="cpu_mhz=1000 …")
        parser.add_argument("--months", type=int, default=1, help="The term, 1 to 36 (1)")
        parser.add_argument("--auto-renew", action="store_true", help="Renew it when it ends")
        parser.add_argument("--dry-run", action="store_true", help="Only say what it would cost")
        return parser

    def take_action(self, parsed: Any) -> Any:
        more = {"months": parsed.months, "auto_renew": parsed.auto_renew}
        body = {"subscriptions": [{**one, **more} for one in parsed.items]}
        if parsed.dry_run:
            found = self.billing.post("/subscription-calculator", body)["calculation"]
            fields = ("meter", "amount", "months", "price", "discount_percent", "discount", "total")
            return base.table(found["lines"], fields)
        return base.table(self.billing.post("/subscriptions", body)["subscriptions"], _FIELDS)


class ShowSubscription(base.ShowOne):
    """One subscription"""

    def get_parser(self, prog_name: str) -> Any:
        return _with_id(super().get_parser(prog_name))

    def take_action(self, parsed: Any) -> Any:
        return base.shown(self.billing.get(f"/subscriptions/{parsed.id}")["subscription"])


class SetSubscription(base.ShowOne):
    """Have a subscription renew itself, or not"""

    def get_parser(self, prog_name: str) -> Any:
        parser = _with_id(super().get_parser(prog_name))
        either = parser.add_mutually_exclusive_group(required=True)
        either.add_argument("--auto-renew", action="store_true", dest="renew")
        either.add_argument("--no-auto-renew", action="store_false", dest="renew")
        return parser

    def take_action(self, parsed: Any) -> Any:
        body = {"subscription": {"auto_renew": parsed.renew}}
        return base.shown(self.billing.send("PATCH", f"/subscriptions/{parsed.id}", body)["subscription"])


class ExtendSubscription(base.ShowOne):
    """Another term at the same price"""

    def get_parser(self, prog_name: str) -> Any:
        parser = _with_id(super().get_parser(prog_name))
        parser.add_argument("--months", type=int, default=1, help="The further term (1)")
        return parser

    def take_action(self, parsed: Any) -> Any:
        body = {"extend": {"months": parsed.months}}
        return base.shown(self.billing.post(f"/subscriptions/{parsed.id}/extend", body)["subscription"])


def _with_id(parser: Any) -> Any:
    parser.add_argument("id", metavar="<subscription>", help="Its id")
    return parser
