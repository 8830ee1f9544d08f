"""Does what schedules are due for, and removes what they made beyond what they keep.

Each step is one transaction, in which the row of the volume and then that of the schedule are locked: two
workers cannot act for one moment twice. It acts as whoever made the schedule, with no right but a member's.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, or_, select, update

from volutus import audit
from volutus.db import Database, Page, Tx
from volutus.errors import QuotaExceeded
from volutus.identity import Caller
from volutus.reconcile import Again, Done, Item, Outcome, each_alone
from volutus.volume import backups, messages, snapshots
from volutus.volume.backups import Backup
from volutus.volume.faults import VolumeExported, VolumeNotFound, WrongStatus
from volutus.volume.records import Snapshot
from volutus.volume.schedules import KIND, RUNS_SHOWN, following, latest
from volutus.volume.status import Status
from volutus.volume.tables import schedule_runs as runs
from volutus.volume.tables import schedules, volumes

# What a volume is busy with is mostly over by then; a run is never later than the next one.
BUSY_FOR = timedelta(minutes=30)
BUSY_LOOK_S = 60.0
LOOK_S = 30.0
# Each is an order to a host; the rest comes with the next step.
REMOVALS_PER_STEP = 20
LIVE_MAX = 1000
SCAN_MAX = 500

Made = Snapshot | Backup


class ScheduleReconciler:
    """The kind of work `volume_schedule`; keys are ids of schedules."""

    kind = KIND
    batch = 20

    def __init__(self, database: Database) -> None:
        self._database = database

    def step(self, items: Sequence[Item]) -> Mapping[str, Outcome]:
        """One step for each, each in its own transaction."""
        return each_alone(self._database, items, _step)

    def scan(self, tx: Tx) -> Sequence[str]:
        """Those that are due, and those whose work is not over."""
        due = schedules.c.enabled & (schedules.c.next_at <= tx.now)
        statement = select(schedules.c.id).where(or_(due, schedules.c.unsettled))
        return [row.id for row in tx.rows(statement.order_by(schedules.c.next_at).limit(SCAN_MAX))]


def _step(tx: Tx, item: Item) -> Outcome:
    wanted = select(schedules).where(schedules.c.id == item.key)
    row = tx.row(wanted)
    if row is None:
        return Done()
    # In the order in which verbs lock them.
    tx.row(select(volumes.c.id).where(volumes.c.id == row.volume_id).with_for_update())
    row = tx.row(wanted.with_for_update())
    if row is None:
        return Done()
    caller = _caller(row)
    if row.enabled and row.next_at <= tx.now:
        return _run(tx, caller, row)
    if row.unsettled and (waiting := _tidy(tx, caller, row)):
        return Again(LOOK_S, waiting)
    tx.execute(update(schedules).where(schedules.c.id == row.id).values(unsettled=False))
    if not row.enabled:
        return Done()
    return Again((row.next_at - tx.now).total_seconds(), f"to be due at {row.next_at:%Y-%m-%d %H:%M}")


def _run(tx: Tx, caller: Caller, row: Row[Any]) -> Outcome:
    due_at = latest(row, tx.now)
    incremental = row.action == "backup" and _changes_alone(tx, caller, row)
    made_id, fault = None, None
    try:
        # What fails half way leaves nothing, and is told.
        with tx.savepoint():
            made_id = _make(tx, caller, row, incremental=incremental)
    except (WrongStatus, VolumeExported) as error:
        if tx.now - due_at < BUSY_FOR:
            return Again(BUSY_LOOK_S, error.message)
        fault = error.message
    except (QuotaExceeded, VolumeNotFound) as error:
        fault = error.message
    told = {"made_id": made_id, "incremental": incremental, "fault": fault}
    tx.execute(insert(runs), {"schedule_id": row.id, "due_at": due_at, "ran_at": tx.now, **told})
    tx.execute(
        update(schedules)
        .where(schedules.c.id == row.id)
        .values(next_at=following(row, tx.now), unsettled=True)
    )
    if fault is not None:
        messages.record(tx, [(row.volume_id, row.action + "_by_schedule", fault)])
    audit.record(tx, caller, "run", "volume.schedule", row.id, told)
    return Again(LOOK_S, "for what it made" if made_id else "to tidy up")


def _make(tx: Tx, caller: Caller, row: Row[Any], *, incremental: bool) -> str:
    """Order it, whether or not a server uses the volume; its id."""
    name = f"{row.name or 'schedule'} {latest(row, tx.now):%Y-%m-%d %H:%M}"
    note = {"schedule_id": row.id}
    if row.action == "snapshot":
        order = snapshots.SnapshotOrder(row.volume_id, name, metadata=note, in_use=True)
        return snapshots.create(tx, caller, order).id
    backup = backups.BackupOrder(
        row.volume_id, name=name, metadata=note, incremental=incremental, in_use=True
    )
    return backups.create(tx, caller, backup).id


def _changes_alone(tx: Tx, caller: Caller, row: Row[Any]) -> bool:
    """Whether the next backup is to hold changes alone: as long as fewer such follow the last full one than
    may."""
    following_full = 0
    for run, made in _live(tx, caller, row):
        if made is None or made.status != Status.AVAILABLE:
            continue
        if not run.incremental:
            return bool(following_full < row.incrementals)
        following_full += 1
    return False


def _tidy(tx: Tx, caller: Caller, row: Row[Any]) -> str:
    """Remove what failed, and all but the newest of what did not; what there is to wait for, if anything."""
    kept, waiting = 0, ""
    over: list[Made] = []
    gone: list[str] = []
    for run, made in _live(tx, caller, row):
        if made is None:
            gone.append(run.made_id)
        elif made.status in (Status.CREATING, Status.DELETING):
            waiting = f"for {made.id}, which is {made.status}"
        elif made.status == Status.ERROR:
            _note(tx, [made.id], fault=made.fault or "It failed.")
            over.append(made)
        else:
            kept += 1
            if kept > row.keep:
                over.append(made)
    for made in over[:REMOVALS_PER_STEP]:
        if _removed(tx, caller, made):
            waiting = f"for {made.id} to be removed"
    _note(tx, gone, removed_at=tx.now)
    _forget_old(tx, row.id)
    return waiting


def _removed(tx: Tx, caller: Caller, made: Made) -> bool:
    """Order its end, unless something needs it: then it stays for now."""
    try:
        with tx.savepoint():
            if isinstance(made, Snapshot):
                snapshots.remove(tx, caller, made.id)
            else:
                backups.remove(tx, caller, made.id)
    except WrongStatus:
        return False
    return True


def _live(tx: Tx, caller: Caller, row: Row[Any]) -> list[tuple[Row[Any], Made | None]]:
    """The runs whose things are not known to be removed, the newest first, each with what it made if that is
    there."""
    mine = runs.c.schedule_id == row.id, runs.c.made_id.isnot(None), runs.c.removed_at.is_(None)
    found = tx.rows(select(runs).where(*mine).order_by(runs.c.due_at.desc()).limit(LIVE_MAX))
    ids, page = tuple(run.made_id for run in found), Page(limit=LIVE_MAX)
    there: dict[str, Made] = {}
    if row.action == "snapshot":
        there |= {one.id: one for one in snapshots.list_(tx, caller, snapshots.SnapshotFilter(ids=ids), page)}
    else:
        there |= {one.id: one for one in backups.list_(tx, caller, backups.BackupFilter(ids=ids), page)}
    return [(run, there.get(run.made_id)) for run in found]


def _note(tx: Tx, made_ids: Sequence[str], **noted: Any) -> None:
    tx.execute(update(runs).where(runs.c.made_id.in_(made_ids)).values(**noted))


def _forget_old(tx: Tx, schedule_id: str) -> None:
    """Runs that nothing is left of, beyond what is shown."""
    mine = runs.c.schedule_id == schedule_id
    newest = select(runs.c.due_at).where(mine).order_by(runs.c.due_at.desc()).offset(RUNS_SHOWN).limit(1)
    over = or_(runs.c.made_id.is_(None), runs.c.removed_at.isnot(None))
    tx.execute(delete(runs).where(mine, over, runs.c.due_at <= newest.scalar_subquery()))


def _caller(row: Row[Any]) -> Caller:
    return Caller(
        user_id=row.user_id or None,
        user_name="schedule",
        project_id=row.project_id,
        roles=frozenset({"member", "reader"}),
    )
