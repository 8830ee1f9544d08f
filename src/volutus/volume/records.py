"""Volumes and snapshots as the other modules and the front see them, and the one way to fetch them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, exists, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from volutus.db import Tx
from volutus.identity import Caller
from volutus.volume.faults import SnapshotNotFound, VolumeExported, VolumeNotFound, WrongStatus
from volutus.volume.status import (
    DiskFlags,
    Elsewhere,
    Status,
    VolumeFlags,
    snapshot_status,
    volume_status,
    wanted_bytes,
)
from volutus.volume.tables import (
    attachments,
    backups,
    disks,
    snapshots,
    transfers,
    types,
    uploads,
    volumes,
)


@dataclass(frozen=True)
class Attachment:
    """A volume's tie to a server. `by_compute`: the compute service plugs it; otherwise a client keeps the
    book itself. `attached_at` is when it was seen plugged in. `bus` and `device_type` (`disk`, `cdrom`) are
    None where nobody said."""

    id: str
    volume_id: str
    server_id: str | None
    by_compute: bool
    wanted: str
    mode: str
    device: str | None
    host_name: str | None
    connector: Mapping[str, Any] | None
    delete_on_termination: bool
    boot_index: int | None
    tag: str | None
    created_at: datetime
    attached_at: datetime | None
    bus: str | None = None
    device_type: str | None = None

    @property
    def status(self) -> str:
        """The word of Cinder's attachment API."""
        if self.wanted == "reserved":
            return "reserved"
        if self.wanted == "detached":
            return "detaching"
        return "attached" if self.attached_at else "attaching"


@dataclass(frozen=True)
class Volume:
    """`fault` is why the status is an error, in words a tenant can read. `server_id` is set for a server's
    own disk, which no API of volumes shows. `pool` is the storage class where it is; `migration` tells of its
    last move to another one: `migrating`, `success`, `error`. While it is `moving` or is converted it stays
    what it was. Only a `multiattach` volume has more than one attachment. One that is `exported` has none."""

    id: str
    project_id: str
    user_id: str
    name: str | None
    description: str | None
    created_at: datetime
    updated_at: datetime | None
    type_id: str
    type_name: str
    server_id: str | None
    role: str | None
    snapshot_id: str | None
    source_volume_id: str | None
    bootable: bool
    read_only: bool | None
    metadata: Mapping[str, str]
    image_metadata: Mapping[str, str] | None
    size_gib: int
    zone: str | None
    host_id: str | None
    status: str
    fault: str | None
    attachments: tuple[Attachment, ...]
    removed: bool
    pool: str
    encrypted: bool
    key_id: str | None
    multiattach: bool
    migration: str | None
    group_id: str | None
    backup_id: str | None
    exported: bool
    moving: bool

    @property
    def held_by_server(self) -> bool:
        """Whether the compute service plugs it, or is about to."""
        return any(attachment.by_compute for attachment in self.attachments)


@dataclass(frozen=True)
class Snapshot:
    """A copy of a volume as it was at one instant. `progress` is how much of it is there, in percent."""

    id: str
    volume_id: str
    project_id: str
    user_id: str
    name: str | None
    description: str | None
    metadata: Mapping[str, str]
    created_at: datetime
    updated_at: datetime | None
    size_gib: int
    host_id: str | None
    status: str
    fault: str | None
    removed: bool
    pool: str
    format: str
    encrypted: bool
    key_id: str | None
    group_snapshot_id: str | None
    progress: str


UPLOADING = exists().where(uploads.c.disk_id == volumes.c.id, uploads.c.ended_at.is_(None)).correlate(volumes)
OFFERED = exists().where(transfers.c.volume_id == volumes.c.id).correlate(volumes)
BACKING_UP = (
    exists()
    .where(
        backups.c.disk_id == volumes.c.id,
        backups.c.made_at.is_(None),
        backups.c.failure.is_(None),
        backups.c.removed_at.is_(None),
    )
    .correlate(volumes)
)
ELSEWHERE = Elsewhere(OFFERED, UPLOADING, BACKING_UP)
_DISK_COLUMNS = [
    disks.c.size_gib,
    disks.c.size_mib,
    disks.c.zone,
    disks.c.host_id,
    disks.c.removed_at,
    disks.c.removal_failure,
    disks.c.failure,
    disks.c.fault,
    disks.c.ready,
    disks.c.made_at,
    disks.c.observed_bytes,
    disks.c.observed_revision,
    disks.c.revision,
    disks.c.rework,
    disks.c.released_at,
    disks.c.pool,
    disks.c.format,
    disks.c.encrypted,
    disks.c.key_id,
    disks.c.before,
]
_ATTACHMENTS = (
    select(
        func.jsonb_agg(
            aggregate_order_by(
                func.to_jsonb(attachments.table_valued()), attachments.c.created_at, attachments.c.id
            )
        )
    )
    .where(attachments.c.volume_id == volumes.c.id)
    .correlate(volumes)
    .scalar_subquery()
)
# One statement for a whole list, whatever is in it.
SELECT_VOLUMES: Select[Any] = (
    select(
        volumes,
        types.c.name.label("type_name"),
        *_DISK_COLUMNS,
        _ATTACHMENTS.label("attachments"),
        OFFERED.label("offered"),
        UPLOADING.label("uploading"),
        BACKING_UP.label("backing_up"),
    )
    .join(disks, disks.c.id == volumes.c.id)
    .join(types, types.c.id == volumes.c.type_id)
)
SELECT_SNAPSHOTS: Select[Any] = select(snapshots, *_DISK_COLUMNS).join(disks, disks.c.id == snapshots.c.id)


def get_volume(tx: Tx, caller: Caller, volume_id: str) -> Volume:
    """A volume of the caller's, not a server's own disk. Raises VolumeNotFound."""
    return _seen(tx, caller, volume_id, SELECT_VOLUMES)


def lock_volume(tx: Tx, caller: Caller, volume_id: str, *, exported: bool = False) -> Volume:
    """The same, and nobody else changes it before this transaction ends. Raises VolumeExported while it is
    exported, unless that is fine with the caller."""
    volume = _seen(tx, caller, volume_id, SELECT_VOLUMES.with_for_update(of=volumes))
    if not exported:
        require_not_exported(volume)
    return volume


def require_not_exported(volume: Volume) -> None:
    """Raise VolumeExported while it is exported."""
    if volume.exported:
        raise VolumeExported(
            f"Volume {volume.id} is exported by iSCSI: revoke the export first, and wait until it is gone."
        )


def require_not_moving(volume: Volume) -> None:
    """Raise WrongStatus while it is moved or converted, also in use."""
    if volume.moving:
        raise WrongStatus(f"Invalid volume: Volume {volume.id} is being moved: wait until that has ended.")


def get_snapshot(tx: Tx, caller: Caller, snapshot_id: str, *, lock: bool = False) -> Snapshot:
    """A snapshot of the caller's. Raises SnapshotNotFound."""
    statement = SELECT_SNAPSHOTS.where(snapshots.c.id == snapshot_id)
    row = tx.row(statement.with_for_update(of=snapshots) if lock else statement)
    if row is None or not caller.sees(row.project_id):
        raise SnapshotNotFound(f"Snapshot {snapshot_id} could not be found.")
    return snapshot_of(row)


def volumes_where(tx: Tx, condition: ColumnElement[bool], limit: int) -> list[Volume]:
    """Volumes and servers' own disks, oldest first: for this domain's own work."""
    statement = SELECT_VOLUMES.where(condition).order_by(volumes.c.created_at, volumes.c.id).limit(limit)
    return [volume_of(row) for row in tx.rows(statement)]


def volume_of(row: Row[Any]) -> Volume:
    """A row of `SELECT_VOLUMES`."""
    held = tuple(_attachment(one) for one in row.attachments or ())
    return Volume(
        id=row.id,
        project_id=row.project_id,
        user_id=row.user_id,
        name=row.name,
        description=row.description,
        created_at=row.created_at,
        updated_at=row.updated_at,
        type_id=row.type_id,
        type_name=row.type_name,
        server_id=row.server_id,
        role=row.role,
        snapshot_id=row.snapshot_id,
        source_volume_id=row.source_volume_id,
        bootable=row.bootable,
        read_only=row.read_only,
        metadata=row.metadata,
        image_metadata=row.image_metadata,
        size_gib=row.size_gib,
        zone=row.zone,
        host_id=row.host_id,
        status=volume_status(_volume_flags(row, held), row.forced_status),
        fault=_fault(row),
        attachments=held,
        removed=row.removed_at is not None or row.released_at is not None,
        pool=row.before["pool"] if row.before else row.pool,
        encrypted=row.encrypted,
        key_id=row.key_id,
        multiattach=row.multiattach,
        migration=_migration(row),
        group_id=row.group_id,
        backup_id=row.backup_id,
        exported=row.exported_at is not None,
        moving=row.before is not None,
    )


def snapshot_of(row: Row[Any]) -> Snapshot:
    """A row of `SELECT_SNAPSHOTS`."""
    status = snapshot_status(DiskFlags(**_disk_flags(row)), row.forced_status)
    return Snapshot(
        id=row.id,
        volume_id=row.volume_id,
        project_id=row.project_id,
        user_id=row.user_id,
        name=row.name,
        description=row.description,
        metadata=row.metadata,
        created_at=row.created_at,
        updated_at=row.updated_at,
        size_gib=row.size_gib,
        host_id=row.host_id,
        status=status,
        fault=_fault(row),
        removed=row.removed_at is not None or row.released_at is not None,
        pool=row.pool,
        format=row.format,
        encrypted=row.encrypted,
        key_id=row.key_id,
        group_snapshot_id=row.group_snapshot_id,
        progress=row.forced_progress or ("100%" if status == Status.AVAILABLE else "0%"),
    )


def attachment_of(row: Row[Any]) -> Attachment:
    """A row of the table of attachments."""
    return Attachment(**{name: row._mapping[name] for name in Attachment.__dataclass_fields__})


def _attachment(document: Mapping[str, Any]) -> Attachment:
    """An attachment that came as JSON, in which times are text."""
    values = {name: document[name] for name in Attachment.__dataclass_fields__}
    for name in ("created_at", "attached_at"):
        values[name] = datetime.fromisoformat(values[name]) if values[name] else None
    return Attachment(**values)


def _seen(tx: Tx, caller: Caller, volume_id: str, statement: Select[Any]) -> Volume:
    row = tx.row(statement.where(volumes.c.id == volume_id, volumes.c.server_id.is_(None)))
    if row is None or not caller.sees(row.project_id):
        raise VolumeNotFound(f"Volume {volume_id} could not be found.")
    return volume_of(row)


def _fault(row: Row[Any]) -> str | None:
    if row.removed_at is not None:
        return str(row.removal_failure) if row.removal_failure else None
    found = row.fault or row.failure
    return str(found) if found else None


def _migration(row: Row[Any]) -> str | None:
    """In Cinder's words; None for a volume that never moved."""
    if row.before and row.before["room_id"]:
        return "migrating"
    if row.migration_failed:
        return "error"
    return "success" if row.migrated else None


def _disk_flags(row: Row[Any]) -> dict[str, bool]:
    return {
        "removed": row.removed_at is not None or row.released_at is not None,
        "stuck": row.removal_failure is not None,
        "failed": row.failure is not None or (row.fault is not None and row.before is None),
        "away": not row.ready,
        "unmade": row.made_at is None,
    }


def _volume_flags(row: Row[Any], held: Sequence[Attachment]) -> VolumeFlags:
    wanted = {attachment.wanted for attachment in held}
    plugged = any(one.wanted == "attached" and one.attached_at is not None for one in held)
    rework = row.rework if row.observed_revision < row.revision else None
    return VolumeFlags(
        **_disk_flags(row),
        retyping=rework == "retyping",
        locked=rework == "maintenance",
        reverting=rework == "reverting",
        restoring=rework == "restoring-backup",
        downloading=rework == "downloading",
        small=row.observed_bytes < wanted_bytes(row),
        claimed=row.attach_claimed_at is not None,
        reserved="reserved" in wanted,
        plugging="attached" in wanted,
        plugged=plugged,
        unplugging="detached" in wanted,
        offered=row.offered,
        uploading=row.uploading,
        backing_up=row.backing_up,
        exported=row.exported_at is not None,
    )
