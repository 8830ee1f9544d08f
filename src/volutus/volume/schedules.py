"""Schedules: snapshots or backups of a volume every so many hours, of which the newest are kept.

A schedule is due at `starts_at` and every `every_hours` after it. What it made is in its runs, one for each
moment at which it was due; it removes nothing else. Those moments that passed while nobody could act are
made up for by one run. What is left of a schedule that is removed, or of a volume that changes hands, belongs
to the tenant like what was made by hand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from volutus import audit
from volutus.db import Page, Tx, paged
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.reconcile import wake
from volutus.volume.faults import ScheduleNotFound, TooManySchedules
from volutus.volume.records import lock_volume
from volutus.volume.tables import schedule_runs, schedules

# The kind of work; keys are ids of schedules.
KIND = "volume_schedule"
ACTIONS = ("snapshot", "backup")
HOURS_MAX = 8784
# With what incremental ones need, all that a schedule has fits in one page.
KEEP_MAX = 400
INCREMENTALS_MAX = 100
# Hourly, daily, weekly and monthly ones of both kinds.
PER_VOLUME_MAX = 8
RUNS_SHOWN = 100
# Further ahead than anybody plans; and it keeps sums of dates within what a date can be.
STARTS_WITHIN = timedelta(days=3660)


@dataclass(frozen=True)
class Schedule:
    """`keep`: how many stay. `incrementals`: how many backups that hold only changes follow a full one; what
    they need stays with them."""

    id: str
    volume_id: str
    project_id: str
    user_id: str
    name: str | None
    action: str
    every_hours: int
    starts_at: datetime
    keep: int
    incrementals: int
    enabled: bool
    next_at: datetime
    created_at: datetime
    updated_at: datetime | None


@dataclass(frozen=True)
class Run:
    """What became of one moment: `made_id` is the snapshot or backup, `fault` why there is none, or why it
    could not be used; `removed_at` when it was removed, by whomever."""

    due_at: datetime
    ran_at: datetime
    made_id: str | None
    incremental: bool
    fault: str | None
    removed_at: datetime | None


@dataclass(frozen=True)
class ScheduleOrder:
    """A schedule to be made; it starts now if nothing is said."""

    volume_id: str
    action: str
    every_hours: int
    keep: int
    name: str | None = None
    starts_at: datetime | None = None
    incrementals: int = 0
    enabled: bool = True


_SORTABLE = {"id": schedules.c.id, "created_at": schedules.c.created_at, "name": schedules.c.name}


def create(tx: Tx, caller: Caller, order: ScheduleOrder) -> Schedule:
    """Make a schedule. Raises Invalid, VolumeNotFound, TooManySchedules."""
    volume = lock_volume(tx, caller, order.volume_id, exported=True)
    if order.action not in ACTIONS:
        raise Invalid(f"A schedule's action is {' or '.join(ACTIONS)}.", field="action")
    values = {
        "every_hours": order.every_hours,
        "keep": order.keep,
        "incrementals": order.incrementals,
        "starts_at": order.starts_at or tx.now,
        "enabled": order.enabled,
    }
    _check(tx, order.action, values)
    there = select(func.count()).select_from(schedules).where(schedules.c.volume_id == volume.id)
    if tx.value(there) >= PER_VOLUME_MAX:
        raise TooManySchedules(f"Volume {volume.id} has {PER_VOLUME_MAX} schedules, which is the most.")
    schedule_id = tx.ids.uuid()
    whose = {"project_id": volume.project_id, "user_id": caller.user_id or "", "volume_id": volume.id}
    values |= {"id": schedule_id, "name": order.name, "action": order.action, "created_at": tx.now, **whose}
    tx.execute(insert(schedules), {**values, "next_at": _next(values, tx.now)})
    wake(tx, KIND, schedule_id)
    audit.record(tx, caller, "create", "volume.schedule", schedule_id, {"volume_id": volume.id})
    return get(tx, caller, schedule_id)


def get(tx: Tx, caller: Caller, schedule_id: str, *, lock: bool = False) -> Schedule:
    """A schedule of the caller's. Raises ScheduleNotFound."""
    statement = select(schedules).where(schedules.c.id == schedule_id)
    row = tx.row(statement.with_for_update() if lock else statement)
    if row is None or not caller.sees(row.project_id):
        raise ScheduleNotFound(f"Schedule {schedule_id} could not be found.")
    return _schedule(row)


def list_(tx: Tx, caller: Caller, page: Page, *, volume_id: str | None = None) -> list[Schedule]:
    """Schedules of the caller's project in pages."""
    statement = select(schedules).where(schedules.c.project_id == caller.own_project())
    if volume_id is not None:
        statement = statement.where(schedules.c.volume_id == volume_id)
    return [_schedule(row) for row in tx.rows(paged(tx, statement, page, _SORTABLE, schedules.c.id))]


def runs(tx: Tx, schedule_id: str) -> Sequence[Run]:
    """The newest runs of a schedule, the newest first."""
    statement = select(schedule_runs).where(schedule_runs.c.schedule_id == schedule_id)
    rows = tx.rows(statement.order_by(schedule_runs.c.due_at.desc()).limit(RUNS_SHOWN))
    return [Run(**{name: row._mapping[name] for name in Run.__dataclass_fields__}) for row in rows]


def change(tx: Tx, caller: Caller, schedule_id: str, changes: Mapping[str, Any]) -> Schedule:
    """Set `name`, `every_hours`, `starts_at`, `keep`, `incrementals` or `enabled`. What was due before is not
    made up for when it is enabled again. Raises Invalid."""
    found = get(tx, caller, schedule_id, lock=True)
    values = {name: getattr(found, name) for name in ("every_hours", "keep", "incrementals", "enabled")}
    values = {**values, "starts_at": found.starts_at, **changes}
    _check(tx, found.action, {**values, "starts_at": changes.get("starts_at", tx.now)})
    moved = any(name in changes for name in ("every_hours", "starts_at", "enabled"))
    more = {"next_at": _next(values, tx.now)} if moved else {}
    where = schedules.c.id == schedule_id
    tx.execute(update(schedules).where(where).values(**changes, **more, unsettled=True, updated_at=tx.now))
    wake(tx, KIND, schedule_id)
    audit.record(tx, caller, "update", "volume.schedule", schedule_id, {"fields": sorted(changes)})
    return get(tx, caller, schedule_id)


def remove(tx: Tx, caller: Caller, schedule_id: str) -> None:
    """End a schedule; what it made stays."""
    found = get(tx, caller, schedule_id, lock=True)
    tx.execute(delete(schedules).where(schedules.c.id == schedule_id))
    audit.record(tx, caller, "delete", "volume.schedule", schedule_id, {"volume_id": found.volume_id})


def forget(tx: Tx, caller: Caller, volume_id: str) -> None:
    """A volume changes hands: its schedules were its old owner's."""
    for row in tx.rows(delete(schedules).where(schedules.c.volume_id == volume_id).returning(schedules.c.id)):
        audit.record(tx, caller, "delete", "volume.schedule", row.id, {"volume_id": volume_id})


def following(schedule: Row[Any], now: datetime) -> datetime:
    """The first moment after now at which it is due."""
    after = _next(dict(schedule._mapping), now)
    return after if after > now else after + timedelta(hours=int(schedule.every_hours))


def latest(schedule: Row[Any], now: datetime) -> datetime:
    """The last moment up to now at which it was due, given that it is."""
    due_at: datetime = schedule.next_at
    return max(following(schedule, now) - timedelta(hours=int(schedule.every_hours)), due_at)


def _next(schedule: Mapping[str, Any], now: datetime) -> datetime:
    """The first moment that is not before now."""
    start: datetime = schedule["starts_at"]
    every = timedelta(hours=int(schedule["every_hours"]))
    return start + -((start - now) // every) * every if start < now else start


def _check(tx: Tx, action: str, values: Mapping[str, Any]) -> None:
    bounds = {"every_hours": (1, HOURS_MAX), "keep": (1, KEEP_MAX), "incrementals": (0, INCREMENTALS_MAX)}
    for field, (least, most) in bounds.items():
        if not least <= values[field] <= most:
            raise Invalid(f"{field} is a whole number from {least} to {most}.", field=field)
    if values["incrementals"] and action != "backup":
        raise Invalid("Only backups can be incremental.", field="incrementals")
    if abs(values["starts_at"] - tx.now) > STARTS_WITHIN:
        raise Invalid("starts_at is more than ten years away.", field="starts_at")


def _schedule(row: Row[Any]) -> Schedule:
    return Schedule(**{name: row._mapping[name] for name in Schedule.__dataclass_fields__})
