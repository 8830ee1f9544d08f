"""Giving a volume to another project: offered with a key, accepted by whoever has the key."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from volutus import audit, quota
from volutus.db import Page, Tx, paged
from volutus.errors import Forbidden
from volutus.identity import Caller
from volutus.volume import disks as disk_orders
from volutus.volume import schedules
from volutus.volume.faults import TransferNotFound, WrongStatus
from volutus.volume.records import SELECT_VOLUMES, Volume, lock_volume, volume_of
from volutus.volume.status import Status
from volutus.volume.tables import disks, snapshots, transfers, volumes

SNAPSHOTS_MAX = 1000
# Enough that guessing is hopeless while the offer stands.
KEY_BYTES = 16


class WrongKey(Forbidden):
    code = "volume.transfer.wrong_key"


@dataclass(frozen=True)
class Transfer:
    """An offer that stands."""

    id: str
    volume_id: str
    project_id: str
    name: str | None
    with_snapshots: bool
    created_at: datetime


_SORTABLE = {"id": transfers.c.id, "created_at": transfers.c.created_at, "name": transfers.c.name}


def offer(
    tx: Tx, caller: Caller, volume_id: str, name: str | None, *, with_snapshots: bool
) -> tuple[Transfer, str]:
    """Offer a volume; the key is told this once and only its digest kept. Raises WrongStatus."""
    volume = lock_volume(tx, caller, volume_id)
    if volume.status != Status.AVAILABLE:
        raise WrongStatus(f"Invalid volume: status must be available, but is {volume.status}.")
    if not with_snapshots and _snapshot_sizes(tx, volume_id):
        raise WrongStatus(f"Invalid volume: Volume {volume_id} has snapshots that would stay behind.")
    key, transfer_id = secrets.token_hex(KEY_BYTES), tx.ids.uuid()
    tx.execute(
        insert(transfers),
        {
            "id": transfer_id,
            "volume_id": volume_id,
            "project_id": volume.project_id,
            "name": name,
            "with_snapshots": with_snapshots,
            "digest": _digest(key),
            "created_at": tx.now,
        },
    )
    audit.record(tx, caller, "offer", "volume.volume", volume_id, {"transfer_id": transfer_id})
    return get(tx, caller, transfer_id), key


def get(tx: Tx, caller: Caller, transfer_id: str) -> Transfer:
    """An offer of the caller's project. Raises TransferNotFound."""
    row = tx.row(select(transfers).where(transfers.c.id == transfer_id))
    if row is None or not caller.sees(row.project_id):
        raise TransferNotFound(f"Transfer {transfer_id} could not be found.")
    return _transfer(row)


def list_(tx: Tx, caller: Caller, page: Page, *, everyones: bool = False) -> list[Transfer]:
    """Offers of the caller's project; an administrator may ask for everyone's."""
    statement = select(transfers)
    if not (everyones and caller.is_admin):
        statement = statement.where(transfers.c.project_id == caller.own_project())
    return [_transfer(row) for row in tx.rows(paged(tx, statement, page, _SORTABLE, transfers.c.id))]


def withdraw(tx: Tx, caller: Caller, transfer_id: str) -> None:
    """The offer is off."""
    found = get(tx, caller, transfer_id)
    tx.execute(delete(transfers).where(transfers.c.id == transfer_id))
    audit.record(tx, caller, "withdraw", "volume.volume", found.volume_id, {"transfer_id": transfer_id})


def accept(tx: Tx, caller: Caller, transfer_id: str, key: str) -> Transfer:
    """Take an offered volume into the caller's project: its quota, its bill. Answers the offer that was.
    Whoever does not know the key learns nothing of it but that it exists. Raises WrongKey, QuotaExceeded."""
    row = tx.row(select(transfers).where(transfers.c.id == transfer_id).with_for_update())
    if row is None:
        raise TransferNotFound(f"Transfer {transfer_id} could not be found.")
    if not hmac.compare_digest(row.digest, _digest(key)):
        raise WrongKey(f"Attempt to transfer {transfer_id} with invalid auth key.")
    tx.execute(delete(transfers).where(transfers.c.id == transfer_id))
    found = tx.row(SELECT_VOLUMES.where(volumes.c.id == row.volume_id).with_for_update(of=volumes))
    if found is None or volume_of(found).status != Status.AVAILABLE:
        raise WrongStatus(f"Invalid volume: Volume {row.volume_id} is not available any more.")
    _move(tx, caller, volume_of(found))
    audit.record(tx, caller, "accept", "volume.volume", row.volume_id, {"transfer_id": transfer_id})
    return _transfer(row)


def _move(tx: Tx, caller: Caller, volume: Volume) -> None:
    sizes = _snapshot_sizes(tx, volume.id)
    amounts = {"volumes": 1, "gigabytes": volume.size_gib + sum(sizes.values())}
    if sizes:
        amounts["snapshots"] = len(sizes)
    project_id, owner = (
        caller.own_project(),
        {"project_id": caller.own_project(), "user_id": caller.user_id or ""},
    )
    counted = disk_orders.by_type(volume.type_id, amounts)
    quota.charge(tx, project_id, counted)
    quota.release(tx, volume.project_id, counted)
    tx.execute(update(volumes).where(volumes.c.id == volume.id).values(**owner, updated_at=tx.now))
    tx.execute(update(snapshots).where(snapshots.c.volume_id == volume.id).values(**owner))
    tx.execute(update(disks).where(disks.c.id.in_([volume.id, *sizes])).values(**owner))
    schedules.forget(tx, caller, volume.id)
    # From this moment the new owner pays.
    disk_orders.change_class(tx, [volume.id, *sizes])


def _snapshot_sizes(tx: Tx, volume_id: str) -> dict[str, int]:
    statement = select(snapshots.c.id, disks.c.size_gib).join(disks, disks.c.id == snapshots.c.id)
    rows = tx.rows(statement.where(snapshots.c.volume_id == volume_id).limit(SNAPSHOTS_MAX))
    return {row.id: row.size_gib for row in rows}


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _transfer(row: Row[Any]) -> Transfer:
    values = dict(row._mapping)
    values.pop("digest")
    return Transfer(**values)
