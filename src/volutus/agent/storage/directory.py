"""Disks as files in directories, which QEMU on the same host opens by itself: the embedded storage.

A qcow2 disk made from an image has the cached flat image as its backing file, named relative to itself
because QEMU sees the directory elsewhere; every other disk stands by itself, so no chain is longer than two.
Work in progress has the suffix `.part` and no name, what it is first made as `.fill`.
"""

import os
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from volutus.agent.faults import HostFault
from volutus.agent.state import DiskSeen
from volutus.agent.storage import DiskLocation, Holder, disk_tool
from volutus.agent.storage.disk_tool import Disk
from volutus.agent.storage.images import Owner, check_room
from volutus.agent.storage.pools import FILL, PART, RELEASED, Entry, Pools, mark_of, settle
from volutus.agent.storage.qcow2 import read_header
from volutus.agent.storage.qemu_img import CONVERT_TIMEOUT_S, Limits, qemu_img
from volutus.wire import DiskSpec

# A fresh qcow2 with its tables takes less than this.
EMPTY_DISK_BYTES = 1 << 20
# A move may be cut off by an end of the guest, which says nothing; as often as this it is the place's fault.
MOVE_TRIES_MAX = 3


class DirectoryPools:
    """Pools below `agent_dir`, `names` besides the first; the disks' files are their `owner`'s."""

    def __init__(
        self, agent_dir: Path, names: tuple[str, ...], owner: Owner, keys: Callable[[str], bytes]
    ) -> None:
        self._owner = owner
        self._keys = keys
        self._pools = Pools(agent_dir, names)
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    def names(self) -> Collection[str]:
        return self._pools.directories.keys()

    def sizes(self) -> dict[str, int]:
        sizes = {}
        for name, directory in self._pools.directories.items():
            status = os.statvfs(directory)
            sizes[name] = (status.f_blocks * status.f_frsize) >> 30
        return sizes

    def own_rooms(self) -> frozenset[str]:
        first, *others = self._pools.directories.items()
        shared = first[1].stat().st_dev
        return frozenset(name for name, directory in others if directory.stat().st_dev != shared)

    def disks(self) -> dict[str, DiskSeen]:
        seen = {}
        coming = {entry.disk_id: entry.path.name for entry in self._pools.coming()}
        for entry in self._pools.entries().values():
            if (disk := _seen(entry)) is not None:
                seen[entry.disk_id] = replace(disk, coming=coming.get(entry.disk_id, ""))
        return seen

    def find(self, disk_id: str) -> DiskSeen | None:
        entries = self._pools.of(disk_id)
        return _seen(entries[0]) if entries else None

    def has(self, spec: DiskSpec) -> bool:
        return self._path(spec).exists()

    @contextmanager
    def making(self, spec: DiskSpec) -> Iterator[Disk]:
        path = self._path(spec)
        part = path.with_name(path.name + PART)
        check_room(path.parent, EMPTY_DISK_BYTES)
        try:
            with self._in_work(part):
                yield Disk(part, spec.format, self._keys(spec.id) if spec.encrypted else None)
                self._own(part)
                with part.open("rb") as file:
                    os.fsync(file.fileno())
                os.rename(part, path)
        except OSError as error:
            raise HostFault("The disk could not be made.", str(error)) from error

    def copy(self, disk_id: str, target: Disk, holder: Holder | None) -> None:
        entry = self._pools.find(disk_id)
        source = self._disk(entry)
        message = "The disk could not be copied."
        if isinstance(target.place, Path):
            try:
                check_room(target.place.parent, _stored_bytes(entry.path))
            except FileNotFoundError as error:
                raise HostFault(message, str(error)) from error
            # QEMU writes a file of qcow2 with the source's key, whatever the target is to be.
            if holder is not None and (target.format, target.key) == ("qcow2", source.key):
                self._fill(entry, target.place, holder)
                return
        with self.still(disk_id, holder) as still:
            disk_tool.copy(still, target, message, Limits(CONVERT_TIMEOUT_S))

    def on_image(self, _image_id: str, image: Path, target: Disk, size_bytes: int) -> None:
        image_bytes = image_size(image, size_bytes)
        path = target.place
        if not isinstance(path, Path):
            raise HostFault("The disk could not be made.", f"{path} is no file")
        if target.key is None and target.format == "qcow2":
            options = ["-f", "qcow2", "-F", "qcow2", "-b", os.path.relpath(image, path.parent)]
            qemu_img(["create", "-q", *options, str(path), str(size_bytes)], "The disk could not be made.")
            return
        check_room(path.parent, image.stat().st_blocks * 512)
        disk_tool.copy(Disk(image, "qcow2"), target, "The disk could not be made.", Limits(CONVERT_TIMEOUT_S))
        if image_bytes < size_bytes:
            disk_tool.resize(target, size_bytes, "The disk could not be made.")

    @contextmanager
    def still(self, disk_id: str, holder: Holder | None) -> Iterator[Disk]:
        entry = self._pools.find(disk_id)
        source = self._disk(entry)
        if holder is None:
            yield source
            return
        with self._in_work(entry.path.with_name(_scratch_name(disk_id))) as scratch:
            self._fill(entry, scratch, holder)
            yield Disk(scratch, "qcow2", source.key)

    @contextmanager
    def scratch(self, disk_id: str) -> Iterator[Path]:
        """A free name for what a disk is made of, of any pools, gone with the block."""
        with self._in_work(self._pools.directory("") / _scratch_name(disk_id)) as path:
            yield path

    def adopt(self, released_id: str, spec: DiskSpec) -> None:
        entry, path = self._pools.released(released_id), self._path(spec)
        if entry.path.parent.parent != path.parent or entry.format != spec.format:
            raise HostFault("The disk was put aside in another storage class.")
        os.rename(entry.path, path)

    def grow(self, disk_id: str, size_bytes: int) -> None:
        disk = self._disk(self._pools.find(disk_id))
        disk_tool.resize(disk, size_bytes, "The disk could not be grown.")

    def grown(self, disk_id: str, size_bytes: int) -> None:
        """QEMU wrote the new size into the header itself."""

    def prepare_move(self, spec: DiskSpec) -> DiskLocation:
        """See `StorageBackend`; the disk is in one of these pools, too."""
        place = Entry(spec.id, spec.revision, spec.format, self._path(spec))
        mark, message = mark_of(place), "The disk could not be moved."
        entry, directory = self._pools.find(spec.id), place.path.parent
        try:
            tries = len(mark.read_bytes()) if mark.exists() else 0
            if tries >= MOVE_TRIES_MAX:
                raise HostFault(f"The disk could not be moved: that was cut off {tries} times.")
            self.drop_move(spec.id)
            check_room(directory, _stored_bytes(entry.path))
            mark.write_bytes(b"." * (tries + 1))
            settle(directory)
            key = self._keys(spec.id) if spec.encrypted else None
            disk_tool.create(Disk(place.path, spec.format, key), _size(entry) or 0, message)
            self._own(place.path)
        except OSError as error:
            raise HostFault(message, str(error)) from error
        return DiskLocation(place.path, spec.format, spec.encrypted)

    def moved(self, disk_id: str) -> None:
        """See `StorageBackend`; what the disk was before is still there."""
        for entry in list(self._pools.coming(disk_id)):
            mark_of(entry).unlink(missing_ok=True)
            # Before the guest writes on, and before the other file goes.
            settle(entry.path.parent)

    def drop_move(self, disk_id: str) -> None:
        """See `StorageBackend`."""
        for entry in list(self._pools.coming(disk_id)):
            entry.path.unlink(missing_ok=True)
            mark_of(entry).unlink(missing_ok=True)

    def destroy(self, disk_id: str, below: int | None = None) -> None:
        for entry in self._pools.of(disk_id):
            if below is None or entry.revision < below:
                entry.path.unlink(missing_ok=True)

    def release(self, disk_id: str) -> None:
        for entry in reversed(self._pools.of(disk_id)):
            os.rename(entry.path, entry.path.parent / RELEASED / f"{disk_id}.{entry.format}")

    def location(self, disk_id: str) -> DiskLocation:
        entry = self._pools.find(disk_id)
        return DiskLocation(entry.path, entry.format, _encrypted(entry))

    def cluster_key(self) -> bytes | None:
        return None

    def tidy(self, _image_ids: frozenset[str]) -> None:
        with self._lock:
            busy = set(self._busy)
        for directory in self._pools.directories.values():
            for path in (*directory.glob(f"*{PART}"), *directory.glob(f"*{FILL}")):
                if path.name not in busy:
                    path.unlink(missing_ok=True)
        if not busy:
            for entry in list(self._pools.files()):
                for outdated in self._pools.of(entry.disk_id)[1:]:
                    outdated.path.unlink(missing_ok=True)

    def backing_images(self) -> Counter[str]:
        """How many disks stand on each image."""
        files = [entry.path for entry in self._pools.files()]
        for directory in self._pools.directories.values():
            files += (directory / RELEASED).glob("*.qcow2")
        names = [backing_name(path) for path in files if path.suffix == ".qcow2"]
        return Counter(Path(name).stem for name in names if name)

    @contextmanager
    def _in_work(self, path: Path) -> Iterator[Path]:
        """While it lasts, the file is not what interrupted work left; afterwards it is gone, or renamed."""
        with self._lock:
            self._busy.add(path.name)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)
            with self._lock:
                self._busy.discard(path.name)

    def _path(self, spec: DiskSpec) -> Path:
        return self._pools.path(spec.pool, spec.id, spec.revision, spec.format)

    def _fill(self, entry: Entry, path: Path, holder: Holder) -> None:
        """Have who has the disk open copy it. An interrupted copy is begun anew: what was in it is of another
        instant."""
        message = "The disk could not be copied."
        try:
            size_bytes = _size(entry)
        except FileNotFoundError as error:
            raise HostFault(message, str(error)) from error
        if size_bytes is None:
            raise HostFault(message, f"{entry.path} is no disk")
        path.unlink(missing_ok=True)
        disk_tool.create(Disk(path, "qcow2", self._disk(entry).key), size_bytes, message)
        self._own(path)
        holder.copy(path)

    def _disk(self, entry: Entry) -> Disk:
        return Disk(entry.path, entry.format, self._keys(entry.disk_id) if _encrypted(entry) else None)

    def _own(self, path: Path) -> None:
        os.chown(path, self._owner.uid, self._owner.gid)
        path.chmod(0o600)


def _scratch_name(disk_id: str) -> str:
    return f"{disk_id}.{secrets.token_hex(4)}{FILL}"


def image_size(image: Path, size_bytes: int) -> int:
    """The size of a flat image. Raises HostFault if a disk of `size_bytes` is too small for it."""
    header = read_header(image)
    if header is None or header.size_bytes > size_bytes:
        need = header.size_bytes if header else 0
        raise HostFault(f"The disk is smaller than its image, which needs {need} bytes.")
    return header.size_bytes


def _seen(entry: Entry) -> DiskSeen | None:
    try:
        size_bytes = _size(entry)
        allocated = entry.path.stat().st_blocks * 512
    except FileNotFoundError:
        return None
    return DiskSeen(size_bytes, allocated, entry.revision) if size_bytes is not None else None


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
