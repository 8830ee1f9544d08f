"""How an image gets its bytes: an upload or a staging, seen as rows.

`begin` takes the image for one upload; only that upload's `finish` can make it active. The bytes themselves
come in between, with no transaction open. An upload that stops saying it is alive is taken back by the
collector.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import select, update

from volutus import audit, quota
from volutus.db import Tx
from volutus.errors import NotFound
from volutus.identity import Caller
from volutus.image import faults, images, usage
from volutus.image.inspection import inspect
from volutus.image.models import Image
from volutus.image.store import ImageStore, Incoming
from volutus.image.sums import Sums
from volutus.image.tables import images as table
from volutus.reconcile import wake

# An upload says this often that it is alive, and is given up after so long without.
HEARTBEAT_S = 15
SILENT_S = 120


@dataclass(frozen=True)
class Upload:
    """The right to give one image its bytes, as many as its project may still store."""

    id: str
    image_id: str
    disk_format: str
    container_format: str
    staging: bool
    room_bytes: int


def begin(tx: Tx, caller: Caller, image_id: str, *, staging: bool = False, again: bool = False) -> Upload:
    """Take the image for an upload. Raises WrongStatus unless it is queued, or `again` is said by the one
    sender that there is: then an upload that was cut off, and is not yet known to be, is given up."""
    image = images.own(tx, caller, image_id, doing="upload data to")
    if image.disk_format is None or image.container_format is None:
        raise faults.FormatsMissing(
            "Properties disk_format, container_format must be set prior to saving data."
        )
    to = "uploading" if staging else "saving"
    if image.status != "queued" and not (again and image.status == "saving"):
        raise faults.WrongStatus(f"Image status transition from {image.status} to {to} is not allowed")
    formats = (image.disk_format, image.container_format)
    upload = Upload(tx.ids.uuid(), image_id, *formats, staging, images.bytes_left(tx, image.owner))
    tx.execute(
        update(table)
        .where(table.c.id == image_id)
        .values(upload_id=upload.id, upload_seen_at=tx.now, staging=staging, updated_at=tx.now)
    )
    wake(tx, images.KIND, image_id, after_s=SILENT_S)
    return upload


def alive(tx: Tx, upload: Upload) -> None:
    """Say that bytes still come. Raises UploadLost when nobody waits for them any more."""
    mine = (table.c.id == upload.image_id, table.c.upload_id == upload.id)
    if not tx.changed(update(table).where(*mine).values(upload_seen_at=tx.now)):
        raise _lost(upload)


def check(upload: Upload, incoming: Incoming) -> int | None:
    """Look into the complete bytes. Answers the size a guest sees; raises ImageRefused. Staged ones are
    looked into when they are imported, as Glance does: until then nobody gets or uses them."""
    if upload.staging:
        return None
    with incoming.path.open("rb") as file:
        return inspect(file, upload.disk_format, upload.container_format)


def finish(tx: Tx, caller: Caller, upload: Upload, sums: Sums, virtual_size_bytes: int | None) -> None:
    """The bytes are kept under the image's name. Raises UploadLost when the image went away meanwhile."""
    done = "staged_at" if upload.staging else "activated_at"
    values = asdict(sums) | {
        "virtual_size_bytes": virtual_size_bytes,
        "upload_id": None,
        "upload_seen_at": None,
        "updated_at": tx.now,
        done: tx.now,
    }
    row = tx.row(
        update(table)
        .where(table.c.id == upload.image_id, table.c.upload_id == upload.id)
        .values(values)
        .returning(table.c.owner)
    )
    if row is None:
        raise _lost(upload)
    if row.owner is not None:
        quota.charge(tx, row.owner, {"image_bytes": sums.size_bytes})
    usage.kept(tx, upload.image_id, row.owner, sums.size_bytes)
    audit.record(tx, caller, "stage" if upload.staging else "upload", images.KIND, upload.image_id)


def abandon(tx: Tx, upload: Upload) -> None:
    """The upload failed: the image waits for another one."""
    tx.execute(
        update(table)
        .where(table.c.id == upload.image_id, table.c.upload_id == upload.id)
        .values(upload_id=None, upload_seen_at=None, updated_at=tx.now)
    )


def file_path(tx: Tx, store: ImageStore, image_id: str) -> Path:
    """Where the bytes are, for a host that was told to fetch them. A deleted image's are there for a grace
    time, for the servers that were ordered from it."""
    found = tx.value(
        select(table.c.id).where(table.c.id == image_id, table.c.activated_at.isnot(None)).limit(1)
    )
    path = store.path(image_id)
    if not found or not path.exists():
        raise NotFound(f"Image {image_id} has no data.")
    return path


def open_file(store: ImageStore, image: Image) -> BinaryIO:
    """The bytes of an image that the caller got from `get` or `get_usable`."""
    if image.status != "active":
        raise faults.NotReady(f"Image {image.id} is not active.")
    return store.open(image.id)


def _lost(upload: Upload) -> faults.UploadLost:
    return faults.UploadLost(
        f"Image {upload.image_id} could not be found after upload. "
        "The image may have been deleted during the upload."
    )
