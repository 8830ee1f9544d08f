"""Prepaid servers: everything of one server paid for a term before it runs.

A package covers amounts of single things (the server's MHz and MiB, its disk's GiB), each bound to that
thing; what grows beyond is charged by use. Ending one early pays back the rest of the term by the second:
that is how a server changes to paying by use.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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

ITEMS_MAX = 50
LIST_MAX = 1000
RENEW_AHEAD = timedelta(hours=1)
REVENUE_OWNER = "package"


class PackageNotFound(NotFound):
    code = "billing.package.not_found"


@dataclass(frozen=True)
class Item:
    """An amount of one thing: the `cpu_mhz` of a server, the `storage_gib` of its volume."""

    resource_kind: str
    resource_id: str
    meter: str
    amount: Decimal


@dataclass(frozen=True)
class PackageOrder:
    """A server and what belongs to it, for a term."""

    resource_kind: str
    resource_id: str
    items: tuple[Item, ...]
    months: int
    auto_renew: bool = False


@dataclass(frozen=True)
class Package:
    """A term of a prepaid server."""

    id: str
    account_id: str
    project_id: str
    resource_kind: str
    resource_id: str
    months: int
    starts_at: datetime
    ends_at: datetime
    ended_at: datetime | None
    auto_renew: bool
    renews_id: str | None
    paid: Decimal
    created_at: datetime


_COLUMNS = (
    "id, account_id, project_id, resource_kind, resource_id, months, starts_at, ends_at, ended_at,"
    " auto_renew, renews_id, paid, created_at"
)
_INSERT = text(
    f"""
    INSERT INTO billing_package ({_COLUMNS})
    VALUES (:id, :account_id, :project_id, :resource_kind, :resource_id, :months, :starts_at, :ends_at,
        :ended_at, :auto_renew, :renews_id, :paid, :created_at)
    ON CONFLICT (renews_id) DO NOTHING
    """  # noqa: S608
)
_ITEM = text(
    """
    INSERT INTO billing_subscription (id, account_id, package_id, resource_kind, resource_id, meter, amount,
        months, starts_at, ends_at, price, per, discount_percent, paid, created_at)
    VALUES (:id, :account_id, :package_id, :resource_kind, :resource_id, :meter, :amount, :months, :starts_at,
        :ends_at, :price, :per, :discount_percent, :paid, :created_at)
    """
)
_IN_USE = text(
    """
    SELECT meter, amount FROM usage_ranges WHERE resource_kind = :kind AND resource_id = :id
        AND project_id = :project_id AND upper_inf(during) ORDER BY meter LIMIT :limit
    """
)
_ITEMS = text(
    """
    SELECT resource_kind, resource_id, meter, amount, price, per FROM billing_subscription
    WHERE package_id = :package_id ORDER BY meter, resource_id LIMIT :limit
    """
)
_GET = text(f"SELECT {_COLUMNS} FROM billing_package WHERE id = :id LIMIT 1")  # noqa: S608
_LIST = text(
    f"""
    SELECT {_COLUMNS} FROM billing_package WHERE account_id = :account_id
        AND (CAST(:marker AS text) IS NULL
             OR (ends_at, id) > (SELECT ends_at, id FROM billing_package WHERE id = :marker))
    ORDER BY ends_at, id LIMIT :limit
    """  # noqa: S608
)
_RUNNING = text(
    """
    SELECT 1 FROM billing_package WHERE resource_kind = :kind AND resource_id = :id AND ended_at IS NULL
        AND ends_at > :now LIMIT 1
    """
)
_END = text(
    """
    UPDATE billing_package SET ended_at = greatest(starts_at, :now), auto_renew = false
    WHERE id = :id AND ended_at IS NULL AND ends_at > :now
    """
)
_END_ITEMS = text(
    "UPDATE billing_subscription SET ended_at = greatest(starts_at, :now) WHERE package_id = :id"
)
_DUE = text(
    f"""
    SELECT {_COLUMNS} FROM billing_package p
    WHERE auto_renew AND ended_at IS NULL AND ends_at > :now AND ends_at <= :until
        AND NOT EXISTS (SELECT FROM billing_package n WHERE n.renews_id = p.id)
    ORDER BY ends_at, id LIMIT :limit
    """  # noqa: S608
)
_NO_RENEWAL = text("UPDATE billing_package SET auto_renew = false WHERE id = :id")


def calculate(
    tx: Tx, account: Account, items: Sequence[Item], months: int
) -> list[tuple[Item, Quoted, Cost]]:
    """What a package would cost: the very function that buying uses."""
    if not 0 < len(items) <= ITEMS_MAX:
        raise Invalid(f"A package has 1 to {ITEMS_MAX} items.", field="items")
    known = prices.for_account(tx, account.id, [item.meter for item in items])
    found = []
    for item in items:
        if meter_of(item.meter).is_counted:
            raise Invalid(f"{item.meter} is counted: it cannot be had for a term.", field="meter")
        price = prices.at_level(known, item.meter, AHEAD)
        found.append((item, price, terms.cost(item.amount, months, price)))
    return found


def total(costs: Sequence[tuple[Item, Quoted, Cost]]) -> Decimal:
    """The price of the whole, as quoted and as charged."""
    return money.total(cost.total for _, _, cost in costs)


def in_use(tx: Tx, caller: Caller, resource_kind: str, resource_id: str) -> tuple[Item, ...]:
    """All that the caller's project pays for of one thing now. Raises Invalid where that is nothing."""
    keys = {"project_id": caller.own_project(), "kind": resource_kind, "id": resource_id}
    rows = tx.rows(_IN_USE, {**keys, "limit": ITEMS_MAX})
    if not rows:
        raise Invalid(f"Nothing is in use of {resource_kind} {resource_id}: say the items.", field="items")
    return tuple(Item(resource_kind, resource_id, row.meter, row.amount) for row in rows)


def buy(tx: Tx, caller: Caller, order: PackageOrder) -> Package:
    """Charge the term and cover the server with it; without items, with all that is in use of it now. Raises
    NotEnoughFunds."""
    if not order.items:
        order = replace(order, items=in_use(tx, caller, order.resource_kind, order.resource_id))
    account = accounts.mine(tx, caller)
    costs = calculate(tx, account, order.items, order.months)
    accounts.need_funds(tx, account, total(costs))
    if tx.value(_RUNNING, {"kind": order.resource_kind, "id": order.resource_id, "now": tx.now}):
        raise Conflict("This is prepaid already.")
    package = Package(
        id=tx.ids.uuid(),
        account_id=account.id,
        project_id=caller.own_project(),
        resource_kind=order.resource_kind,
        resource_id=order.resource_id,
        months=order.months,
        starts_at=tx.now,
        ends_at=terms.end_of_term(tx.now, order.months),
        ended_at=None,
        auto_renew=order.auto_renew,
        renews_id=None,
        paid=total(costs),
        created_at=tx.now,
    )
    _store(tx, account, package, costs)
    audit.record(tx, caller, "buy", "billing.package", package.id, {"resource_id": order.resource_id})
    what = [ordered(item.meter, item.amount) for item in order.items]
    notices.tell_orders(tx, account, {package.id: Ordered(what, package.paid, order.months)})
    return package


def renew(tx: Tx, caller: Caller, old: Package) -> Package:
    """The same term once more, at the same prices, from the end of this one."""
    account = accounts.fetch(tx, old.account_id)
    costs = []
    for row in tx.rows(_ITEMS, {"package_id": old.id, "limit": ITEMS_MAX}):
        frozen = Quoted(row.meter, AHEAD, row.price, row.per, "", 0, account.currency, "")
        item = Item(row.resource_kind, row.resource_id, row.meter, row.amount)
        costs.append((item, frozen, terms.cost(row.amount, old.months, frozen)))
    accounts.need_funds(tx, account, total(costs))
    package = Package(
        id=tx.ids.uuid(),
        account_id=old.account_id,
        project_id=old.project_id,
        resource_kind=old.resource_kind,
        resource_id=old.resource_id,
        months=old.months,
        starts_at=old.ends_at,
        ends_at=terms.end_of_term(old.ends_at, old.months),
        ended_at=None,
        auto_renew=old.auto_renew,
        renews_id=old.id,
        paid=total(costs),
        created_at=tx.now,
    )
    _store(tx, account, package, costs)
    audit.record(tx, caller, "renew", "billing.package", old.id, {"by": package.id})
    return package


def end(tx: Tx, caller: Caller, package: Package) -> Decimal:
    """Change to paying by use: pay back the rest of the term; how much that is."""
    if not tx.changed(_END, {"id": package.id, "now": tx.now}):
        raise Conflict("The package is not running.")
    tx.execute(_END_ITEMS, {"id": package.id, "now": tx.now})
    account = accounts.fetch(tx, package.account_id)
    term = _micros(package.ends_at - package.starts_at)
    rest = _micros(package.ends_at - max(package.starts_at, tx.now))
    refund = money.ratio(package.paid, term, rest)
    if refund > 0:
        revenue = Side(REVENUE, REVENUE_OWNER, account.currency)
        purpose = f"package_ended/{package.id}"
        ledger.post(
            tx,
            [Transfer(purpose, "refund", revenue, account.side, refund, account.id, package.project_id)],
        )
    audit.record(tx, caller, "end", "billing.package", package.id, {"refund": str(refund)})
    return refund


def get(tx: Tx, caller: Caller, package_id: str) -> Package:
    """A package of the caller's project."""
    row = tx.row(_GET, {"id": package_id})
    if row is None or not caller.sees(row.project_id):
        raise PackageNotFound(f"Package {package_id} could not be found.")
    return _package(row)


def list_(tx: Tx, account_id: str, page: Page = FIRST) -> list[Package]:
    """An account's packages, those that end first before the others."""
    keys = {"account_id": account_id, "marker": page.marker, "limit": page.limit}
    return [_package(row) for row in tx.rows(_LIST, keys)]


def renew_due(tx: Tx, caller: Caller) -> int:
    """Renew what ends soon and renews itself."""
    renewed = 0
    for row in tx.rows(_DUE, {"now": tx.now, "until": tx.now + RENEW_AHEAD, "limit": LIST_MAX}):
        old = _package(row)
        try:
            with tx.savepoint():
                renew(tx, caller, old)
            renewed += 1
        except NotEnoughFunds as error:
            missing = {"package_id": old.id, "missing": str(error.missing)}
            notices.tell(tx, old.account_id, "package_renewal_failed", f"renewal_failed/{old.id}", missing)
            tx.execute(_NO_RENEWAL, {"id": old.id})
    return renewed


def _store(tx: Tx, account: Account, package: Package, costs: Sequence[tuple[Item, Quoted, Cost]]) -> None:
    if not tx.changed(_INSERT, vars(package)):
        raise Conflict("The package was renewed already.")
    rows = [
        {
            "id": tx.ids.uuid(),
            "account_id": account.id,
            "package_id": package.id,
            "resource_kind": item.resource_kind,
            "resource_id": item.resource_id,
            "meter": item.meter,
            "amount": item.amount,
            "months": package.months,
            "starts_at": package.starts_at,
            "ends_at": package.ends_at,
            "price": price.price,
            "per": price.per,
            "discount_percent": cost.discount_percent,
            "paid": cost.total,
            "created_at": tx.now,
        }
        for item, price, cost in costs
    ]
    tx.execute(_ITEM, rows)
    if package.paid > 0:
        revenue = Side(REVENUE, REVENUE_OWNER, account.currency)
        purpose = f"package/{package.id}"
        ledger.post(
            tx,
            [
                Transfer(
                    purpose,
                    "package",
                    account.side,
                    revenue,
                    package.paid,
                    account.id,
                    package.project_id,
                )
            ],
        )


def _micros(span: timedelta) -> Decimal:
    return Decimal(span // timedelta(microseconds=1))


def _package(row: Row[Any]) -> Package:
    return Package(**row._mapping)
