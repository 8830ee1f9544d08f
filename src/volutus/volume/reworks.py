"""What makes a volume's disk anew in place: another type, what a snapshot was, what a backup holds, an image.

The disk stays what it was until the new one is whole, so an end at any point leaves the one or the other.
"""

from sqlalchemy import select, update

from volutus import audit, image, quota
from volutus.db import Tx
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.volume import backups as backup_orders
from volutus.volume import disks as disk_orders
from volutus.volume import moves, types
from volutus.volume.capabilities import find as find_pools
from volutus.volume.capabilities import lacking, named_pool, pool_of, pools
from volutus.volume.disks import Rework
from volutus.volume.faults import WrongStatus
from volutus.volume.records import Volume, get_snapshot, lock_volume, require_not_moving
from volutus.volume.sources import image_metadata, image_source
from volutus.volume.status import Status
from volutus.volume.tables import disks, snapshots, volumes
from volutus.wire import DiskSource

# As long as nobody asked for more, a volume that migrates is what it was.
MIGRATING = "migrating"
# What a retype may do to bring a volume to another storage class.
MIGRATION_POLICIES = ("never", "on-demand")


def retype(tx: Tx, caller: Caller, volume_id: str, new_type: str, policy: str = "never") -> None:
    """Give the volume another type; with the policy `on-demand` it moves to that type's storage class if it
    has another, also in use. Raises Invalid when it has that type, WrongStatus when it must be converted and
    is in use, NoCapacity when there is no room where it must go."""
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
    # What an operator put elsewhere stays there while its types ask for the same class.
    stays = stored.pool in (volume.pool, pool_of(types.of_source(tx, volume.type_id).extra_specs))
    if not stays and policy == "never":
        raise Invalid(
            "Retype requires migration but is not allowed: ask for it by `on-demand`.",
            field="migration_policy",
        )
    _move_quota(tx, volume, found.id)
    row = tx.row(select(disks).where(disks.c.id == volume_id))
    kept = row is not None and (row.format, row.encrypted) == (stored.format, stored.encrypted)
    if stays and kept:
        changes = {"type_id": found.id, "multiattach": stored.shared}
    else:
        _require_movable(volume, converts=not kept)
        wanted = Rework(
            Status.RETYPING,
            DiskSource(disk_id=volume_id),
            volume.pool if stays else stored.pool,
            stored.format,
            stored.key_id or volume.key_id,
            stored.encrypted,
        )
        moves.begin(tx, volume_id, wanted.pool)
        disk_orders.rework(tx, volume_id, wanted)
        # Once it is made anew it is of the new type.
        changes = {"new_type_id": found.id, "migrated": False, "migration_failed": False}
    changes |= {"updated_at": tx.now, "forced_status": None}
    tx.execute(update(volumes).where(volumes.c.id == volume_id).values(**changes))
    audit.record(tx, caller, "retype", "volume.volume", volume_id, {"type_id": found.id})


def migrate(tx: Tx, caller: Caller, volume_id: str, host: str, *, lock: bool = False) -> None:
    """Move the volume to another storage class of its host, `HOST@POOL#POOL`; its type stays. With `lock`
    nothing else is done to it meanwhile. Raises Invalid for a place where it cannot go, WrongStatus,
    NoCapacity."""
    volume = lock_volume(tx, caller, volume_id)
    if volume.status not in (Status.AVAILABLE, Status.IN_USE):
        raise WrongStatus(f"Invalid volume: Volume {volume_id} must be available or in-use to be migrated.")
    _require_movable(volume)
    pool = _destination(tx, volume, host)
    row = tx.row(select(disks).where(disks.c.id == volume_id))
    format_ = row.format if row is not None else "qcow2"
    kind = Status.MAINTENANCE if lock else MIGRATING
    source = DiskSource(disk_id=volume_id)
    moves.begin(tx, volume_id, pool)
    wanted = Rework(kind, source, pool, format_, volume.key_id, volume.encrypted)
    disk_orders.rework(tx, volume_id, wanted)
    changes = {"migrated": False, "migration_failed": False, "updated_at": tx.now, "forced_status": None}
    tx.execute(update(volumes).where(volumes.c.id == volume_id).values(**changes))
    audit.record(tx, caller, "migrate", "volume.volume", volume_id, {"host": host})


def _require_movable(volume: Volume, *, converts: bool = False) -> None:
    """A guest moves a disk that it has open, but it cannot have it converted; nor are others who write to it
    known to it."""
    require_not_moving(volume)
    if converts and volume.status != Status.AVAILABLE:
        raise WrongStatus(f"Invalid volume: Volume {volume.id} must be detached to be converted.")
    if len(volume.attachments) > 1:
        raise WrongStatus(f"Invalid volume: Volume {volume.id} is attached more than once.")


def _destination(tx: Tx, volume: Volume, host: str) -> str:
    """The pool named `HOST@POOL`, with or without `#POOL`. Raises Invalid."""
    if "@" not in host or not (found := find_pools(tx, host)):
        raise Invalid(f"There is no storage {host}: host is HOST@POOL#POOL.", field="host")
    here = [pool for pool in found if pool.host.id == volume.host_id]
    if not here:
        raise Invalid(f"Volume {volume.id} is stored on another host, which it cannot leave.", field="host")
    if here[0].name == volume.pool:
        raise Invalid("Destination host must be different than the current host.", field="host")
    if not here[0].open:
        raise Invalid(f"{host} is disabled or frozen.", field="host")
    type_ = types.of_source(tx, volume.type_id)
    if named_pool(type_.extra_specs) not in (None, here[0].name):
        raise Invalid(
            f"Volumes of the type {type_.name} are kept elsewhere: retype it, with migration.", field="host"
        )
    return here[0].name


def revert(tx: Tx, caller: Caller, volume_id: str, snapshot_id: str) -> None:
    """Make the volume what its newest snapshot was. Raises Invalid for an older one, WrongStatus."""
    volume = lock_volume(tx, caller, volume_id)
    snapshot = get_snapshot(tx, caller, snapshot_id, lock=True)
    if volume.status != Status.AVAILABLE or snapshot.status != Status.AVAILABLE:
        raise WrongStatus(
            f"Invalid volume: Volume {volume_id} ({volume.status}) and snapshot {snapshot_id} "
            f"({snapshot.status}) must be available."
        )
    require_not_moving(volume)
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
    require_not_moving(volume)
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
    require_not_moving(volume)
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
    amounts = moves.type_amounts(tx, volume.id, volume.size_gib)
    quota.charge(tx, volume.project_id, moves.of_type(amounts, type_id))
    quota.release(tx, volume.project_id, moves.of_type(amounts, volume.type_id))
