"""Groups of volumes: what is snapshotted, copied and removed together."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, bindparam, exists, func, insert, select, update

from volutus import audit, quota
from volutus.db import Page, Tx, paged
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.volume import disks as disk_orders
from volutus.volume import group_types, types
from volutus.volume.faults import GroupNotFound, WrongStatus
from volutus.volume.records import Volume, lock_volume, require_not_exported, volumes_where
from volutus.volume.status import Status
from volutus.volume.tables import disks, group_snapshots, groups, volumes

VOLUMES_MAX = 1000
FORCEABLE = ("creating", "available", "error", "error_deleting", "in-use", "updating", "deleting")


@dataclass(frozen=True)
class Group:
    """`type_ids` are the volume types that its volumes may have."""

    id: str
    project_id: str
    user_id: str
    name: str | None
    description: str | None
    zone: str | None
    group_type_id: str
    type_ids: Sequence[str]
    group_snapshot_id: str | None
    source_group_id: str | None
    created_at: datetime
    status: str


@dataclass(frozen=True)
class GroupOrder:
    """A group to be made, of types by name or id."""

    group_type: str
    types: Sequence[str]
    name: str | None = None
    description: str | None = None
    zone: str | None = None
    group_snapshot_id: str | None = None
    source_group_id: str | None = None


@dataclass(frozen=True)
class GroupChange:
    """What to change; None leaves it."""

    name: str | None = None
    description: str | None = None
    add: Sequence[str] = field(default_factory=tuple)
    remove: Sequence[str] = field(default_factory=tuple)


_SORTABLE = {"id": groups.c.id, "created_at": groups.c.created_at, "name": groups.c.name}


def _has(condition: Any) -> Any:
    mine = volumes.join(disks, disks.c.id == volumes.c.id)
    statement = exists().select_from(mine).where(volumes.c.group_id == groups.c.id, condition)
    return statement.correlate(groups)


_SELECT: Select[Any] = select(
    groups,
    _has(disks.c.made_at.is_(None) & disks.c.failure.is_(None) & disks.c.fault.is_(None)).label("making"),
    _has(~disks.c.ready & (disks.c.failure.isnot(None) | disks.c.fault.isnot(None))).label("broken"),
)


def create(tx: Tx, caller: Caller, order: GroupOrder) -> Group:
    """Make an empty group. Raises Invalid, GroupTypeNotFound, TypeNotFound, QuotaExceeded."""
    group_type = group_types.find(tx, caller, order.group_type)
    if not order.types:
        raise Invalid("volume_types must be provided to create a group.", field="volume_types")
    type_ids = [types.find(tx, caller, one).id for one in order.types]
    project_id, group_id = caller.own_project(), tx.ids.uuid()
    quota.charge(tx, project_id, {"groups": 1})
    tx.execute(
        insert(groups),
        {
            "id": group_id,
            "project_id": project_id,
            "user_id": caller.user_id or "",
            "name": order.name,
            "description": order.description,
            "zone": order.zone,
            "group_type_id": group_type.id,
            "type_ids": type_ids,
            "group_snapshot_id": order.group_snapshot_id,
            "source_group_id": order.source_group_id,
            "created_at": tx.now,
        },
    )
    audit.record(tx, caller, "create", "volume.group", group_id)
    return get(tx, caller, group_id)


def get(tx: Tx, caller: Caller, group_id: str) -> Group:
    """A group of the caller's. Raises GroupNotFound."""
    return _seen(tx, caller, group_id, _SELECT)


def list_(tx: Tx, caller: Caller, page: Page, *, everyones: bool = False) -> list[Group]:
    """Groups of the caller's project; an administrator may ask for everyone's."""
    statement = _SELECT
    if not (everyones and caller.is_admin):
        statement = statement.where(groups.c.project_id == caller.own_project())
    return [_group(row) for row in tx.rows(paged(tx, statement, page, _SORTABLE, groups.c.id))]


def members(tx: Tx, group_ids: Sequence[str]) -> dict[str, list[str]]:
    """Ids of the volumes of each of these groups, in one statement."""
    found: dict[str, list[str]] = {group_id: [] for group_id in group_ids}
    statement = select(volumes.c.id, volumes.c.group_id).where(volumes.c.group_id.in_(group_ids))
    for row in tx.rows(statement.order_by(volumes.c.created_at, volumes.c.id).limit(VOLUMES_MAX)):
        found[row.group_id].append(row.id)
    return found


def change(tx: Tx, caller: Caller, group_id: str, wanted: GroupChange) -> None:
    """Rename a group, take volumes in or let them out. Raises Invalid, WrongStatus, VolumeNotFound."""
    group = _lock(tx, caller, group_id)
    if group.status != Status.AVAILABLE:
        raise WrongStatus(f"Invalid group: Group {group_id} is {group.status} and cannot be updated.")
    for volume_id in wanted.remove:
        if lock_volume(tx, caller, volume_id).group_id != group_id:
            raise Invalid(f"Volume {volume_id} is not part of the group.", field="remove_volumes")
    for volume_id in wanted.add:
        _check_addable(group, lock_volume(tx, caller, volume_id))
    for volume_ids, value in ((wanted.remove, None), (wanted.add, group_id)):
        if volume_ids:
            tx.execute(update(volumes).where(volumes.c.id.in_(volume_ids)).values(group_id=value))
    named = {"name": wanted.name, "description": wanted.description}
    changes: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    tx.execute(update(groups).where(groups.c.id == group_id).values(**changes, forced_status=None))
    audit.record(tx, caller, "update", "volume.group", group_id)


def remove(tx: Tx, caller: Caller, group_id: str, *, with_volumes: bool) -> None:
    """Order a group's end, with its volumes where it has any. Raises WrongStatus."""
    _lock(tx, caller, group_id)
    if tx.value(
        select(func.count()).where(
            group_snapshots.c.group_id == group_id, group_snapshots.c.removed_at.is_(None)
        )
    ):
        raise WrongStatus(f"Invalid group: Group {group_id} has group snapshots that depend on it.")
    inside = volumes_where(tx, volumes.c.group_id == group_id, VOLUMES_MAX)
    if inside and not with_volumes:
        raise WrongStatus(f"Invalid group: Group {group_id} still contains volumes.")
    for volume in inside:
        require_not_exported(volume)
        if volume.attachments:
            raise WrongStatus(f"Invalid volume: Volume {volume.id} is attached: detach it first.")
    tx.execute(update(groups).where(groups.c.id == group_id).values(removed_at=tx.now, forced_status=None))
    disk_orders.remove(tx, [volume.id for volume in inside])
    if not inside:
        disk_orders.drop_empty_groups(tx)
    audit.record(tx, caller, "delete", "volume.group", group_id)


def force_status(tx: Tx, caller: Caller, group_id: str, status: str) -> None:
    """For operators: show this status whatever is known; `available` shows the true one again."""
    if status not in FORCEABLE:
        raise Invalid(f"There is no group status {status!r}.", field="status")
    _lock(tx, caller, group_id)
    forced = None if status == Status.AVAILABLE else status
    tx.execute(update(groups).where(groups.c.id == group_id).values(forced_status=forced))
    audit.record(tx, caller, "reset_status", "volume.group", group_id, {"status": status})


def check_taking(tx: Tx, caller: Caller, group_id: str, type_id: str) -> None:
    """Raise unless a new volume of this type may be made in the group."""
    group = _lock(tx, caller, group_id)
    if group.status in (Status.DELETING, Status.ERROR):
        raise WrongStatus(f"Invalid group: Group {group_id} is {group.status}.")
    _check_type(group, type_id)


def _check_addable(group: Group, volume: Volume) -> None:
    if volume.group_id is not None:
        raise Invalid(f"Volume {volume.id} is in group {volume.group_id} already.", field="add_volumes")
    if volume.status not in (Status.AVAILABLE, Status.IN_USE):
        raise WrongStatus(f"Invalid volume: Volume {volume.id} is {volume.status}: it cannot be added.")
    _check_type(group, volume.type_id)


def _check_type(group: Group, type_id: str) -> None:
    if type_id not in group.type_ids:
        raise Invalid(f"The volume's type is none of those of group {group.id}.", field="volume_type")


def _lock(tx: Tx, caller: Caller, group_id: str) -> Group:
    return _seen(tx, caller, group_id, _SELECT.with_for_update(of=groups))


def _seen(tx: Tx, caller: Caller, group_id: str, statement: Select[Any]) -> Group:
    row = tx.row(statement.where(groups.c.id == bindparam("group")), {"group": group_id})
    if row is None or not caller.sees(row.project_id):
        raise GroupNotFound(f"Group {group_id} could not be found.")
    return _group(row)


def _group(row: Row[Any]) -> Group:
    values = {name: row._mapping[name] for name in Group.__dataclass_fields__ if name != "status"}
    return Group(**values, status=_status(row))


def _status(row: Row[Any]) -> str:
    if row.removed_at is not None:
        return Status.DELETING
    if row.forced_status:
        return str(row.forced_status)
    if row.broken:
        return Status.ERROR
    # A volume that is being made in a group that was there does not make the group one that is being made:
    # only a copy of another group is made with its volumes.
    copied = row.group_snapshot_id is not None or row.source_group_id is not None
    return Status.CREATING if copied and row.making else Status.AVAILABLE
