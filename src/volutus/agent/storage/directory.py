"""Disks as files in directories, which QEMU on the same host opens by itself: the embedded storage.

A qcow2 disk made from an image has the cached flat image as its backing file, named relative to itself
because QEMU sees the directory elsewhere; every other disk stands by itself, so no chain is longer than two.
Work in progress has the suffix `.part` and no name.
"""

import os
import pwd
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from volutus.agent.faults import HostFault
from volutus.agent.state import BackupSeen, CaptureState, DiskSeen, ImageSeen
from volutus.agent.storage import DiskLocation, Fetch, Fill, Span, disk_tool
from volutus.agent.storage.backups import Backups
from volutus.agent.storage.captures import Captures
from volutus.agent.storage.disk_tool import Disk
from volutus.agent.storage.images import ImageCache, Owner, check_room
from volutus.agent.storage.nbd import opened
from volutus.agent.storage.pools import PART, RELEASED, Entry, Pools, mark_of, settle
from volutus.agent.storage.qcow2 import read_header
from volutus.agent.storage.qemu_img import CONVERT_TIMEOUT_S, Limits, qemu_img
from volutus.wire import BackupSpec, DiskSource, DiskSpec, ImageSpec, UploadSpec

# A fresh qcow2 with its tables takes less than this.
EMPTY_DISK_BYTES = 1 << 20
# A move may be cut off by an end of the guest, which says nothing; as often as this it is the place's fault.
MOVE_TRIES_MAX = 3


def no_key(disk_id: str) -> bytes:
    """The keys of a host that has no encrypted disks."""
    raise HostFault("The disk's key is not to be had.", disk_id)


@dataclass(frozen=True)
class Options:
    """`pools` are named besides the first; `keys` gives the key of an encrypted disk; `backups` is the backup
    target, by default in the agent's directory."""

    pools: tuple[str, ...] = ()
    keys: Callable[[str], bytes] = no_key
    backups: Path | None = None


class DirectoryStorage:
    """Disks and images below `agent_dir`, owned by QEMU's user."""

    def __init__(self, agent_dir: Path, qemu_user: str, options: Options = Options()) -> None:
        account = pwd.getpwnam(qemu_user)
        self._owner = Owner(account.pw_uid, account.pw_gid)
        self._keys = options.keys
        self._pools = Pools(agent_dir, options.pools)
        self._images = ImageCache(agent_dir / "images", self._owner)
        self._captures = Captures(agent_dir / "captures")
        self._backups = Backups(options.backups or agent_dir / "backups")
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    def disks(self) -> dict[str, DiskSeen]:
        seen = {}
        coming = {entry.disk_id: entry.path.name for entry in self._pools.coming()}
        for entry in self._pools.entries().values():
            try:
                size_bytes = _size(entry)
                allocated = entry.path.stat().st_blocks * 512
            except FileNotFoundError:
                continue
            if size_bytes is not None:
                comes = coming.get(entry.disk_id, "")
                seen[entry.disk_id] = DiskSeen(size_bytes, allocated, entry.revision, comes)
        return seen

    def create(self, spec: DiskSpec, fetch: Fetch, fill: Fill | None = None) -> None:
        path = self._pools.path(spec.pool, spec.id, spec.revision, spec.format)
        # Whoever was filling one is gone: nobody has the disk open.
        self.drop_move(spec.id)
        if path.exists():
            self._drop_outdated(spec.id)
            return
        if spec.source is not None and spec.source.adopted_id is not None:
            self._adopt(spec.source.adopted_id, path)
            return
        part = path.with_name(path.name + PART)
        check_room(path.parent, EMPTY_DISK_BYTES)
        with self._lock:
            self._busy.add(part.name)
        try:
            self._make(spec, part, fetch, fill)
            self._own(part)
            with part.open("rb") as file:
                os.fsync(file.fileno())
            os.rename(part, path)
            self._drop_outdated(spec.id)
        except OSError as error:
            raise HostFault("The disk could not be made.", str(error)) from error
        finally:
            part.unlink(missing_ok=True)
            with self._lock:
                self._busy.discard(part.name)

    def grow(self, disk_id: str, size_bytes: int) -> None:
        entry = self._pools.find(disk_id)
        if (_size(entry) or 0) < size_bytes:
            disk_tool.resize(self._disk(entry), size_bytes, "The disk could not be grown.")

    def grown(self, disk_id: str, size_bytes: int) -> None:
        """QEMU wrote the new size into the header itself."""

    def prepare_move(self, spec: DiskSpec) -> DiskLocation:
        path = self._pools.path(spec.pool, spec.id, spec.revision, spec.format)
        place = Entry(spec.id, spec.revision, spec.format, path)
        mark, message = mark_of(place), "The disk could not be moved."
        entry = self._pools.find(spec.id)
        try:
            tries = len(mark.read_bytes()) if mark.exists() else 0
            if tries >= MOVE_TRIES_MAX:
                raise HostFault(f"The disk could not be moved: that was cut off {tries} times.")
            self.drop_move(spec.id)
            check_room(path.parent, _stored_bytes(entry.path))
            mark.write_bytes(b"." * (tries + 1))
            settle(path.parent)
            key = self._keys(spec.id) if spec.encrypted else None
            disk_tool.create(Disk(path, spec.format, key), _size(entry) or 0, message)
            self._own(path)
        except OSError as error:
            raise HostFault(message, str(error)) from error
        return DiskLocation(path, spec.format, spec.encrypted)

    def moved(self, disk_id: str) -> None:
        for entry in list(self._pools.coming(disk_id)):
            mark_of(entry).unlink(missing_ok=True)
            # Before the guest writes on, and before the other file goes.
            settle(entry.path.parent)
        self._drop_outdated(disk_id)

    def drop_move(self, disk_id: str) -> None:
        for entry in list(self._pools.coming(disk_id)):
            entry.path.unlink(missing_ok=True)
            mark_of(entry).unlink(missing_ok=True)

    def destroy(self, disk_id: str) -> None:
        self.drop_move(disk_id)
        for entry in self._pools.of(disk_id):
            entry.path.unlink(missing_ok=True)

    def release(self, disk_id: str) -> None:
        self.drop_move(disk_id)
        for entry in reversed(self._pools.of(disk_id)):
            os.rename(entry.path, entry.path.parent / RELEASED / f"{disk_id}.{entry.format}")

    def captures(self) -> dict[str, CaptureState]:
        return self._captures.all()

    def capture(self, spec: UploadSpec, fill: Fill | None = None) -> None:
        # An image is for other disks to be made of, with keys of their own: it is not encrypted.
        self._captures.make(spec, lambda path: self._copy(spec.disk_id, Disk(path, "qcow2"), fill))

    def captured(self, image_id: str) -> Path:
        return self._captures.path(image_id)

    def sent(self, image_id: str) -> None:
        self._captures.sent(image_id)

    def drop_capture(self, image_id: str) -> None:
        self._captures.drop(image_id)

    def backups(self) -> dict[str, BackupSeen]:
        return self._backups.all()

    def back_up(self, spec: BackupSpec, fill: Fill | None = None) -> None:
        entry = self._pools.find(spec.disk_id)
        source = self._disk(entry)
        if fill is None:
            self._backups.make(spec, source)
            return
        work = self._captures.scratch(spec.id)
        try:
            copy = Disk(work, "qcow2", source.key)
            self._copy(spec.disk_id, copy, fill)
            self._backups.make(spec, copy)
        finally:
            work.unlink(missing_ok=True)

    def drop_backup(self, backup_id: str) -> None:
        self._backups.drop(backup_id)

    def location(self, disk_id: str) -> DiskLocation:
        entry = self._pools.find(disk_id)
        return DiskLocation(entry.path, entry.format, _encrypted(entry))

    def key(self, disk_id: str) -> bytes:
        return self._keys(disk_id)

    def read(self, disk_id: str, begin: int) -> Iterator[Span]:
        with opened(self._disk(self._pools.find(disk_id))) as content:
            yield from content.spans(begin)

    def boot_file(self, source: DiskSource, fetch: Fetch) -> Path:
        return self._images.boot_file(source, fetch)

    def images(self) -> dict[str, ImageSeen]:
        return self._images.images(self._backing_images())

    def cache(self, spec: ImageSpec, fetch: Fetch) -> None:
        if spec.boots:
            self._images.boot_file(spec.source, fetch)
        else:
            self._images.flat(spec.source, fetch)

    def drop_image(self, image_id: str) -> None:
        with self._lock:
            # While a disk is being made its image is not yet in any file's header.
            if self._busy:
                raise HostFault("The image may be in use: a disk is being made.")
            if image_id not in self._backing_images():
                self._images.drop(image_id)

    def capacity_gib(self) -> int:
        return next(iter(self.pools().values()))

    def pools(self) -> dict[str, int]:
        sizes = {}
        for name, directory in self._pools.directories.items():
            status = os.statvfs(directory)
            sizes[name] = (status.f_blocks * status.f_frsize) >> 30
        return sizes

    def tidy(self, needed: frozenset[str]) -> None:
        with self._lock:
            busy = set(self._busy)
        for directory in self._pools.directories.values():
            for path in directory.glob(f"*{PART}"):
                if path.name not in busy:
                    path.unlink(missing_ok=True)
        # While a disk is being made its image is not yet in any file's header.
        if not busy:
            for entry in list(self._pools.files()):
                self._drop_outdated(entry.disk_id)
            self._images.drop_except(needed | self._backing_images().keys())

    def _make(self, spec: DiskSpec, part: Path, fetch: Fetch, fill: Fill | None) -> None:
        source = spec.source
        target = Disk(part, spec.format, self._keys(spec.id) if spec.encrypted else None)
        if source is None:
            disk_tool.create(target, spec.size_bytes, "No disk could be made.")
        elif source.disk_id is not None:
            self._copy(source.disk_id, target, fill)
            self._stretch(target, spec.size_bytes)
        elif source.backup_id is not None:
            disk_tool.create(target, spec.size_bytes, "The backup could not be restored.")
            self._backups.restore(source.backup_id, target)
        else:
            image = self._images.flat(source, fetch)
            self._from_image(image, target, spec.size_bytes)

    def _from_image(self, image: DiskLocation, target: Disk, size_bytes: int) -> None:
        header = read_header(image.path)
        if header is None or header.size_bytes > size_bytes:
            need = header.size_bytes if header else 0
            raise HostFault(f"The disk is smaller than its image, which needs {need} bytes.")
        if target.key is None and target.format == "qcow2":
            backing = os.path.relpath(image.path, target.path.parent)
            options = ["-f", "qcow2", "-F", image.format, "-b", backing]
            qemu_img(
                ["create", "-q", *options, str(target.path), str(size_bytes)], "The disk could not be made."
            )
            return
        source = Disk(image.path, image.format)
        check_room(target.path.parent, image.path.stat().st_blocks * 512)
        disk_tool.copy(source, target, "The disk could not be made.", Limits(CONVERT_TIMEOUT_S))
        self._stretch(target, size_bytes)

    def _copy(self, disk_id: str, target: Disk, fill: Fill | None) -> None:
        """A copy that stands by itself; `fill` is the guest that has the disk open."""
        entry = self._pools.find(disk_id)
        source = self._disk(entry)
        message = "The disk could not be copied."
        try:
            check_room(target.path.parent, _stored_bytes(entry.path))
            size_bytes = _size(entry)
        except FileNotFoundError as error:
            raise HostFault(message, str(error)) from error
        if size_bytes is None:
            raise HostFault(message, f"{entry.path} is no disk")
        if fill is None:
            disk_tool.copy(source, target, message, Limits(CONVERT_TIMEOUT_S))
            return
        # QEMU writes a qcow2 with the source's key, whatever the target is to be.
        same = target.format == "qcow2" and target.key == source.key
        filled = target if same else Disk(target.path.with_suffix(".fill"), "qcow2", source.key)
        try:
            # An interrupted copy is begun anew: what was in it is of another instant.
            filled.path.unlink(missing_ok=True)
            disk_tool.create(filled, size_bytes, message)
            self._own(filled.path)
            fill(filled.path)
            if not same:
                disk_tool.copy(filled, target, message, Limits(CONVERT_TIMEOUT_S))
        finally:
            if not same:
                filled.path.unlink(missing_ok=True)

    def _stretch(self, disk: Disk, size_bytes: int) -> None:
        if (_size(Entry("", 0, disk.format, disk.path)) or 0) < size_bytes:
            disk_tool.resize(disk, size_bytes, "The disk could not be copied.")

    def _adopt(self, released_id: str, path: Path) -> None:
        """A file that was put aside becomes the disk at `path`, of whatever pool and format."""
        entry = self._pools.released(released_id)
        if entry.path.parent.parent != path.parent or entry.format != path.suffix[1:]:
            raise HostFault("The disk was put aside in another storage class.")
        os.rename(entry.path, path)

    def _disk(self, entry: Entry) -> Disk:
        return Disk(entry.path, entry.format, self._keys(entry.disk_id) if _encrypted(entry) else None)

    def _own(self, path: Path) -> None:
        os.chown(path, self._owner.uid, self._owner.gid)
        path.chmod(0o600)

    def _drop_outdated(self, disk_id: str) -> None:
        for entry in self._pools.of(disk_id)[1:]:
            entry.path.unlink(missing_ok=True)

    def _backing_images(self) -> Counter[str]:
        """How many disks stand on each image."""
        files = [entry.path for entry in self._pools.files()]
        for directory in self._pools.directories.values():
            files += (directory / RELEASED).glob("*.qcow2")
        names = [backing_name(path) for path in files if path.suffix == ".qcow2"]
        return Counter(Path(name).stem for name in names if name)


def _size(entry: Entry) -> int | None:
    if entry.format == "raw":
        return entry.path.stat().st_size
    header = read_header(entry.path)
    return header.size_bytes if header is not None else None


def _encrypted(entry: Entry) -> bool:
    header = read_header(entry.path) if entry.format == "qcow2" else None
    return header is not None and header.encrypted


def _stored_bytes(path: Path) -> int:
    """What a copy that stands by itself may take up."""
    name = backing_name(path) if path.suffix == ".qcow2" else None
    below = (path.parent / name).stat().st_blocks if name else 0
    return (path.stat().st_blocks + below) * 512


def backing_name(path: Path) -> str | None:
    """The backing file as the header names it."""
    with path.open("rb") as file:
        start = file.read(20)
        offset, length = int.from_bytes(start[8:16], "big"), int.from_bytes(start[16:20], "big")
        if not offset:
            return None
        file.seek(offset)
        return file.read(length).decode()
