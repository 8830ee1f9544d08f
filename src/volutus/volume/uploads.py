"""Disks that become images: ordering, what hosts report of it, and how it ends.

A host copies the disk as it is at one instant and sends the copy as the image's bytes. The image is there for
its tenant from the order on, and active once the bytes are whole; if that fails it is gone, with a cause told
where the order came from: by the server that asked, or by a message about the volume.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, text, update

from volutus import image, placement
from volutus.db import Tx
from volutus.errors import NotFound
from volutus.identity import Caller
from volutus.image import Image, ImageFields
from volutus.reconcile import wake, wake_many
from volutus.volume import messages
from volutus.volume.faults import WrongStatus
from volutus.volume.tables import disks, uploads
from volutus.wire import UploadObserved, UploadSpec

# The kind of work, and of assignments in a host's document; keys are ids of images.
KIND = "upload"
# The kind of work that hears of the uploads of servers.
SERVER = "server"
# What hosts can make of a disk.
DISK_FORMATS = ("raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx")


@dataclass(frozen=True)
class UploadOrder:
    """A disk to become an image. `server_id` when a server's image was asked for, and not a volume's."""

    disk_id: str
    fields: ImageFields
    server_id: str | None = None


@dataclass(frozen=True)
class Upload:
    """How far it has come. `failure` is None when it ended well."""

    image_id: str
    server_id: str | None
    captured: bool
    ended_at: datetime | None
    failure: str | None


def order(tx: Tx, caller: Caller, wanted: UploadOrder) -> Image:
    """Make the image, queued, and have its bytes come. Raises QuotaExceeded, Invalid, WrongStatus while
    another image is made of the same disk."""
    under_way = uploads.c.disk_id == wanted.disk_id, uploads.c.ended_at.is_(None)
    if tx.row(select(uploads.c.image_id).where(*under_way)) is not None:
        raise WrongStatus("An image of this disk is being made already.")
    made = image.create(tx, caller, wanted.fields)
    tx.execute(
        insert(uploads),
        {
            "image_id": made.id,
            "disk_id": wanted.disk_id,
            "server_id": wanted.server_id,
            "project_id": made.owner,
            "user_id": caller.user_id or "",
            "disk_format": made.disk_format,
            "created_at": tx.now,
        },
    )
    wake(tx, KIND, made.id)
    return made


def of_server(tx: Tx, server_id: str) -> Upload | None:
    """The upload that a server waits for, or of which it has not taken the outcome."""
    row = tx.row(select(uploads).where(uploads.c.server_id == server_id))
    return Upload(row.image_id, row.server_id, row.captured, row.ended_at, row.failure) if row else None


def dismiss(tx: Tx, server_id: str) -> None:
    """The server took the outcome, or is about to be deleted: then what is under way is given up."""
    row = tx.row(select(uploads).where(uploads.c.server_id == server_id).with_for_update())
    if row is None:
        return
    if row.ended_at is None:
        end(tx, row, "The server was deleted.")
    tx.execute(update(uploads).where(uploads.c.image_id == row.image_id).values(server_id=None))
    wake(tx, KIND, row.image_id)


def sender(tx: Tx, host_id: str, image_id: str) -> Caller:
    """In whose name this host may send the image's bytes. Raises NotFound when it was not told to."""
    row = tx.row(
        select(uploads).where(
            uploads.c.image_id == image_id, uploads.c.host_id == host_id, uploads.c.ended_at.is_(None)
        )
    )
    if row is None:
        raise NotFound(f"Image {image_id} is not awaited from this host.")
    return Caller(
        user_id=row.user_id, project_id=row.project_id, roles=frozenset({"admin", "member", "reader"})
    )


def arrived(tx: Tx, image_id: str) -> None:
    """The image has its bytes."""
    wake(tx, KIND, image_id)


def reads_disk(tx: Tx, disk_id: str) -> int:
    """How many uploads still need the disk itself."""
    count: int = tx.value(
        select(func.count()).where(
            uploads.c.disk_id == disk_id, uploads.c.ended_at.is_(None), ~uploads.c.captured
        )
    )
    return count


_OBSERVE = text(
    """
    UPDATE volume_uploads u SET
        captured = u.captured OR o.captured, fault = o.fault, fault_detail = o.detail,
        fault_at = CASE WHEN o.fault IS NULL THEN NULL ELSE coalesce(u.fault_at, :now) END
    FROM unnest(CAST(:ids AS text[]), CAST(:captured AS boolean[]), CAST(:faults AS text[]),
                CAST(:details AS text[])) AS o(id, captured, fault, detail)
    WHERE u.image_id = o.id AND u.host_id = :host_id
    RETURNING u.image_id, u.server_id
    """
)


def record_observed(tx: Tx, host_id: str, observed: Sequence[UploadObserved], gone: Sequence[str]) -> None:
    """Store a host's report."""
    for image_id in gone:
        placement.forget(tx, host_id, KIND, image_id)
    if gone:
        mine = uploads.c.image_id.in_(gone) & (uploads.c.host_id == host_id)
        tx.execute(update(uploads).where(mine).values(gone_at=tx.now))
        wake_many(tx, KIND, gone)
    if not observed:
        return
    values: dict[str, Any] = {
        "now": tx.now,
        "host_id": host_id,
        "ids": [one.id for one in observed],
        "captured": [one.captured for one in observed],
        "faults": [one.fault for one in observed],
        "details": [one.fault_detail for one in observed],
    }
    rows = tx.rows(_OBSERVE, values)
    wake_many(tx, KIND, [row.image_id for row in rows])
    wake_many(tx, SERVER, [row.server_id for row in rows if row.server_id])


def end(tx: Tx, row: Row[Any], failure: str | None) -> None:
    """It is over, well or not: tell who waits. An image that did not get its bytes goes."""
    tx.execute(
        update(uploads).where(uploads.c.image_id == row.image_id).values(ended_at=tx.now, failure=failure)
    )
    if failure is not None:
        image.discard(tx, row.image_id)
        messages.record(tx, [(row.disk_id, "copy_volume_to_image", failure)])
    if row.server_id is not None:
        wake(tx, SERVER, row.server_id)
    wake(tx, KIND, row.image_id)


def assign(tx: Tx, row: Row[Any]) -> bool:
    """Tell the host that has the disk; False while none has."""
    disk = tx.row(select(disks).where(disks.c.id == row.disk_id, disks.c.made_at.isnot(None)))
    if disk is None:
        return False
    spec = UploadSpec(id=row.image_id, disk_id=row.disk_id, format=row.disk_format)
    placement.assign(tx, disk.host_id, KIND, row.image_id, spec)
    told = {"host_id": disk.host_id, "assigned_at": tx.now}
    tx.execute(update(uploads).where(uploads.c.image_id == row.image_id).values(**told))
    return True


def disk_is_there(tx: Tx, disk_id: str) -> bool:
    """Whether the disk is not being removed."""
    statement = select(disks.c.id).where(disks.c.id == disk_id, disks.c.removed_at.is_(None))
    return tx.row(statement) is not None
