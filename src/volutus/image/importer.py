"""Carries out imports in the background: fetch, look into, convert, hash, activate.

Each runs in a thread of its own, few at a time, so that slow servers and large disks hold up nothing else.
Like an upload it says now and then that it is alive; one that falls silent is taken up again by whoever
looks next, from the beginning.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from volutus.db import Database, Tx
from volutus.errors import VolutusError
from volutus.image import conversion, data, faults, imports, tasks
from volutus.image.conversion import Conversion
from volutus.image.fetching import fetch
from volutus.image.imports import Content, ImportRules, Job
from volutus.image.inspection import archived_disks, inspect
from volutus.image.models import Image
from volutus.image.store import ImageStore, Incoming
from volutus.image.sums import Sums
from volutus.reconcile import Again, Done, Item, Outcome

log = logging.getLogger(__name__)

# Each may keep a core and the disk busy.
AT_ONCE_MAX = 2
_LOOK_S = 1.0
_SCAN_MAX = 200
# What another format is made of, and the disk out of an archive; their bytes are not the image's.
_SOURCE_SUFFIX, _DISK_SUFFIX = ".source", ".disk"
_COPY_BYTES = 1 << 20


class ImageImporter:
    """The kind of work `image_import`; keys are ids of tasks."""

    def __init__(self, database: Database, store: ImageStore, rules: ImportRules) -> None:
        self._database = database
        self._store = store
        self._rules = rules
        self._running: set[str] = set()
        self._lock = threading.Lock()

    @property
    def kind(self) -> str:
        return imports.KIND

    @property
    def batch(self) -> int:
        return 20

    def step(self, items: Sequence[Item]) -> Mapping[str, Outcome]:
        """Start what there is room for."""
        return {item.key: self._start(item.key) for item in items}

    def scan(self, tx: Tx) -> Sequence[str]:
        """Imports that are not over."""
        return tasks.unfinished(tx, _SCAN_MAX)

    def run(self, task_id: str) -> None:
        """Carry out one import to its end. Nothing happens when it is over, or somebody else's."""
        with self._database.begin() as tx:
            job = imports.take(tx, task_id)
        if job is None:
            return
        with _Alive(self._database, job) as alive:
            try:
                content = self._bring(job, alive.check)
                with self._database.begin() as tx:
                    imports.finish(tx, self._store, job, content)
            except VolutusError as error:
                log.warning("import of image %s: %s %s", job.image.id, error.message, error.detail)
                with self._database.begin() as tx:
                    imports.fail(tx, self._store, job, error.message)
            finally:
                for suffix in ("", _SOURCE_SUFFIX, _DISK_SUFFIX):
                    self._store.incoming(job.upload.id + suffix).unlink(missing_ok=True)

    def _start(self, task_id: str) -> Outcome:
        with self._database.read() as tx:
            task = tasks.read(tx, task_id)
        if task is None or task.is_over:
            return Done()
        with self._lock:
            if task_id in self._running:
                return Again(_LOOK_S, "an import under way")
            if len(self._running) >= AT_ONCE_MAX:
                return Again(_LOOK_S, "imports before this one")
            self._running.add(task_id)
        threading.Thread(target=self._guarded, args=(task_id,), name="import", daemon=True).start()
        return Again(_LOOK_S, "an import under way")

    def _guarded(self, task_id: str) -> None:
        try:
            self.run(task_id)
        except Exception:
            # It is silent from now on, and taken up again; the log has the reason.
            log.exception("import failed", extra={"task_id": task_id})
        finally:
            with self._lock:
                self._running.discard(task_id)

    def _bring(self, job: Job, proceed: Callable[[], None]) -> Content:
        """The image's data, complete under the upload's name."""
        image, converts = job.image, self._rules.converts(job.image)
        disk_format, container_format = image.disk_format or "", image.container_format or ""
        source = self._store.path(image.id)
        if job.uri is not None:
            name = job.upload.id + (_SOURCE_SUFFIX if converts else "")
            incoming = self._store.receive(name, job.upload.room_bytes)
            self._fetch(job.uri, incoming, proceed)
            source, sums = incoming.path, incoming.complete()
            if not converts:
                with source.open("rb") as file:
                    virtual_bytes = inspect(file, disk_format, container_format)
                return Content(sums, disk_format, container_format, virtual_bytes)
        elif not converts:
            return self._as_staged(image, source)
        return self._convert(job, source, proceed)

    def _as_staged(self, image: Image, source: Path) -> Content:
        """Data that stay as they are: only looked into, for their sums were taken as they came."""
        disk_format, container_format = image.disk_format or "", image.container_format or ""
        with source.open("rb") as file:
            virtual_bytes = inspect(file, disk_format, container_format)
        sums = Sums(image.size_bytes or 0, image.md5 or "", image.sha256 or "")
        return Content(sums, disk_format, container_format, virtual_bytes, as_staged=True)

    def _fetch(self, uri: str, incoming: Incoming, proceed: Callable[[], None]) -> None:
        def take(piece: bytes) -> None:
            proceed()
            incoming.write(piece)

        fetch(self._rules.reach, uri, self._database.clock, take)

    def _convert(self, job: Job, source: Path, proceed: Callable[[], None]) -> Content:
        disk_format = job.image.disk_format or ""
        with source.open("rb") as file:
            virtual_bytes = inspect(file, disk_format, job.image.container_format or "")
        if job.image.container_format == "ova":
            disk_format, virtual_bytes, source = self._extract(job, source, proceed)
        to, target = self._rules.convert_to, self._store.incoming(job.upload.id)
        wanted = Conversion(disk_format, to, virtual_bytes or 0, job.upload.room_bytes)
        if disk_format == to:
            source.replace(target)
        else:
            conversion.convert(source, target, wanted, proceed)
        with target.open("rb") as file:
            virtual_bytes = inspect(file, to)
        return Content(self._store.measure(target, proceed), to, "bare", virtual_bytes)

    def _extract(self, job: Job, source: Path, proceed: Callable[[], None]) -> tuple[str, int, Path]:
        """The one disk of an archive as a file of its own."""
        with source.open("rb") as file:
            disks = archived_disks(file)
            if len(disks) != 1:
                raise faults.ConversionFailed(
                    f"The OVA holds {len(disks)} disks; only one with a single disk becomes an image. "
                    "Import the disks one by one."
                )
            (disk,) = disks
            extracted = self._store.incoming(job.upload.id + _DISK_SUFFIX)
            file.seek(disk.at)
            left = disk.size
            with extracted.open("xb") as written:
                while left and (piece := file.read(min(left, _COPY_BYTES))):
                    proceed()
                    written.write(piece)
                    left -= len(piece)
        return disk.disk_format, disk.virtual_bytes, extracted


class _Alive:
    """Says while the block lasts that the import is alive; `check` raises when nobody wants it any more."""

    def __init__(self, database: Database, job: Job) -> None:
        self._database = database
        self._job = job
        self._over = threading.Event()
        self._lost = False
        self._thread = threading.Thread(target=self._beat, name="import-alive", daemon=True)

    def __enter__(self) -> "_Alive":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def check(self) -> None:
        """Raise UploadLost when the image was deleted."""
        if self._lost:
            raise faults.UploadLost("The image was deleted while its data came.")

    def _beat(self) -> None:
        while not self._over.wait(data.HEARTBEAT_S):
            try:
                with self._database.begin() as tx:
                    data.alive(tx, self._job.upload)
            except faults.UploadLost:
                self._lost = True
                return
            except VolutusError as error:
                log.warning("an import could not say that it is alive: %s", error.message)
