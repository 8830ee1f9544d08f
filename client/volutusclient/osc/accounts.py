"""One's own account: balance, ledger, usage, statement, notices."""

from typing import Any

from volutusclient.osc import base

_BY_TAG = ("tag", "amount")


class ShowBalance(base.ShowOne):
    """What the account that pays for the project has"""

    def take_action(self, parsed: Any) -> Any:
        return base.shown(self.billing.get("/balance")["balance"])


class ListLedger(base.Lister):
    """Every charge and payment, newest first"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("--meter", help="Only of this meter")
        parser.add_argument("--kind", help="Only of this kind (usage, payment, subscription …)")
        parser.add_argument("--since", help="From this time on")
        parser.add_argument("--until", help="Before this time")
        base.add_page(parser)
        return parser

    def take_action(self, parsed: Any) -> Any:
        names = ("meter", "kind", "since", "until", "limit")
        found = self.billing.get("/ledger", **{name: getattr(parsed, name) for name in names})
        fields = ("time", "billing_cycle", "kind", "reason", "amount", "initial", "end", "currency")
        return base.table(found["ledger"], fields)


class ListUsage(base.Lister):
    """What is in use now, what of it is covered, and what is charged by use"""

    def take_action(self, parsed: Any) -> Any:
        return base.table(self.billing.get("/usage")["usage"], ("meter", "using", "subscribed", "burst"))


class ShowStatement(base.Lister):
    """What was spent in a time, by project and meter"""

    def get_parser(self, prog_name: str) -> Any:
        parser = base.add_span(super().get_parser(prog_name))
        parser.add_argument("--by-tag", action="store_true", help="Sums of projects with the same tag")
        return parser

    def take_action(self, parsed: Any) -> Any:
        found = self.billing.get("/statement", **base.span(parsed))["statement"]
        if parsed.by_tag:
            return base.table([{"tag": tag, "amount": sum_} for tag, sum_ in found["tags"].items()], _BY_TAG)
        return base.table(found["lines"], ("project_id", "kind", "meter", "quantity", "amount"))


class ListNotices(base.Lister):
    """What the account was told"""

    def take_action(self, parsed: Any) -> Any:
        return base.table(self.billing.get("/notices")["notices"], ("at", "kind", "detail"))


class ShowForecast(base.ShowOne):
    """What this month will have cost at the present pace"""

    def take_action(self, parsed: Any) -> Any:
        return base.shown(self.billing.get("/forecast")["forecast"])
