"""Imports: data that come to an image by other ways than an upload, or change on their way in.

`order` says what should happen and writes a task. What needs no time has happened when it returns; the rest
is done by `ImageImporter` with the verbs below: `take`, then `finish` or `fail`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from volutus import audit, quota
from volutus.db import Tx
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.image import conversion, faults, images, tasks, usage
from volutus.image.data import SILENT_S, Upload
from volutus.image.models import Image, from_row
from volutus.image.reach import Reach
from volutus.image.store import ImageStore
from volutus.image.sums import Sums
from volutus.image.tables import images as table
from volutus.image.tasks import Task
from volutus.reconcile import wake

KIND = "image_import"
# What images may become on their way in; empty: whatever they are.
IMPORT_FORMATS = ("qcow2", "raw", "")
DIRECT, DOWNLOAD, COPY = "glance-direct", "web-download", "copy-image"
# An import that died with its process is begun again, but not for ever.
PATIENCE = timedelta(hours=24)
_NOTHING: Mapping[str, None] = dict.fromkeys(
    ("size_bytes", "virtual_size_bytes", "md5", "sha256", "staged_at")
)


@dataclass(frozen=True)
class ImportRules:
    """What the operator allows: `reach` says from where images are fetched, `convert_to` (qcow2, raw or
    empty) what images of other formats become."""

    reach: Reach = field(default_factory=Reach)
    convert_to: str = ""

    @property
    def methods(self) -> tuple[str, ...]:
        """The ways in that there are."""
        return (DIRECT, *((DOWNLOAD,) if self.reach.is_open else ()), COPY)

    def converts(self, image: Image) -> bool:
        """Whether the data of this image change on their way in."""
        archive = image.container_format == "ova" and bool(self.convert_to)
        plain = image.container_format in ("bare", "ovf")
        return archive or (plain and conversion.is_needed(image.disk_format or "", self.convert_to))


@dataclass(frozen=True)
class ImportOrder:
    """`asked` is what the client sent, shown again with the task; `kind` as in `Task.type`."""

    method: str
    uri: str | None = None
    kind: str = "api_image_import"
    asked: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """An import that this process is to carry out."""

    task: Task
    image: Image
    upload: Upload
    uri: str | None


@dataclass(frozen=True)
class Content:
    """What the image is to hold. `as_staged`: the very data that were staged, which are in their place."""

    sums: Sums
    disk_format: str
    container_format: str
    virtual_size_bytes: int | None
    as_staged: bool = False


def order(tx: Tx, caller: Caller, image_id: str, rules: ImportRules, wanted: ImportOrder) -> Task:
    """Import data to the image. Raises WrongStatus, Invalid."""
    if wanted.method not in rules.methods:
        raise Invalid(f"Unknown import method name '{wanted.method}'.", field="method.name")
    image = images.own(tx, caller, image_id, doing="import data to")
    if wanted.method == DOWNLOAD:
        _check_download(image, rules, wanted)
    elif wanted.method == DIRECT:
        _check_staged(tx, image)
    elif image.status != "active":
        raise faults.WrongStatus(f"Only an active image is copied; it is {image.status}.")
    task = tasks.start(tx, caller, image_id, image.owner, wanted.kind, wanted.asked)
    audit.record(tx, caller, "import", images.KIND, image_id, {"method": wanted.method})
    # There is one store, and an active image is in it.
    now = wanted.method == COPY
    values = {"import_state": "success" if now else "pending", "updated_at": tx.now}
    tx.execute(update(table).where(table.c.id == image_id).values(values))
    if now:
        tasks.move(tx, task.id, "success")
    else:
        wake(tx, KIND, task.id)
    return task


def take(tx: Tx, task_id: str) -> Job | None:
    """The import, from now on this process's to carry out; None when it is over, or somebody else's."""
    task = tasks.read(tx, task_id)
    if task is None or task.is_over:
        return None
    row = tx.row(
        select(table)
        .where(table.c.id == task.image_id, table.c.deleted_at.is_(None))
        .limit(1)
        .with_for_update()
    )
    if row is None or row.import_state != "pending":
        tasks.move(tx, task_id, "failure", "The image was deleted.")
        return None
    if tx.now - task.created_at > PATIENCE:
        _give_up(tx, row.id)
        tasks.move(tx, task_id, "failure", "The import was not done within a day.")
        return None
    if row.upload_id is not None and (tx.now - row.upload_seen_at).total_seconds() < SILENT_S:
        return None
    image = from_row(row)
    formats = (image.disk_format or "", image.container_format or "")
    # What was staged is charged already and makes room for what comes of it.
    room_bytes = images.bytes_left(tx, image.owner) + (image.size_bytes or 0)
    upload = Upload(tx.ids.uuid(), image.id, *formats, False, room_bytes)
    taken = {"upload_id": upload.id, "upload_seen_at": tx.now}
    tx.execute(update(table).where(table.c.id == image.id).values(taken))
    tasks.move(tx, task_id, "processing")
    method = task.input.get("import_req", {}).get("method", {})
    uri = task.input.get("import_from") or method.get("uri")
    return Job(task, image, upload, uri)


def finish(tx: Tx, store: ImageStore, job: Job, content: Content) -> None:
    """The data, complete under the upload's name, are the image's. Raises UploadLost when the image went
    away meanwhile, QuotaExceeded."""
    row = tx.row(
        update(table)
        .where(table.c.id == job.image.id, table.c.upload_id == job.upload.id)
        .values(
            **asdict(content.sums),
            disk_format=content.disk_format,
            container_format=content.container_format,
            virtual_size_bytes=content.virtual_size_bytes,
            upload_id=None,
            upload_seen_at=None,
            import_state="success",
            activated_at=tx.now,
            updated_at=tx.now,
        )
        .returning(table.c.owner)
    )
    if row is None:
        raise faults.UploadLost(f"Image {job.image.id} was deleted while its data came.")
    if row.owner is not None:
        quota.release(tx, row.owner, {"image_bytes": job.image.size_bytes or 0})
        quota.charge(tx, row.owner, {"image_bytes": content.sums.size_bytes})
    usage.kept(tx, job.image.id, row.owner, content.sums.size_bytes)
    audit.record(tx, _asker(job.task), "activate", images.KIND, job.image.id)
    tasks.move(tx, job.task.id, "success")
    if not content.as_staged:
        store.keep(store.incoming(job.upload.id), job.image.id)


def fail(tx: Tx, store: ImageStore, job: Job, message: str) -> None:
    """The image waits for other data; what was staged is gone."""
    tasks.move(tx, job.task.id, "failure", message)
    mine = (table.c.id == job.image.id, table.c.upload_id == job.upload.id)
    row = tx.row(select(table.c.owner).where(*mine).limit(1).with_for_update())
    if row is None:
        return
    # Under the row's lock: afterwards another upload may put its own file there.
    store.remove(job.image.id)
    _give_up(tx, job.image.id)
    if row.owner is not None and job.image.size_bytes:
        quota.release(tx, row.owner, {"image_bytes": job.image.size_bytes})
    usage.kept(tx, job.image.id, None, None)


def _give_up(tx: Tx, image_id: str) -> None:
    gone = {**_NOTHING, "upload_id": None, "upload_seen_at": None, "import_state": "failure"}
    tx.execute(update(table).where(table.c.id == image_id).values(**gone, updated_at=tx.now))


def _check_download(image: Image, rules: ImportRules, wanted: ImportOrder) -> None:
    if not wanted.uri:
        raise Invalid("The method web-download needs a uri.", field="method.uri")
    rules.reach.check(wanted.uri)
    if image.disk_format is None or image.container_format is None:
        raise faults.FormatsMissing("Properties disk_format, container_format must be set.")
    if image.status != "queued":
        raise faults.WrongStatus(f"Image status transition from {image.status} to importing is not allowed")


def _check_staged(tx: Tx, image: Image) -> None:
    waiting = (table.c.id == image.id, table.c.staged_at.isnot(None), table.c.activated_at.is_(None))
    idle = table.c.import_state.is_distinct_from("pending")
    if not tx.value(select(1).where(*waiting, idle).limit(1)):
        raise faults.WrongStatus(
            f"Image needs to be staged before 'glance-direct' method can be used; it is {image.status}."
        )


def _asker(task: Task) -> Caller:
    return Caller(user_id=task.user_id, project_id=task.owner)
