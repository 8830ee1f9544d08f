"""What an account must be able to pay before it may order: so many days of all that it would then use.

An account that does not pay (showback) may always order. What subscriptions and packages cover costs nothing
more; what is above them is reckoned at the level in force. Whoever was stopped, or has reached a budget that
stops, may not order until that is mended.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import text

from volutus.billing import accounts, burst, money, prices, standing, statements
from volutus.billing.accounts import Account
from volutus.billing.cycles import CYCLE_S, CYCLES_PER_DAY, month_of
from volutus.billing.meters import meter_of
from volutus.billing.prices import PriceMissing
from volutus.db import Tx
from volutus.errors import Unpaid

_DAY_S = CYCLES_PER_DAY * CYCLE_S


class BudgetReached(Unpaid):
    code = "billing.budget.reached"


@dataclass(frozen=True)
class Need:
    """What an order asks of an account: `funds` in all, for what is `used` by then above what is covered."""

    funds: Decimal
    a_day: Decimal


_PAYS = text(
    """
    SELECT coalesce(a.mode, r.mode) = 'paying' FROM billing_region r LEFT JOIN billing_account a ON a.id =
        coalesce((SELECT account_id FROM billing_payer WHERE project_id = :project_id AND from_at <= :now
                  ORDER BY from_at DESC LIMIT 1), :project_id) LIMIT 1
    """
)
_REACHED = text(
    """
    SELECT b.name FROM billing_budget b
    JOIN billing_notice n ON n.purpose = 'budget/' || b.id || '/' || :month || '/stop'
    WHERE b.account_id = :account_id AND b.stops AND (b.project_id IS NULL OR b.project_id = :project_id)
    ORDER BY b.name LIMIT 1
    """
)


def pays(tx: Tx, project_id: str) -> bool:
    """Whether a project's account is asked for money; it need not exist yet."""
    return bool(tx.value(_PAYS, {"project_id": project_id, "now": tx.now}))


def admit(tx: Tx, project_id: str, more: Mapping[str, Decimal]) -> None:
    """Let a project use these amounts of meters more. Raises NotEnoughFunds saying what is missing, or
    BudgetReached; the account is held until the transaction ends."""
    account = accounts.for_project(tx, project_id)
    _, month = month_of(tx.now)
    keys = {"account_id": account.id, "project_id": project_id, "month": month}
    if (name := tx.value(_REACHED, keys)) is not None:
        raise BudgetReached(f"The budget {name!r} of this month is spent.")
    accounts.need_funds(tx, account, need(tx, account, more).funds)
    if not standing.may_run(tx, project_id):
        raise Unpaid("The account was stopped; it is free again a moment after it was paid.")


def need(tx: Tx, account: Account, more: Mapping[str, Decimal]) -> Need:
    """What the account must have for using so much more: funds for as many days as it is warned at, so that
    whoever starts something is not warned the day after."""
    days = accounts.needed_region(tx).warn_days
    owned = accounts.projects(tx, account.id) or [account.id]
    using = {one.meter: one for one in statements.using(tx, account.id, owned)}
    meters = sorted({*using, *more})
    known = prices.for_account(tx, account.id, meters)
    levels = burst.levels(tx)
    a_day, funds = Decimal(0), Decimal(0)
    for meter in meters:
        had = using.get(meter)
        above = (had.using - had.subscribed if had else Decimal(0)) + more.get(meter, Decimal(0))
        if above <= 0 or meter_of(meter).is_counted:
            continue
        try:
            price = prices.at_level(known, meter, burst.level_of(levels, meter).current)
        except PriceMissing:
            continue
        a_day += money.charge(above * _DAY_S, price.price, price.per)
        funds += money.charge(above * _DAY_S * days, price.price, price.per)
    return Need(funds, a_day)
