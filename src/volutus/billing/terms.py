"""Terms: how long something is bought for, and how much cheaper a longer one is."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from volutus.billing import money
from volutus.billing.meters import MONTH_S
from volutus.billing.prices import Quoted
from volutus.errors import Invalid

MONTHS_MAX = 36
# From so many months on, so many percent less.
DISCOUNTS = ((36, 45), (24, 35), (12, 25), (6, 10), (3, 3))


@dataclass(frozen=True)
class Cost:
    """What a term costs: without and with its discount."""

    full: Decimal
    discount_percent: Decimal
    discount: Decimal
    total: Decimal


def discount_percent(months: int) -> Decimal:
    """What a term of so many months is cheaper by."""
    return Decimal(next((percent for least, percent in DISCOUNTS if months >= least), 0))


def check_months(months: int) -> None:
    """Raises Invalid for a term that is not sold."""
    if not 1 <= months <= MONTHS_MAX:
        raise Invalid(f"A term is 1 to {MONTHS_MAX} months.", field="months")


def end_of_term(starts_at: datetime, months: int) -> datetime:
    """A month is 30 days: every month costs the same."""
    return starts_at + timedelta(seconds=months * MONTH_S)


def cost(amount: Decimal, months: int, price: Quoted) -> Cost:
    """What an amount costs for a term at a price."""
    check_months(months)
    full = money.charge(amount * months * MONTH_S, price.price, price.per)
    percent = discount_percent(months)
    total = money.ratio(full, Decimal(100), 100 - percent)
    return Cost(full, percent, full - total, total)
