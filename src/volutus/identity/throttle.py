"""How often one user, and one address, may try to sign in: so many a minute in each process of the API.

Kept in memory: a limit that wrote to the database would make the flood it shall stop dearer. Failures lock a
user on all processes (`failures`); this bounds the cost of trying.
"""

import threading
from collections import OrderedDict
from datetime import datetime

from volutus.errors import TooOften

# Callers remembered; the one that tried longest ago makes room.
CALLERS_MAX = 10_000


class Throttles:
    """Both limits of one process."""

    def __init__(self, per_user_minute: int, per_address_minute: int) -> None:
        self._users = Throttle(per_user_minute)
        self._addresses = Throttle(per_address_minute)

    def admit(self, user: str, address: str, now: datetime) -> None:
        """Count an attempt. `user` is what the request calls him, so that nobody learns who exists. Raises
        TooOften."""
        self._addresses.admit(address, now)
        self._users.admit(user, now)


class Throttle:
    """Token buckets: a minute's worth may come at once, then as many as the minute gives."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def admit(self, caller: str, now: datetime) -> None:
        """Count one attempt. Raises TooOften. A limit of 0 is none."""
        if self._per_minute <= 0 or not caller:
            return
        at = now.timestamp()
        with self._lock:
            left, seen_at = self._buckets.pop(caller, (float(self._per_minute), at))
            left = min(self._per_minute, left + max(0.0, at - seen_at) * self._per_minute / 60)
            admitted = left >= 1
            self._buckets[caller] = (left - 1 if admitted else left, at)
            if len(self._buckets) > CALLERS_MAX:
                self._buckets.popitem(last=False)
        if not admitted:
            raise TooOften("Too many attempts to sign in.", retry_after_s=-(-60 // self._per_minute))
