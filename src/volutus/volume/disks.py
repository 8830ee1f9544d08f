"""The disks on hosts behind volumes and snapshots: ordering, telling hosts, and what hosts report.

A disk does not know what it is for; names, types and attachments are elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, text, update

from volutus import metering, placement, quota
from volutus.db import Tx
from volutus.placement.inventory import FIRST_POOL
from volutus.reconcile import wake, wake_many
from volutus.volume import keys, messages, moves
from volutus.volume.status import GIB, wanted_bytes
from volutus.volume.tables import disks, released, snapshots, volumes
from volutus.volume.types import DEFAULT_TYPE_ID
from volutus.wire import DiskObserved, DiskSource, DiskSpec

# The kind of work in the queue, and of assignments in a host's document.
KIND = "volume"
ASSIGNMENT = "disk"
# What usage ranges are told as.
USAGE_KIND = "volume"


@dataclass(frozen=True)
class DiskOrder:
    """A disk that should exist. With `claims_room` it takes its own share of a host; a server's disks are
    within the server's share, and are told where to go by `place`. `size_mib` is the exact size of one that
    is no whole number of GiB. A `filesystem` (`swap` is one, too) is made on an empty disk."""

    id: str
    project_id: str
    user_id: str
    size_gib: int
    zone: str | None = None
    source: DiskSource | None = None
    claims_room: bool = True
    pool: str = FIRST_POOL
    format: str = "qcow2"
    key_id: str | None = None
    encrypted: bool = False
    size_mib: int | None = None
    filesystem: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class Rework:
    """A disk to be made anew in place, from `source`; it is the old one until the new one is whole. `kind` is
    the status meanwhile."""

    kind: str
    source: DiskSource
    pool: str
    format: str
    key_id: str | None
    encrypted: bool


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
            "source_backup_id": source.backup_id,
            "adopted_id": source.adopted_id,
            "claims_room": wanted.claims_room,
            "pool": wanted.pool,
            "format": wanted.format,
            "key_id": wanted.key_id,
            "encrypted": wanted.encrypted,
            "size_mib": wanted.size_mib,
            "filesystem": wanted.filesystem,
            "label": wanted.label,
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


def claim_anew(tx: Tx, disk_id: str, pool: str, size_gib: int) -> None:
    """Room in a pool of the host that has the disk, instead of the room it has; a disk without a host claims
    when it gets one. Raises NoCapacity."""
    row = tx.row(select(disks.c.project_id, disks.c.user_id, disks.c.host_id).where(disks.c.id == disk_id))
    if row is None or row.host_id is None:
        return
    placement.release(tx, disk_id)
    claim = placement.Claim(
        consumer_id=disk_id,
        project_id=row.project_id,
        user_id=row.user_id,
        disk_gib=size_gib,
        pool=pool,
        only_hosts=[row.host_id],
    )
    placement.claim(tx, claim)


def rework(tx: Tx, disk_id: str, wanted: Rework) -> None:
    """Order a disk to be made anew."""
    changes = {
        "revision": disks.c.revision + 1,
        "rework": wanted.kind,
        "source_image_id": wanted.source.image_id,
        "source_image_format": wanted.source.image_format,
        "source_sha256": wanted.source.sha256,
        "source_disk_id": wanted.source.disk_id,
        "source_backup_id": wanted.source.backup_id,
        "adopted_id": None,
        "pool": wanted.pool,
        "format": wanted.format,
        "key_id": wanted.key_id,
        "encrypted": wanted.encrypted,
        "failure": None,
    }
    tx.execute(update(disks).where(disks.c.id == disk_id).values(**changes))
    wake(tx, KIND, disk_id)


def release(tx: Tx, disk_id: str) -> None:
    """Order a disk to be put aside on its host, unharmed, and forgotten."""
    tx.execute(update(disks).where(disks.c.id == disk_id).values(released_at=tx.now))
    metering.close_usage(tx, USAGE_KIND, [disk_id])
    wake(tx, KIND, disk_id)


def place(tx: Tx, disk_id: str, host_id: str) -> None:
    """Have the disk made on this host; nothing happens when it already has one. Writes the assignment."""
    row = tx.row(select(disks).where(disks.c.id == disk_id).with_for_update())
    if row is None or row.removed_at is not None or is_told(row):
        return
    tell_host(tx, row, row.host_id or host_id)


def tell_host(tx: Tx, row: Row[Any], host_id: str) -> None:
    """Write the disk into the host's document, at the size wanted now. What the host reports wakes the disk;
    the scan sees to the deadline."""
    generation = placement.assign(tx, host_id, ASSIGNMENT, row.id, _spec(row))
    told = {
        "host_id": host_id,
        "assigned_gib": row.size_gib,
        "assigned_revision": moves.as_told(row)["revision"],
        "assigned_release": row.released_at is not None,
        "assigned_generation": generation,
    }
    tx.execute(update(disks).where(disks.c.id == row.id).values(**told))


def is_told(row: Row[Any]) -> bool:
    """Whether the host knows what is wanted now."""
    told = row.assigned_gib, row.assigned_revision, row.assigned_release
    return told == (row.size_gib, moves.as_told(row)["revision"], row.released_at is not None)


# One statement however many disks a host reports. A disk that a host no longer has is not believed to be
# another host's: only the host that was told of it may report it.
_OBSERVE = text(
    """
    UPDATE volume_disks d SET
        ready = o.ready, observed_bytes = o.size_bytes, allocated_bytes = o.allocated_bytes, fault = o.fault,
        fault_detail = o.fault_detail, observed_at = :now, observed_generation = o.generation,
        observed_revision = greatest(d.observed_revision, o.revision),
        made_at = CASE WHEN o.ready THEN coalesce(d.made_at, :now) ELSE d.made_at END
    FROM unnest(CAST(:ids AS text[]), CAST(:readies AS boolean[]), CAST(:sizes AS bigint[]),
                CAST(:allocated AS bigint[]), CAST(:faults AS text[]), CAST(:details AS text[]),
                CAST(:revisions AS integer[]), CAST(:generations AS bigint[]))
         AS o(id, ready, size_bytes, allocated_bytes, fault, fault_detail, revision, generation),
         volume_disks before
    WHERE d.id = o.id AND before.id = d.id AND d.host_id = :host_id
    RETURNING d.id, d.project_id, d.size_gib, d.size_mib, d.removed_at, d.made_at,
              before.made_at AS made_before, before.ready AS ready_before, d.ready, d.fault,
              before.fault AS fault_before,
              before.observed_bytes AS bytes_before, d.observed_bytes, d.rework, d.observed_revision,
              before.observed_revision AS revision_before, d.observed_generation,
              before.observed_generation AS generation_before, d.released_at, d.revision, d.claims_room,
              d.adopted_id, d.before, d.move_failure, d.assigned_revision, d.assigned_generation, d.key_id
    """
)


def record_observed(tx: Tx, host_id: str, observed: Sequence[DiskObserved], gone: Sequence[str]) -> list[str]:
    """Store a host's report; ids of disks about which something changed that others may wait for."""
    changed: list[str] = []
    if observed:
        rows = tx.rows(_OBSERVE, _columns(tx, host_id, observed))
        _record_reworked(tx, rows)
        made = [row for row in rows if row.made_at and not row.made_before and not row.removed_at]
        metering.open_usage(tx, usage(tx, {row.id: (row.project_id, row.size_gib) for row in made}))
        _record_grown(tx, rows)
        _record_faults(tx, rows)
        differing = [row for row in rows if _differs(row)]
        changed += [row.id for row in differing]
        wake_many(tx, KIND, [row.id for row in differing if not _is_settled(row)])
    parents = _record_gone(tx, host_id, gone)
    wake_many(tx, KIND, parents)
    return [*changed, *parents]


def _record_reworked(tx: Tx, rows: Sequence[Row[Any]]) -> None:
    """What was put aside is a disk again; what was made anew is what it was to be."""
    adopted = [row.id for row in rows if row.made_at and not row.made_before and row.adopted_id]
    if adopted:
        tx.execute(delete(released).where(released.c.taken_by.in_(adopted)))
    arrived = [row.id for row in rows if row.observed_revision > row.revision_before]
    moves.arrived(tx, [row for row in rows if row.id in arrived])
    moves.stayed(tx, [row for row in rows if row.id not in arrived])
    if arrived:
        changes = {
            "updated_at": tx.now,
            "type_id": func.coalesce(volumes.c.new_type_id, volumes.c.type_id),
            "new_type_id": None,
            # Shared disks, and only they, are raw.
            "multiattach": disks.c.format == "raw",
        }
        mine = disks.c.id == volumes.c.id, volumes.c.id.in_(arrived)
        tx.execute(update(volumes).where(*mine).values(**changes))
        change_class(tx, arrived)


def _record_grown(tx: Tx, rows: Sequence[Row[Any]]) -> None:
    for row in rows:
        if (
            row.made_before
            and not row.removed_at
            and not row.released_at
            and row.observed_bytes > row.bytes_before
        ):
            for grown in usage(tx, {row.id: (row.project_id, row.observed_bytes // GIB)}):
                metering.change_usage(tx, grown)


def _record_faults(tx: Tx, rows: Sequence[Row[Any]]) -> None:
    # Of one that moves is told once it is given up.
    failed = [row for row in rows if row.fault and row.fault != row.fault_before and row.before is None]
    messages.record(tx, [(row.id, "extend" if row.made_at else "create", row.fault) for row in failed])


SNAPSHOT_METER = "snapshot_gib"
# A snapshot is paid for by the bytes that it takes, all else by the GiB ordered; a volume by the class that
# its type is, but for the cloud's own first type.
_METERS = text(
    """
    SELECT d.id, d.project_id, d.size_gib, d.allocated_bytes,
        d.made_at IS NOT NULL AND d.removed_at IS NULL AND d.released_at IS NULL AS is_used, CASE
        WHEN s.id IS NOT NULL THEN 'snapshot_gib'
        WHEN v.type_id IS NULL OR v.type_id = :default_type THEN 'storage_gib'
        ELSE 'storage_gib:' || lower(t.name) END AS meter
    FROM volume_disks d LEFT JOIN volumes v ON v.id = d.id LEFT JOIN volume_types t ON t.id = v.type_id
    LEFT JOIN volume_snapshots s ON s.id = d.id
    WHERE d.id = ANY(CAST(:ids AS text[])) LIMIT :count
    """
)


def usage(tx: Tx, sizes: Mapping[str, tuple[str, int]]) -> list[metering.Usage]:
    """What is metered for disks, each with its project and size: of snapshots what they take, of all others
    the GiB ordered, not those written."""
    found = {row.id: row for row in _meters(tx, list(sizes))}
    return [
        metering.Usage(project_id, USAGE_KIND, disk_id, found[disk_id].meter, _gib(found[disk_id], size_gib))
        for disk_id, (project_id, size_gib) in sizes.items()
        if disk_id in found
    ]


def change_class(tx: Tx, disk_ids: Sequence[str]) -> None:
    """From now on these disks are paid for as what their types are now, by whose they are now."""
    for row in (row for row in _meters(tx, disk_ids) if row.is_used):
        metering.close_usage(tx, USAGE_KIND, [row.id])
        amount = _gib(row, row.size_gib)
        metering.open_usage(tx, [metering.Usage(row.project_id, USAGE_KIND, row.id, row.meter, amount)])


def _gib(row: Row[Any], size_gib: int) -> Decimal:
    return Decimal(row.allocated_bytes) / GIB if row.meter == SNAPSHOT_METER else Decimal(size_gib)


def _meters(tx: Tx, disk_ids: Sequence[str]) -> Sequence[Row[Any]]:
    if not disk_ids:
        return []
    asked = {"ids": list(disk_ids), "count": len(disk_ids), "default_type": DEFAULT_TYPE_ID}
    return tx.rows(_METERS, asked)


def finish_removal(tx: Tx, disk_ids: Sequence[str]) -> None:
    """Nothing is left of these disks: give back room and quota, and forget them."""
    if not disk_ids:
        return
    for row in _quota_rows(tx, disk_ids):
        amounts = {"snapshots": row.snapshots, "volumes": row.volumes, "gigabytes": row.gigabytes}
        quota.release(tx, row.project_id, by_type(row.type_id, amounts))
    placement.release_many(tx, disk_ids)
    ended = delete(disks).where(disks.c.id.in_(disk_ids))
    gone = tx.rows(ended.returning(disks.c.key_id, disks.c.before))
    placement.release_many(tx, moves.rooms(gone))
    keys.drop_unused(tx, [row.key_id for row in gone if row.key_id])
    drop_empty_groups(tx)


def drop_empty_groups(tx: Tx) -> None:
    """Groups and group snapshots that are to go, and of which nothing is left, are gone."""
    tx.execute(_EMPTY_GROUP_SNAPSHOTS)
    tx.execute(_EMPTY_GROUPS)


def by_type(type_id: str, amounts: Mapping[str, int]) -> dict[str, int]:
    """What to charge or release: each amount in all, and within its type."""
    counted = {name: int(amount) for name, amount in amounts.items() if amount}
    return counted | {f"{name}_{type_id}": amount for name, amount in counted.items()}


# Groups that are to go and have nothing left. They are few: only those with `removed_at` are looked at.
_EMPTY_GROUP_SNAPSHOTS = text(
    """
    DELETE FROM volume_group_snapshots g WHERE removed_at IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM volume_snapshots s WHERE s.group_snapshot_id = g.id)
    """
)
_EMPTY_GROUPS = text(
    """
    WITH gone AS (
        DELETE FROM volume_groups g WHERE removed_at IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM volumes v WHERE v.group_id = g.id)
        AND NOT EXISTS (SELECT 1 FROM volume_group_snapshots s WHERE s.group_id = g.id)
        RETURNING project_id
    ), counted AS (SELECT project_id, count(*) AS number FROM gone GROUP BY project_id)
    UPDATE quota_usage u SET used = u.used - c.number FROM counted c
    WHERE u.project_id = c.project_id AND u.resource = 'groups'
    """
)


# A server's own disks (volumes with `server_id`) were never charged as volumes.
_QUOTA = text(
    """
    SELECT coalesce(v.project_id, s.project_id) AS project_id,
           coalesce(v.new_type_id, v.type_id, o.new_type_id, o.type_id) AS type_id,
           count(v.id) AS volumes, count(s.id) AS snapshots, sum(d.size_gib) AS gigabytes
    FROM volume_disks d
    LEFT JOIN volumes v ON v.id = d.id AND v.server_id IS NULL
    LEFT JOIN volume_snapshots s ON s.id = d.id
    LEFT JOIN volumes o ON o.id = s.volume_id
    WHERE d.id = ANY(CAST(:ids AS text[])) AND coalesce(v.id, s.id) IS NOT NULL
    GROUP BY 1, 2 ORDER BY 1, 2 LIMIT :count
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
        or row.observed_revision != row.revision_before
        or (row.released_at is not None and row.observed_generation != row.generation_before)
    )


def _is_settled(row: Row[Any]) -> bool:
    """Whether the disk is what it should be, and never waited to be: a server's own disk has no work of its
    own that would have to be ended."""
    return bool(
        not row.claims_room
        and row.ready
        and row.observed_bytes >= wanted_bytes(row)
        and row.observed_revision >= row.revision
        and row.removed_at is None
        and row.released_at is None
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
        "revisions": [disk.revision for disk in observed],
        "generations": [disk.generation for disk in observed],
    }


def _spec(row: Row[Any]) -> DiskSpec:
    kept = moves.as_told(row)
    source = DiskSource(
        image_id=row.source_image_id,
        image_format=row.source_image_format,
        sha256=row.source_sha256,
        disk_id=row.source_disk_id,
        backup_id=row.source_backup_id,
        adopted_id=row.adopted_id,
    )
    return DiskSpec(
        id=row.id,
        size_bytes=wanted_bytes(row),
        source=source if source != DiskSource() else None,
        # Unsaid is the first pool's; so hosts of older versions understand.
        pool="" if kept["pool"] == FIRST_POOL else kept["pool"],
        format=kept["format"],
        encrypted=kept["encrypted"],
        revision=kept["revision"],
        released=row.released_at is not None,
        filesystem=row.filesystem or "",
        label=row.label or "",
    )
