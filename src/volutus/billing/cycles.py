"""Cycles: five minutes each, ending at :00, :05 … They are numbered without a gap since 1970."""

from datetime import UTC, datetime, timedelta

CYCLE_S = 300
CYCLES_PER_DAY = 24 * 3600 // CYCLE_S
# A transaction that began within a cycle may still write usage of it until it ends, which the database
# forces after half a minute. Only then is the cycle's usage complete.
SETTLE_S = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def cycle_of(at: datetime) -> int:
    """The cycle that a moment is in: [:00, :05) is one, :05 is in the next."""
    return (at - _EPOCH) // timedelta(seconds=CYCLE_S)


def start_of(cycle: int) -> datetime:
    """The first moment of a cycle."""
    return _EPOCH + timedelta(seconds=cycle * CYCLE_S)


def end_of(cycle: int) -> datetime:
    """The first moment after a cycle."""
    return start_of(cycle + 1)


def last_settled(now: datetime) -> int:
    """The newest cycle whose usage is complete."""
    return cycle_of(now - timedelta(seconds=SETTLE_S)) - 1


def month_of(at: datetime) -> tuple[datetime, str]:
    """The first moment of the calendar month, and its name."""
    first = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return first, first.strftime("%Y-%m")
