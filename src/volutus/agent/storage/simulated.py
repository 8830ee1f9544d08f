# ruff: noqa: ARG002  (a twin takes all arguments of the protocol and needs few)
"""Disks that are only pretended: same protocol, no file. They exist at once and have room for everything,
unless `capacity_bytes` says otherwise."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from volutus.agent.faults import HostFault
from volutus.agent.hypervisor.simulated import never
from volutus.agent.state import BackupSeen, CaptureState, DiskSeen, ImageSeen
from volutus.agent.storage import DiskLocation, Fetch, Holder, Keys, Span
from volutus.wire import BackupSpec, DiskSource, DiskSpec, ImageSpec, UploadSpec


@dataclass
class SimulatedStorage:
    """`trouble` is called before each change with its name and may raise HostFault."""

    trouble: Callable[[str], None] = never
    capacity_bytes: int = 1 << 50
    # What the host's files hold, by name: how many writes of guests. Whoever lets a guest write counts them.
    written: dict[str, int] = field(default_factory=dict)
    _disks: dict[str, DiskSeen] = field(default_factory=dict)
    _coming: dict[str, DiskSpec] = field(default_factory=dict)
    _captures: dict[str, CaptureState] = field(default_factory=dict)
    _backups: dict[str, BackupSeen] = field(default_factory=dict)
    _images: dict[str, ImageSeen] = field(default_factory=dict)
    _released: dict[str, DiskSeen] = field(default_factory=dict)

    def disks(self) -> dict[str, DiskSeen]:
        coming = {disk_id: _file(disk_id, spec.revision) for disk_id, spec in self._coming.items()}
        return {key: replace(disk, coming=coming.get(key, "")) for key, disk in self._disks.items()}

    def create(self, spec: DiskSpec, fetch: Fetch, holder: Holder | None = None) -> None:
        self.trouble("create")
        known = self._disks.get(spec.id)
        if known is not None and known.revision >= spec.revision:
            return
        self._coming.pop(spec.id, None)
        self._check_source(spec)
        if sum(disk.size_bytes for disk in self._disks.values()) + spec.size_bytes > self.capacity_bytes:
            raise HostFault("The host's disk pool is full.")
        if holder is not None:
            holder.copy(Path("/simulated") / spec.id)
        if spec.source is not None and spec.source.disk_id is not None:
            self._keep(spec.source.disk_id, _file(spec.id, spec.revision))
        self._disks[spec.id] = DiskSeen(spec.size_bytes, revision=spec.revision)

    def prepare_move(self, spec: DiskSpec) -> DiskLocation:
        self.trouble("prepare_move")
        self._coming[spec.id] = spec
        return DiskLocation(Path("/simulated") / _file(spec.id, spec.revision), "raw")

    def moved(self, disk_id: str) -> None:
        self.trouble("moved")
        spec = self._coming.get(disk_id)
        if spec is not None:
            self._keep(disk_id, _file(disk_id, spec.revision))
            self._disks[disk_id] = replace(self._disks[disk_id], revision=spec.revision)
            del self._coming[disk_id]

    def drop_move(self, disk_id: str) -> None:
        self.trouble("drop_move")
        self._coming.pop(disk_id, None)

    def _keep(self, disk_id: str, file: str) -> None:
        """The file holds what that disk does."""
        known = self._disks.get(disk_id)
        self.written[file] = self.written.get(_file(disk_id, known.revision), 0) if known else 0

    def _check_source(self, spec: DiskSpec) -> None:
        source = spec.source or DiskSource()
        if source.backup_id is not None and source.backup_id not in self._backups:
            raise HostFault("The backup is not in the host's backup target.")
        if source.adopted_id is not None and self._released.pop(source.adopted_id, None) is None:
            raise HostFault("No such disk was put aside on the host.")

    def grow(self, disk_id: str, size_bytes: int) -> None:
        self.trouble("grow")
        disk = self._disks[disk_id]
        self._disks[disk_id] = replace(disk, size_bytes=max(disk.size_bytes, size_bytes))

    def grown(self, disk_id: str, size_bytes: int) -> None:
        self._disks[disk_id] = replace(self._disks[disk_id], size_bytes=size_bytes)

    def destroy(self, disk_id: str) -> None:
        self.trouble("destroy")
        self._disks.pop(disk_id, None)
        self._coming.pop(disk_id, None)

    def release(self, disk_id: str) -> None:
        self.trouble("release")
        if disk_id in self._disks:
            self._released[disk_id] = self._disks.pop(disk_id)

    def backups(self) -> dict[str, BackupSeen]:
        return dict(self._backups)

    def back_up(self, spec: BackupSpec, holder: Holder | None = None) -> None:
        self.trouble("back_up")
        if spec.disk_id not in self._disks:
            raise HostFault("The disk is not on the host.")
        if spec.parent_id is not None and spec.parent_id not in self._backups:
            raise HostFault("The backup is not in the host's backup target.")
        if holder is not None:
            holder.copy(Path("/simulated") / spec.id)
        self._backups[spec.id] = BackupSeen(0)

    def drop_backup(self, backup_id: str) -> None:
        self.trouble("drop_backup")
        self._backups.pop(backup_id, None)

    def keys(self, disk_id: str) -> Keys:
        return Keys()

    def captures(self) -> dict[str, CaptureState]:
        return dict(self._captures)

    def capture(self, spec: UploadSpec, holder: Holder | None = None) -> None:
        self.trouble("capture")
        if spec.id in self._captures:
            return
        if spec.disk_id not in self._disks:
            raise HostFault("The disk could not be copied.")
        if holder is not None:
            holder.copy(Path("/simulated") / spec.id)
        self._captures[spec.id] = CaptureState.MADE

    def captured(self, image_id: str) -> Path:
        return Path("/simulated") / image_id

    def sent(self, image_id: str) -> None:
        self._captures[image_id] = CaptureState.SENT

    def drop_capture(self, image_id: str) -> None:
        self.trouble("drop_capture")
        self._captures.pop(image_id, None)

    def location(self, disk_id: str) -> DiskLocation:
        known = self._disks.get(disk_id)
        return DiskLocation(Path("/simulated") / _file(disk_id, known.revision if known else 0), "raw")

    def read(self, disk_id: str, begin: int) -> Iterator[Span]:
        self.trouble("read")
        if disk_id not in self._disks:
            raise HostFault("The disk is not on the host.")
        yield self._disks[disk_id].size_bytes - begin

    def boot_file(self, source: DiskSource, fetch: Fetch) -> Path:
        return Path("/simulated") / (source.image_id or "")

    def images(self) -> dict[str, ImageSeen]:
        return dict(self._images)

    def cache(self, spec: ImageSpec, fetch: Fetch) -> None:
        self.trouble("cache")
        self._images.setdefault(spec.id, ImageSeen(0, 0, 0))

    def drop_image(self, image_id: str) -> None:
        self.trouble("drop_image")
        self._images.pop(image_id, None)

    def capacity_gib(self) -> int:
        return self.capacity_bytes >> 30

    def pools(self) -> dict[str, int]:
        return {"directory": self.capacity_gib(), "bulk": self.capacity_gib()}

    def own_rooms(self) -> frozenset[str]:
        return frozenset({"bulk"})

    def tidy(self, needed: frozenset[str]) -> None:
        """Nothing is ever left over."""


def _file(disk_id: str, revision: int) -> str:
    return f"{disk_id}.{revision}"
