"""Burst pricing: what is used costs more while the cloud is full, and everybody knows a cycle ahead.

The load of each capacity is smoothed, a curve makes a level from 1 to 20 of it, and the level goes there by
small steps, and back only once the load is clearly lower. So the price follows the load but does not swing. A
decision made in one cycle is shown as *next* and holds from the cycle after it on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from sqlalchemy import text

from volutus import placement
from volutus.billing import traffic
from volutus.billing.cycles import cycle_of, start_of
from volutus.billing.meters import base_of
from volutus.billing.prices import LEVEL_MAX, USE
from volutus.db import Tx

HISTORY_MAX = 10_000
# Of the difference between what was and what is measured, a cycle takes this part: a spike of one cycle moves
# the smoothed load by a fifth of it, half an hour of it by three quarters.
SMOOTHING = Decimal("0.2")
# Nobody's price moves faster than this from one cycle to the next.
STEP_MAX = 2
# The load has to be this far past the border of a level before the level falls: without it, a load that
# trembles around a border would move the price every cycle.
HYSTERESIS = Decimal("0.02")
# Below this load the first level holds, at full load the last. In between it rises with the square: gently
# while there is room, steeply when little is left.
LOAD_FREE = Decimal("0.5")
_PLACES = Decimal("0.00000001")
# Which capacity of the cloud stands behind a meter; of bandwidth it is the uplink.
CAPACITIES = {"cpu_mhz": "mhz", "memory_mib": "memory_mib", "storage_gib": "disk_gib"}


@dataclass(frozen=True)
class Levels:
    """The level in force now and the one of the next cycle."""

    current: int
    next: int


@dataclass(frozen=True)
class Level:
    """One decision: the load that was measured, what it was smoothed to, and the level from a cycle on."""

    meter: str
    cycle: int
    at: datetime
    load: Decimal
    smoothed: Decimal
    level: int


FIXED = Levels(USE, USE)
_LATEST = text(
    """
    SELECT DISTINCT ON (meter) meter, cycle, load, smoothed, level FROM billing_level
    WHERE cycle <= :cycle ORDER BY meter, cycle DESC LIMIT :limit
    """
)
_DECIDE = text(
    """
    INSERT INTO billing_level (meter, cycle, decided_in, decided_at, load, smoothed, level)
    VALUES (:meter, :cycle, :decided_in, :now, :load, :smoothed, :level) ON CONFLICT DO NOTHING
    """
)
_IS_DECIDED = text("SELECT 1 FROM billing_level WHERE cycle = :cycle LIMIT 1")
_HISTORY = text(
    """
    SELECT meter, cycle, load, smoothed, level FROM billing_level
    WHERE cycle >= :first AND cycle <= :last AND (CAST(:meter AS text) IS NULL OR meter = :meter)
    ORDER BY cycle DESC, meter LIMIT :limit
    """
)
METERS_MAX = 100


def curve(load: Decimal) -> Decimal:
    """The level that a load asks for, with its fraction."""
    above = min(max(load - LOAD_FREE, Decimal(0)) / (1 - LOAD_FREE), Decimal(1))
    return USE + (LEVEL_MAX - USE) * above * above


def smooth(before: Decimal | None, load: Decimal) -> Decimal:
    """The load as the curve sees it."""
    moved = load if before is None else before + SMOOTHING * (load - before)
    return moved.quantize(_PLACES)


def step(level: int, smoothed: Decimal) -> int:
    """The level after this one: towards the curve, no further than a step, down only past the border."""
    wanted = int(curve(smoothed).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    if wanted < level:
        wanted = min(int(curve(smoothed + HYSTERESIS).quantize(Decimal(1), rounding=ROUND_HALF_UP)), level)
    return max(level - STEP_MAX, min(level + STEP_MAX, wanted))


def decide(tx: Tx, loads: Mapping[str, Decimal]) -> None:
    """Fix the levels of the next cycle from the loads of now. Once a cycle: what is published stays."""
    now = cycle_of(tx.now)
    latest = {row.meter: row for row in tx.rows(_LATEST, {"cycle": now, "limit": METERS_MAX})}
    for meter, load in sorted(loads.items()):
        before = latest.get(meter)
        smoothed = smooth(before.smoothed if before else None, load)
        level = step(before.level if before else USE, smoothed)
        values = {"meter": meter, "cycle": now + 1, "decided_in": now, "now": tx.now}
        tx.execute(_DECIDE, {**values, "load": load, "smoothed": smoothed, "level": level})


def is_decided(tx: Tx) -> bool:
    """Whether the next cycle's levels are fixed."""
    return bool(tx.value(_IS_DECIDED, {"cycle": cycle_of(tx.now) + 1}))


def levels(tx: Tx) -> dict[str, Levels]:
    """Each meter's level now and next."""
    now = cycle_of(tx.now)
    current = {row.meter: row.level for row in tx.rows(_LATEST, {"cycle": now, "limit": METERS_MAX})}
    following = {row.meter: row.level for row in tx.rows(_LATEST, {"cycle": now + 1, "limit": METERS_MAX})}
    return {meter: Levels(current.get(meter, USE), level) for meter, level in following.items()}


def level_of(known: Mapping[str, Levels], meter: str) -> Levels:
    """A meter's levels; a class moves with its meter, what nobody measures stays at the first."""
    return known.get(base_of(meter), FIXED)


def history(
    tx: Tx, since: datetime, until: datetime, meter: str | None = None, limit: int = HISTORY_MAX
) -> Sequence[Level]:
    """The levels of a span of time, newest first, with the next one where the span reaches that far."""
    keys = {"first": cycle_of(since), "last": cycle_of(until), "meter": meter}
    return [
        Level(row.meter, row.cycle, start_of(row.cycle), row.load, row.smoothed, row.level)
        for row in tx.rows(_HISTORY, {**keys, "limit": min(limit, HISTORY_MAX)})
    ]


def measured(tx: Tx) -> dict[str, Decimal]:
    """How full the cloud is now: what hosts have, and what of it is claimed."""
    capacities = placement.inventory.capacities(tx)
    loads = {meter: load_of(*capacities[name]) for meter, name in CAPACITIES.items()}
    line = traffic.uplink(tx)
    return loads | {traffic.METER_RATE: load_of(line.mbit, line.promised)}


def load_of(total: int | Decimal, used: int | Decimal) -> Decimal:
    """The used part of a capacity; of one that has nothing, all is used when anything is."""
    if total <= 0:
        return Decimal(1) if used else Decimal(0)
    return min(Decimal(used) / Decimal(total), Decimal(2)).quantize(_PLACES)
