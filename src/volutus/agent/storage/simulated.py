# ruff: noqa: ARG002  (a twin takes all arguments of the protocol and needs few)
"""Disks that are only pretended: same protocol, no file. They exist at once and have room for everything,
unless `capacity_bytes` says otherwise."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from volutus.agent.faults import HostFault
from volutus.agent.hypervisor.simulated import never
from volutus.agent.state import CaptureState, DiskSeen
from volutus.agent.storage import DiskLocation, Fetch, Fill
from volutus.wire import DiskSource, DiskSpec, UploadSpec


@dataclass
class SimulatedStorage:
    """`trouble` is called before each change with its name and may raise HostFault."""

    trouble: Callable[[str], None] = never
    capacity_bytes: int = 1 << 50
    _disks: dict[str, DiskSeen] = field(default_factory=dict)
    _captures: dict[str, CaptureState] = field(default_factory=dict)

    def disks(self) -> dict[str, DiskSeen]:
        return dict(self._disks)

    def create(self, spec: DiskSpec, fetch: Fetch, fill: Fill | None = None) -> None:
        self.trouble("create")
        if spec.id in self._disks:
            return
        if sum(disk.size_bytes for disk in self._disks.values()) + spec.size_bytes > self.capacity_bytes:
            raise HostFault("The host's disk pool is full.")
        if fill is not None:
            fill(Path("/simulated") / spec.id)
        self._disks[spec.id] = DiskSeen(spec.size_bytes)

    def grow(self, disk_id: str, size_bytes: int) -> None:
        self.trouble("grow")
        disk = self._disks[disk_id]
        self._disks[disk_id] = replace(disk, size_bytes=max(disk.size_bytes, size_bytes))

    def grown(self, disk_id: str, size_bytes: int) -> None:
        self._disks[disk_id] = replace(self._disks[disk_id], size_bytes=size_bytes)

    def destroy(self, disk_id: str) -> None:
        self.trouble("destroy")
        self._disks.pop(disk_id, None)

    def captures(self) -> dict[str, CaptureState]:
        return dict(self._captures)

    def capture(self, spec: UploadSpec, fill: Fill | None = None) -> None:
        self.trouble("capture")
        if spec.id in self._captures:
            return
        if spec.disk_id not in self._disks:
            raise HostFault("The disk could not be copied.")
        if fill is not None:
            fill(Path("/simulated") / spec.id)
        self._captures[spec.id] = CaptureState.MADE

    def captured(self, image_id: str) -> Path:
        return Path("/simulated") / image_id

    def sent(self, image_id: str) -> None:
        self._captures[image_id] = CaptureState.SENT

    def drop_capture(self, image_id: str) -> None:
        self.trouble("drop_capture")
        self._captures.pop(image_id, None)

    def location(self, disk_id: str) -> DiskLocation:
        return DiskLocation(Path("/simulated") / disk_id, "raw")

    def boot_file(self, source: DiskSource, fetch: Fetch) -> Path:
        return Path("/simulated") / (source.image_id or "")

    def capacity_gib(self) -> int:
        return self.capacity_bytes >> 30

    def tidy(self, needed: frozenset[str]) -> None:
        """Nothing is ever left over."""
