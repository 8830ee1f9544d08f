"""Downloads of disks: asking the host that has one for its bytes.

The bytes do not come by here: the host brings them to where the download's connection is held.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, insert, select, update

from volutus import audit, placement
from volutus.db import Tx
from volutus.errors import NotFound
from volutus.identity import Caller
from volutus.volume.faults import WrongStatus
from volutus.volume.records import Snapshot, get_snapshot
from volutus.volume.status import Status
from volutus.volume.tables import disks, reads
from volutus.wire import DiskRead

# Nobody waits that long for a download to begin; a host that was silent meanwhile is not asked for it.
ASKED_WITHIN = timedelta(seconds=30)
# Each poll of a host takes no more; the rest comes with the next.
REQUESTS_MAX = 16
KEPT_FOR = timedelta(days=1)


def admit(tx: Tx, caller: Caller, snapshot_id: str) -> Snapshot:
    """A snapshot whose bytes the caller may have, all of them there. Raises SnapshotNotFound, WrongStatus."""
    found = get_snapshot(tx, caller, snapshot_id)
    if found.status != Status.AVAILABLE:
        raise WrongStatus(f"Invalid snapshot: snapshot {snapshot_id} is {found.status}.")
    audit.record(tx, caller, "download", "volume.snapshot", snapshot_id)
    return found


def begin(tx: Tx, disk_id: str, offset: int) -> str:
    """Have the disk's host send its bytes from there on, once this is committed; under the name answered they
    will come. Raises NotFound."""
    host_id = tx.value(select(disks.c.host_id).where(disks.c.id == disk_id, disks.c.removed_at.is_(None)))
    if host_id is None:
        raise NotFound("The disk is there no more.")
    tx.execute(delete(reads).where(reads.c.created_at < tx.now - KEPT_FOR))
    session_id = tx.ids.hex()
    values = {"id": session_id, "disk_id": disk_id, "host_id": host_id, "begin": offset, "created_at": tx.now}
    tx.execute(insert(reads), values)
    placement.ring(tx, host_id)
    return session_id


def take(tx: Tx, host_id: str) -> Sequence[DiskRead]:
    """The downloads that a host has not been asked for yet: each is told once."""
    waiting = select(reads.c.id).where(
        reads.c.host_id == host_id,
        reads.c.asked_at.is_(None),
        reads.c.created_at > tx.now - ASKED_WITHIN,
    )
    rows = tx.rows(
        update(reads)
        .where(reads.c.id.in_(waiting.limit(REQUESTS_MAX)), reads.c.asked_at.is_(None))
        .values(asked_at=tx.now)
        .returning(reads)
    )
    return [DiskRead(session_id=row.id, disk_id=row.disk_id, begin=row.begin) for row in rows]


def check_host(tx: Tx, host_id: str, session_id: str) -> None:
    """Raise NotFound unless this host was asked for the download."""
    if tx.value(select(reads.c.host_id).where(reads.c.id == session_id)) != host_id:
        raise NotFound("There is no such download.")
