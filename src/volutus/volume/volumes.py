"""A tenant's volumes: make, list, change, grow, remove. Each verb writes intent; hosts follow."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import delete, exists, false, func, insert, select, true, update

from volutus import audit, image, placement, quota
from volutus.db import Page, Tx, paged
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.image import Image, ImageFields
from volutus.quota import UNLIMITED
from volutus.volume import backups as backup_orders
from volutus.volume import disks as disk_orders
from volutus.volume import exports, types, uploads
from volutus.volume import groups as group_orders
from volutus.volume.faults import HeldByServer, SizeOverQuota, SizeRefused, WrongStatus
from volutus.volume.records import (
    ELSEWHERE,
    SELECT_VOLUMES,
    Volume,
    get_snapshot,
    get_volume,
    lock_volume,
    require_not_moving,
    volume_of,
)
from volutus.volume.sources import image_metadata, image_source
from volutus.volume.status import Status, volume_status_sql
from volutus.volume.tables import attachments, disks, snapshots, volumes
from volutus.volume.uploads import UploadOrder
from volutus.wire import DiskSource

# What a volume may be in to be deleted.
DELETABLE = (Status.AVAILABLE, Status.ERROR, Status.ERROR_EXTENDING, Status.ERROR_DELETING)
# What an operator may set a volume to by hand.
FORCEABLE = tuple(Status)
ZONES_MAX = 1000
# What `image_metadata` tells of the image itself, and another image has its own of.
_OF_THE_IMAGE = frozenset(
    {
        "image_id",
        "image_name",
        "checksum",
        "container_format",
        "disk_format",
        "min_disk",
        "min_ram",
        "size",
        "volutus_recipe",
        "volutus_build",
    }
)
# The largest disk that qcow2 and its tools are used with in practice: 64 TiB.
SIZE_MAX_GIB = 64 * 1024


@dataclass(frozen=True)
class VolumeOrder:
    """A volume to be made. At most one source; without `size_gib` it is as large as a volume or snapshot
    source. `type` is a name or an id. With `waits` a snapshot may still be in the making."""

    size_gib: int | None = None
    name: str | None = None
    description: str | None = None
    type: str | None = None
    zone: str | None = None
    image_id: str | None = None
    snapshot_id: str | None = None
    source_volume_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    backup_id: str | None = None
    group_id: str | None = None
    waits: bool = False


@dataclass(frozen=True)
class VolumeFilter:
    """Which volumes a list has; None means any. `everyones` is for administrators. `zone_unsaid`: those that
    named no zone are in this one too."""

    everyones: bool = False
    project_id: str | None = None
    name: str | None = None
    status: str | None = None
    bootable: bool | None = None
    metadata: Mapping[str, str] | None = None
    zone: str | None = None
    zone_unsaid: bool = False
    ids: tuple[str, ...] | None = None
    host_id: str | None = None
    attached: bool | None = None
    type_id: str | None = None
    group_id: str | None = None


@dataclass(frozen=True)
class _Source:
    """What the order resolves to."""

    least_gib: int
    disk: DiskSource | None = None
    image_metadata: Mapping[str, str] | None = None
    bootable: bool = False
    type_id: str | None = None
    told: str = ""
    key_id: str | None = None
    encrypted: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


_SORTABLE = {
    "id": volumes.c.id,
    "created_at": volumes.c.created_at,
    "updated_at": volumes.c.updated_at,
    "name": volumes.c.name,
    "size": disks.c.size_gib,
    "bootable": volumes.c.bootable,
    "status": volume_status_sql(ELSEWHERE),
}


def create(tx: Tx, caller: Caller, order: VolumeOrder) -> Volume:
    """Order a volume. Raises Invalid, QuotaExceeded, or what fetching the source raises."""
    source = _source(tx, caller, order)
    size_gib = order.size_gib if order.size_gib is not None else source.least_gib
    if not 0 < size_gib <= SIZE_MAX_GIB:
        raise SizeRefused(f"A volume's size is from 1 to {SIZE_MAX_GIB} GiB.", field="size")
    if size_gib < source.least_gib:
        raise SizeRefused(f"{source.told} (requested {size_gib} GiB)", field="size")
    if order.type is None and source.type_id is not None:
        type_ = types.of_source(tx, source.type_id)
    else:
        type_ = types.find(tx, caller, order.type)
    _check_zone(tx, order.zone)
    if order.group_id is not None:
        group_orders.check_taking(tx, caller, order.group_id, type_.id)
    project_id, user_id, volume_id = caller.own_project(), caller.user_id or "", tx.ids.uuid()
    _charge(tx, project_id, size_gib, type_.id)
    stored = types.storage_of(tx, type_, source.key_id, source.encrypted)
    wanted = disk_orders.DiskOrder(
        id=volume_id,
        project_id=project_id,
        user_id=user_id,
        size_gib=size_gib,
        zone=order.zone,
        source=source.disk,
        pool=stored.pool,
        format=stored.format,
        key_id=stored.key_id,
        encrypted=stored.encrypted,
    )
    disk_orders.order(tx, wanted)
    tx.execute(
        insert(volumes),
        {
            "id": volume_id,
            "project_id": project_id,
            "user_id": user_id,
            "name": order.name,
            "description": order.description,
            "created_at": tx.now,
            "type_id": type_.id,
            "multiattach": stored.shared,
            "group_id": order.group_id,
            "backup_id": order.backup_id,
            "snapshot_id": order.snapshot_id,
            "source_volume_id": order.source_volume_id,
            "bootable": source.bootable,
            "metadata": {**source.metadata, **order.metadata},
            "image_metadata": dict(source.image_metadata) if source.image_metadata is not None else None,
        },
    )
    audit.record(tx, caller, "create", "volume.volume", volume_id, {"size_gib": size_gib})
    return get_volume(tx, caller, volume_id)


def list_(tx: Tx, caller: Caller, wanted: VolumeFilter, page: Page) -> list[Volume]:
    """Volumes in pages, in one statement (two with a marker)."""
    statement = SELECT_VOLUMES.where(*_whose(caller, wanted))
    rows = tx.rows(paged(tx, statement, page, _SORTABLE, volumes.c.id, _filters(wanted)))
    return [volume_of(row) for row in rows]


def summary(tx: Tx, caller: Caller, wanted: VolumeFilter) -> tuple[int, int, Mapping[str, list[str]]]:
    """How many volumes, how many GiB, and the distinct values of each metadata key."""
    statement = _filtered(
        select(
            func.count().label("number"), func.coalesce(func.sum(disks.c.size_gib), 0).label("gib")
        ).select_from(volumes.join(disks, disks.c.id == volumes.c.id)),
        caller,
        wanted,
    )
    row = tx.row(statement)
    pairs = func.jsonb_each_text(volumes.c.metadata).table_valued("key", "value")
    keys = select(pairs.c.key, func.array_agg(pairs.c.value.distinct()).label("found"))
    keys = keys.select_from(volumes.join(disks, disks.c.id == volumes.c.id))
    keys = keys.join(pairs, true())
    grouped = _filtered(keys, caller, wanted).group_by(pairs.c.key).order_by(pairs.c.key).limit(1000)
    metadata = {one.key: list(one.found) for one in tx.rows(grouped)}
    return (int(row.number), int(row.gib), metadata) if row else (0, 0, metadata)


def count(tx: Tx, caller: Caller, wanted: VolumeFilter) -> int:
    """How many volumes a filter has."""
    statement = select(func.count()).select_from(volumes.join(disks, disks.c.id == volumes.c.id))
    return int(tx.value(_filtered(statement, caller, wanted)))


def remove(tx: Tx, caller: Caller, volume_id: str, *, cascade: bool = False, force: bool = False) -> None:
    """Order a volume's end; with `cascade` its snapshots' too. `force` disregards the status, and revokes
    what export there is. Raises VolumeExported, and WrongStatus while it is used, or has snapshots and is not
    to cascade."""
    volume = lock_volume(tx, caller, volume_id, exported=force)
    if volume.exported:
        exports.revoke_of(tx, caller, volume_id)
    if volume.held_by_server:
        raise WrongStatus(f"Volume {volume_id} is attached to a server: detach it first.")
    if volume.removed and not force:
        return
    if (volume.status not in DELETABLE or volume.group_id is not None) and not force:
        raise WrongStatus(
            "Invalid volume: Volume status must be available or error or error_extending or error_deleting "
            "and must not be migrating, attached, belong to a group, have snapshots or await a transfer."
        )
    statement = select(snapshots.c.id).join(disks, disks.c.id == snapshots.c.id)
    alive = statement.where(snapshots.c.volume_id == volume_id, disks.c.removed_at.is_(None))
    dependent = [row.id for row in tx.rows(alive.limit(ZONES_MAX))]
    if dependent and not (cascade or force):
        raise WrongStatus(
            f"Invalid volume: Volume {volume_id} still has {len(dependent)} dependent snapshots."
        )
    _set(tx, volume_id, forced_status=None)
    tx.execute(delete(attachments).where(attachments.c.volume_id == volume_id))
    disk_orders.remove(tx, [*dependent, volume_id])
    audit.record(tx, caller, "delete", "volume.volume", volume_id)


def change(tx: Tx, caller: Caller, volume_id: str, changes: Mapping[str, Any]) -> Volume:
    """Set `name`, `description`, `bootable`, `read_only`, `metadata` or `image_metadata`."""
    get_volume(tx, caller, volume_id)
    _set(tx, volume_id, **changes)
    audit.record(tx, caller, "update", "volume.volume", volume_id, {"fields": sorted(changes)})
    return get_volume(tx, caller, volume_id)


def extend(tx: Tx, caller: Caller, volume_id: str, size_gib: int, *, in_use: bool) -> None:
    """Order a larger size; with `in_use` also while a server uses the volume."""
    volume = lock_volume(tx, caller, volume_id)
    allowed = (Status.AVAILABLE, Status.ERROR_EXTENDING, *((Status.IN_USE,) if in_use else ()))
    if volume.status not in allowed:
        raise WrongStatus(
            f"Invalid volume: Volume {volume_id} status must be {' or '.join(allowed)} to extend, but it is "
            f"{volume.status}."
        )
    require_not_moving(volume)
    if size_gib > SIZE_MAX_GIB:
        raise SizeRefused(f"A volume's size is from 1 to {SIZE_MAX_GIB} GiB.", field="new_size")
    if size_gib <= volume.size_gib:
        raise SizeRefused(
            f"New size for extend must be greater than current size. (current: {volume.size_gib}, "
            f"extended: {size_gib}).",
            field="new_size",
        )
    _check_largest(tx, volume.project_id, size_gib)
    more = disk_orders.by_type(volume.type_id, {"gigabytes": size_gib - volume.size_gib})
    quota.charge(tx, volume.project_id, more)
    disk_orders.claim_anew(tx, volume_id, volume.pool, size_gib)
    disk_orders.grow(tx, volume_id, size_gib)
    _set(tx, volume_id, forced_status=None)
    audit.record(tx, caller, "extend", "volume.volume", volume_id, {"size_gib": size_gib})


def to_image(
    tx: Tx, caller: Caller, volume_id: str, wanted: ImageFields, *, force: bool
) -> tuple[Volume, Image]:
    """Order an image of the volume as it is now; with `force` also of one that a server writes to, or an
    initiator."""
    volume = lock_volume(tx, caller, volume_id, exported=force)
    allowed = (Status.AVAILABLE, *((Status.IN_USE,) if force else ()))
    if volume.status not in allowed:
        raise WrongStatus(
            f"Invalid volume: Volume {volume_id} status must be {' or '.join(allowed)}, but current status "
            f"is: {volume.status}."
        )
    if wanted.disk_format not in uploads.DISK_FORMATS or wanted.container_format != "bare":
        raise Invalid(
            f"A volume becomes a bare image of the formats {', '.join(uploads.DISK_FORMATS)}.",
            field="disk_format",
        )
    kept = {name: str(value) for name, value in (volume.image_metadata or {}).items()}
    properties = {name: value for name, value in kept.items() if name not in _OF_THE_IMAGE}
    fields = replace(wanted, owner=volume.project_id, min_disk_gib=volume.size_gib, properties=properties)
    made = uploads.order(tx, caller, UploadOrder(volume_id, fields))
    _set(tx, volume_id)
    audit.record(tx, caller, "upload", "volume.volume", volume_id, {"image_id": made.id})
    return get_volume(tx, caller, volume_id), made


def force_status(tx: Tx, caller: Caller, volume_id: str, status: str | None, *, detached: bool) -> None:
    """For operators: show this status whatever is known, until the next change; or, with the true status,
    no longer. `detached` also ends an attachment that no server holds."""
    volume = lock_volume(tx, caller, volume_id, exported=True)
    if status is not None and status not in FORCEABLE:
        raise Invalid(f"There is no volume status {status!r}.", field="status")
    if detached and volume.attachments:
        if volume.held_by_server:
            raise HeldByServer(f"Volume {volume_id} is attached to a server: detach it there.")
        tx.execute(delete(attachments).where(attachments.c.volume_id == volume_id))
    _set(tx, volume_id, forced_status=None, attach_claimed_at=None)
    if status is not None and get_volume(tx, caller, volume_id).status != status:
        _set(tx, volume_id, forced_status=status)
    audit.record(tx, caller, "reset_status", "volume.volume", volume_id, {"status": status})


def zones(tx: Tx) -> list[str]:
    """The zones in which there are hosts."""
    return sorted({host.zone for host in placement.hosts.list_(tx, Page(limit=ZONES_MAX))})


def stored_on(tx: Tx, host_id: str, pool: str) -> dict[str, tuple[int, int, int, int]]:
    """What a host's pool keeps, by project: volumes, their GiB, snapshots, their GiB."""
    statement = (
        select(
            disks.c.project_id,
            func.count(volumes.c.id).label("volumes"),
            func.coalesce(func.sum(disks.c.size_gib).filter(volumes.c.id.isnot(None)), 0).label(
                "volumes_gib"
            ),
            func.count(snapshots.c.id).label("snapshots"),
            func.coalesce(func.sum(disks.c.size_gib).filter(snapshots.c.id.isnot(None)), 0).label(
                "snapshots_gib"
            ),
        )
        .outerjoin(volumes, (volumes.c.id == disks.c.id) & volumes.c.server_id.is_(None))
        .outerjoin(snapshots, snapshots.c.id == disks.c.id)
        .where(disks.c.host_id == host_id, disks.c.pool == pool)
        .group_by(disks.c.project_id)
        .order_by(disks.c.project_id)
        .limit(ZONES_MAX)
    )
    return {
        row.project_id: (row.volumes, int(row.volumes_gib), row.snapshots, int(row.snapshots_gib))
        for row in tx.rows(statement)
    }


def _source(tx: Tx, caller: Caller, order: VolumeOrder) -> _Source:
    named = order.image_id, order.snapshot_id, order.source_volume_id, order.backup_id
    if sum(one is not None for one in named) > 1:
        raise Invalid(
            "A volume is made from one of an image, a snapshot, a volume and a backup, not from more."
        )
    if order.image_id is not None:
        found = image.get_usable(tx, caller, order.image_id, disk_gib=order.size_gib)
        return _Source(0, image_source(found), image_metadata(found), bootable=True)
    if order.snapshot_id is not None:
        snapshot = get_snapshot(tx, caller, order.snapshot_id, lock=True)
        if snapshot.status != Status.AVAILABLE and not (order.waits and snapshot.status == Status.CREATING):
            raise WrongStatus(f"Invalid snapshot: snapshot {snapshot.id} is {snapshot.status}.")
        origin = get_volume(tx, caller, snapshot.volume_id)
        told = f"Size cannot be lesser than the snapshot size {snapshot.size_gib}."
        return replace(
            _copy_of(snapshot.id, snapshot.size_gib, origin, told),
            key_id=snapshot.key_id,
            encrypted=snapshot.encrypted,
        )
    if order.backup_id is not None:
        return _from_backup(tx, caller, order.backup_id)
    if order.source_volume_id is not None:
        origin = lock_volume(tx, caller, order.source_volume_id, exported=True)
        if origin.status not in (Status.AVAILABLE, Status.IN_USE):
            raise WrongStatus(f"Invalid volume: source volume {origin.id} is {origin.status}.")
        told = f"Clone cannot be smaller than the source volume size {origin.size_gib}."
        return _copy_of(origin.id, origin.size_gib, origin, told)
    return _Source(0)


def _copy_of(disk_id: str, size_gib: int, origin: Volume, told: str) -> _Source:
    source = DiskSource(disk_id=disk_id)
    return _Source(
        size_gib,
        source,
        origin.image_metadata,
        origin.bootable,
        origin.type_id,
        told,
        origin.key_id,
        origin.encrypted,
    )


def _from_backup(tx: Tx, caller: Caller, backup_id: str) -> _Source:
    found = backup_orders.get_usable(tx, caller, backup_id)
    was = found.volume
    return _Source(
        least_gib=found.size_gib,
        disk=DiskSource(backup_id=found.data_id),
        image_metadata=was.image_metadata,
        bootable=was.bootable,
        type_id=was.type_id if types.exists(tx, caller, was.type_id) else None,
        told=f"Size cannot be lesser than the backup's {found.size_gib}.",
        key_id=found.key_id,
        encrypted=found.encrypted,
        metadata=was.metadata,
    )


def _charge(tx: Tx, project_id: str, size_gib: int, type_id: str) -> None:
    _check_largest(tx, project_id, size_gib)
    quota.charge(tx, project_id, disk_orders.by_type(type_id, {"volumes": 1, "gigabytes": size_gib}))


def _check_largest(tx: Tx, project_id: str, size_gib: int) -> None:
    largest = quota.limits(tx, project_id)["per_volume_gigabytes"]
    if largest != UNLIMITED and size_gib > largest:
        raise SizeOverQuota(
            f"Requested volume size {size_gib}G is larger than maximum allowed limit {largest}G."
        )


def _check_zone(tx: Tx, zone: str | None) -> None:
    if zone is not None and zone not in zones(tx):
        raise Invalid(f"Availability zone '{zone}' is invalid.", field="availability_zone")


def _filtered(statement: Any, caller: Caller, wanted: VolumeFilter) -> Any:
    return statement.where(*_whose(caller, wanted), *_filters(wanted))


def _whose(caller: Caller, wanted: VolumeFilter) -> list[Any]:
    conditions: list[Any] = [volumes.c.server_id.is_(None)]
    if not (caller.is_admin and wanted.everyones):
        conditions.append(volumes.c.project_id == caller.own_project())
    elif wanted.project_id is not None:
        conditions.append(volumes.c.project_id == wanted.project_id)
    return conditions


def _filters(wanted: VolumeFilter) -> list[Any]:
    equal = {
        volumes.c.name: wanted.name,
        volumes.c.bootable: wanted.bootable,
        volumes.c.type_id: wanted.type_id,
        disks.c.host_id: wanted.host_id,
        volumes.c.group_id: wanted.group_id,
    }
    conditions: list[Any] = [column == value for column, value in equal.items() if value is not None]
    if wanted.zone is not None:
        unsaid = disks.c.zone.is_(None) if wanted.zone_unsaid else false()
        conditions.append((disks.c.zone == wanted.zone) | unsaid)
    if wanted.status is not None:
        conditions.append(volume_status_sql(ELSEWHERE) == wanted.status)
    if wanted.metadata is not None:
        conditions.append(volumes.c.metadata.contains(dict(wanted.metadata)))
    if wanted.ids is not None:
        conditions.append(volumes.c.id.in_(wanted.ids))
    if wanted.attached is not None:
        held = exists().where(attachments.c.volume_id == volumes.c.id)
        conditions.append(held if wanted.attached else ~held)
    return conditions


def _set(tx: Tx, volume_id: str, **changes: Any) -> None:
    tx.execute(update(volumes).where(volumes.c.id == volume_id).values(**changes, updated_at=tx.now))
