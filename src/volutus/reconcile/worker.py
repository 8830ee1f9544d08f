"""Threads that take due work and let reconcilers step. Any number of processes may run this at once."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

import psycopg
from sqlalchemy import make_url

from volutus.db import Database, Tx
from volutus.errors import Contended, Unavailable, VolutusError
from volutus.reconcile.queue import CHANNEL, Again, Item, Outcome, finish, renew, take, wake_many

log = logging.getLogger(__name__)

# A worker that dies leaves its work to others after this long; one that lives renews what takes longer.
LEASE_S = 15.0
RENEW_EVERY_S = 5.0
# How long all threads sleep at most when no wake is heard: rows whose time comes are not notified.
IDLE_S = 0.5
# How often every kind is scanned for objects that need work though nobody woke them.
SCAN_S = 15.0
# How often a row is tried to be given back while the database is away or chose us to end a deadlock.
FINISH_AGAIN_S = 1.0
# The wait after the first failure; it doubles up to the maximum.
BACKOFF_S = 0.5
BACKOFF_MAX_S = 60.0


class Reconciler(Protocol):
    """Brings objects of one kind a step closer to what they should be.

    `step` decides in one transaction, acts with none open, records in another; it answers an outcome per
    key. A key it leaves out is tried again. `scan` names objects that are not settled, oldest first, and
    no more than its own limit.
    """

    @property
    def kind(self) -> str: ...

    @property
    def batch(self) -> int: ...

    def step(self, items: Sequence[Item]) -> Mapping[str, Outcome]: ...

    def scan(self, tx: Tx) -> Sequence[str]: ...


class Worker:
    """Runs reconcilers on `threads` threads until stopped."""

    def __init__(self, database: Database, reconcilers: Sequence[Reconciler], threads: int = 4) -> None:
        self._database = database
        self._reconcilers = {reconciler.kind: reconciler for reconciler in reconcilers}
        self._batches = {reconciler.kind: reconciler.batch for reconciler in reconcilers}
        self._threads = threads
        self._stop = threading.Event()
        self._woken = threading.Condition()
        self._wakes = 0
        self._watched = False
        self._under_way: dict[int, Item] = {}

    def run(self) -> None:
        """Work until `stop` is called."""
        threads = [
            threading.Thread(target=self._work, name=f"reconcile-{number}", daemon=True)
            for number in range(self._threads)
        ]
        for name, act in (("listen", self._listen), ("renew", self._renew)):
            threads.append(threading.Thread(target=act, name=f"reconcile-{name}", daemon=True))
        for thread in threads:
            thread.start()
        while not self._stop.is_set():
            self._guarded(self.scan)
            self._stop.wait(SCAN_S)
        for thread in threads:
            thread.join(timeout=LEASE_S)

    def stop(self) -> None:
        """Finish the steps under way and end."""
        self._stop.set()
        self._wake_threads(self._threads)

    def scan(self) -> None:
        """Wake every object that a reconciler finds unsettled."""
        for reconciler in self._reconcilers.values():
            with self._database.begin() as tx:
                wake_many(tx, reconciler.kind, reconciler.scan(tx))

    def run_once(self) -> int:
        """Take what is due of one kind and step it; how many objects were looked at."""
        with self._database.read() as tx:
            items = take(tx, self._batches, LEASE_S)
        if not items:
            return 0
        reconciler = self._reconcilers[items[0].kind]
        if len(items) == reconciler.batch or not self._watched:
            # There may be more than one thread should do alone, and one looks out for more meanwhile.
            self._wake_threads(1)
        self._step(reconciler, items)
        return len(items)

    def drain(self, rounds_max: int = 1000) -> None:
        """Run until nothing is due: for tests with their own clock. Raises when it never settles."""
        for _ in range(rounds_max):
            if self.run_once() == 0:
                return
        raise RuntimeError(f"work was still due after {rounds_max} rounds")

    def _step(self, reconciler: Reconciler, items: Sequence[Item]) -> None:
        self._under_way.update((item.lease_no, item) for item in items)
        try:
            outcomes = self._outcomes(reconciler, items)
            until = time.monotonic() + LEASE_S
            for item in items:
                outcome = outcomes.get(item.key) or _failure(item, "the step said nothing about this object")
                self._finish(item, outcome, until)
        finally:
            for item in items:
                del self._under_way[item.lease_no]

    def _finish(self, item: Item, outcome: Outcome, until: float) -> None:
        """Give one row back. Each by itself: whoever holds one lock and waits for none is part of no
        deadlock, and verbs wake objects in any order. As long as the lease runs nobody else looks at the
        object, so it is worth trying again."""
        while True:
            try:
                with self._database.read() as tx:
                    finish(tx, item, outcome)
                return
            except Unavailable as error:
                if time.monotonic() + FINISH_AGAIN_S > until or self._stop.wait(FINISH_AGAIN_S):
                    raise
                log.warning("%s %s is not given back yet: %s", item.kind, item.key, error.detail)

    def _outcomes(self, reconciler: Reconciler, items: Sequence[Item]) -> Mapping[str, Outcome]:
        try:
            return reconciler.step(items)
        except VolutusError as error:
            level = logging.WARNING if isinstance(error, Unavailable) else logging.ERROR
            log.log(level, "%s: %s %s", reconciler.kind, error.message, error.detail)
            why = error.message
            of_all = isinstance(error, Unavailable) and not isinstance(error, Contended)
        except Exception as error:
            keys = [item.key for item in items]
            log.exception("step failed", extra={"kind": reconciler.kind, "keys": keys})
            why, of_all = f"{type(error).__name__} in the last step", False
        if of_all or len(items) == 1:
            return {item.key: _failure(item, why) for item in items}
        # What the step of one object fails of must not hold up the others. Those that had theirs before have
        # it again, which every step allows.
        outcomes: dict[str, Outcome] = {}
        for item in items:
            outcomes |= self._outcomes(reconciler, [item])
        return outcomes

    def _work(self) -> None:
        while not self._stop.is_set():
            seen = self._wakes
            if not self._guarded(self.run_once):
                self._sleep(seen)

    def _sleep(self, seen: int) -> None:
        """Until there is a wake. One of those who sleep looks again after a while, for what comes due."""
        with self._woken:
            watches = not self._watched
            self._watched = True
            self._woken.wait_for(
                lambda: self._wakes != seen or self._stop.is_set(), IDLE_S if watches else None
            )
            if watches:
                self._watched = False

    def _guarded(self, act: Callable[[], int | None]) -> int:
        """Run a part of the loop; while the database is away, wait and go on."""
        try:
            return act() or 0
        except Unavailable as error:
            log.warning("waiting: %s %s", error.message, error.detail)
            self._stop.wait(error.retry_after_s)
            return 0

    def _renew(self) -> None:
        """Keep the leases of steps that take long."""
        seen: set[int] = set()
        while not self._stop.wait(RENEW_EVERY_S):
            held = set(self._under_way.copy())
            if old := held & seen:
                self._guarded(partial(self._renew_once, old))
            seen = held

    def _renew_once(self, lease_numbers: set[int]) -> None:
        with self._database.read() as tx:
            renew(tx, lease_numbers, LEASE_S)

    def _listen(self) -> None:
        url = make_url(self._database.url).set(drivername="postgresql")
        while not self._stop.is_set():
            try:
                with psycopg.connect(
                    url.render_as_string(hide_password=False), autocommit=True
                ) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    while not self._stop.is_set():
                        for _ in connection.notifies(timeout=IDLE_S * 10, stop_after=1):
                            self._wake_threads(1)
            except psycopg.OperationalError as error:
                log.warning("not hearing wakes: %s", error)
                self._stop.wait(1)

    def _wake_threads(self, count: int) -> None:
        """Wake so many of those that sleep: more would only find that there is nothing left to take."""
        with self._woken:
            self._wakes += 1
            self._woken.notify(count)


def each_alone(
    database: Database, items: Sequence[Item], step: Callable[[Tx, Item], Outcome]
) -> dict[str, Outcome]:
    """A step for each item, each in a transaction of its own: for reconcilers that act by rows alone."""
    outcomes: dict[str, Outcome] = {}
    for item in items:
        with database.begin() as tx:
            outcomes[item.key] = step(tx, item)
    return outcomes


def _failure(item: Item, why: str) -> Again:
    wait = min(BACKOFF_S * 2 ** min(item.attempts - 1, 10), BACKOFF_MAX_S)
    return Again(wait, why, failed=True)
