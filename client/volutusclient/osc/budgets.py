"""Budgets: what an account means to spend in a month."""

from typing import Any

from volutusclient.osc import base


class ListBudgets(base.Lister):
    """Budgets, with what was spent of them this month"""

    def take_action(self, parsed: Any) -> Any:
        fields = ("id", "name", "project_id", "amount", "spent", "alert_percents", "stops")
        return base.table(self.billing.get("/budgets")["budgets"], fields)


class CreateBudget(base.ShowOne):
    """Be told when parts of an amount are spent, or have servers stopped at the whole of it"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("name")
        parser.add_argument("amount", type=base.amount, help="A month")
        parser.add_argument("--alert", type=int, action="append", metavar="PERCENT", help="50, 80 and 100")
        parser.add_argument("--for-project", metavar="<project>", help="Of this project alone (its id)")
        parser.add_argument("--stop", action="store_true", help="Stop servers at the whole of it")
        return parser

    def take_action(self, parsed: Any) -> Any:
        wanted = {"name": parsed.name, "amount": str(parsed.amount), "stops": parsed.stop}
        if parsed.alert:
            wanted["alert_percents"] = parsed.alert
        if parsed.for_project:
            wanted["project_id"] = parsed.for_project
        return base.shown(self.billing.post("/budgets", {"budget": wanted})["budget"])


class DeleteBudget(base.Command):
    """Remove a budget"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", metavar="<budget>", help="Its id")
        return parser

    def take_action(self, parsed: Any) -> None:
        self.billing.send("DELETE", f"/budgets/{parsed.id}")
