"""Backups of volumes and snapshots: ordering, listing, what hosts report of them, and records to import
again.

A backup is a row and, in a host's backup target, data named by `data_id`. An incremental one holds what
changed since its parent, so a parent outlives its children. It is told to the host that has the disk; a
volume is restored where its backup is.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Row, Select, delete, exists, func, insert, select, text, update

from volutus import audit, metering, placement, quota
from volutus.db import Page, Tx, paged
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.reconcile import wake, wake_many
from volutus.volume import keys
from volutus.volume.faults import BackupNotFound, WrongStatus
from volutus.volume.records import get_snapshot, lock_volume
from volutus.volume.status import GIB, Status
from volutus.volume.tables import backups
from volutus.wire import BackupObserved, BackupSpec

# The kind of work, of assignments in a host's document, and of usage.
KIND = "backup"
METER = "backup_gib"
LIST_MAX = 1000
FORCEABLE = ("available", "error")
DELETABLE = (Status.AVAILABLE, Status.ERROR)
# What a record says who can read it.
SERVICE = "cinder.backup.drivers.volutus.Directory"


class WasVolume(msgspec.Struct, frozen=True):
    """What a backup remembers of its volume."""

    name: str | None
    type_id: str
    bootable: bool
    metadata: dict[str, str]
    image_metadata: dict[str, str] | None


@dataclass(frozen=True)
class Backup:
    """`data_id` names the data in the target; `dependents` whether others need it."""

    id: str
    data_id: str
    project_id: str
    user_id: str
    volume_id: str
    snapshot_id: str | None
    name: str | None
    description: str | None
    metadata: Mapping[str, str]
    parent_id: str | None
    size_gib: int
    zone: str | None
    created_at: datetime
    updated_at: datetime | None
    made_at: datetime | None
    stored_bytes: int
    status: str
    fault: str | None
    dependents: bool
    host_id: str | None
    key_id: str | None
    encrypted: bool
    volume: WasVolume


@dataclass(frozen=True)
class BackupOrder:
    """A backup to be made; `in_use` also of a volume that a server writes to."""

    volume_id: str
    snapshot_id: str | None = None
    name: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    incremental: bool = False
    in_use: bool = False
    zone: str | None = None


@dataclass(frozen=True)
class BackupFilter:
    """Which backups a list has; None means any."""

    everyones: bool = False
    project_id: str | None = None
    name: str | None = None
    status: str | None = None
    volume_id: str | None = None
    ids: Sequence[str] | None = None


_SORTABLE = {
    "id": backups.c.id,
    "created_at": backups.c.created_at,
    "updated_at": backups.c.updated_at,
    "name": backups.c.name,
    "size": backups.c.size_gib,
}
_children = backups.alias("children")
_DEPENDENTS = exists().where(_children.c.parent_id == backups.c.id).correlate(backups)
_SELECT: Select[Any] = select(backups, _DEPENDENTS.label("dependents"))


def create(tx: Tx, caller: Caller, order: BackupOrder) -> Backup:
    """Order a backup. Raises WrongStatus, Invalid when there is nothing to be incremental to,
    QuotaExceeded."""
    copied = order.in_use or order.snapshot_id is not None
    volume = lock_volume(tx, caller, order.volume_id, exported=copied)
    allowed = (Status.AVAILABLE, *((Status.IN_USE,) if order.in_use else ()))
    disk_id, size_gib, protected = volume.id, volume.size_gib, (volume.key_id, volume.encrypted)
    if order.snapshot_id is not None:
        snapshot = get_snapshot(tx, caller, order.snapshot_id)
        if snapshot.volume_id != volume.id:
            raise Invalid("The snapshot is not one of the volume.", field="snapshot_id")
        allowed, disk_id, size_gib = (*allowed, Status.IN_USE), snapshot.id, snapshot.size_gib
        protected = snapshot.key_id, snapshot.encrypted
        if snapshot.status != Status.AVAILABLE:
            raise WrongStatus(f"Invalid snapshot: Snapshot {snapshot.id} is {snapshot.status}.")
    if volume.status not in allowed:
        forced = ": detach it, or ask with `force`." if volume.status == Status.IN_USE else "."
        raise WrongStatus(
            f"Invalid volume: Volume {volume.id} to be backed up must be {' or '.join(allowed)}, but is "
            f"{volume.status}{forced}"
        )
    parent_id = _parent(tx, volume.id, protected[1]) if order.incremental else None
    quota.charge(tx, volume.project_id, {"backups": 1, "backup_gigabytes": size_gib})
    backup_id = tx.ids.uuid()
    was = WasVolume(
        volume.name,
        volume.type_id,
        volume.bootable,
        dict(volume.metadata),
        dict(volume.image_metadata) if volume.image_metadata is not None else None,
    )
    tx.execute(
        insert(backups),
        {
            "id": backup_id,
            "data_id": backup_id,
            "project_id": volume.project_id,
            "user_id": caller.user_id or "",
            "volume_id": volume.id,
            "snapshot_id": order.snapshot_id,
            "disk_id": disk_id,
            "parent_id": parent_id,
            "name": order.name,
            "description": order.description,
            "metadata": dict(order.metadata),
            "volume": msgspec.to_builtins(was),
            "key_id": protected[0] if protected[1] else None,
            "encrypted": protected[1],
            "size_gib": size_gib,
            "zone": order.zone or volume.zone,
            "created_at": tx.now,
        },
    )
    wake(tx, KIND, backup_id)
    audit.record(tx, caller, "create", "volume.backup", backup_id, {"volume_id": volume.id})
    return get(tx, caller, backup_id)


def get(tx: Tx, caller: Caller, backup_id: str, *, lock: bool = False) -> Backup:
    """A backup of the caller's. Raises BackupNotFound."""
    statement = _SELECT.where(backups.c.id == backup_id)
    row = tx.row(statement.with_for_update(of=backups) if lock else statement)
    if row is None or not caller.sees(row.project_id):
        raise BackupNotFound(f"Backup {backup_id} could not be found.")
    return _backup(row)


def get_usable(tx: Tx, caller: Caller, backup_id: str) -> Backup:
    """One that can be restored, which nobody removes before this transaction ends. Raises WrongStatus."""
    found = get(tx, caller, backup_id, lock=True)
    if found.status != Status.AVAILABLE:
        raise WrongStatus(f"Invalid backup: Backup {backup_id} must be available, but is {found.status}.")
    return found


def list_(tx: Tx, caller: Caller, wanted: BackupFilter, page: Page) -> list[Backup]:
    """Backups in pages."""
    statement = _filtered(_SELECT, caller, wanted)
    return [_backup(row) for row in tx.rows(paged(tx, statement, page, _SORTABLE, backups.c.id))]


def count(tx: Tx, caller: Caller, wanted: BackupFilter) -> int:
    """How many backups a filter has."""
    return int(tx.value(_filtered(select(func.count()).select_from(backups), caller, wanted)))


def change(tx: Tx, caller: Caller, backup_id: str, changes: Mapping[str, Any]) -> Backup:
    """Set `name`, `description` or `metadata`."""
    get(tx, caller, backup_id)
    tx.execute(update(backups).where(backups.c.id == backup_id).values(**changes, updated_at=tx.now))
    audit.record(tx, caller, "update", "volume.backup", backup_id, {"fields": sorted(changes)})
    return get(tx, caller, backup_id)


def remove(tx: Tx, caller: Caller, backup_id: str, *, force: bool = False) -> None:
    """Order a backup's end. Raises WrongStatus while incremental ones depend on it."""
    found = get(tx, caller, backup_id, lock=True)
    if found.status == Status.DELETING:
        return
    if found.status not in DELETABLE and not force:
        raise WrongStatus(f"Invalid backup: Backup status must be available or error, but is {found.status}.")
    if found.dependents:
        raise WrongStatus("Invalid backup: Incremental backups exist for this backup: delete them first.")
    tx.execute(update(backups).where(backups.c.id == backup_id).values(removed_at=tx.now, forced_status=None))
    metering.close_usage(tx, KIND, [backup_id])
    wake(tx, KIND, backup_id)
    audit.record(tx, caller, "delete", "volume.backup", backup_id)


def force_status(tx: Tx, caller: Caller, backup_id: str, status: str) -> None:
    """For operators: show this status whatever is known, or, with the true one, no longer."""
    if status not in FORCEABLE:
        raise Invalid(f"A backup's status can be reset to {' or '.join(FORCEABLE)}.", field="status")
    get(tx, caller, backup_id, lock=True)
    tx.execute(update(backups).where(backups.c.id == backup_id).values(forced_status=None))
    if get(tx, caller, backup_id).status != status:
        tx.execute(update(backups).where(backups.c.id == backup_id).values(forced_status=status))
    audit.record(tx, caller, "reset_status", "volume.backup", backup_id, {"status": status})


_RECORDED = (
    "id",
    "data_id",
    "volume_id",
    "snapshot_id",
    "disk_id",
    "parent_id",
    "name",
    "description",
    "metadata",
    "volume",
    "key_id",
    "encrypted",
    "size_gib",
    "zone",
    "host_id",
    "stored_bytes",
)


def export_record(tx: Tx, caller: Caller, backup_id: str) -> tuple[str, str]:
    """(service, record) by which the backup can be known again after the row is lost. The key of an encrypted
    backup is not in it."""
    if get(tx, caller, backup_id).status != Status.AVAILABLE:
        raise WrongStatus(f"Invalid backup: Backup {backup_id} must be available to be exported.")
    row = tx.row(select(backups).where(backups.c.id == backup_id))
    document = {name: row._mapping[name] for name in _RECORDED} if row is not None else {}
    return SERVICE, base64.b64encode(json.dumps(document).encode()).decode()


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    data_id: str
    volume_id: str
    disk_id: str
    size_gib: int
    volume: WasVolume
    host_id: str
    snapshot_id: str | None = None
    parent_id: str | None = None
    name: str | None = None
    description: str | None = None
    metadata: dict[str, str] = {}
    key_id: str | None = None
    encrypted: bool = False
    zone: str | None = None
    stored_bytes: int = 0


def import_record(tx: Tx, caller: Caller, service: str, record: str) -> Backup:
    """Know a backup again by its record; it is the caller's project's. Raises Invalid."""
    if service != SERVICE:
        raise Invalid(f"Import of backups of {service} is not offered.", field="backup_service")
    try:
        found = msgspec.json.decode(base64.b64decode(record, validate=True), type=_Record)
    except (ValueError, msgspec.DecodeError) as error:
        raise Invalid("The record is not one that was exported here.", field="backup_url") from error
    if tx.row(select(backups.c.id).where(backups.c.id == found.id)) is not None:
        raise Invalid(f"Backup {found.id} is there already.", field="backup_url")
    placement.hosts.get(tx, found.host_id)
    project_id = caller.own_project()
    quota.charge(tx, project_id, {"backups": 1, "backup_gigabytes": found.size_gib})
    values = msgspec.to_builtins(found)
    more = {"project_id": project_id, "user_id": caller.user_id or "", "created_at": tx.now}
    more |= {"made_at": tx.now, "assigned_at": tx.now}
    tx.execute(insert(backups), {**values, **more})
    audit.record(tx, caller, "import", "volume.backup", found.id)
    return get(tx, caller, found.id)


def assign(tx: Tx, row: Row[Any], host_id: str) -> None:
    """Tell the host that has the disk."""
    parent = (
        tx.value(select(backups.c.data_id).where(backups.c.id == row.parent_id)) if row.parent_id else None
    )
    placement.assign(
        tx, host_id, KIND, row.data_id, BackupSpec(id=row.data_id, disk_id=row.disk_id, parent_id=parent)
    )
    told = {"host_id": host_id, "assigned_at": tx.now}
    tx.execute(update(backups).where(backups.c.id == row.id).values(**told))


_OBSERVE = text(
    """
    UPDATE volume_backups b SET
        made_at = CASE WHEN o.ready THEN coalesce(b.made_at, :now) ELSE b.made_at END,
        updated_at = CASE WHEN o.ready AND b.made_at IS NULL THEN :now ELSE b.updated_at END,
        stored_bytes = o.stored_bytes, fault = o.fault, fault_detail = o.detail,
        fault_at = CASE WHEN o.fault IS NULL THEN NULL ELSE coalesce(b.fault_at, :now) END
    FROM unnest(CAST(:ids AS text[]), CAST(:readies AS boolean[]), CAST(:bytes AS bigint[]),
                CAST(:faults AS text[]), CAST(:details AS text[]))
         AS o(id, ready, stored_bytes, fault, detail),
         volume_backups before
    WHERE b.data_id = o.id AND before.id = b.id AND b.host_id = :host_id
    RETURNING b.id, b.project_id, b.size_gib, b.made_at, b.removed_at, before.made_at AS made_before,
        b.stored_bytes
    """
)


def record_observed(tx: Tx, host_id: str, observed: Sequence[BackupObserved], gone: Sequence[str]) -> None:
    """Store a host's report."""
    for data_id in gone:
        placement.forget(tx, host_id, KIND, data_id)
    removed = backups.c.removed_at.isnot(None) & backups.c.data_id.in_(gone) & (backups.c.host_id == host_id)
    if gone:
        finish_removal(tx, [row.id for row in tx.rows(select(backups.c.id).where(removed).limit(LIST_MAX))])
    if not observed:
        return
    values: dict[str, Any] = {
        "now": tx.now,
        "host_id": host_id,
        "ids": [one.id for one in observed],
        "readies": [one.ready for one in observed],
        "bytes": [one.stored_bytes for one in observed],
        "faults": [one.fault for one in observed],
        "details": [one.fault_detail for one in observed],
    }
    rows = tx.rows(_OBSERVE, values)
    made = [row for row in rows if row.made_at and not row.made_before and not row.removed_at]
    # An incremental one takes what changed since the one before it.
    usage = [metering.Usage(row.project_id, KIND, row.id, METER, _stored_gib(row)) for row in made]
    metering.open_usage(tx, usage)
    wake_many(tx, KIND, [row.id for row in rows])


def _stored_gib(row: Row[Any]) -> Decimal:
    return Decimal(row.stored_bytes) / GIB


def finish_removal(tx: Tx, backup_ids: Sequence[str]) -> None:
    """Nothing is left of these: give back the quota, and forget them."""
    rows = tx.rows(delete(backups).where(backups.c.id.in_(backup_ids)).returning(backups))
    for row in rows:
        quota.release(tx, row.project_id, {"backups": 1, "backup_gigabytes": row.size_gib})
    keys.drop_unused(tx, [row.key_id for row in rows if row.key_id])
    wake_many(tx, KIND, [row.parent_id for row in rows if row.parent_id])


def shares_data(tx: Tx, row: Row[Any]) -> bool:
    """Whether another record has the same data."""
    others = select(backups.c.id).where(backups.c.data_id == row.data_id, backups.c.id != row.id)
    return tx.row(others.limit(1)) is not None


def _parent(tx: Tx, volume_id: str, encrypted: bool) -> str:
    mine = backups.c.volume_id == volume_id, backups.c.removed_at.is_(None), backups.c.made_at.isnot(None)
    newest = select(backups.c.id).where(*mine, backups.c.encrypted == encrypted)
    found: str | None = tx.value(newest.order_by(backups.c.created_at.desc(), backups.c.id).limit(1))
    if found is None:
        raise Invalid(
            "Invalid backup: No backups available to do an incremental backup.", field="incremental"
        )
    return found


def _filtered(statement: Any, caller: Caller, wanted: BackupFilter) -> Any:
    conditions: list[Any] = []
    if not (caller.is_admin and wanted.everyones):
        conditions.append(backups.c.project_id == caller.own_project())
    elif wanted.project_id is not None:
        conditions.append(backups.c.project_id == wanted.project_id)
    equal = {backups.c.name: wanted.name, backups.c.volume_id: wanted.volume_id}
    conditions += [column == value for column, value in equal.items() if value is not None]
    if wanted.status is not None:
        conditions.append(_has_status(wanted.status))
    if wanted.ids is not None:
        conditions.append(backups.c.id.in_(wanted.ids))
    return statement.where(*conditions)


def _has_status(status: str) -> Any:
    """`_status` as a condition."""
    failed = backups.c.failure.isnot(None)
    made = backups.c.made_at.isnot(None)
    alive = backups.c.removed_at.is_(None) & backups.c.forced_status.is_(None)
    true = {
        Status.DELETING: backups.c.removed_at.isnot(None),
        Status.ERROR: alive & failed & ~made,
        Status.AVAILABLE: alive & made,
        Status.CREATING: alive & ~failed & ~made,
    }
    forced = backups.c.removed_at.is_(None) & (backups.c.forced_status == status)
    return forced | true[Status(status)] if status in true else forced


def _backup(row: Row[Any]) -> Backup:
    computed = ("status", "fault", "volume")
    values = {name: row._mapping[name] for name in Backup.__dataclass_fields__ if name not in computed}
    was = msgspec.convert(row.volume, WasVolume)
    return Backup(**values, status=_status(row), fault=row.failure, volume=was)


def _status(row: Row[Any]) -> str:
    if row.removed_at is not None:
        return Status.DELETING
    if row.forced_status:
        return str(row.forced_status)
    if row.made_at is not None:
        return Status.AVAILABLE
    return Status.ERROR if row.failure is not None else Status.CREATING
