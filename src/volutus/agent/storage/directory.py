"""Disks as qcow2 files in a directory, which QEMU on the same host opens by itself.

`disks/ID.qcow2` is a disk; one made from an image has the cached flat image as its backing file, named
relative to itself because QEMU sees the directory elsewhere. Work in progress has the suffix `.part` and no
name.
"""

import os
import pwd
import threading
from pathlib import Path

from volutus.agent.faults import HostFault
from volutus.agent.state import CaptureState, DiskSeen
from volutus.agent.storage import DiskLocation, Fetch, Fill
from volutus.agent.storage.captures import Captures
from volutus.agent.storage.images import ImageCache, Owner, check_room
from volutus.agent.storage.qcow2 import read_header
from volutus.agent.storage.qemu_img import CONVERT_TIMEOUT_S, Limits, qemu_img
from volutus.wire import DiskSource, DiskSpec, UploadSpec

SUFFIX = ".qcow2"
PART = ".part"

# A fresh qcow2 with its tables takes less than this.
EMPTY_DISK_BYTES = 1 << 20


class DirectoryStorage:
    """Disks and images below `agent_dir`, owned by QEMU's user."""

    def __init__(self, agent_dir: Path, qemu_user: str) -> None:
        account = pwd.getpwnam(qemu_user)
        self._owner = Owner(account.pw_uid, account.pw_gid)
        self._disks = agent_dir / "disks"
        self._disks.mkdir(parents=True, exist_ok=True)
        self._disks.chmod(0o711)
        self._images = ImageCache(agent_dir / "images", self._owner)
        self._captures = Captures(agent_dir / "captures")
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    def disks(self) -> dict[str, DiskSeen]:
        seen = {}
        for path in self._disks.glob(f"*{SUFFIX}"):
            try:
                header = read_header(path)
                allocated = path.stat().st_blocks * 512
            except FileNotFoundError:
                continue
            if header is not None:
                seen[path.stem] = DiskSeen(header.size_bytes, allocated)
        return seen

    def create(self, spec: DiskSpec, fetch: Fetch, fill: Fill | None = None) -> None:
        path = self._path(spec.id)
        part = path.with_suffix(PART)
        if path.exists():
            return
        check_room(self._disks, EMPTY_DISK_BYTES)
        with self._lock:
            self._busy.add(part.name)
        try:
            self._make(spec, part, fetch, fill)
            os.chown(part, self._owner.uid, self._owner.gid)
            part.chmod(0o600)
            with part.open("rb") as file:
                os.fsync(file.fileno())
            os.rename(part, path)
        except OSError as error:
            raise HostFault("The disk could not be made.", str(error)) from error
        finally:
            part.unlink(missing_ok=True)
            with self._lock:
                self._busy.discard(part.name)

    def grow(self, disk_id: str, size_bytes: int) -> None:
        path = self._path(disk_id)
        header = read_header(path)
        if header is not None and header.size_bytes < size_bytes:
            command = ["resize", "-q", "-f", "qcow2", str(path), str(size_bytes)]
            qemu_img(command, "The disk could not be grown.")

    def grown(self, disk_id: str, size_bytes: int) -> None:
        """QEMU wrote the new size into the header itself."""

    def destroy(self, disk_id: str) -> None:
        self._path(disk_id).unlink(missing_ok=True)

    def captures(self) -> dict[str, CaptureState]:
        return self._captures.all()

    def capture(self, spec: UploadSpec, fill: Fill | None = None) -> None:
        self._captures.make(spec, lambda path: self._copy(spec.disk_id, path, fill))

    def captured(self, image_id: str) -> Path:
        return self._captures.path(image_id)

    def sent(self, image_id: str) -> None:
        self._captures.sent(image_id)

    def drop_capture(self, image_id: str) -> None:
        self._captures.drop(image_id)

    def location(self, disk_id: str) -> DiskLocation:
        return DiskLocation(self._path(disk_id), "qcow2")

    def boot_file(self, source: DiskSource, fetch: Fetch) -> Path:
        return self._images.boot_file(source, fetch)

    def capacity_gib(self) -> int:
        status = os.statvfs(self._disks)
        return (status.f_blocks * status.f_frsize) >> 30

    def tidy(self, needed: frozenset[str]) -> None:
        with self._lock:
            busy = set(self._busy)
        for path in self._disks.glob(f"*{PART}"):
            if path.name not in busy:
                path.unlink(missing_ok=True)
        # While a disk is being made its image is not yet in any file's header.
        if not busy:
            self._images.drop_except(needed | self._backing_images())

    def _make(self, spec: DiskSpec, part: Path, fetch: Fetch, fill: Fill | None) -> None:
        source = spec.source
        if source is None:
            qemu_img(
                ["create", "-q", "-f", "qcow2", str(part), str(spec.size_bytes)], "No disk could be made."
            )
        elif source.disk_id is not None:
            self._copy(source.disk_id, part, fill)
            header = read_header(part)
            if header is not None and header.size_bytes < spec.size_bytes:
                command = ["resize", "-q", "-f", "qcow2", str(part), str(spec.size_bytes)]
                qemu_img(command, "The disk could not be copied.")
        else:
            image = self._images.flat(source, fetch)
            self._overlay(image, part, spec.size_bytes)

    def _overlay(self, image: DiskLocation, part: Path, size_bytes: int) -> None:
        header = read_header(image.path)
        if header is None or header.size_bytes > size_bytes:
            need = header.size_bytes if header else 0
            raise HostFault(f"The disk is smaller than its image, which needs {need} bytes.")
        backing = os.path.relpath(image.path, self._disks)
        options = ["-f", "qcow2", "-F", image.format, "-b", backing]
        qemu_img(["create", "-q", *options, str(part), str(size_bytes)], "The disk could not be made.")

    def _copy(self, disk_id: str, target: Path, fill: Fill | None) -> None:
        """A flat copy of a disk; `fill` is the guest that has it open."""
        source = self._path(disk_id)
        message = "The disk could not be copied."
        try:
            header = read_header(source)
            check_room(self._disks, self._stored_bytes(source))
        except FileNotFoundError as error:
            raise HostFault(message, str(error)) from error
        if header is None:
            raise HostFault(message, f"{source} is no disk")
        if fill is None:
            command = ["convert", "-q", "-f", "qcow2", "-O", "qcow2", str(source), str(target)]
            qemu_img(command, message, Limits(CONVERT_TIMEOUT_S))
            return
        # An interrupted copy is begun anew: what was in it is of another instant.
        target.unlink(missing_ok=True)
        qemu_img(["create", "-q", "-f", "qcow2", str(target), str(header.size_bytes)], message)
        os.chown(target, self._owner.uid, self._owner.gid)
        target.chmod(0o600)
        fill(target)

    def _stored_bytes(self, path: Path) -> int:
        """What a flat copy may take up."""
        name = backing_name(path)
        below = (self._disks / name).stat().st_blocks if name else 0
        return (path.stat().st_blocks + below) * 512

    def _backing_images(self) -> frozenset[str]:
        return frozenset(
            Path(name).stem for path in self._disks.glob(f"*{SUFFIX}") if (name := backing_name(path))
        )

    def _path(self, disk_id: str) -> Path:
        return self._disks / f"{disk_id}{SUFFIX}"


def backing_name(path: Path) -> str | None:
    """The backing file as the header names it."""
    with path.open("rb") as file:
        start = file.read(20)
        offset, length = int.from_bytes(start[8:16], "big"), int.from_bytes(start[16:20], "big")
        if not offset:
            return None
        file.seek(offset)
        return file.read(length).decode()
