"""Volumes and snapshots that the cloud lets go of without harming their disks, and takes back under new
names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from volutus import audit, placement, quota
from volutus.db import Page, Tx, paged
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.volume import disks as disk_orders
from volutus.volume import types
from volutus.volume.faults import ReleasedNotFound, WrongStatus
from volutus.volume.records import (
    Snapshot,
    Volume,
    get_snapshot,
    get_volume,
    lock_volume,
    require_not_moving,
)
from volutus.volume.status import Status
from volutus.volume.tables import released, snapshots, volumes
from volutus.wire import DiskSource


@dataclass(frozen=True)
class Released:
    """A disk that was put aside. `kind` is `volume` or `snapshot`."""

    disk_id: str
    host_id: str
    pool: str
    size_gib: int
    kind: str


@dataclass(frozen=True)
class ManageOrder:
    """A disk to be taken back. `host_name` and `pool` are where the caller believes it is."""

    disk_id: str
    name: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    type: str | None = None
    zone: str | None = None
    bootable: bool = False
    host_name: str | None = None
    pool: str | None = None


_SORTABLE = {"size": released.c.size_gib, "reference": released.c.disk_id}


def release_volume(tx: Tx, caller: Caller, volume_id: str) -> None:
    """Let go of a volume. Raises WrongStatus while it is used or has snapshots."""
    volume = lock_volume(tx, caller, volume_id)
    if volume.status != Status.AVAILABLE or volume.group_id is not None:
        raise WrongStatus(f"Invalid volume: Volume {volume_id} must be available and in no group.")
    require_not_moving(volume)
    if tx.value(select(func.count()).where(snapshots.c.volume_id == volume_id)):
        raise WrongStatus(f"Invalid volume: Volume {volume_id} has snapshots: unmanage or delete them first.")
    disk_orders.release(tx, volume_id)
    audit.record(tx, caller, "unmanage", "volume.volume", volume_id)


def release_snapshot(tx: Tx, caller: Caller, snapshot_id: str) -> None:
    """Let go of a snapshot. Raises WrongStatus."""
    snapshot = get_snapshot(tx, caller, snapshot_id, lock=True)
    if snapshot.status != Status.AVAILABLE:
        raise WrongStatus(f"Invalid snapshot: Snapshot {snapshot_id} must be available.")
    disk_orders.release(tx, snapshot_id)
    audit.record(tx, caller, "unmanage", "volume.snapshot", snapshot_id)


def manage_volume(tx: Tx, caller: Caller, order: ManageOrder) -> Volume:
    """Take a disk back as a volume of the caller's. Raises ReleasedNotFound, Invalid, QuotaExceeded."""
    found = _take(tx, order.disk_id, "volume")
    _check_place(tx, found, order)
    type_ = types.find(tx, caller, order.type)
    stored = types.storage_of(tx, type_, found.key_id, found.encrypted)
    if (stored.pool, stored.format, stored.encrypted) != (found.pool, found.format, found.encrypted):
        raise Invalid("The disk was put aside as one of another kind of volume type.", field="volume_type")
    amounts = disk_orders.by_type(type_.id, {"volumes": 1, "gigabytes": found.size_gib})
    owner = _Owner(caller.own_project(), caller.user_id or "", order.zone)
    volume_id = _order(tx, owner, found, amounts)
    tx.execute(
        insert(volumes),
        {
            "id": volume_id,
            "project_id": caller.own_project(),
            "user_id": caller.user_id or "",
            "name": order.name,
            "description": order.description,
            "created_at": tx.now,
            "type_id": type_.id,
            "multiattach": stored.shared,
            "bootable": order.bootable,
            "metadata": dict(order.metadata),
        },
    )
    audit.record(tx, caller, "manage", "volume.volume", volume_id, {"disk_id": found.disk_id})
    return get_volume(tx, caller, volume_id)


def manage_snapshot(tx: Tx, caller: Caller, volume_id: str, order: ManageOrder) -> Snapshot:
    """Take a disk back as a snapshot of a volume. Raises ReleasedNotFound, Invalid, QuotaExceeded."""
    volume = lock_volume(tx, caller, volume_id)
    found = _take(tx, order.disk_id, "snapshot")
    if found.host_id != volume.host_id:
        raise Invalid("The disk is on another host than the volume.", field="volume_id")
    amounts = disk_orders.by_type(volume.type_id, {"snapshots": 1, "gigabytes": found.size_gib})
    # The volume's owner, whoever asks: it counts against the quota that it is given back to.
    owner = _Owner(volume.project_id, volume.user_id, volume.zone)
    snapshot_id = _order(tx, owner, found, amounts)
    tx.execute(
        insert(snapshots),
        {
            "id": snapshot_id,
            "volume_id": volume_id,
            "project_id": owner.project_id,
            "user_id": owner.user_id,
            "name": order.name,
            "description": order.description,
            "metadata": dict(order.metadata),
            "created_at": tx.now,
        },
    )
    audit.record(tx, caller, "manage", "volume.snapshot", snapshot_id, {"disk_id": found.disk_id})
    return get_snapshot(tx, caller, snapshot_id)


def list_(tx: Tx, host_name: str, kind: str, page: Page) -> list[Released]:
    """What can be taken back on a host."""
    host = placement.hosts.by_name(tx, host_name)
    statement = select(released).where(
        released.c.host_id == host.id, released.c.kind == kind, released.c.taken_by.is_(None)
    )
    rows = tx.rows(paged(tx, statement, page, _SORTABLE, released.c.disk_id))
    return [Released(row.disk_id, row.host_id, row.pool, row.size_gib, row.kind) for row in rows]


def note(tx: Tx, disk: Row[Any]) -> None:
    """The disk is put aside: remember where."""
    is_volume = tx.row(select(volumes.c.id).where(volumes.c.id == disk.id)) is not None
    tx.execute(
        insert(released),
        {
            "disk_id": disk.id,
            "host_id": disk.host_id,
            "pool": disk.pool,
            "format": disk.format,
            "key_id": disk.key_id,
            "encrypted": disk.encrypted,
            "size_gib": disk.size_gib,
            "kind": "volume" if is_volume else "snapshot",
            "released_at": tx.now,
        },
    )


def _take(tx: Tx, disk_id: str, kind: str) -> Row[Any]:
    row = tx.row(
        select(released).where(released.c.disk_id == disk_id, released.c.kind == kind).with_for_update()
    )
    if row is None or row.taken_by is not None:
        raise ReleasedNotFound(f"No {kind} was put aside under the reference {disk_id}.")
    return row


@dataclass(frozen=True)
class _Owner:
    project_id: str
    user_id: str
    zone: str | None


def _order(tx: Tx, owner: _Owner, found: Row[Any], amounts: Mapping[str, int]) -> str:
    made_id = tx.ids.uuid()
    quota.charge(tx, owner.project_id, amounts)
    disk_orders.order(
        tx,
        disk_orders.DiskOrder(
            id=made_id,
            project_id=owner.project_id,
            user_id=owner.user_id,
            size_gib=found.size_gib,
            zone=owner.zone,
            source=DiskSource(adopted_id=found.disk_id),
            pool=found.pool,
            format=found.format,
            key_id=found.key_id,
            encrypted=found.encrypted,
        ),
    )
    tx.execute(update(released).where(released.c.disk_id == found.disk_id).values(taken_by=made_id))
    return made_id


def _check_place(tx: Tx, found: Row[Any], order: ManageOrder) -> None:
    if order.host_name is None:
        return
    host = placement.hosts.by_name(tx, order.host_name)
    if host.id != found.host_id or (order.pool or found.pool) != found.pool:
        raise Invalid("The disk was put aside on another host or in another storage class.", field="host")
