"""What a month will have cost if use goes on as it is now."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from volutus.billing import accounts, admission, money, statements
from volutus.billing.cycles import cycle_of, month_of, start_of
from volutus.billing.meters import meter_of
from volutus.db import Tx

_DAY = timedelta(days=1)
_MICRO = timedelta(microseconds=1)


@dataclass(frozen=True)
class Forecast:
    """What was spent this month; what a day costs of all that is in use now above subscriptions, at the
    present level, with what traffic of the last day cost; and what the month will have cost if that goes on.
    What is bought ahead meanwhile comes on top."""

    month: str
    spent: Decimal
    a_day: Decimal
    total: Decimal


def forecast(tx: Tx, account_id: str) -> Forecast:
    """Of the present calendar month."""
    first, month = month_of(tx.now)
    after, _ = month_of(first + timedelta(days=32))
    lines = statements.statement(tx, account_id, tx.now - _DAY, start_of(cycle_of(tx.now)))
    counted = [line.amount for line in lines if line.meter and meter_of(line.meter).is_counted]
    held = admission.need(tx, accounts.fetch(tx, account_id), {}).a_day
    a_day = money.total((held, *counted))
    so_far = statements.spent(tx, account_id, first, tx.now)
    rest = money.ratio(a_day, Decimal(_DAY // _MICRO), Decimal((after - tx.now) // _MICRO))
    return Forecast(month, so_far, a_day, so_far + rest)
