"""What makes a volume's disk anew in place: another type, what a snapshot was, what a backup holds, an image.

The disk stays what it was until the new one is whole, so an end at any point leaves the one or the other.
"""

from typing import Any

from sqlalchemy import select, update

from volutus import audit, image, quota
from volutus.db import Tx
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.volume import backups as backup_orders
from volutus.volume import disks as disk_orders
from volutus.volume import types
from volutus.volume.capabilities import lacking, pools
from volutus.volume.disks import Rework
from volutus.volume.faults import WrongStatus
from volutus.volume.records import Volume, get_snapshot, lock_volume
from volutus.volume.sources import image_metadata, image_source
from volutus.volume.status import Status
from volutus.volume.tables import disks, snapshots, volumes
from volutus.wire import DiskSource

# What a retype may do to bring a volume to another storage class.
MIGRATION_POLICIES = ("never", "on-demand")


def retype(tx: Tx, caller: Caller, volume_id: str, new_type: str, policy: str = "never") -> None:
    """Give the volume another type; with the policy `on-demand` it moves to that type's storage class if it
    has another. Raises Invalid when it has that type, WrongStatus when it must move and is in use, NoCapacity
    when there is no room where it must go."""
    volume = lock_volume(tx, caller, volume_id)
    found = types.find(tx, caller, new_type)
    if policy not in MIGRATION_POLICIES:
        raise Invalid(f"migration_policy is never or on-demand, not {policy}.", field="migration_policy")
    if found.id == volume.type_id:
        raise Invalid(f"Volume {volume_id} has type {found.name} already.", field="new_type")
    if volume.status not in (Status.AVAILABLE, Status.IN_USE):
        raise WrongStatus(f"Invalid volume: Volume {volume_id} must be available or in-use to be retyped.")
    if missing := lacking(found.extra_specs, [pool.name for pool in pools(tx)]):
        raise Invalid(f"No host has what the type asks for: {', '.join(missing)}.", field="new_type")
    stored = types.storage_of(tx, found, volume.key_id, volume.encrypted)
    moves = stored.pool != volume.pool
    if moves and policy == "never":
        raise Invalid("Retype requires migration but is not allowed.", field="migration_policy")
    _move_quota(tx, volume, found.id)
    row = tx.row(select(disks).where(disks.c.id == volume_id))
    kept = row is not None and (row.format, row.encrypted) == (stored.format, stored.encrypted)
    if moves or not kept:
        if volume.status != Status.AVAILABLE:
            raise WrongStatus(
                f"Invalid volume: Volume {volume_id} must be detached to be moved or converted."
            )
        if moves:
            disk_orders.claim_anew(tx, volume_id, stored.pool, volume.size_gib)
        wanted = Rework(
            Status.RETYPING,
            DiskSource(disk_id=volume_id),
            stored.pool,
            stored.format,
            stored.key_id or volume.key_id,
            stored.encrypted,
        )
        disk_orders.rework(tx, volume_id, wanted)
        # Once it is made anew it is of the new type.
        changes: dict[str, Any] = {"new_type_id": found.id, "migrated": moves}
    else:
        changes = {"type_id": found.id, "multiattach": stored.shared}
    changes |= {"updated_at": tx.now, "forced_status": None}
    tx.execute(update(volumes).where(volumes.c.id == volume_id).values(**changes))
    audit.record(tx, caller, "retype", "volume.volume", volume_id, {"type_id": found.id})


def revert(tx: Tx, caller: Caller, volume_id: str, snapshot_id: str) -> None:
    """Make the volume what its newest snapshot was. Raises Invalid for an older one, WrongStatus."""
    volume = lock_volume(tx, caller, volume_id)
    snapshot = get_snapshot(tx, caller, snapshot_id, lock=True)
    if volume.status != Status.AVAILABLE or snapshot.status != Status.AVAILABLE:
        raise WrongStatus(
            f"Invalid volume: Volume {volume_id} ({volume.status}) and snapshot {snapshot_id} "
            f"({snapshot.status}) must be available."
        )
    newest = select(snapshots.c.id).where(snapshots.c.volume_id == volume_id)
    newest = newest.order_by(snapshots.c.created_at.desc(), snapshots.c.id.desc()).limit(1)
    if tx.value(newest) != snapshot_id:
        raise Invalid(
            f"Specified snapshot {snapshot_id} is not the latest one of volume {volume_id}.",
            field="snapshot_id",
        )
    _rework_as_it_is(tx, volume, Status.REVERTING, DiskSource(disk_id=snapshot_id))
    audit.record(tx, caller, "revert", "volume.volume", volume_id, {"snapshot_id": snapshot_id})


def restore(tx: Tx, caller: Caller, backup_id: str, volume_id: str) -> Volume:
    """Write a backup over a volume that is large enough. Raises Invalid, WrongStatus."""
    found = backup_orders.get_usable(tx, caller, backup_id)
    volume = lock_volume(tx, caller, volume_id)
    if volume.status != Status.AVAILABLE:
        raise WrongStatus(f"Invalid volume: Volume {volume_id} must be available to be restored to.")
    if volume.size_gib < found.size_gib:
        raise Invalid(f"Volume {volume_id} is smaller than the backup.", field="volume_id")
    if volume.encrypted != found.encrypted:
        raise Invalid(
            "An encrypted backup is restored to an encrypted volume, another to another.", field="volume_id"
        )
    if volume.host_id != found.host_id:
        raise WrongStatus(f"Volume {volume_id} is on another host than the backup.")
    key_id = found.key_id if found.encrypted else volume.key_id
    _rework_as_it_is(tx, volume, Status.RESTORING, DiskSource(backup_id=found.data_id), key_id)
    audit.record(tx, caller, "restore", "volume.volume", volume_id, {"backup_id": backup_id})
    return volume


def reimage(tx: Tx, caller: Caller, volume_id: str, image_id: str, *, in_use: bool = False) -> None:
    """Write an image over a volume that is large enough; with `in_use` also over one that a server has, once
    its guest is gone. Raises Invalid, WrongStatus, and what the image's own state forbids."""
    volume = lock_volume(tx, caller, volume_id)
    if volume.status not in (Status.AVAILABLE, Status.ERROR, *((Status.IN_USE,) if in_use else ())):
        raise WrongStatus(f"Invalid volume: Volume {volume_id} ({volume.status}) must be available.")
    found = image.get_usable(tx, caller, image_id, disk_gib=volume.size_gib)
    _rework_as_it_is(tx, volume, Status.DOWNLOADING, image_source(found))
    remembered = {"image_metadata": image_metadata(found), "bootable": True}
    tx.execute(update(volumes).where(volumes.c.id == volume_id).values(**remembered))
    audit.record(tx, caller, "reimage", "volume.volume", volume_id, {"image_id": image_id})


def _rework_as_it_is(
    tx: Tx, volume: Volume, kind: Status, source: DiskSource, key_id: str | None = None
) -> None:
    row = tx.row(select(disks.c.format).where(disks.c.id == volume.id))
    format_ = row.format if row is not None else "qcow2"
    key = key_id or volume.key_id
    disk_orders.rework(tx, volume.id, Rework(kind, source, volume.pool, format_, key, volume.encrypted))
    tx.execute(update(volumes).where(volumes.c.id == volume.id).values(updated_at=tx.now))


def _move_quota(tx: Tx, volume: Volume, type_id: str) -> None:
    """Count the volume and its snapshots within the new type."""
    rows = tx.rows(
        select(disks.c.size_gib)
        .join(snapshots, snapshots.c.id == disks.c.id)
        .where(snapshots.c.volume_id == volume.id)
        .limit(backup_orders.LIST_MAX)
    )
    sizes = [row.size_gib for row in rows]
    amounts = {"volumes": 1, "gigabytes": volume.size_gib + sum(sizes), "snapshots": len(sizes)}
    for charging, one in ((True, type_id), (False, volume.type_id)):
        named = {f"{name}_{one}": amount for name, amount in amounts.items() if amount}
        if charging:
            quota.charge(tx, volume.project_id, named)
        else:
            quota.release(tx, volume.project_id, named)
