"""What each meter earned and cost the operator: storage may well lose money, and this says so.

Costs are dated data by meter and currency. They count against everything that was used, whether it was paid
by use or ahead; prepaid servers are one line of revenue, for they are sold as a whole.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text

from volutus import audit
from volutus.billing import money
from volutus.billing.cycles import cycle_of
from volutus.billing.meters import meter_of
from volutus.db import Tx
from volutus.errors import Conflict, Invalid
from volutus.identity import Caller

LINES_MAX = 1000


@dataclass(frozen=True)
class Cost:
    """A unit of a meter, the one that its price is in, costs the operator so much from a moment on."""

    meter: str
    currency: str
    cost: Decimal
    valid_from: datetime | None = None


@dataclass(frozen=True)
class Margin:
    """`quantity` is in the unit of the price; `cost` and `margin` are None where nobody said the cost."""

    meter: str
    unit: str
    quantity: Decimal
    revenue: Decimal
    cost: Decimal | None
    margin: Decimal | None


_SET = text(
    """
    INSERT INTO billing_cost (meter, currency, valid_from, cost, per)
    VALUES (:meter, :currency, :valid_from, :cost, :per) ON CONFLICT DO NOTHING
    """
)
_COSTS = text(
    "SELECT meter, currency, cost, valid_from FROM billing_cost ORDER BY meter, currency, valid_from DESC"
    " LIMIT :limit"
)
# Each piece of use at the cost of its beginning, or of when the cost changed.
_USED = text(
    """
    WITH cost AS (
        SELECT meter, cost, per, valid_from AS since,
            coalesce(lead(valid_from) OVER (PARTITION BY meter ORDER BY valid_from), 'infinity') AS until
        FROM billing_cost WHERE currency = :currency
    ), used AS (
        SELECT meter, amount, greatest(lower(during), :since) AS began, least(upper(during), :until) AS ended
        FROM usage_ranges WHERE during && tstzrange(:since, :until)
    ), quantity AS (
        SELECT meter, sum(amount * extract(epoch FROM ended - began)) AS quantity FROM used GROUP BY 1
        UNION ALL
        SELECT meter, sum(quantity) FROM usage_counts WHERE at >= :since AND at < :until GROUP BY 1
    ), spent AS (
        SELECT u.meter, sum(u.amount * c.cost / c.per
            * extract(epoch FROM least(u.ended, c.until) - greatest(u.began, c.since))) AS cost
        FROM used u JOIN cost c ON c.meter = u.meter AND c.since < u.ended AND c.until > u.began GROUP BY 1
        UNION ALL
        SELECT n.meter, sum(n.quantity * c.cost / c.per) FROM usage_counts n
        JOIN cost c ON c.meter = n.meter AND n.at >= c.since AND n.at < c.until
        WHERE n.at >= :since AND n.at < :until GROUP BY 1
    )
    SELECT q.meter, q.quantity, s.cost FROM quantity q LEFT JOIN spent s USING (meter)
    ORDER BY q.meter LIMIT :limit
    """
)
_EARNED = text(
    """
    SELECT coalesce(t.meter, t.kind) AS meter,
        sum(CASE f.kind WHEN 'payer' THEN t.amount ELSE -t.amount END) AS amount
    FROM billing_transfer t JOIN billing_ledger_account f ON f.id = t.from_id
    WHERE t.currency = :currency AND t.kind IN ('usage', 'correction', 'subscription', 'package', 'refund')
        AND CASE t.kind WHEN 'usage' THEN t.cycle >= :first AND t.cycle < :last
                        ELSE t.at >= :since AND t.at < :until END
    GROUP BY 1 ORDER BY 1 LIMIT :limit
    """
)


def set_cost(tx: Tx, caller: Caller, cost: Cost) -> None:
    """What a unit costs from a moment on. Raises Conflict where that was said already."""
    if not cost.cost.is_finite() or cost.cost < 0:
        raise Invalid("A cost is not below zero.", field="cost")
    valid_from = cost.valid_from or tx.now
    values = {"meter": cost.meter, "currency": cost.currency, "valid_from": valid_from, "cost": cost.cost}
    if not tx.changed(_SET, {**values, "per": meter_of(cost.meter).per}):
        raise Conflict("There is a cost of this meter from that moment on already.")
    audit.record(tx, caller, "set_cost", "billing.cost", cost.meter, {"cost": str(cost.cost)})


def costs(tx: Tx) -> list[Cost]:
    """All that was said, of each meter the newest first."""
    return [Cost(**row._mapping) for row in tx.rows(_COSTS, {"limit": LINES_MAX})]


def report(tx: Tx, currency: str, since: datetime, until: datetime) -> list[Margin]:
    """Every meter that was used or paid for in a time."""
    keys = {"currency": currency, "since": since, "until": until, "limit": LINES_MAX}
    used = {row.meter: row for row in tx.rows(_USED, keys)}
    cycles = {"first": cycle_of(since), "last": cycle_of(until)}
    earned = {row.meter: row.amount for row in tx.rows(_EARNED, {**keys, **cycles})}
    found = []
    for name in sorted({*used, *earned}):
        revenue = earned.get(name, Decimal(0))
        row = used.get(name)
        if row is None:
            found.append(Margin(name, "", Decimal(0), revenue, None, None))
            continue
        meter = meter_of(name)
        cost = None if row.cost is None else money.ratio(row.cost, Decimal(1))
        margin = None if cost is None else revenue - cost
        quantity = money.ratio(row.quantity, meter.per)
        found.append(Margin(name, meter.unit, quantity, revenue, cost, margin))
    return found
