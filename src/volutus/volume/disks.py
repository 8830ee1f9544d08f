"""The disks on hosts behind volumes and snapshots: ordering, telling hosts, and what hosts report.

A disk does not know what it is for; names, types and attachments are elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, delete, insert, select, text, update

from volutus import metering, placement, quota
from volutus.db import Tx
from volutus.reconcile import wake, wake_many
from volutus.volume import messages
from volutus.volume.status import GIB
from volutus.volume.tables import disks, snapshots
from volutus.wire import DiskObserved, DiskSource, DiskSpec

# The kind of work in the queue, and of assignments in a host's document.
KIND = "volume"
ASSIGNMENT = "disk"
# What usage ranges are told as.
USAGE_KIND = "volume"
METER = "storage_gib"


@dataclass(frozen=True)
class DiskOrder:
    """A disk that should exist. With `claims_room` it takes its own share of a host; a server's disks are
    within the server's share, and are told where to go by `place`."""

    id: str
    project_id: str
    user_id: str
    size_gib: int
    zone: str | None = None
    source: DiskSource | None = None
    claims_room: bool = True


def order(tx: Tx, wanted: DiskOrder) -> None:
    """Write the intent; the reconciler does the rest."""
    source = wanted.source or DiskSource()
    tx.execute(
        insert(disks),
        {
            "id": wanted.id,
            "project_id": wanted.project_id,
            "user_id": wanted.user_id,
            "zone": wanted.zone,
            "size_gib": wanted.size_gib,
            "source_image_id": source.image_id,
            "source_image_format": source.image_format,
            "source_sha256": source.sha256,
            "source_disk_id": source.disk_id,
            "claims_room": wanted.claims_room,
        },
    )
    if wanted.claims_room:
        wake(tx, KIND, wanted.id)


def remove(tx: Tx, disk_ids: Sequence[str]) -> None:
    """Order the end of these disks. They are no longer paid for from now on, however long the host takes."""
    if not disk_ids:
        return
    tx.execute(
        update(disks)
        .where(disks.c.id.in_(disk_ids), disks.c.removed_at.is_(None))
        .values(removed_at=tx.now, removal_failure=None)
    )
    metering.close_usage(tx, USAGE_KIND, list(disk_ids))
    wake_many(tx, KIND, disk_ids)


def grow(tx: Tx, disk_id: str, size_gib: int) -> bool:
    """Order a disk to be larger. False when it already is, or is being removed."""
    grown = tx.changed(
        update(disks)
        .where(disks.c.id == disk_id, disks.c.size_gib < size_gib, disks.c.removed_at.is_(None))
        .values(size_gib=size_gib, failure=None)
    )
    if grown:
        wake(tx, KIND, disk_id)
    return bool(grown)


def place(tx: Tx, disk_id: str, host_id: str) -> None:
    """Have the disk made on this host; nothing happens when it already has one. Writes the assignment."""
    row = tx.row(select(disks).where(disks.c.id == disk_id).with_for_update())
    if row is None or row.removed_at is not None or row.assigned_gib == row.size_gib:
        return
    tell_host(tx, row, row.host_id or host_id)


def tell_host(tx: Tx, row: Row[Any], host_id: str) -> None:
    """Write the disk into the host's document, at the size wanted now. What the host reports wakes the disk;
    the scan sees to the deadline."""
    placement.assign(tx, host_id, ASSIGNMENT, row.id, _spec(row))
    tx.execute(update(disks).where(disks.c.id == row.id).values(host_id=host_id, assigned_gib=row.size_gib))


# One statement however many disks a host reports. A disk that a host no longer has is not believed to be
# another host's: only the host that was told of it may report it.
_OBSERVE = text(
    """
    UPDATE volume_disks d SET
        ready = o.ready, observed_bytes = o.size_bytes, allocated_bytes = o.allocated_bytes, fault = o.fault,
        fault_detail = o.fault_detail, observed_at = :now,
        made_at = CASE WHEN o.ready THEN coalesce(d.made_at, :now) ELSE d.made_at END
    FROM unnest(CAST(:ids AS text[]), CAST(:readies AS boolean[]), CAST(:sizes AS bigint[]),
                CAST(:allocated AS bigint[]), CAST(:faults AS text[]), CAST(:details AS text[]))
         AS o(id, ready, size_bytes, allocated_bytes, fault, fault_detail),
         volume_disks before
    WHERE d.id = o.id AND before.id = d.id AND d.host_id = :host_id
    RETURNING d.id, d.project_id, d.size_gib, d.removed_at, d.made_at, before.made_at AS made_before,
              before.ready AS ready_before, d.ready, d.fault, before.fault AS fault_before,
              before.observed_bytes AS bytes_before, d.observed_bytes
    """
)


def record_observed(tx: Tx, host_id: str, observed: Sequence[DiskObserved], gone: Sequence[str]) -> list[str]:
    """Store a host's report; ids of disks about which something changed that others may wait for."""
    changed: list[str] = []
    if observed:
        rows = tx.rows(_OBSERVE, _columns(tx, host_id, observed))
        made = [row for row in rows if row.made_at and not row.made_before and not row.removed_at]
        metering.open_usage(tx, [usage(row.id, row.project_id, row.size_gib) for row in made])
        _record_grown(tx, rows)
        _record_faults(tx, rows)
        changed += [row.id for row in rows if _differs(row)]
    changed += _record_gone(tx, host_id, gone)
    wake_many(tx, KIND, changed)
    return changed


def _record_grown(tx: Tx, rows: Sequence[Row[Any]]) -> None:
    for row in rows:
        if row.made_before and not row.removed_at and row.observed_bytes > row.bytes_before:
            metering.change_usage(tx, usage(row.id, row.project_id, row.observed_bytes // GIB))


def _record_faults(tx: Tx, rows: Sequence[Row[Any]]) -> None:
    failed = [row for row in rows if row.fault and row.fault != row.fault_before]
    messages.record(tx, [(row.id, "extend" if row.made_at else "create", row.fault) for row in failed])


def usage(disk_id: str, project_id: str, size_gib: int) -> metering.Usage:
    """What is metered for a disk: the GiB ordered, not those written."""
    return metering.Usage(project_id, USAGE_KIND, disk_id, METER, Decimal(size_gib))


def finish_removal(tx: Tx, disk_ids: Sequence[str]) -> None:
    """Nothing is left of these disks: give back room and quota, and forget them."""
    if not disk_ids:
        return
    for row in _quota_rows(tx, disk_ids):
        amounts = {"snapshots": row.snapshots, "volumes": row.volumes, "gigabytes": row.gigabytes}
        quota.release(tx, row.project_id, {name: int(n) for name, n in amounts.items() if n})
    placement.release_many(tx, disk_ids)
    tx.execute(delete(disks).where(disks.c.id.in_(disk_ids)))


# A server's own disks (volumes with `server_id`) were never charged as volumes.
_QUOTA = text(
    """
    SELECT coalesce(v.project_id, s.project_id) AS project_id,
           count(v.id) AS volumes, count(s.id) AS snapshots, sum(d.size_gib) AS gigabytes
    FROM volume_disks d
    LEFT JOIN volumes v ON v.id = d.id AND v.server_id IS NULL
    LEFT JOIN volume_snapshots s ON s.id = d.id
    WHERE d.id = ANY(CAST(:ids AS text[])) AND coalesce(v.id, s.id) IS NOT NULL
    GROUP BY 1 ORDER BY 1 LIMIT :count
    """
)


def _quota_rows(tx: Tx, disk_ids: Sequence[str]) -> Sequence[Row[Any]]:
    return tx.rows(_QUOTA, {"ids": list(disk_ids), "count": len(disk_ids)})


def _record_gone(tx: Tx, host_id: str, gone: Sequence[str]) -> list[str]:
    """Only what was ordered to go is believed to be gone: a host that lost a disk says so by a fault."""
    if not gone:
        return []
    for disk_id in gone:
        placement.forget(tx, host_id, ASSIGNMENT, disk_id)
    removed = select(disks.c.id).where(disks.c.id.in_(gone), disks.c.host_id == host_id)
    ids = [row.id for row in tx.rows(removed.where(disks.c.removed_at.isnot(None)).limit(len(gone)))]
    parents = _waiting_parents(tx, ids)
    finish_removal(tx, ids)
    return parents


def _waiting_parents(tx: Tx, disk_ids: Sequence[str]) -> list[str]:
    """Volumes that are to be removed as soon as these snapshots are."""
    if not disk_ids:
        return []
    statement = select(snapshots.c.volume_id).where(snapshots.c.id.in_(disk_ids)).distinct()
    return [row.volume_id for row in tx.rows(statement.limit(len(disk_ids)))]


def _differs(row: Row[Any]) -> bool:
    return bool(
        row.ready != row.ready_before
        or row.fault != row.fault_before
        or row.observed_bytes != row.bytes_before
    )


def _columns(tx: Tx, host_id: str, observed: Sequence[DiskObserved]) -> dict[str, Any]:
    return {
        "now": tx.now,
        "host_id": host_id,
        "ids": [disk.id for disk in observed],
        "readies": [disk.ready for disk in observed],
        "sizes": [disk.size_bytes for disk in observed],
        "allocated": [disk.allocated_bytes for disk in observed],
        "faults": [disk.fault for disk in observed],
        "details": [disk.fault_detail for disk in observed],
    }


def _spec(row: Row[Any]) -> DiskSpec:
    source = DiskSource(
        image_id=row.source_image_id,
        image_format=row.source_image_format,
        sha256=row.source_sha256,
        disk_id=row.source_disk_id,
    )
    named = source.image_id or source.disk_id
    return DiskSpec(id=row.id, size_bytes=row.size_gib * GIB, source=source if named else None)
