"""The cache of images on a host: each fetched once, checked, made flat, and read-only under all disks on it.

An upload is what a tenant says it is only after its sum was compared, and even then it is never opened with a
guessed format. A file appears under its name only when it is whole.
"""

import contextlib
import hashlib
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from volutus.agent.faults import HostFault
from volutus.agent.state import ImageSeen
from volutus.agent.storage import Fetch
from volutus.agent.storage.qcow2 import read_header
from volutus.agent.storage.qemu_img import CONVERT_TIMEOUT_S, DISK_FULL, Limits, qemu_img
from volutus.wire import DiskSource

# The names that Glance has for formats, and what qemu-img calls them.
FORMATS = {"raw": "raw", "qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx"}

# A tiny upload may say that it is a huge disk; flattened it must still not fill the pool.
FLAT_BYTES_MAX = 1 << 40

FLAT_SUFFIX, BOOT_SUFFIX = ".qcow2", ".boot"

# The next server of an image mostly comes within a day; fetching and flattening it takes seconds.
UNUSED_KEPT_S = 24 * 3600

# The pool keeps this much free for running guests' writes: new disks are refused before guests are paused.
RESERVE_BYTES = 512 << 20


@dataclass(frozen=True)
class Owner:
    """Who may read the files: QEMU's user."""

    uid: int
    gid: int


class ImageCache:
    """Images in `directory`: `ID.qcow2` flat disks, `ID.boot` kernels and ramdisks as they came."""

    def __init__(self, directory: Path, owner: Owner) -> None:
        self._directory = directory
        self._owner = owner
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o711)

    def flat(self, source: DiskSource, fetch: Fetch) -> Path:
        """The image as a flat qcow2."""
        image_id = _name(source)
        path = self._directory / f"{image_id}{FLAT_SUFFIX}"
        with self._one_at_a_time(image_id):
            if not path.exists():
                with self._fetched(source, fetch) as upload:
                    self._flatten(source, upload, path)
            _used(path)
        return path

    def boot_file(self, source: DiskSource, fetch: Fetch) -> Path:
        """The image as it is."""
        image_id = _name(source)
        path = self._directory / f"{image_id}{BOOT_SUFFIX}"
        with self._one_at_a_time(image_id):
            if not path.exists():
                with self._fetched(source, fetch) as upload:
                    self._publish(upload, path)
            _used(path)
        return path

    def images(self, backing: Counter[str]) -> dict[str, ImageSeen]:
        """The whole images; `backing` counts the disks that stand on each."""
        seen: dict[str, ImageSeen] = {}
        for path in self._directory.iterdir():
            if path.suffix not in (FLAT_SUFFIX, BOOT_SUFFIX):
                continue
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                came, used = int(status.st_mtime), int(status.st_atime)
                before = seen.get(path.stem, ImageSeen(0, came, used))
                seen[path.stem] = ImageSeen(
                    before.size_bytes + status.st_blocks * 512,
                    min(came, before.cached_at),
                    max(used, before.used_at),
                    backing[path.stem],
                )
        return seen

    def drop(self, image_id: str) -> None:
        """Remove the image."""
        with self._one_at_a_time(image_id):
            for suffix in (FLAT_SUFFIX, BOOT_SUFFIX):
                (self._directory / f"{image_id}{suffix}").unlink(missing_ok=True)

    def drop_except(self, image_ids: frozenset[str]) -> None:
        """Remove what interrupted work left, and images not named that were not used for long."""
        with self._guard:
            busy = {image_id for image_id, lock in self._locks.items() if lock.locked()}
        for path in self._directory.iterdir():
            whole = path.suffix in (FLAT_SUFFIX, BOOT_SUFFIX)
            if path.name.split(".")[0] in image_ids | busy:
                continue
            if not whole or time.time() - path.stat().st_atime > UNUSED_KEPT_S:
                path.unlink(missing_ok=True)

    @contextmanager
    def _one_at_a_time(self, image_id: str) -> Iterator[None]:
        with self._guard:
            lock = self._locks.setdefault(image_id, threading.Lock())
        with lock:
            yield

    @contextmanager
    def _fetched(self, source: DiskSource, fetch: Fetch) -> Iterator[Path]:
        """The bytes in a file of their own for as long as the block lasts, their sum compared."""
        upload = self._directory / f"{_name(source)}.upload"
        digest = hashlib.sha256()
        try:
            with fetch(_name(source)) as pieces, upload.open("wb") as file:
                for piece in pieces:
                    digest.update(piece)
                    file.write(piece)
                    check_room(self._directory, 0)
            if source.sha256 is not None and digest.hexdigest() != source.sha256:
                detail = f"sha256 {digest.hexdigest()}, not {source.sha256}"
                raise HostFault("The image arrived damaged.", detail)
            yield upload
        except OSError as error:
            raise HostFault("The image could not be stored on the host.", str(error)) from error
        finally:
            with contextlib.suppress(FileNotFoundError):
                upload.unlink()

    def _flatten(self, source: DiskSource, upload: Path, path: Path) -> None:
        name = FORMATS.get(source.image_format or "")
        if name is None:
            raise HostFault(f"Images of the format {source.image_format} cannot be disks.")
        header = read_header(upload)
        if name == "qcow2" and (header is None or header.refers):
            raise HostFault("The image is no qcow2 file that stands by itself.")
        fresh = path.with_suffix(".flat")
        limits = Limits(CONVERT_TIMEOUT_S, FLAT_BYTES_MAX)
        command = ["convert", "-q", "-f", name, "-O", "qcow2", str(upload), str(fresh)]
        try:
            qemu_img(command, "The image could not be read as a disk.", limits)
            self._publish(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)

    def _publish(self, fresh: Path, path: Path) -> None:
        os.chown(fresh, 0, self._owner.gid)
        fresh.chmod(0o440)
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        os.rename(fresh, path)


def _used(path: Path) -> None:
    """Note the time of the last use, which the file system would not: readers mostly leave it as it is."""
    os.utime(path, (time.time(), path.stat().st_mtime))


def check_room(directory: Path, needed_bytes: int) -> None:
    """Raise the fault of a full pool if less than `needed_bytes` and the reserve are free."""
    status = os.statvfs(directory)
    free = status.f_bavail * status.f_frsize
    if free < needed_bytes + RESERVE_BYTES:
        raise HostFault(DISK_FULL, f"{free >> 20} MiB free in {directory}")


def _name(source: DiskSource) -> str:
    if source.image_id is None:
        raise HostFault("The disk's source names no image.")
    return source.image_id
