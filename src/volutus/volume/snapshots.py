"""Snapshots: a volume as it was at one instant, kept as a disk of its own.

A snapshot is a full copy on the same host, so it outlives nothing but itself: neither the volume nor what
was made from the snapshot depends on it afterwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, insert, select, update

from volutus import audit, quota
from volutus.db import Page, Tx, paged
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.volume import disks as disk_orders
from volutus.volume.faults import AlreadyExists, WrongStatus
from volutus.volume.records import SELECT_SNAPSHOTS, Snapshot, get_snapshot, lock_volume, snapshot_of
from volutus.volume.status import Status, snapshot_status_sql
from volutus.volume.tables import disks, snapshots
from volutus.wire import DiskSource

# What a snapshot may be in to be deleted.
DELETABLE = (Status.AVAILABLE, Status.ERROR, Status.ERROR_DELETING)
FORCEABLE = (Status.CREATING, Status.AVAILABLE, Status.DELETING, Status.ERROR, Status.ERROR_DELETING)


@dataclass(frozen=True)
class SnapshotOrder:
    """A snapshot to be made; `in_use` also of a volume that a server writes to. Its `id` may be chosen by who
    is trusted to."""

    volume_id: str
    name: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    in_use: bool = False
    group_snapshot_id: str | None = None
    id: str | None = None


@dataclass(frozen=True)
class SnapshotFilter:
    """Which snapshots a list has; None means any."""

    everyones: bool = False
    project_id: str | None = None
    name: str | None = None
    status: str | None = None
    volume_id: str | None = None
    ids: tuple[str, ...] | None = None
    metadata: Mapping[str, str] | None = None


_SORTABLE = {
    "id": snapshots.c.id,
    "created_at": snapshots.c.created_at,
    "updated_at": snapshots.c.updated_at,
    "name": snapshots.c.name,
    "display_name": snapshots.c.name,
    "volume_id": snapshots.c.volume_id,
    "volume_size": disks.c.size_gib,
    "status": snapshot_status_sql(),
}


def create(tx: Tx, caller: Caller, order: SnapshotOrder) -> Snapshot:
    """Order a snapshot. Raises WrongStatus, QuotaExceeded, AlreadyExists for an id that is taken."""
    volume = lock_volume(tx, caller, order.volume_id, exported=order.in_use)
    allowed = (Status.AVAILABLE, *((Status.IN_USE,) if order.in_use else ()))
    if volume.status not in allowed:
        raise WrongStatus(
            f"Invalid volume: Volume {volume.id} status must be {' or '.join(allowed)}, but current status "
            f"is: {volume.status}."
        )
    if order.id is not None and tx.value(select(disks.c.id).where(disks.c.id == order.id)) is not None:
        raise AlreadyExists(f"There is a disk {order.id} already.")
    amounts = {"snapshots": 1, "gigabytes": volume.size_gib}
    quota.charge(tx, volume.project_id, disk_orders.by_type(volume.type_id, amounts))
    snapshot_id, user_id = order.id or tx.ids.uuid(), caller.user_id or ""
    source = DiskSource(disk_id=volume.id)
    disk_orders.order(
        tx,
        disk_orders.DiskOrder(
            id=snapshot_id,
            project_id=volume.project_id,
            user_id=user_id,
            size_gib=volume.size_gib,
            zone=volume.zone,
            source=source,
            pool=volume.pool,
            key_id=volume.key_id,
            encrypted=volume.encrypted,
        ),
    )
    tx.execute(
        insert(snapshots),
        {
            "id": snapshot_id,
            "volume_id": volume.id,
            "project_id": volume.project_id,
            "user_id": user_id,
            "name": order.name,
            "description": order.description,
            "metadata": dict(order.metadata),
            "created_at": tx.now,
            "group_snapshot_id": order.group_snapshot_id,
        },
    )
    audit.record(tx, caller, "create", "volume.snapshot", snapshot_id, {"volume_id": volume.id})
    return get_snapshot(tx, caller, snapshot_id)


def list_(tx: Tx, caller: Caller, wanted: SnapshotFilter, page: Page) -> list[Snapshot]:
    """Snapshots in pages, in one statement (two with a marker)."""
    statement = SELECT_SNAPSHOTS.where(*_whose(caller, wanted))
    rows = tx.rows(paged(tx, statement, page, _SORTABLE, snapshots.c.id, _filters(wanted)))
    return [snapshot_of(row) for row in rows]


def count(tx: Tx, caller: Caller, wanted: SnapshotFilter) -> int:
    """How many snapshots a filter has."""
    statement = select(func.count()).select_from(snapshots.join(disks, disks.c.id == snapshots.c.id))
    return int(tx.value(statement.where(*_whose(caller, wanted), *_filters(wanted))))


def change(tx: Tx, caller: Caller, snapshot_id: str, changes: Mapping[str, Any]) -> Snapshot:
    """Set `name`, `description` or `metadata`."""
    get_snapshot(tx, caller, snapshot_id)
    _set(tx, snapshot_id, **changes)
    audit.record(tx, caller, "update", "volume.snapshot", snapshot_id, {"fields": sorted(changes)})
    return get_snapshot(tx, caller, snapshot_id)


def remove(tx: Tx, caller: Caller, snapshot_id: str, *, force: bool = False) -> None:
    """Order a snapshot's end. Raises WrongStatus."""
    snapshot = get_snapshot(tx, caller, snapshot_id, lock=True)
    if snapshot.removed and not force:
        return
    if snapshot.status not in DELETABLE and not force:
        raise WrongStatus(
            "Invalid snapshot: Snapshot status must be available or error, but is " + snapshot.status
        )
    _set(tx, snapshot_id, forced_status=None)
    disk_orders.remove(tx, [snapshot_id])
    audit.record(tx, caller, "delete", "volume.snapshot", snapshot_id)


def force_status(tx: Tx, caller: Caller, snapshot_id: str, status: str, progress: str | None = None) -> None:
    """For operators: show this status and progress whatever is known, or, with the true one, no longer."""
    if status not in FORCEABLE:
        raise Invalid(f"There is no snapshot status {status!r}.", field="status")
    get_snapshot(tx, caller, snapshot_id, lock=True)
    _set(tx, snapshot_id, forced_status=None, forced_progress=progress)
    if get_snapshot(tx, caller, snapshot_id).status != status:
        _set(tx, snapshot_id, forced_status=status)
    audit.record(tx, caller, "reset_status", "volume.snapshot", snapshot_id, {"status": status})


def _whose(caller: Caller, wanted: SnapshotFilter) -> list[Any]:
    if not (caller.is_admin and wanted.everyones):
        return [snapshots.c.project_id == caller.own_project()]
    return [] if wanted.project_id is None else [snapshots.c.project_id == wanted.project_id]


def _filters(wanted: SnapshotFilter) -> list[Any]:
    conditions: list[Any] = []
    if wanted.name is not None:
        conditions.append(snapshots.c.name == wanted.name)
    if wanted.volume_id is not None:
        conditions.append(snapshots.c.volume_id == wanted.volume_id)
    if wanted.status is not None:
        conditions.append(snapshot_status_sql() == wanted.status)
    if wanted.metadata is not None:
        conditions.append(snapshots.c.metadata.contains(dict(wanted.metadata)))
    if wanted.ids is not None:
        conditions.append(snapshots.c.id.in_(wanted.ids))
    return conditions


def _set(tx: Tx, snapshot_id: str, **changes: Any) -> None:
    tx.execute(update(snapshots).where(snapshots.c.id == snapshot_id).values(**changes, updated_at=tx.now))
