"""Wires the tables to OVN: what was written is recorded on the object's unit, and who waits for it is woken.

`written` follows `wanted` as it stood before the views were read, so that a change that came in between is
still seen as not written. A tombstone is removed once nothing of its object is left in OVN.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text

from volutus.clock import Clock
from volutus.db import Database, Tx
from volutus.errors import Unavailable
from volutus.network.loadbalancer import HealthReconciler
from volutus.network.ovn.model import Kind
from volutus.network.ovn.northbound import Northbound
from volutus.network.ovn.reconcile import OvnReconciler
from volutus.network.ovn.reconcile import reconcilers as ovn_reconcilers
from volutus.network.topology import SqlTopology
from volutus.network.vpn import VpnReconciler
from volutus.reconcile import Again, Done, Item, Outcome, Reconciler, wake_many

log = logging.getLogger(__name__)

# A port comes up when its guest's tap does: seconds after it is bound. Later the scan finds it.
UP_LOOK_S = 0.5
UP_LOOKS_MAX = 120
# All bound ports are looked at together: that a guest was switched off, nobody tells us.
UP_SCAN_S = 30.0
UP_SCAN_MAX = 100_000
# The kind of compute's own work: servers wait for their ports.
SERVER_WORK = "server"
UNSETTLED_MAX = 5000

_WANTED = text(
    "SELECT id, wanted, deleted_at IS NOT NULL AS deleted FROM network_units "
    "WHERE kind = :kind AND id = ANY(CAST(:ids AS text[])) LIMIT :limit"
)
_WRITTEN = text(
    """
    UPDATE network_units u SET written = greatest(u.written, w.wanted), fault = ''
    FROM unnest(CAST(:ids AS text[]), CAST(:wanted AS bigint[])) AS w(id, wanted)
    WHERE u.kind = :kind AND u.id = w.id AND (u.written < w.wanted OR u.fault <> '')
    """
)
_FAULTS = text(
    """
    UPDATE network_units u SET fault = w.fault
    FROM unnest(CAST(:ids AS text[]), CAST(:faults AS text[])) AS w(id, fault)
    WHERE u.kind = :kind AND u.id = w.id AND u.fault <> w.fault
    """
)
# Only if nothing was wanted since: an id is never used twice, but a wake may have come late.
_FORGET = text(
    """
    DELETE FROM network_units u USING unnest(CAST(:ids AS text[]), CAST(:wanted AS bigint[])) AS w(id, wanted)
    WHERE u.kind = :kind AND u.id = w.id AND u.deleted_at IS NOT NULL AND u.wanted <= w.wanted
    """
)
_BOUND = text(
    """
    SELECT p.id, p.server_id, u.written >= u.wanted AS whole
    FROM ports p JOIN network_units u ON u.kind = 'port' AND u.id = p.id
    WHERE p.id = ANY(CAST(:ids AS text[])) AND p.chassis <> '' LIMIT :limit
    """
)
_UP = text(
    """
    UPDATE network_units SET up = id = ANY(CAST(:up AS text[]))
    WHERE kind = 'port' AND id = ANY(CAST(:ids AS text[])) AND up <> (id = ANY(CAST(:up AS text[])))
    """
)
_ALL_BOUND = text("SELECT id FROM ports WHERE chassis <> '' LIMIT :limit")
_UNSETTLED = text(
    """
    SELECT id FROM network_units
    WHERE kind = :kind AND (written < wanted OR deleted_at IS NOT NULL) ORDER BY id LIMIT :limit
    """
)


class NetworkReconciler:
    """A `Reconciler` of the queue: OVN's own for one kind, with what came of it recorded."""

    def __init__(self, database: Database, northbound: Northbound, inner: OvnReconciler) -> None:
        self._database = database
        self._northbound = northbound
        self._inner = inner
        self._looked_at: datetime | None = None

    @property
    def kind(self) -> str:
        return self._inner.kind

    @property
    def batch(self) -> int:
        return self._inner.batch

    def step(self, items: Sequence[Item]) -> Mapping[str, Outcome]:
        """Write all of them to OVN and record it. Raises Unavailable when OVN is away."""
        ids = [item.key for item in items]
        with self._database.read() as tx:
            units = {row.id: row for row in tx.rows(_WANTED, self._of(ids))}
        outcomes = dict(self._inner.step(items))
        written = [item.key for item in items if isinstance(outcomes.get(item.key), Done)]
        with self._database.begin() as tx:
            self._record(tx, [units[key] for key in written if key in units], outcomes)
            is_port = self.kind == Kind.PORT.value
            bound = self._wake_servers(tx, written) if is_port else []
        if is_port and written:
            outcomes |= self._look_up(items, written, bound)
        return outcomes

    def scan(self, tx: Tx) -> Sequence[str]:
        """What was never written or not yet removed, and what has drifted."""
        if self.kind == Kind.PORT.value:
            self._scan_up(tx)
        rows = tx.rows(_UNSETTLED, {"kind": self.kind, "limit": UNSETTLED_MAX})
        return [*(row.id for row in rows), *self._inner.scan(tx)]

    def _record(self, tx: Tx, written: Sequence[Row[Any]], outcomes: Mapping[str, Outcome]) -> None:
        for statement, units in ((_WRITTEN, written), (_FORGET, [unit for unit in written if unit.deleted])):
            if units:
                counts = {"ids": [unit.id for unit in units], "wanted": [unit.wanted for unit in units]}
                tx.execute(statement, {"kind": self.kind, **counts})
        faults = {key: outcome.why for key, outcome in outcomes.items() if isinstance(outcome, Again)}
        if faults:
            tx.execute(_FAULTS, {"kind": self.kind, "ids": list(faults), "faults": list(faults.values())})

    def _wake_servers(self, tx: Tx, written: Sequence[str]) -> list[str]:
        """Wake the servers whose ports are on their hosts as wanted; which of the ports are bound at all."""
        rows = tx.rows(_BOUND, {"ids": list(written), "limit": len(written)}) if written else []
        wake_many(tx, SERVER_WORK, [row.server_id for row in rows if row.server_id and row.whole])
        return [row.id for row in rows]

    def _look_up(
        self, items: Sequence[Item], written: Sequence[str], bound: Sequence[str]
    ) -> dict[str, Outcome]:
        """Record which ports are connected; look again at those that are bound and are not."""
        up = self._northbound.ports_up(bound) if bound else frozenset()
        with self._database.read() as tx:
            tx.execute(_UP, {"ids": list(written), "up": sorted(up)})
        hopeful = {item.key for item in items if item.attempts <= UP_LOOKS_MAX}
        again = Again(UP_LOOK_S, "waits for the port to be plugged in", failed=True)
        return dict.fromkeys((key for key in bound if key not in up and key in hopeful), again)

    def _scan_up(self, tx: Tx) -> None:
        now = tx.now
        if self._looked_at is not None and now - self._looked_at < timedelta(seconds=UP_SCAN_S):
            return
        self._looked_at = now
        bound = [row.id for row in tx.rows(_ALL_BOUND, {"limit": UP_SCAN_MAX})]
        try:
            up = self._northbound.ports_up(bound) if bound else frozenset()
        except Unavailable as error:
            log.warning("not looking which ports are up: %s %s", error.message, error.detail)
            return
        tx.execute(_UP, {"ids": bound, "up": sorted(up)})

    def _of(self, ids: Sequence[str]) -> dict[str, object]:
        return {"kind": self.kind, "ids": list(ids), "limit": len(ids)}


def reconcilers(database: Database, northbound: Northbound, clock: Clock) -> list[Reconciler]:
    """One for each kind, over the tables of this database."""
    inner = ovn_reconcilers(SqlTopology(database), northbound, clock)
    networks = [NetworkReconciler(database, northbound, one) for one in inner]
    return [*networks, HealthReconciler(database, northbound), VpnReconciler(database)]
