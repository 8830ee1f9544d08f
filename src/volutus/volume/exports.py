"""Exports: volumes served by iSCSI to machines outside the cloud, each to whoever knows its password.

A volume has one export or is attached, never both; while it is exported it can be copied (snapshots, backups,
images), and only the export changes it. It is free again once its host says that no session of the export is
left. The password is told when the export is made, and afterwards only to the host.
"""

import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, delete, insert, select, text, update

from volutus import audit, placement
from volutus.db import Page, Tx, paged
from volutus.identity import Caller
from volutus.reconcile import wake_many
from volutus.volume import disks as disk_orders
from volutus.volume import keys
from volutus.volume.faults import ExportNotFound, ExportRefused
from volutus.volume.records import lock_volume
from volutus.volume.status import Status
from volutus.volume.tables import exports, volumes
from volutus.wire import ExportObserved, ExportSpec

# The kind of assignments in a host's document.
KIND = "export"
# The disk is this unit of its target; 0 is the target's own.
UNIT = 1
# A target's name is this, a colon and the export's id.
TARGET_PREFIX = "iqn.2026-01.org.volutus"
# Windows takes secrets of 12 to 16 characters. 16 of these are 95 bits.
PASSWORD_CHARACTERS = string.ascii_letters + string.digits
PASSWORD_LENGTH = 16
# A host that restarts needs a minute; what takes longer is worth a word.
PREPARED_WITHIN = timedelta(minutes=3)


class ExportStatus(StrEnum):
    """What a tenant sees."""

    PREPARING = "preparing"
    AVAILABLE = "available"
    REVOKING = "revoking"
    ERROR = "error"


@dataclass(frozen=True)
class Export:
    """`target` is its iSCSI name, `portal` ADDR:PORT, `chap_user` who logs in; the disk is its unit 1.
    `fault` is why it cannot be used, in words a tenant can read."""

    id: str
    volume_id: str
    project_id: str
    user_id: str
    target: str
    portal: str
    chap_user: str
    read_only: bool
    created_at: datetime
    status: str
    fault: str | None


@dataclass(frozen=True)
class ExportFilter:
    """Which exports a list has; None means any. `everyones` is for administrators."""

    everyones: bool = False
    project_id: str | None = None
    volume_id: str | None = None


_SORTABLE = {"id": exports.c.id, "created_at": exports.c.created_at}
_STORED = [name for name in Export.__dataclass_fields__ if name not in ("status", "fault")]


def create(tx: Tx, caller: Caller, sealer: keys.Sealer, volume_id: str) -> tuple[Export, str]:
    """Export a volume; with the password, which is told this once. Raises VolumeNotFound, VolumeExported,
    ExportRefused."""
    # Locked by itself: what the next statement reads beside the row is then of after the wait.
    tx.row(select(volumes.c.id).where(volumes.c.id == volume_id).with_for_update())
    volume = lock_volume(tx, caller, volume_id)
    if volume.attachments:
        raise ExportRefused(
            f"Volume {volume_id} is attached to server {volume.attachments[0].server_id}: detach it first."
        )
    if volume.status != Status.AVAILABLE or volume.host_id is None or volume.moving:
        raise ExportRefused(f"Volume {volume_id} is {volume.status}: it must be available to be exported.")
    facts = placement.hosts.get(tx, volume.host_id).facts
    if facts is None or not facts.iscsi_portal:
        raise ExportRefused(f"Volume {volume_id} is stored where iSCSI is not offered.")
    export_id, password = tx.ids.uuid(), _password()
    target, read_only = f"{TARGET_PREFIX}:{export_id}", bool(volume.read_only)
    spec = ExportSpec(id=export_id, disk_id=volume_id, target=target, user=export_id, read_only=read_only)
    tx.execute(
        insert(exports),
        {
            "id": export_id,
            "volume_id": volume_id,
            "project_id": volume.project_id,
            "user_id": caller.user_id or "",
            "host_id": volume.host_id,
            "target": target,
            "portal": facts.iscsi_portal,
            "chap_user": export_id,
            "sealed": sealer.seal(export_id, password.encode()),
            "read_only": read_only,
            "created_at": tx.now,
            "assigned_generation": placement.assign(tx, volume.host_id, KIND, export_id, spec),
        },
    )
    _set_exported(tx, [volume_id], tx.now)
    audit.record(tx, caller, "create", "volume.export", export_id, {"volume_id": volume_id})
    return get(tx, caller, export_id), password


def get(tx: Tx, caller: Caller, export_id: str) -> Export:
    """An export of the caller's. Raises ExportNotFound."""
    row = tx.row(select(exports).where(exports.c.id == export_id))
    if row is None or not caller.sees(row.project_id):
        raise ExportNotFound(f"Export {export_id} could not be found.")
    return _export(row, tx.now)


def list_(tx: Tx, caller: Caller, wanted: ExportFilter, page: Page) -> list[Export]:
    """Exports in pages."""
    statement = select(exports)
    if not (caller.is_admin and wanted.everyones):
        statement = statement.where(exports.c.project_id == caller.own_project())
    elif wanted.project_id is not None:
        statement = statement.where(exports.c.project_id == wanted.project_id)
    if wanted.volume_id is not None:
        statement = statement.where(exports.c.volume_id == wanted.volume_id)
    rows = tx.rows(paged(tx, statement, page, _SORTABLE, exports.c.id))
    return [_export(row, tx.now) for row in rows]


def revoke(tx: Tx, caller: Caller, export_id: str) -> None:
    """End an export: its sessions are cut, and the volume is free once that is done. Twice is as good as
    once."""
    found = get(tx, caller, export_id)
    revoke_of(tx, caller, found.volume_id)


def revoke_of(tx: Tx, caller: Caller, volume_id: str) -> None:
    """The same for whatever export the volume has: for one whose end is forced."""
    lock_volume(tx, caller, volume_id, exported=True)
    going = exports.c.volume_id == volume_id, exports.c.removed_at.is_(None)
    returned = exports.c.id, exports.c.host_id
    for row in tx.rows(update(exports).where(*going).values(removed_at=tx.now).returning(*returned)):
        placement.bury(tx, row.host_id, KIND, row.id)
        audit.record(tx, caller, "delete", "volume.export", row.id, {"volume_id": volume_id})


def password_of(tx: Tx, sealer: keys.Sealer, host_id: str, export_id: str) -> bytes:
    """The password, for the host that serves the export. Raises ExportNotFound."""
    row = tx.row(
        select(exports.c.sealed).where(
            exports.c.id == export_id, exports.c.host_id == host_id, exports.c.removed_at.is_(None)
        )
    )
    if row is None:
        raise ExportNotFound(f"Export {export_id} is not this host's.")
    return sealer.open(export_id, row.sealed)


_OBSERVE = text(
    """
    UPDATE volume_exports e SET
        ready = o.ready, observed_generation = o.generation, observed_at = :now, fault = o.fault,
        fault_detail = o.fault_detail
    FROM unnest(CAST(:ids AS text[]), CAST(:readies AS boolean[]), CAST(:generations AS bigint[]),
                CAST(:faults AS text[]), CAST(:details AS text[]))
         AS o(id, ready, generation, fault, fault_detail)
    WHERE e.id = o.id AND e.host_id = :host_id
    """
)


def record_observed(tx: Tx, host_id: str, items: Sequence[ExportObserved], gone: Sequence[str]) -> None:
    """Store what a host says of its exports. Volumes of those that are gone are free."""
    if items:
        columns = {
            "ids": [item.id for item in items],
            "readies": [item.ready for item in items],
            "generations": [item.generation for item in items],
            "faults": [item.fault for item in items],
            "details": [item.fault_detail for item in items],
        }
        tx.execute(_OBSERVE, {**columns, "host_id": host_id, "now": tx.now})
    if gone:
        for export_id in gone:
            placement.forget(tx, host_id, KIND, export_id)
        _forget(tx, host_id, gone)


def _forget(tx: Tx, host_id: str, gone: Sequence[str]) -> None:
    """Only what was ordered to go is believed to be gone. The volumes are locked first, as by every verb."""
    mine = exports.c.id.in_(gone), exports.c.host_id == host_id, exports.c.removed_at.isnot(None)
    concerned = volumes.c.id.in_(select(exports.c.volume_id).where(*mine))
    tx.rows(select(volumes.c.id).where(concerned).order_by(volumes.c.id).limit(len(gone)).with_for_update())
    rows = tx.rows(delete(exports).where(*mine).returning(exports.c.volume_id))
    freed = [row.volume_id for row in rows]
    if freed:
        _set_exported(tx, freed, None)
        # One whose end was ordered meanwhile waits for this.
        wake_many(tx, disk_orders.KIND, freed)


def _set_exported(tx: Tx, volume_ids: Sequence[str], at: datetime | None) -> None:
    changed = {"exported_at": at, "updated_at": tx.now, "forced_status": None, "attach_claimed_at": None}
    tx.execute(update(volumes).where(volumes.c.id.in_(volume_ids)).values(**changed))


def _export(row: Row[Any], now: datetime) -> Export:
    fault = row.fault
    since = row.removed_at or (None if row.ready else row.observed_at or row.created_at)
    if fault is None and since is not None and now - since > PREPARED_WITHIN:
        fault = "The host does not answer; it will do it once it does."
    return Export(**{name: row._mapping[name] for name in _STORED}, status=_status(row, fault), fault=fault)


def _status(row: Row[Any], fault: str | None) -> ExportStatus:
    if row.removed_at is not None:
        return ExportStatus.REVOKING
    if fault is not None:
        return ExportStatus.ERROR
    is_served = row.ready and row.observed_generation >= row.assigned_generation
    return ExportStatus.AVAILABLE if is_served else ExportStatus.PREPARING


def _password() -> str:
    return "".join(secrets.choice(PASSWORD_CHARACTERS) for _ in range(PASSWORD_LENGTH))
