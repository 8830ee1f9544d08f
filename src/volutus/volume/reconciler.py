"""Brings disks a step closer to what they should be: finds a host, tells it, waits, removes.

It works on disks, whatever they are for. Its only act on the world is a row in a host's document, so each
step is one transaction. What the agent reports is stored elsewhere (`disks.record_observed`).
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, or_, select, update

from volutus import placement
from volutus.db import Database, Tx
from volutus.errors import NoCapacity
from volutus.placement.inventory import FIRST_POOL
from volutus.reconcile import Again, Done, Item, Outcome, each_alone
from volutus.volume import messages, moves, releases, uploads
from volutus.volume.capabilities import hosts_with, lacking, pools
from volutus.volume.disks import ASSIGNMENT, KIND, finish_removal, is_told, tell_host
from volutus.volume.status import WANTED_BYTES, wanted_bytes
from volutus.volume.tables import backups, disks, exports, released, services, snapshots, types, volumes

# A host that reboots, or another volume on its way out, may make room within this time.
ROOM_DEADLINE_S = 30
# Copying the largest common volume (100 GiB) at 100 MiB/s takes 17 minutes.
MAKE_DEADLINE_S = 3600
# Removing is quick; what takes longer is a host that does not answer.
REMOVE_DEADLINE_S = 600
# A client that announced an attachment and did not come back: its volume is freed for others.
CLAIM_LIFETIME = timedelta(minutes=15)
# Reports wake the disk: looking again is only for the deadline.
LOOK_S = 30
SHORT_LOOK_S = 2
SCAN_MAX = 500


class VolumeReconciler:
    """The kind of work `volume`; keys are ids of disks."""

    kind = KIND
    batch = 20

    def __init__(self, database: Database) -> None:
        self._database = database

    def step(self, items: Sequence[Item]) -> Mapping[str, Outcome]:
        """One step for each disk, each in its own transaction: one that fails does not hold up the rest."""
        return each_alone(self._database, items, _step)

    def scan(self, tx: Tx) -> Sequence[str]:
        """Disks that are not as they should be, and announcements of attachments that were not kept."""
        unsettled = select(disks.c.id).where(_unsettled()).order_by(disks.c.id).limit(SCAN_MAX)
        stale = select(volumes.c.id).where(volumes.c.attach_claimed_at < tx.now - CLAIM_LIFETIME)
        return [row.id for row in (*tx.rows(unsettled), *tx.rows(stale.limit(SCAN_MAX)))]


def _unsettled() -> ColumnElement[bool]:
    faulty = and_(disks.c.fault.isnot(None), ~disks.c.ready, disks.c.before.is_(None))
    broken = or_(disks.c.failure.isnot(None), faulty)
    making = or_(
        disks.c.made_at.is_(None),
        disks.c.observed_bytes < WANTED_BYTES,
        disks.c.observed_revision < disks.c.revision,
        disks.c.released_at.isnot(None),
    )
    waits_for_server = and_(disks.c.host_id.is_(None), ~disks.c.claims_room)
    return or_(
        and_(disks.c.removed_at.isnot(None), disks.c.removal_failure.is_(None)),
        and_(disks.c.removed_at.is_(None), making, ~broken, ~waits_for_server),
    )


def _step(tx: Tx, item: Item) -> Outcome:
    row = tx.row(select(disks).where(disks.c.id == item.key).with_for_update())
    if row is None:
        return Done()
    if row.claims_room:
        _drop_stale_claim(tx, row.id)
    if row.removed_at is not None:
        return _remove(tx, item, row)
    if row.released_at is not None and row.made_at is None:
        return _remove(tx, item, row)
    if row.host_id is None:
        return _find_host(tx, item, row) if row.claims_room else Done()
    if not is_told(row):
        tell_host(tx, row, row.host_id)
        return Again(LOOK_S, "told the host", deadline_s=MAKE_DEADLINE_S)
    if row.released_at is not None:
        return _await_release(tx, item, row)
    return _await_host(tx, item, row)


def _find_host(tx: Tx, item: Item, row: Row[Any]) -> Outcome:
    if missing := _lacking(tx, row.id):
        return _fail(tx, row, f"No valid host was found: none has what the type asks for: {missing}.")
    if row.source_disk_id is not None:
        source = tx.row(select(disks).where(disks.c.id == row.source_disk_id))
        if source is None or source.failure is not None:
            return _fail(tx, row, "What it was to be copied from is not usable.")
        if source.made_at is None:
            if item.expired:
                return _fail(tx, row, "What it was to be copied from did not become ready in time.")
            return Again(SHORT_LOOK_S, "for what it is a copy of", deadline_s=MAKE_DEADLINE_S)
    only_hosts = _hosts_for(tx, row)
    if only_hosts == []:
        return _fail(tx, row, f"No valid host was found: none has the storage class {row.pool} open to it.")
    claim = placement.Claim(
        consumer_id=row.id,
        project_id=row.project_id,
        user_id=row.user_id,
        disk_gib=row.size_gib,
        pool=row.pool,
        only_hosts=only_hosts,
        zone=row.zone if _source_host(tx, row) is None else None,
    )
    try:
        host_id = placement.claim(tx, claim)
    except NoCapacity:
        if item.expired:
            return _fail(tx, row, "No valid host was found: no host has enough free disk space.")
        return Again(SHORT_LOOK_S, "for a host with room", deadline_s=ROOM_DEADLINE_S)
    tell_host(tx, row, host_id)
    return Again(LOOK_S, "told the host", deadline_s=MAKE_DEADLINE_S)


def _hosts_for(tx: Tx, row: Row[Any]) -> list[str] | None:
    """Where the disk may go: where what it is made from is, and where its pool is; None for anywhere."""
    bound = _source_host(tx, row)
    if row.pool == FIRST_POOL and bound is None and all(pool.open for pool in pools(tx)):
        return None
    able = hosts_with(tx, row.pool)
    return able if bound is None else [host_id for host_id in able if host_id == bound]


def _source_host(tx: Tx, row: Row[Any]) -> str | None:
    if row.source_disk_id is not None:
        found = select(disks.c.host_id).where(disks.c.id == row.source_disk_id)
    elif row.source_backup_id is not None:
        found = select(backups.c.host_id).where(backups.c.data_id == row.source_backup_id).limit(1)
    elif row.adopted_id is not None:
        found = select(released.c.host_id).where(released.c.disk_id == row.adopted_id)
    else:
        return None
    host_id: str | None = tx.value(found)
    return host_id


def _lacking(tx: Tx, disk_id: str) -> str:
    statement = select(types.c.extra_specs).join(volumes, volumes.c.type_id == types.c.id)
    specs = tx.value(statement.where(volumes.c.id == disk_id)) or {}
    return ", ".join(lacking(specs, [pool.name for pool in pools(tx)])) if specs else ""


def _await_host(tx: Tx, item: Item, row: Row[Any]) -> Outcome:
    settled = row.made_at is not None and row.observed_bytes >= wanted_bytes(row)
    settled = settled and row.observed_revision >= row.revision
    if row.before is not None and not settled:
        return _await_move(tx, item, row)
    if settled or row.failure is not None or (row.fault is not None and not row.ready):
        return Done()
    if item.expired:
        what = "extend" if row.made_at is not None else "make"
        return _fail(tx, row, f"The host did not {what} it in time.")
    return Again(LOOK_S, f"for host {row.host_id}", deadline_s=MAKE_DEADLINE_S)


def _await_move(tx: Tx, item: Item, row: Row[Any]) -> Outcome:
    """A disk that cannot be kept otherwise stays as it is."""
    if row.move_failure is not None:
        return Again(LOOK_S, f"for host {row.host_id} to leave it as it is")
    if item.expired or (row.fault is not None and not row.ready):
        moves.give_up(tx, row, row.fault or "The host did not move it in time.")
        return Again(0, "its move is given up")
    return Again(LOOK_S, f"for host {row.host_id} to move it", deadline_s=MAKE_DEADLINE_S)


def _await_release(tx: Tx, item: Item, row: Row[Any]) -> Outcome:
    """Only a report on this very order says that the disk is put aside; then its assignment may be buried."""
    if row.ready and row.observed_generation >= row.assigned_generation:
        releases.note(tx, row)
        tx.execute(update(disks).where(disks.c.id == row.id).values(removed_at=tx.now))
        return Again(0, "it is put aside")
    if item.expired:
        reason = "The host did not put it aside in time."
        tx.execute(update(disks).where(disks.c.id == row.id).values(removal_failure=reason))
        return Done()
    return Again(LOOK_S, f"for host {row.host_id} to put it aside", deadline_s=REMOVE_DEADLINE_S)


def _remove(tx: Tx, item: Item, row: Row[Any]) -> Outcome:
    if (
        uploads.reads_disk(tx, row.id)
        or _backups_under_way(tx, row.id)
        or _copies_under_way(tx, row.id)
        or _snapshots_left(tx, row.id)
    ):
        return Again(SHORT_LOOK_S, "for copies and snapshots of it")
    if tx.row(select(exports.c.id).where(exports.c.volume_id == row.id)):
        return Again(LOOK_S, "for its export to be revoked")
    if row.host_id is not None and _frozen(tx, row):
        return Again(LOOK_S, f"for storage class {row.pool} of host {row.host_id} to be thawed")
    if row.host_id is None or not placement.bury(tx, row.host_id, ASSIGNMENT, row.id):
        finish_removal(tx, [row.id])
        return Done()
    if item.expired:
        reason = "The host did not remove it in time; it will be gone once the host answers."
        tx.execute(update(disks).where(disks.c.id == row.id).values(removal_failure=reason))
        messages.record(tx, [(row.id, "delete", reason)])
        return Done()
    return Again(LOOK_S, f"for host {row.host_id} to remove it", deadline_s=REMOVE_DEADLINE_S)


def _copies_under_way(tx: Tx, disk_id: str) -> int:
    count: int = tx.value(
        select(func.count()).where(
            disks.c.source_disk_id == disk_id,
            disks.c.id != disk_id,
            or_(disks.c.made_at.is_(None), disks.c.observed_revision < disks.c.revision),
            disks.c.removed_at.is_(None),
            disks.c.failure.is_(None),
            disks.c.fault.is_(None),
        )
    )
    return count


def _frozen(tx: Tx, row: Row[Any]) -> bool:
    mine = services.c.host_id == row.host_id, services.c.pool == row.pool, services.c.frozen
    return tx.row(select(services.c.pool).where(*mine)) is not None


def _backups_under_way(tx: Tx, disk_id: str) -> int:
    count: int = tx.value(
        select(func.count()).where(
            backups.c.disk_id == disk_id,
            backups.c.made_at.is_(None),
            backups.c.failure.is_(None),
            backups.c.removed_at.is_(None),
        )
    )
    return count


def _snapshots_left(tx: Tx, disk_id: str) -> int:
    count: int = tx.value(select(func.count()).where(snapshots.c.volume_id == disk_id))
    return count


def _drop_stale_claim(tx: Tx, disk_id: str) -> None:
    stale = volumes.c.attach_claimed_at < tx.now - CLAIM_LIFETIME
    tx.execute(update(volumes).where(volumes.c.id == disk_id, stale).values(attach_claimed_at=None))


def _fail(tx: Tx, row: Row[Any], reason: str) -> Outcome:
    tx.execute(update(disks).where(disks.c.id == row.id).values(failure=reason))
    messages.record(tx, [(row.id, "create" if row.made_at is None else "extend", reason)])
    return Done()
