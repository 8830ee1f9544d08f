"""What use cost in each cycle of the past: the level that held, and the price of a list at that level."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text

from volutus.billing import burst
from volutus.billing.burst import HISTORY_MAX, Level
from volutus.billing.meters import base_of
from volutus.billing.prices import LEVEL_MAX, USE
from volutus.db import Tx

# Twenty levels of four meters in a hundred editions.
PRICES_MAX = 10_000
# Level to price and unit.
Prices = dict[int, tuple[Decimal, str]]
NO_PRICE = (None, None)


@dataclass(frozen=True)
class Moved:
    """A level, and the list's price of it then; None where the list had none of its own."""

    level: Level
    price: Decimal | None
    unit: str | None


_PRICES = text(
    """
    SELECT e.valid_from, p.meter, p.level, p.price, p.unit
    FROM billing_price_edition e LEFT JOIN billing_price p ON p.list_id = e.list_id
        AND p.valid_from = e.valid_from AND p.level > 0 AND p.meter = ANY(CAST(:meters AS text[]))
    WHERE e.list_id = :list_id AND e.valid_from <= :until
        AND e.valid_from >= coalesce((SELECT max(valid_from) FROM billing_price_edition
                                      WHERE list_id = :list_id AND valid_from <= :since), '-infinity')
    ORDER BY e.valid_from, p.meter, p.level LIMIT :limit
    """
)


def price_history(
    tx: Tx, list_id: str, span: tuple[datetime, datetime], meter: str | None = None, limit: int = HISTORY_MAX
) -> list[Moved]:
    """The levels of a span of time with their prices, newest first; two statements however long it is."""
    levels = burst.history(tx, *span, meter, limit)
    meters = sorted({name for level in levels for name in (level.meter, base_of(level.meter))})
    oldest, newest = (levels[-1].at, levels[0].at) if levels else span
    keys = {"list_id": list_id, "meters": meters, "since": oldest, "until": newest, "limit": PRICES_MAX}
    editions: dict[datetime, dict[str, Prices]] = {}
    for row in tx.rows(_PRICES, keys):
        priced = editions.setdefault(row.valid_from, {})
        if row.meter is not None:
            priced.setdefault(row.meter, {})[row.level] = (row.price, row.unit)
    for priced in editions.values():
        for prices in priced.values():
            _fill(prices)
    return [_moved(level, editions) for level in levels]


def _fill(prices: Prices) -> None:
    """A level without a price costs what the one below it costs."""
    for level in range(USE + 1, LEVEL_MAX + 1):
        if level not in prices and level - 1 in prices:
            prices[level] = prices[level - 1]


def _moved(level: Level, editions: Mapping[datetime, Mapping[str, Prices]]) -> Moved:
    """By the edition that was in force then. A class that nobody priced costs what its meter costs."""
    begun = max((valid_from for valid_from in editions if valid_from <= level.at), default=None)
    priced = editions[begun] if begun is not None else {}
    prices = priced.get(level.meter) or priced.get(base_of(level.meter)) or {}
    price, unit = prices.get(level.level, NO_PRICE)
    return Moved(level, price, unit)
