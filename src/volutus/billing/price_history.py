"""What use cost in each cycle of the past: the level that held, and the price of a list at that level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, text

from volutus.billing import burst
from volutus.billing.burst import HISTORY_MAX, Level
from volutus.db import Tx

# Twenty levels of four meters in a hundred editions.
PRICES_MAX = 10_000


@dataclass(frozen=True)
class Moved:
    """A level, and the list's price of it then; None where the list had none of its own."""

    level: Level
    price: Decimal | None
    unit: str | None


_PRICES = text(
    """
    SELECT meter, valid_from, level, price, unit FROM billing_price
    WHERE list_id = :list_id AND level > 0 AND meter = ANY(CAST(:meters AS text[])) AND valid_from <= :until
        AND valid_from >= coalesce((SELECT max(valid_from) FROM billing_price_edition
                                    WHERE list_id = :list_id AND valid_from <= :since), '-infinity')
    ORDER BY meter, valid_from, level LIMIT :limit
    """
)


def price_history(
    tx: Tx, list_id: str, span: tuple[datetime, datetime], meter: str | None = None, limit: int = HISTORY_MAX
) -> list[Moved]:
    """The levels of a span of time with their prices, newest first; two statements however long it is."""
    levels = burst.history(tx, *span, meter, limit)
    meters = sorted({level.meter for level in levels})
    oldest, newest = (levels[-1].at, levels[0].at) if levels else span
    keys = {"list_id": list_id, "meters": meters, "since": oldest, "until": newest, "limit": PRICES_MAX}
    known: dict[str, dict[datetime, list[Row[Any]]]] = {name: {} for name in meters}
    for row in tx.rows(_PRICES, keys):
        known[row.meter].setdefault(row.valid_from, []).append(row)
    return [_moved(level, known[level.meter]) for level in levels]


def _moved(level: Level, editions: Mapping[datetime, Sequence[Row[Any]]]) -> Moved:
    """By the edition in force then, at the highest level priced up to this one."""
    begun = [valid_from for valid_from in editions if valid_from <= level.at]
    prices = editions[begun[-1]] if begun else ()
    found = [row for row in prices if row.level <= level.level]
    return Moved(level, found[-1].price, found[-1].unit) if found else Moved(level, None, None)
