"""Burst levels: told a cycle ahead, following the load of a month without swinging."""

import math
import random
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.billing.test_rating import SERVER, act, rate_all
from volutus.billing import burst, ledger
from volutus.billing.burst import LEVEL_MAX, STEP_MAX
from volutus.billing.cycles import CYCLES_PER_DAY
from volutus.billing.ledger import LineFilter
from volutus.metering import open_usage

FAST, SLOW = "storage_gib:nvme", "storage_gib:slow"


@pytest.mark.parametrize(("load", "level"), [("0", 1), ("0.5", 1), ("0.75", 5.75), ("1", 20), ("1.7", 20)])
def test_the_curve(load, level):
    assert burst.curve(Decimal(load)) == Decimal(str(level))


def test_next_becomes_current_one_cycle_later_and_is_what_is_charged(opened, clock):
    act(opened, open_usage, SERVER[:1])
    with opened.begin() as tx:
        burst.decide(tx, {"cpu_mhz": Decimal(1)})
        assert burst.levels(tx)["cpu_mhz"] == burst.Levels(1, 3)
        burst.decide(tx, {"cpu_mhz": Decimal(0)})
        assert burst.levels(tx)["cpu_mhz"].next == 3
    clock.advance(300)
    with opened.begin() as tx:
        assert burst.levels(tx)["cpu_mhz"] == burst.Levels(3, 3)
        burst.decide(tx, {"cpu_mhz": Decimal(1)})
        assert burst.levels(tx)["cpu_mhz"] == burst.Levels(3, 5)
    clock.advance(400)
    rate_all(opened)
    with opened.begin() as tx:
        found = [line.price for line in ledger.lines(tx, "p", LineFilter())]
    assert found == [Decimal("0.033"), Decimal("0.03")]


def test_a_level_of_the_past_cannot_be_decided(opened):
    with opened.begin() as tx:
        burst.decide(tx, {"cpu_mhz": Decimal(1)})
        with pytest.raises(IntegrityError), tx.savepoint():
            tx.execute(
                text(
                    "INSERT INTO billing_level (meter, cycle, decided_in, decided_at, load, smoothed, level)"
                    " SELECT 'memory_mib', cycle, decided_in, decided_at + interval '1 hour', 1, 1, 5"
                    " FROM billing_level"
                )
            )
        with pytest.raises(IntegrityError), tx.savepoint():
            tx.execute(text("UPDATE billing_level SET level = 1"))


def simulate(loads):
    """The level of each cycle, by the functions that decide."""
    level, smoothed, levels = 1, None, []
    for load in loads:
        smoothed = burst.smooth(smoothed, load)
        level = burst.step(level, smoothed)
        levels.append(level)
    return levels


def month(seed=3):
    """Loads of 30 days: a wave a day with noise, a spike of two hours on day 10, a quarter of the hosts
    lost for a day on day 20."""
    chance = random.Random(seed)
    loads = []
    for cycle in range(30 * CYCLES_PER_DAY):
        day, hour = divmod(cycle * 24 / CYCLES_PER_DAY, 24)
        load = 0.6 + 0.2 * math.sin((hour - 8) / 24 * 2 * math.pi) + chance.uniform(-0.015, 0.015)
        if day == 10 and 3 <= hour < 5:
            load += 0.3
        if day == 20:
            load /= 0.75
        loads.append(Decimal(str(round(min(load, 1.2), 6))))
    return loads


def turns(levels):
    """How often the direction changes."""
    moves = [b - a for a, b in pairwise(levels) if a != b]
    return sum(1 for a, b in pairwise(moves) if (a > 0) != (b > 0))


def test_a_month_follows_the_load_and_does_not_swing():
    loads = month()
    levels = simulate(loads)
    assert all(1 <= level <= LEVEL_MAX for level in levels)
    assert all(abs(b - a) <= STEP_MAX for a, b in pairwise(levels))
    days = [levels[day * CYCLES_PER_DAY : (day + 1) * CYCLES_PER_DAY] for day in range(30)]
    quiet = [day for number, day in enumerate(days) if number not in (0, 10, 20, 21)]
    for day in quiet:
        # Up once and down once a day: a wave has two turns, and noise adds next to nothing.
        assert turns(day) <= 6, turns(day)
        assert min(day) == 1
        assert 7 <= max(day) <= 9
        assert 12 <= day.index(max(day)) * 24 / CYCLES_PER_DAY <= 16
    # The spike at night is seen within the hour and gone an hour after it.
    spike = days[10][4 * 12 : 5 * 12]
    assert max(spike) > 3
    assert days[10][int(6.5 * 12)] == 1
    # With a quarter of the capacity gone the same use fills it: dear by day.
    assert max(days[20]) == LEVEL_MAX
    assert max(days[22]) <= 9


def two_classes():
    """A month in which one class fills up, while the other is given twice the disks on day 15; on day 25 the
    pools of the first are taken away. For each cycle what was decided."""
    chance = random.Random(11)
    decided, rounds = {}, []
    for cycle in range(30 * CYCLES_PER_DAY):
        day = cycle / CYCLES_PER_DAY
        wave = 0.03 * math.sin(day * 2 * math.pi) + chance.uniform(-0.01, 0.01)
        loads = {"storage_gib": 0.3 + wave, SLOW: (0.9 if day < 15 else 0.45) + wave}
        if day < 25:
            loads[FAST] = min(0.4 + 0.03 * day, 1) + wave
        exact = {meter: Decimal(str(round(load, 6))) for meter, load in loads.items()}
        decided = burst.after(decided, exact)
        rounds.append(decided)
    return rounds


def test_two_classes_move_apart_over_a_month():
    rounds = two_classes()
    levels = {
        meter: [(one.get(meter) or one["storage_gib"]).level for one in rounds]
        for meter in ("storage_gib", FAST, SLOW)
    }
    for of in levels.values():
        assert all(abs(b - a) <= STEP_MAX for a, b in pairwise(of))
        assert turns(of) <= 6 * 30
    begun, middle, late, end = (day * CYCLES_PER_DAY for day in (1, 14, 24, 29))
    assert set(levels["storage_gib"]) == {1}
    assert (max(levels[FAST][:begun]), min(levels[SLOW][begun:middle])) == (1, 12)
    assert min(levels[FAST][late - CYCLES_PER_DAY : late]) >= LEVEL_MAX - 1
    assert levels[SLOW][late] <= 2
    # Its pools are gone: step by step it comes to its meter's level, and is named no more.
    assert levels[FAST][end] == 1
    assert FAST not in rounds[end]
    for meter, mean in ((FAST, 13), (SLOW, 14)):
        day = levels[meter][mean * CYCLES_PER_DAY : (mean + 1) * CYCLES_PER_DAY]
        load = Decimal("0.79") if meter == FAST else Decimal("0.9")
        assert abs(sum(day) / len(day) - float(burst.curve(load))) < 1.5


def test_a_constant_load_settles_at_the_curve():
    for load in range(0, 101, 5):
        levels = simulate([Decimal(load) / 100] * 400)
        assert len(set(levels[200:])) == 1
        assert abs(levels[-1] - burst.curve(Decimal(load) / 100)) <= 1


def test_a_load_that_trembles_around_a_border_does_not_move_the_price():
    chance = random.Random(5)
    loads = [Decimal(str(round(0.7475 + chance.uniform(-0.02, 0.02), 6))) for _ in range(2000)]
    assert turns(simulate(loads)[100:]) <= 2


def test_history_tells_times_and_levels(opened, clock):
    for _ in range(3):
        with opened.begin() as tx:
            burst.decide(tx, {"cpu_mhz": Decimal("0.9"), "memory_mib": Decimal("0.1")})
        clock.advance(300)
    with opened.begin() as tx:
        now = tx.now
        found = burst.history(tx, now - timedelta(hours=1), now, "cpu_mhz")
        assert [level.level for level in found] == [7, 5, 3]
        assert found[0].at == now
        assert len(burst.history(tx, now - timedelta(hours=1), now)) == 6
