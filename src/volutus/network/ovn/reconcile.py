"""Keeps OVN as the network domain wants it: one reconciler per kind of object, fed by the queue.

A step reads the views of all its keys, compiles them and applies them in one OVSDB transaction. An object
without a view is taken away. The scan compares what OVN holds with what is wanted, row by row, so that a
change nobody told us of, on either side, is mended within `DRIFT_SCAN_S`.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from volutus.clock import Clock
from volutus.db import Tx
from volutus.errors import Unavailable, VolutusError
from volutus.network.ovn.compile import compile_view, drop_group
from volutus.network.ovn.model import DROP_GROUP_ID, Kind, View
from volutus.network.ovn.northbound import Applied, Northbound, Result
from volutus.network.ovn.rows import Key, Unit
from volutus.reconcile import Again, Done, Item, Outcome

log = logging.getLogger(__name__)

# A thousand ports are one transaction of about 40 ms here; others wait behind it.
BATCH = 500
# At 5,000 ports a scan is about 0.3 s of CPU, so this keeps it at one percent of a core.
DRIFT_SCAN_S = 30.0
# The kinds are scanned one after the other and share one reading of the northbound database.
INDEX_AGE_MAX_S = 10.0
PAGE = 1000
# What is woken by one scan; the rest is found by the next.
SCAN_MAX = 5000
BLOCKED_S = 0.25
BLOCKED_MAX_S = 15.0
# Rows that OVN's schema refuses are a mistake of ours or of a tenant's: trying often changes nothing.
REFUSED_S = 60.0


class Topology(Protocol):
    """Where the views come from: the network domain's tables, or a test's. Each call is its own snapshot."""

    def views(self, kind: Kind, ids: Sequence[str]) -> Sequence[View]:
        """The views of those objects that exist and are not deleted, in any order."""

    def page(self, kind: Kind, after: str, limit: int) -> Sequence[View]:
        """The first `limit` objects with ids above `after`, by id."""


class DriftIndex:
    """One reading of the northbound database for the scans of all kinds, and when each kind is due."""

    def __init__(self, northbound: Northbound, clock: Clock) -> None:
        self._northbound = northbound
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at: datetime | None = None
        self._index: Mapping[Key, str] = {}
        self._scanned_at: dict[Kind, datetime] = {}

    def take(self, kind: Kind) -> dict[str, str] | None:
        """Id to digest of all of a kind; None while the kind need not be scanned or OVN is away."""
        now = self._clock.now()
        with self._lock:
            last = self._scanned_at.get(kind)
            if last is not None and now - last < timedelta(seconds=DRIFT_SCAN_S):
                return None
            if self._read_at is None or now - self._read_at > timedelta(seconds=INDEX_AGE_MAX_S):
                try:
                    self._index = self._northbound.read_index()
                except Unavailable as error:
                    # The scans of other domains go on without OVN; this one comes again with the next round.
                    log.warning("not scanning the network: %s %s", error.message, error.detail)
                    return None
                self._read_at = now
            self._scanned_at[kind] = now
            return {key.id: digest for key, digest in self._index.items() if key.kind is kind}


class OvnReconciler:
    """A `Reconciler` of the queue for one kind."""

    def __init__(self, kind: Kind, topology: Topology, northbound: Northbound, index: DriftIndex) -> None:
        self._kind = kind
        self._topology = topology
        self._northbound = northbound
        self._index = index

    @property
    def kind(self) -> str:
        return self._kind.value

    @property
    def batch(self) -> int:
        return BATCH

    def step(self, items: Sequence[Item]) -> Mapping[str, Outcome]:
        """Apply all of them in one transaction. Raises Unavailable when OVN is away."""
        views = {view.id: view for view in self._topology.views(self._kind, [item.key for item in items])}
        outcomes: dict[str, Outcome] = {}
        units: list[Unit] = []
        for item in items:
            try:
                units.append(self._unit(item.key, views.get(item.key)))
            except VolutusError as error:
                outcomes[item.key] = Again(REFUSED_S, error.message, failed=True)
        answers = dict(self._northbound.apply(units)) if units else {}
        blocked = [unit for unit in units if answers[unit.key].result is Result.BLOCKED]
        if blocked and self._kind is Kind.PORT:
            # No object stands for the group that all ports need, so whoever misses it makes it.
            answers |= self._northbound.apply([drop_group(), *blocked])
        for item in items:
            if item.key not in outcomes:
                outcomes[item.key] = _outcome(item, answers[Key(self._kind, item.key)])
        return outcomes

    def scan(self, tx: Tx) -> Sequence[str]:  # noqa: ARG002 - the topology reads in pages of its own
        """The objects whose rows are not what their views say, and those that have rows but no view."""
        found = self._index.take(self._kind)
        if found is None:
            return []
        return self.drifted(found)

    def drifted(self, found: dict[str, str]) -> list[str]:
        """Compare (id to digest, consumed) with what is wanted."""
        drifted: list[str] = []
        if self._kind is Kind.SECURITY_GROUP and found.pop(DROP_GROUP_ID, "") != drop_group().digest():
            drifted.append(DROP_GROUP_ID)
        after = ""
        while len(drifted) < SCAN_MAX:
            views = self._topology.page(self._kind, after, PAGE)
            drifted += [view.id for view in views if self._has_drifted(view, found.pop(view.id, None))]
            if len(views) < PAGE:
                return (drifted + list(found))[:SCAN_MAX]
            after = views[-1].id
        return drifted[:SCAN_MAX]

    def _unit(self, object_id: str, view: View | None) -> Unit:
        if self._kind is Kind.SECURITY_GROUP and object_id == DROP_GROUP_ID:
            return drop_group()
        return compile_view(view) if view is not None else Unit(Key(self._kind, object_id))

    def _has_drifted(self, view: View, found: str | None) -> bool:
        try:
            unit = compile_view(view)
        except VolutusError:
            return True
        return found != (unit.digest() if unit.rows else None)


def reconcilers(topology: Topology, northbound: Northbound, clock: Clock) -> list[OvnReconciler]:
    """One for each kind, in the order in which they need each other."""
    index = DriftIndex(northbound, clock)
    order = (
        Kind.LOAD_BALANCER,
        Kind.NETWORK,
        Kind.ADDRESS_GROUP,
        Kind.SECURITY_GROUP,
        Kind.PORT,
        Kind.ROUTER,
    )
    return [OvnReconciler(kind, topology, northbound, index) for kind in order]


def _outcome(item: Item, applied: Applied) -> Outcome:
    if applied.result is Result.BLOCKED:
        wait_s = min(BLOCKED_S * 2 ** min(item.attempts, 10), BLOCKED_MAX_S)
        return Again(wait_s, f"waits for {applied.why}", failed=True)
    if applied.result is Result.REFUSED:
        log.error("OVN refuses %s %s: %s", item.kind, item.key, applied.why)
        return Again(REFUSED_S, f"OVN refuses it: {applied.why}", failed=True)
    return Done()
