"""Snapshots of all volumes of a group, and groups that are made of such a snapshot or of another group."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, exists, insert, select, update

from volutus import audit
from volutus.db import Page, Tx, paged
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.volume import disks as disk_orders
from volutus.volume import groups, snapshots, volumes
from volutus.volume.faults import GroupSnapshotNotFound, WrongStatus
from volutus.volume.groups import Group, GroupOrder
from volutus.volume.records import get_snapshot, get_volume
from volutus.volume.snapshots import SnapshotOrder
from volutus.volume.status import Status
from volutus.volume.tables import disks, group_snapshots
from volutus.volume.tables import snapshots as snapshot_rows
from volutus.volume.tables import volumes as volume_rows
from volutus.volume.volumes import VolumeOrder

FORCEABLE = ("creating", "available", "error", "error_deleting", "deleting")


@dataclass(frozen=True)
class GroupSnapshot:
    """All snapshots of one moment of a group's volumes."""

    id: str
    group_id: str
    group_type_id: str
    project_id: str
    user_id: str
    name: str | None
    description: str | None
    created_at: datetime
    status: str


_SORTABLE = {
    "id": group_snapshots.c.id,
    "created_at": group_snapshots.c.created_at,
    "name": group_snapshots.c.name,
}


def _has(condition: Any) -> Any:
    mine = snapshot_rows.join(disks, disks.c.id == snapshot_rows.c.id)
    statement = exists().select_from(mine)
    statement = statement.where(snapshot_rows.c.group_snapshot_id == group_snapshots.c.id, condition)
    return statement.correlate(group_snapshots)


_SELECT: Select[Any] = select(
    group_snapshots,
    _has(disks.c.made_at.is_(None)).label("making"),
    _has(~disks.c.ready & (disks.c.failure.isnot(None) | disks.c.fault.isnot(None))).label("broken"),
)


def create(tx: Tx, caller: Caller, group_id: str, name: str | None, description: str | None) -> GroupSnapshot:
    """Order a snapshot of each volume of the group. Raises Invalid for an empty group, WrongStatus."""
    group = groups.get(tx, caller, group_id)
    if group.status != Status.AVAILABLE:
        raise WrongStatus(f"Invalid group: Group {group_id} is {group.status}.")
    inside = groups.members(tx, [group_id])[group_id]
    if not inside:
        raise Invalid(f"Invalid group: Group {group_id} is empty.", field="group_id")
    made_id = tx.ids.uuid()
    tx.execute(
        insert(group_snapshots),
        {
            "id": made_id,
            "group_id": group_id,
            "group_type_id": group.group_type_id,
            "project_id": group.project_id,
            "user_id": caller.user_id or "",
            "name": name,
            "description": description,
            "created_at": tx.now,
        },
    )
    for volume_id in inside:
        order = SnapshotOrder(volume_id, name, description, in_use=True, group_snapshot_id=made_id)
        snapshots.create(tx, caller, order)
    audit.record(tx, caller, "create", "volume.group_snapshot", made_id, {"group_id": group_id})
    return get(tx, caller, made_id)


def get(tx: Tx, caller: Caller, group_snapshot_id: str) -> GroupSnapshot:
    """One of the caller's. Raises GroupSnapshotNotFound."""
    row = tx.row(_SELECT.where(group_snapshots.c.id == group_snapshot_id))
    if row is None or not caller.sees(row.project_id):
        raise GroupSnapshotNotFound(f"GroupSnapshot {group_snapshot_id} could not be found.")
    return _group_snapshot(row)


def list_(tx: Tx, caller: Caller, page: Page, *, everyones: bool = False) -> list[GroupSnapshot]:
    """Those of the caller's project; an administrator may ask for everyone's."""
    statement = _SELECT
    if not (everyones and caller.is_admin):
        statement = statement.where(group_snapshots.c.project_id == caller.own_project())
    rows = tx.rows(paged(tx, statement, page, _SORTABLE, group_snapshots.c.id))
    return [_group_snapshot(row) for row in rows]


def remove(tx: Tx, caller: Caller, group_snapshot_id: str) -> None:
    """Order the end of all its snapshots."""
    found = get(tx, caller, group_snapshot_id)
    if found.status == Status.CREATING:
        raise WrongStatus("Invalid group snapshot: it is still being made.")
    ids = _snapshots(tx, group_snapshot_id)
    mine = group_snapshots.c.id == group_snapshot_id
    tx.execute(update(group_snapshots).where(mine).values(removed_at=tx.now, forced_status=None))
    disk_orders.remove(tx, ids)
    if not ids:
        disk_orders.drop_empty_groups(tx)
    audit.record(tx, caller, "delete", "volume.group_snapshot", group_snapshot_id)


def force_status(tx: Tx, caller: Caller, group_snapshot_id: str, status: str) -> None:
    """For operators: show this status whatever is known; `available` shows the true one again."""
    if status not in FORCEABLE:
        raise Invalid(f"There is no group snapshot status {status!r}.", field="status")
    get(tx, caller, group_snapshot_id)
    forced = None if status == Status.AVAILABLE else status
    mine = group_snapshots.c.id == group_snapshot_id
    tx.execute(update(group_snapshots).where(mine).values(forced_status=forced))
    audit.record(tx, caller, "reset_status", "volume.group_snapshot", group_snapshot_id, {"status": status})


def copy_group(tx: Tx, caller: Caller, order: GroupOrder) -> Group:
    """Make a group of a group snapshot or of another group, with a volume for each of theirs. Types are the
    source's. Raises Invalid unless just one source is named."""
    if (order.group_snapshot_id is None) == (order.source_group_id is None):
        raise Invalid("A group is made from either a group snapshot or a group.", field="create-from-src")
    if order.group_snapshot_id is not None:
        origin = groups.get(tx, caller, get(tx, caller, order.group_snapshot_id).group_id)
        sources = [_of_snapshot(tx, caller, one) for one in _snapshots(tx, order.group_snapshot_id)]
    else:
        origin = groups.get(tx, caller, str(order.source_group_id))
        inside = groups.members(tx, [origin.id])[origin.id]
        sources = [_of_volume(tx, caller, one) for one in inside]
    wanted = replace(order, group_type=origin.group_type_id, types=origin.type_ids, zone=origin.zone)
    made = groups.create(tx, caller, wanted)
    for source in sources:
        volumes.create(tx, caller, replace(source, group_id=made.id))
    return groups.get(tx, caller, made.id)


def _of_snapshot(tx: Tx, caller: Caller, snapshot_id: str) -> VolumeOrder:
    snapshot = get_snapshot(tx, caller, snapshot_id)
    volume = get_volume(tx, caller, snapshot.volume_id)
    return VolumeOrder(snapshot.size_gib, volume.name, type=volume.type_id, snapshot_id=snapshot_id)


def _of_volume(tx: Tx, caller: Caller, volume_id: str) -> VolumeOrder:
    volume = get_volume(tx, caller, volume_id)
    return VolumeOrder(volume.size_gib, volume.name, type=volume.type_id, source_volume_id=volume_id)


def _snapshots(tx: Tx, group_snapshot_id: str) -> Sequence[str]:
    statement = (
        select(snapshot_rows.c.id)
        .join(volume_rows, volume_rows.c.id == snapshot_rows.c.volume_id)
        .where(snapshot_rows.c.group_snapshot_id == group_snapshot_id)
        .order_by(volume_rows.c.created_at, snapshot_rows.c.id)
    )
    return [row.id for row in tx.rows(statement.limit(groups.VOLUMES_MAX))]


def _group_snapshot(row: Row[Any]) -> GroupSnapshot:
    values = {name: row._mapping[name] for name in GroupSnapshot.__dataclass_fields__ if name != "status"}
    return GroupSnapshot(**values, status=_status(row))


def _status(row: Row[Any]) -> str:
    if row.removed_at is not None:
        return Status.DELETING
    if row.forced_status:
        return str(row.forced_status)
    if row.broken:
        return Status.ERROR
    return Status.CREATING if row.making else Status.AVAILABLE
