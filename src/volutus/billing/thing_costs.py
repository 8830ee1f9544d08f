"""What single things cost: their usage at the prices at which their project was charged, cycle by cycle.

What subscriptions cover is charged to nobody, so in a cycle that they cover wholly a thing costs nothing; of
one that they cover in part no thing can say whose part it was: there it costs what its use would.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text

from volutus.billing.cycles import CYCLE_S, cycle_of
from volutus.db import Tx

# A day has 288 cycles, and a thing some meters: a quarter is the most that is read at a time.
SPAN_DAYS_MAX = 92
_METERS_MAX = 100

_COSTS = text(
    """
    WITH thing AS (
        SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:ids AS text[])) AS t(resource_kind, resource_id)
    ), used AS (
        SELECT u.meter, u.amount, greatest(lower(u.during), :since) AS began,
            least(upper(u.during), :until) AS ended
        FROM usage_ranges u JOIN thing USING (resource_kind, resource_id)
        WHERE u.project_id = :project_id AND u.during && tstzrange(:since, :until)
    ), priced AS (
        SELECT meter, to_timestamp(cycle * :cycle_s) AS began, to_timestamp((cycle + 1) * :cycle_s) AS ended,
            max(price / per) AS price
        FROM billing_transfer
        WHERE account_id = :account_id AND project_id = :project_id AND kind = 'usage'
            AND cycle >= :first AND cycle <= :last AND meter IN (SELECT meter FROM used)
        GROUP BY meter, cycle
    )
    SELECT u.meter, sum(u.amount * p.price
        * extract(epoch FROM least(u.ended, p.ended) - greatest(u.began, p.began))) AS amount
    FROM used u JOIN priced p ON p.meter = u.meter AND p.began < u.ended AND p.ended > u.began
    GROUP BY u.meter ORDER BY u.meter LIMIT :limit
    """
)


@dataclass(frozen=True)
class Thing:
    """What usage is metered of, by its kind and id."""

    kind: str
    id: str


@dataclass(frozen=True)
class ThingCost:
    """What the things cost by one meter."""

    meter: str
    amount: Decimal


def costs(
    tx: Tx, account_id: str, project_id: str, things: Sequence[Thing], span: tuple[datetime, datetime]
) -> list[ThingCost]:
    """By meter, in the account's currency, not rounded, for it is not booked. Other projects' things cost
    nothing here."""
    since, until = span
    keys = {
        "kinds": [thing.kind for thing in things],
        "ids": [thing.id for thing in things],
        "account_id": account_id,
        "project_id": project_id,
        "since": since,
        "until": until,
        "first": cycle_of(since),
        "last": cycle_of(until),
        "cycle_s": CYCLE_S,
        "limit": _METERS_MAX,
    }
    return [ThingCost(row.meter, Decimal(row.amount)) for row in tx.rows(_COSTS, keys)]
