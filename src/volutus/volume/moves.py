"""What becomes of a disk that is to be kept otherwise: in another pool, another format, encrypted or not.

Until its host says that it is, it is as it was before, with room claimed where it is and where it goes. If
that does not come about it stays as it was. Only the host knows which of both a disk is, so what is given up
is given up once the host has heard of it, and not at all if the disk was there already.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, case, select, update

from volutus import placement, quota
from volutus.db import Tx
from volutus.volume import keys, messages
from volutus.volume.faults import WrongStatus
from volutus.volume.tables import disks, snapshots, volumes

# More snapshots than a volume ever has.
SNAPSHOTS_MAX = 1000


def begin(tx: Tx, disk_id: str, pool: str) -> None:
    """Note how the disk is kept, before that is ordered to be otherwise, and claim its room in the pool.
    Raises NoCapacity, and WrongStatus when it is on the move already."""
    row = tx.row(select(disks).where(disks.c.id == disk_id))
    if row is None or row.before is not None:
        raise WrongStatus(f"Invalid volume: Volume {disk_id} is being moved.")
    room_id = tx.ids.uuid() if pool != row.pool else None
    if room_id is not None:
        claim = placement.Claim(
            consumer_id=room_id,
            project_id=row.project_id,
            user_id=row.user_id,
            disk_gib=row.size_gib,
            pool=pool,
            only_hosts=[row.host_id],
        )
        placement.claim(tx, claim)
    kept = {"pool": row.pool, "format": row.format, "key_id": row.key_id, "encrypted": row.encrypted}
    alone = disks.c.id == disk_id, disks.c.before.is_(None)
    if not tx.changed(update(disks).where(*alone).values(before={**kept, "room_id": room_id}, fault=None)):
        raise WrongStatus(f"Invalid volume: Volume {disk_id} is being moved.")


def arrived(tx: Tx, rows: Sequence[Row[Any]]) -> None:
    """These disks are kept as was ordered: where they were there is room again."""
    for row in (row for row in rows if row.before is not None):
        tx.execute(update(disks).where(disks.c.id == row.id).values(before=None, move_failure=None))
        if row.before["room_id"] is not None:
            placement.take_over(tx, row.before["room_id"], row.id)
            tx.execute(update(volumes).where(volumes.c.id == row.id).values(migrated=True))


def give_up(tx: Tx, row: Row[Any], reason: str) -> None:
    """Have the host leave the disk as it is, and tell its owner why."""
    tx.execute(update(disks).where(disks.c.id == row.id).values(move_failure=reason))
    messages.record(tx, [(row.id, "migrate" if row.before["room_id"] else "retype", reason)])


def stayed(tx: Tx, rows: Sequence[Row[Any]]) -> None:
    """The host left those of these disks as they were whose moves were given up."""
    for row in (row for row in rows if row.move_failure is not None and _is_told_to_stay(row)):
        before = row.before
        again: dict[str, Any] = {
            **{name: before[name] for name in ("pool", "format", "key_id", "encrypted")},
            "revision": row.observed_revision,
            "rework": case((disks.c.observed_revision == 0, None), else_=disks.c.rework),
            "before": None,
            "move_failure": None,
        }
        tx.execute(update(disks).where(disks.c.id == row.id).values(**again))
        placement.release(tx, before["room_id"] or "")
        keys.drop_unused(tx, [row.key_id] if row.key_id else [])
        _stay_of_type(tx, row.id, failed=before["room_id"] is not None)


def rooms(rows: Sequence[Row[Any]]) -> list[str]:
    """Who claimed room for disks that are gone, where they were to go."""
    return [row.before["room_id"] for row in rows if row.before is not None and row.before["room_id"]]


def as_told(row: Row[Any]) -> Mapping[str, Any]:
    """How the disk's host is to keep it, and as which revision: as it was, once that was given up."""
    if row.move_failure is None:
        kept = row.pool, row.format, row.encrypted, row.revision
    else:
        before = row.before
        kept = before["pool"], before["format"], before["encrypted"], row.observed_revision
    return dict(zip(("pool", "format", "encrypted", "revision"), kept, strict=True))


def type_amounts(tx: Tx, volume_id: str, size_gib: int) -> dict[str, int]:
    """What of a volume and its snapshots counts within its type."""
    rows = tx.rows(
        select(disks.c.size_gib)
        .join(snapshots, snapshots.c.id == disks.c.id)
        .where(snapshots.c.volume_id == volume_id)
        .limit(SNAPSHOTS_MAX)
    )
    sizes = [row.size_gib for row in rows]
    amounts = {"volumes": 1, "gigabytes": size_gib + sum(sizes), "snapshots": len(sizes)}
    return {name: amount for name, amount in amounts.items() if amount}


def of_type(amounts: Mapping[str, int], type_id: str) -> dict[str, int]:
    """The same as they are counted within one type."""
    return {f"{name}_{type_id}": amount for name, amount in amounts.items()}


def _is_told_to_stay(row: Row[Any]) -> bool:
    """Whether the report is of an agent that knows: it will not move the disk any more."""
    told = row.assigned_revision == row.observed_revision < row.revision
    return bool(told and row.ready and row.observed_generation >= row.assigned_generation)


def _stay_of_type(tx: Tx, volume_id: str, *, failed: bool) -> None:
    statement = select(volumes.c.project_id, volumes.c.type_id, volumes.c.new_type_id, disks.c.size_gib)
    row = tx.row(statement.join(disks, disks.c.id == volumes.c.id).where(volumes.c.id == volume_id))
    if row is None:
        return
    changes = {"new_type_id": None, "migration_failed": failed, "updated_at": tx.now}
    tx.execute(update(volumes).where(volumes.c.id == volume_id).values(**changes))
    if row.new_type_id is not None:
        amounts = type_amounts(tx, volume_id, row.size_gib)
        quota.release(tx, row.project_id, of_type(amounts, row.new_type_id))
        quota.take_back(tx, row.project_id, of_type(amounts, row.type_id))
