"""Subscriptions: an amount of a meter, paid for a term at a price that no longer moves.

They cover the usage of all of an account's projects up to their amount; only what is above is charged. An
extension continues at the price of the first term, whatever prices do meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, text

from volutus import audit
from volutus.billing import accounts, ledger, money, notices, prices, terms
from volutus.billing.accounts import Account, NotEnoughFunds
from volutus.billing.ledger import REVENUE, Side, Transfer
from volutus.billing.meters import meter_of, ordered
from volutus.billing.notices import FIRST, Ordered
from volutus.billing.prices import AHEAD, Quoted
from volutus.billing.terms import Cost
from volutus.db import Page, Tx
from volutus.errors import Conflict, Invalid, NotFound
from volutus.identity import Caller

ORDERS_MAX = 500
LIST_MAX = 1000
# A renewal is booked this long before the term ends, so that there is no moment without cover.
RENEW_AHEAD = timedelta(hours=1)


class SubscriptionNotFound(NotFound):
    code = "billing.subscription.not_found"


@dataclass(frozen=True)
class SubscriptionOrder:
    """`amount` in the meter's own unit (MHz, MiB, GiB …); from now, or a later moment."""

    meter: str
    amount: Decimal
    months: int
    starts_at: datetime | None = None
    auto_renew: bool = False


@dataclass(frozen=True)
class Subscription:
    """What was bought: from when to when, at which price, for how much."""

    id: str
    account_id: str
    meter: str
    amount: Decimal
    months: int
    starts_at: datetime
    ends_at: datetime
    auto_renew: bool
    renews_id: str | None
    price: Decimal
    per: Decimal
    discount_percent: Decimal
    paid: Decimal
    created_at: datetime

    def status(self, now: datetime) -> str:
        """inactive before it begins, active, expired."""
        if now < self.starts_at:
            return "inactive"
        return "active" if now < self.ends_at else "expired"


_COLUMNS = (
    "id, account_id, meter, amount, months, starts_at, ends_at, auto_renew, renews_id, price, per,"
    " discount_percent, paid, created_at"
)
_INSERT = text(
    f"""
    INSERT INTO billing_subscription ({_COLUMNS})
    VALUES (:id, :account_id, :meter, :amount, :months, :starts_at, :ends_at, :auto_renew, :renews_id, :price,
        :per, :discount_percent, :paid, :created_at)
    ON CONFLICT (renews_id) DO NOTHING
    """  # noqa: S608
)
_GET = text(
    f"SELECT {_COLUMNS} FROM billing_subscription WHERE id = :id AND package_id IS NULL LIMIT 1"  # noqa: S608
)
_LIST = text(
    f"""
    SELECT {_COLUMNS} FROM billing_subscription
    WHERE account_id = :account_id AND package_id IS NULL AND (NOT :active OR ends_at > :now)
        AND (CAST(:marker AS text) IS NULL
             OR (ends_at, id) > (SELECT ends_at, id FROM billing_subscription WHERE id = :marker))
    ORDER BY ends_at, id LIMIT :limit
    """  # noqa: S608
)
_AUTO_RENEW = text("UPDATE billing_subscription SET auto_renew = :auto_renew WHERE id = :id")
_DUE = text(
    f"""
    SELECT {_COLUMNS} FROM billing_subscription s
    WHERE auto_renew AND package_id IS NULL AND ended_at IS NULL AND ends_at > :now AND ends_at <= :until
        AND NOT EXISTS (SELECT FROM billing_subscription n WHERE n.renews_id = s.id)
    ORDER BY ends_at, id LIMIT :limit
    """  # noqa: S608
)


def calculate(tx: Tx, account: Account, orders: Sequence[SubscriptionOrder]) -> list[tuple[Quoted, Cost]]:
    """What these would cost, without buying: the very function that buying uses."""
    if not 0 < len(orders) <= ORDERS_MAX:
        raise Invalid(f"1 to {ORDERS_MAX} subscriptions at once.", field="subscriptions")
    known = prices.for_account(tx, account.id, [order.meter for order in orders])
    found = []
    for order in orders:
        if meter_of(order.meter).is_counted:
            raise Invalid(f"{order.meter} is counted: it cannot be had for a term.", field="meter")
        if not order.amount.is_finite() or order.amount <= 0:
            raise Invalid("The amount is above zero.", field="amount")
        price = prices.at_level(known, order.meter, AHEAD)
        found.append((price, terms.cost(order.amount, order.months, price)))
    return found


def buy(tx: Tx, caller: Caller, account: Account, orders: Sequence[SubscriptionOrder]) -> list[Subscription]:
    """All of them or none. Raises NotEnoughFunds."""
    costs = calculate(tx, account, orders)
    accounts.need_funds(tx, account, money.total(cost.total for _, cost in costs))
    bought = []
    for order, (price, cost) in zip(orders, costs, strict=True):
        starts_at = order.starts_at or tx.now
        if starts_at < tx.now:
            raise Invalid("A subscription cannot begin in the past.", field="starts_at")
        bought.append(
            Subscription(
                id=tx.ids.uuid(),
                account_id=account.id,
                meter=order.meter,
                amount=order.amount,
                months=order.months,
                starts_at=starts_at,
                ends_at=terms.end_of_term(starts_at, order.months),
                auto_renew=order.auto_renew,
                renews_id=None,
                price=price.price,
                per=price.per,
                discount_percent=cost.discount_percent,
                paid=cost.total,
                created_at=tx.now,
            )
        )
    tx.execute(_INSERT, [vars(one) for one in bought])
    for one in bought:
        audit.record(tx, caller, "buy", "billing.subscription", one.id)
    told = {one.id: Ordered([ordered(one.meter, one.amount)], one.paid, one.months) for one in bought}
    notices.tell_orders(tx, account, told)
    ledger.post(tx, [_payment(account, one, caller.project_id) for one in bought if one.paid > 0])
    return bought


def get(tx: Tx, caller: Caller, subscription_id: str) -> Subscription:
    """A subscription of an account that the caller may see."""
    row = tx.row(_GET, {"id": subscription_id})
    if row is None or not (caller.is_admin or accounts.mine(tx, caller).id == row.account_id):
        raise SubscriptionNotFound(f"Subscription {subscription_id} could not be found.")
    return _subscription(row)


def list_(tx: Tx, account_id: str, page: Page = FIRST, *, active_only: bool = False) -> list[Subscription]:
    """An account's subscriptions, those that end first before the others."""
    keys = {"account_id": account_id, "active": active_only, "now": tx.now}
    rows = tx.rows(_LIST, {**keys, "marker": page.marker, "limit": page.limit})
    return [_subscription(row) for row in rows]


def set_auto_renew(tx: Tx, caller: Caller, subscription: Subscription, auto_renew: bool) -> None:
    """Whether it goes on by itself when it ends."""
    tx.execute(_AUTO_RENEW, {"id": subscription.id, "auto_renew": auto_renew})
    detail = {"auto_renew": auto_renew}
    audit.record(tx, caller, "set_auto_renew", "billing.subscription", subscription.id, detail)


def extend(tx: Tx, caller: Caller, old: Subscription, months: int) -> Subscription:
    """Another term from the end of this one, at its price. Raises NotEnoughFunds, or Conflict where it was
    extended already: then the later one is to be extended."""
    if old.ends_at < tx.now:
        raise Conflict("A subscription that has expired cannot be extended.")
    account = accounts.fetch(tx, old.account_id)
    frozen = Quoted(old.meter, AHEAD, old.price, old.per, "", 0, account.currency, "")
    cost = terms.cost(old.amount, months, frozen)
    longer = Subscription(
        id=tx.ids.uuid(),
        account_id=old.account_id,
        meter=old.meter,
        amount=old.amount,
        months=months,
        starts_at=old.ends_at,
        ends_at=terms.end_of_term(old.ends_at, months),
        auto_renew=old.auto_renew,
        renews_id=old.id,
        price=old.price,
        per=old.per,
        discount_percent=cost.discount_percent,
        paid=cost.total,
        created_at=tx.now,
    )
    if not tx.changed(_INSERT, vars(longer)):
        raise Conflict("The subscription was extended already.")
    accounts.need_funds(tx, account, cost.total)
    if longer.paid > 0:
        ledger.post(tx, [_payment(account, longer, caller.project_id)])
    audit.record(tx, caller, "extend", "billing.subscription", old.id, {"by": longer.id})
    return longer


def renew_due(tx: Tx, caller: Caller) -> int:
    """Extend what ends soon and renews itself. One that its account cannot pay for ends, and it is told."""
    rows = tx.rows(_DUE, {"now": tx.now, "until": tx.now + RENEW_AHEAD, "limit": LIST_MAX})
    renewed = 0
    for row in rows:
        old = _subscription(row)
        try:
            with tx.savepoint():
                extend(tx, caller, old, old.months)
            renewed += 1
        except NotEnoughFunds as error:
            missing = {"subscription_id": old.id, "missing": str(error.missing)}
            notices.tell(
                tx, old.account_id, "subscription_renewal_failed", f"renewal_failed/{old.id}", missing
            )
            set_auto_renew(tx, caller, old, False)
    return renewed


def _payment(account: Account, one: Subscription, project_id: str | None) -> Transfer:
    return Transfer(
        purpose=f"subscription/{one.id}",
        kind="subscription",
        source=account.side,
        target=Side(REVENUE, f"subscription/{one.meter}", account.currency),
        amount=one.paid,
        account_id=account.id,
        project_id=project_id,
        meter=one.meter,
        quantity=one.amount * int((one.ends_at - one.starts_at).total_seconds()),
        price=one.price,
        per=one.per,
    )


def _subscription(row: Row[Any]) -> Subscription:
    return Subscription(**row._mapping)
