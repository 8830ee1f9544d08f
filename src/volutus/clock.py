"""The only source of time: everything that asks for the time is given a clock, so a test can be replayed."""

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """`now` is aware and in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock, or one that is so many seconds ahead of it."""

    def __init__(self, ahead_s: int = 0) -> None:
        self._ahead = timedelta(seconds=ahead_s)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead
