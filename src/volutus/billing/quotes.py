"""The price of an order before it is ordered, by the very functions that will charge it.

*Prepaid* is the sum of a package: the first entry of the ledger will be that number. *Postpaid* is what an
hour and a month cost at the present level, what they cost at the next, and at the most, so that nobody is
surprised.
"""

from dataclasses import dataclass
from decimal import Decimal

from volutus.billing import burst, money, packages, prices, terms, traffic
from volutus.billing.accounts import Account
from volutus.billing.meters import HOUR_S, MONTH_S, meter_of
from volutus.billing.packages import Item
from volutus.billing.prices import LEVEL_MAX, Quoted
from volutus.db import Tx
from volutus.errors import Invalid

PREPAID, POSTPAID = "prepaid", "postpaid"
ITEMS_MAX = 50


@dataclass(frozen=True)
class QuoteItem:
    """An amount of a meter, in its own unit."""

    meter: str
    amount: Decimal


@dataclass(frozen=True)
class QuoteOrder:
    """What shall be quoted. `traffic_cap_mbit` bounds what goes out by volume."""

    method: str
    items: tuple[QuoteItem, ...]
    months: int = 1
    traffic_cap_mbit: Decimal | None = None


@dataclass(frozen=True)
class QuoteLine:
    """One meter's part. `full` is before the discount of the term."""

    meter: str
    amount: Decimal
    unit: str
    price: Decimal
    full: Decimal
    total: Decimal
    next_total: Decimal
    most: Decimal


@dataclass(frozen=True)
class Quote:
    """`total` is charged at once for prepaid; for postpaid it is a month of 30 days at the present level.
    `most` is what a month can cost at worst, with traffic at its cap; None where nothing caps it."""

    method: str
    currency: str
    months: int
    lines: tuple[QuoteLine, ...]
    discount_percent: Decimal
    total: Decimal
    hourly: Decimal
    next_total: Decimal
    most: Decimal | None
    traffic_price: Decimal | None


def quote(tx: Tx, account: Account, order: QuoteOrder) -> Quote:
    """What this costs. Raises PriceMissing naming a meter that nobody priced."""
    if not 0 < len(order.items) <= ITEMS_MAX:
        raise Invalid(f"A quote has 1 to {ITEMS_MAX} items.", field="items")
    for item in order.items:
        if not item.amount.is_finite() or item.amount <= 0:
            raise Invalid("The amount is above zero.", field="amount")
    if order.method == PREPAID:
        return _with_traffic(tx, account, order, _prepaid(tx, account, order))
    if order.method == POSTPAID:
        return _with_traffic(tx, account, order, _postpaid(tx, account, order))
    raise Invalid(f"The method is {PREPAID} or {POSTPAID}.", field="method")


def _prepaid(tx: Tx, account: Account, order: QuoteOrder) -> Quote:
    items = [Item("", "", item.meter, item.amount) for item in order.items]
    costs = packages.calculate(tx, account, items, order.months)
    lines = tuple(
        QuoteLine(
            item.meter,
            item.amount,
            price.unit,
            price.price,
            cost.full,
            cost.total,
            cost.total,
            cost.total,
        )
        for item, price, cost in costs
    )
    total = packages.total(costs)
    hours = Decimal(order.months * MONTH_S // HOUR_S)
    hourly = money.ratio(total, hours)
    percent = terms.discount_percent(order.months)
    most = money.ratio(total, Decimal(order.months))
    return Quote(PREPAID, account.currency, order.months, lines, percent, total, hourly, total, most, None)


def _postpaid(tx: Tx, account: Account, order: QuoteOrder) -> Quote:
    known = prices.for_account(tx, account.id, [item.meter for item in order.items])
    levels = burst.levels(tx)
    lines = []
    hourly = Decimal(0)
    for item in order.items:
        level = burst.level_of(levels, item.meter)
        price = prices.at_level(known, item.meter, level.current)
        # What is counted is quoted as it is; what is had for a time, for a month.
        span = 1 if meter_of(item.meter).is_counted else MONTH_S
        total = _held(item.amount, span, price)
        later = _held(item.amount, span, prices.at_level(known, item.meter, level.next))
        most = _held(item.amount, span, prices.at_level(known, item.meter, LEVEL_MAX))
        lines.append(QuoteLine(item.meter, item.amount, price.unit, price.price, total, total, later, most))
        hourly += Decimal(0) if span == 1 else _held(item.amount, HOUR_S, price)
    return Quote(
        POSTPAID,
        account.currency,
        1,
        tuple(lines),
        Decimal(0),
        money.total(line.total for line in lines),
        hourly,
        money.total(line.next_total for line in lines),
        money.total(line.most for line in lines),
        None,
    )


def _with_traffic(tx: Tx, account: Account, order: QuoteOrder, found: Quote) -> Quote:
    """Add the price of a GB out, and to the worst case a month of it under the cap."""
    by_rate = any(item.meter == traffic.METER_RATE for item in order.items)
    known = prices.for_account(tx, account.id, [traffic.METER_VOLUME])
    if by_rate or not known:
        return found
    price = prices.at_level(known, traffic.METER_VOLUME, prices.USE)
    most = None
    if order.traffic_cap_mbit is not None and found.most is not None:
        most = found.most + traffic.most_cost(order.traffic_cap_mbit, price.price)
    return Quote(**{**vars(found), "most": most, "traffic_price": price.price})


def _held(amount: Decimal, seconds: int, price: Quoted) -> Decimal:
    return money.charge(amount * seconds, price.price, price.per)
