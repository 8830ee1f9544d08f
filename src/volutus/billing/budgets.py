"""Budgets: an amount a month that an account, or one of its projects, means to spend, and who hears of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, text

from volutus import audit
from volutus.billing import accounts, notices, statements
from volutus.billing.accounts import Account
from volutus.billing.cycles import month_of
from volutus.billing.standing import Enforcement
from volutus.db import Tx
from volutus.errors import Invalid, NotFound
from volutus.identity import Caller

LIST_MAX = 1000


class BudgetNotFound(NotFound):
    code = "billing.budget.not_found"


@dataclass(frozen=True)
class BudgetOrder:
    """`alert_percents` of the amount are told; with `stops` servers are stopped at the whole of it."""

    name: str
    amount: Decimal
    alert_percents: tuple[int, ...] = (50, 80, 100)
    project_id: str | None = None
    stops: bool = False


@dataclass(frozen=True)
class Budget:
    """A budget and what it was asked to do."""

    id: str
    account_id: str
    project_id: str | None
    name: str
    amount: Decimal
    alert_percents: list[int]
    stops: bool


_COLUMNS = "id, account_id, project_id, name, amount, alert_percents, stops"
_INSERT = text(
    f"""
    INSERT INTO billing_budget ({_COLUMNS}, created_at)
    VALUES (:id, :account_id, :project_id, :name, :amount, :alert_percents, :stops, :now)
    """  # noqa: S608
)
_LIST = text(
    f"SELECT {_COLUMNS} FROM billing_budget WHERE account_id = :account_id ORDER BY id LIMIT :limit"  # noqa: S608
)
_ALL = text(f"SELECT {_COLUMNS} FROM billing_budget WHERE id > :after ORDER BY id LIMIT :limit")  # noqa: S608
_DELETE = text("DELETE FROM billing_budget WHERE id = :id AND account_id = :account_id")


def create(tx: Tx, caller: Caller, account: Account, order: BudgetOrder) -> Budget:
    """A new budget."""
    if not order.amount.is_finite() or order.amount <= 0:
        raise Invalid("The amount is above zero.", field="amount")
    if not all(0 < percent <= 1000 for percent in order.alert_percents):
        raise Invalid("Alerts are at 1 to 1000 percent.", field="alert_percents")
    budget = Budget(
        tx.ids.uuid(),
        account.id,
        order.project_id,
        order.name,
        order.amount,
        sorted(set(order.alert_percents)),
        order.stops,
    )
    tx.execute(_INSERT, {**vars(budget), "now": tx.now})
    audit.record(tx, caller, "create", "billing.budget", budget.id, {"amount": str(order.amount)})
    return budget


def list_(tx: Tx, account_id: str) -> list[Budget]:
    """An account's budgets."""
    rows = tx.rows(_LIST, {"account_id": account_id, "limit": LIST_MAX})
    return [_budget(row) for row in rows]


def remove(tx: Tx, caller: Caller, account: Account, budget_id: str) -> None:
    """Raises BudgetNotFound."""
    if not tx.changed(_DELETE, {"id": budget_id, "account_id": account.id}):
        raise BudgetNotFound(f"Budget {budget_id} could not be found.")
    audit.record(tx, caller, "delete", "billing.budget", budget_id)


def spent(tx: Tx, budget: Budget) -> Decimal:
    """What was spent this month."""
    first, _ = month_of(tx.now)
    return statements.spent(tx, budget.account_id, first, tx.now, budget.project_id)


def review(tx: Tx, enforcement: Enforcement | None = None) -> int:
    """Tell who reached a part of a budget; how many notices that were."""
    told, after = 0, ""
    while page := tx.rows(_ALL, {"after": after, "limit": LIST_MAX}):
        told += sum(_review(tx, _budget(row), enforcement) for row in page)
        after = page[-1].id
    return told


def _review(tx: Tx, budget: Budget, enforcement: Enforcement | None) -> int:
    amount = spent(tx, budget)
    _, month = month_of(tx.now)
    told = 0
    # Of several reached since the last look, the highest says it all.
    reached = [percent for percent in budget.alert_percents if amount * 100 >= budget.amount * percent]
    if reached:
        percent = max(reached)
        detail = {"budget": budget.name, "spent": f"{amount:f}", "amount": f"{budget.amount:f}"}
        detail |= {"percent": str(percent), "month": month}
        purpose = f"budget/{budget.id}/{month}/{percent}"
        told += notices.tell(tx, budget.account_id, "budget_reached", purpose, detail)
    if budget.stops and amount >= budget.amount:
        purpose = f"budget/{budget.id}/{month}/stop"
        if notices.tell(tx, budget.account_id, "budget_stops_servers", purpose, {"month": month}):
            told += 1
            if enforcement is not None:
                enforcement.stop(tx, _projects(tx, budget))
    return told


def _projects(tx: Tx, budget: Budget) -> Sequence[str]:
    if budget.project_id is not None:
        return [budget.project_id]
    return accounts.projects(tx, budget.account_id) or [budget.account_id]


def _budget(row: Row[Any]) -> Budget:
    return Budget(**row._mapping)
