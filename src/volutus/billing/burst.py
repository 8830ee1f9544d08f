"""Burst pricing: what is used costs more while the cloud is full, and everybody knows a cycle ahead.

The load of each capacity is smoothed, a curve makes a level from 1 to 20 of it, and the level goes there by
small steps, and back only once the load is clearly lower. So the price follows the load but does not swing. A
decision made in one cycle is shown as *next* and holds from the cycle after it on.

A storage class with pools of its own has a level of its own. One that has none, or none any more, moves with
its meter: what a decision does not name has the level of its meter in the same decision.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from sqlalchemy import text

from volutus import placement, volume
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
class Decision:
    """The load that was measured, what it was smoothed to, and the level that came of it."""

    load: Decimal
    smoothed: Decimal
    level: int


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
# All that was decided in one round holds together, until the next.
_ROUND = text(
    """
    SELECT meter, load, smoothed, level FROM billing_level
    WHERE cycle = (SELECT max(cycle) FROM billing_level WHERE cycle <= :cycle) ORDER BY meter LIMIT :limit
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
# Capacities, with as many storage classes as there can be.
METERS_MAX = 1100


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
    if is_decided(tx):
        return
    now = cycle_of(tx.now)
    keys = {"cycle": now + 1, "decided_in": now, "now": tx.now}
    decided = after(_round(tx, now), loads)
    if decided:
        tx.execute(_DECIDE, [{**keys, "meter": meter, **vars(one)} for meter, one in decided.items()])


def after(latest: Mapping[str, Decision], loads: Mapping[str, Decimal]) -> dict[str, Decision]:
    """What follows these decisions, with the loads of now. A class that is new begins where its meter is; one
    that has no capacity any more goes to the level of its meter step by step, and is named no longer once it
    is there."""
    made: dict[str, Decision] = {}
    for meter, load in sorted(loads.items()):
        before = latest.get(meter)
        smoothed = smooth(before.smoothed if before else None, load)
        made[meter] = Decision(load, smoothed, step(_level(latest, meter), smoothed))
    for meter, before in latest.items():
        base = made.get(base_of(meter))
        if meter not in loads and base is not None:
            level = step(before.level, base.smoothed)
            if level != base.level:
                made[meter] = Decision(base.load, base.smoothed, level)
    return made


def _round(tx: Tx, cycle: int) -> dict[str, Decision]:
    """What was decided for a cycle, or last before it."""
    rows = tx.rows(_ROUND, {"cycle": cycle, "limit": METERS_MAX})
    return {row.meter: Decision(row.load, row.smoothed, row.level) for row in rows}


def is_decided(tx: Tx) -> bool:
    """Whether the next cycle's levels are fixed."""
    return bool(tx.value(_IS_DECIDED, {"cycle": cycle_of(tx.now) + 1}))


def levels(tx: Tx) -> dict[str, Levels]:
    """Each meter's level now and next, and each class's that has one of its own."""
    now = cycle_of(tx.now)
    current, following = _round(tx, now), _round(tx, now + 1)
    return {
        meter: Levels(_level(current, meter), _level(following, meter))
        for meter in sorted({*current, *following})
    }


def _level(decided: Mapping[str, Decision], meter: str) -> int:
    found = decided.get(meter) or decided.get(base_of(meter))
    return found.level if found else USE


def level_of(known: Mapping[str, Levels], meter: str) -> Levels:
    """A meter's levels; a class without its own moves with its meter, what nobody measures stays at the
    first."""
    return known.get(meter) or known.get(base_of(meter), FIXED)


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
    """How full the cloud is now: what hosts have, and what of it is claimed. Of storage that is the first
    pool, which servers' own disks are in, and apart from it each class with pools of its own."""
    capacities = placement.inventory.capacities(tx)
    loads = {meter: load_of(*capacities[name]) for meter, name in CAPACITIES.items()}
    loads |= {one.meter: load_of(one.gib, one.used_gib) for one in volume.classes.list_(tx)}
    line = traffic.uplink(tx)
    return loads | {traffic.METER_RATE: load_of(line.mbit, line.promised)}


def load_of(total: int | Decimal, used: int | Decimal) -> Decimal:
    """The used part of a capacity; of one that has nothing, all is used when anything is."""
    if total <= 0:
        return Decimal(1) if used else Decimal(0)
    return min(Decimal(used) / Decimal(total), Decimal(2)).quantize(_PLACES)
