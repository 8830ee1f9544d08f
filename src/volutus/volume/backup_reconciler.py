"""Brings each backup a step closer to what it should be: tells the host that has the disk, waits, removes.

Its only acts are rows in a host's document.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, or_, select, update

from volutus import placement
from volutus.db import Database, Tx
from volutus.reconcile import Again, Done, Item, Outcome, each_alone
from volutus.volume import backups as orders
from volutus.volume import messages
from volutus.volume.tables import backups, disks

# As long as reading the largest common volume (1 TiB) at 50 MiB/s takes.
DEADLINE = timedelta(hours=6)
# A host tries again once a minute at the latest.
FAULT_PATIENCE = timedelta(seconds=90)
LOOK_S = 5
REMOVE_LOOK_S = 30
SCAN_MAX = 500


class BackupReconciler:
    """The kind of work `backup`; keys are ids of backups."""

    kind = orders.KIND
    batch = 20

    def __init__(self, database: Database) -> None:
        self._database = database

    def step(self, items: Sequence[Item]) -> Mapping[str, Outcome]:
        """One step for each, each in its own transaction."""
        return each_alone(self._database, items, _step)

    def scan(self, tx: Tx) -> Sequence[str]:
        """Those that are under way."""
        unmade = backups.c.made_at.is_(None) & backups.c.failure.is_(None)
        statement = select(backups.c.id).where(or_(backups.c.removed_at.isnot(None), unmade))
        return [row.id for row in tx.rows(statement.order_by(backups.c.id).limit(SCAN_MAX))]


def _step(tx: Tx, item: Item) -> Outcome:
    row = tx.row(select(backups).where(backups.c.id == item.key).with_for_update())
    if row is None:
        return Done()
    if row.removed_at is not None:
        return _remove(tx, row)
    if row.made_at is not None or row.failure is not None:
        return Done()
    disk = tx.row(select(disks).where(disks.c.id == row.disk_id))
    failure = _failure(tx, row, disk)
    if failure is not None or disk is None:
        return _fail(tx, row, str(failure))
    if row.assigned_at is None:
        if disk.made_at is None:
            return Again(LOOK_S, "for the disk to be made")
        orders.assign(tx, row, disk.host_id)
    return Again(LOOK_S, f"for host {disk.host_id} to store it")


def _failure(tx: Tx, row: Row[Any], disk: Row[Any] | None) -> str | None:
    if disk is None or disk.removed_at is not None:
        return "The disk was removed."
    if row.fault is not None and tx.now - row.fault_at >= FAULT_PATIENCE:
        return str(row.fault)
    if tx.now - row.created_at >= DEADLINE:
        return "The host did not store the backup in time."
    return None


def _fail(tx: Tx, row: Row[Any], reason: str) -> Outcome:
    """Have the host give it up; what it stored meanwhile is dropped by the same order."""
    tx.execute(update(backups).where(backups.c.id == row.id).values(failure=reason, updated_at=tx.now))
    if row.host_id is not None:
        placement.bury(tx, row.host_id, orders.KIND, row.data_id)
    messages.record(tx, [(row.volume_id, "backup_create", reason)])
    return Done()


def _remove(tx: Tx, row: Row[Any]) -> Outcome:
    if _read(tx, row.data_id):
        return Again(LOOK_S, "for volumes that are made of it")
    # An imported record was never told to the host, and its data is told of by the host's order alone.
    if row.host_id is None or orders.shares_data(tx, row):
        orders.finish_removal(tx, [row.id])
        return Done()
    if not placement.bury(tx, row.host_id, orders.KIND, row.data_id):
        orders.finish_removal(tx, [row.id])
        return Done()
    return Again(REMOVE_LOOK_S, f"for host {row.host_id} to drop it")


def _read(tx: Tx, data_id: str) -> bool:
    under_way = or_(disks.c.made_at.is_(None), disks.c.observed_revision < disks.c.revision)
    alive = disks.c.removed_at.is_(None), disks.c.failure.is_(None)
    reading = select(disks.c.id).where(disks.c.source_backup_id == data_id, under_way, *alive)
    return tx.row(reading.limit(1)) is not None
