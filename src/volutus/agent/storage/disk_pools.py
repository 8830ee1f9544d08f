"""What keeps the disks of some pools, behind one protocol: files in directories, or images in Ceph.

It keeps disks and nothing else: where images of the control plane, copies to be sent and backups are is the
host's own business, see `host_storage`.
"""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from volutus.agent.state import DiskSeen
from volutus.agent.storage import DiskLocation, Holder
from volutus.agent.storage.disk_tool import Disk
from volutus.wire import DiskSpec


class DiskPools(Protocol):
    """All calls block, may be made from any thread, and raise HostFault."""

    def names(self) -> Collection[str]:
        """The pools."""
        ...

    def sizes(self) -> Mapping[str, int]:
        """Pool to size in GiB."""
        ...

    def own_rooms(self) -> frozenset[str]:
        """The pools whose room is not that of the host's first one."""
        ...

    def disks(self) -> dict[str, DiskSeen]:
        """The whole disks by id, each in its highest revision."""
        ...

    def find(self, disk_id: str) -> DiskSeen | None:
        """The disk in its highest revision, if it is here."""
        ...

    def has(self, spec: DiskSpec) -> bool:
        """Whether the disk is here in this very revision, pool and format."""
        ...

    def making(self, spec: DiskSpec) -> AbstractContextManager[Disk]:
        """Where to make a disk. It is there, whole, when the block ends well, and nothing of it is
        otherwise."""
        ...

    def copy(self, disk_id: str, target: Disk, holder: Holder | None) -> None:
        """Make `target` a copy that outlives the disk, with a key of its own or none."""
        ...

    def on_image(self, image_id: str, image: Path, target: Disk, size_bytes: int) -> None:
        """Make `target`, of these pools, a disk that starts as the flat qcow2 `image`."""
        ...

    def still(self, disk_id: str, holder: Holder | None) -> AbstractContextManager[Disk]:
        """The disk as it is at one instant, to be read while the block lasts."""
        ...

    def adopt(self, released_id: str, spec: DiskSpec) -> None:
        """What was put aside here becomes the disk."""
        ...

    def grow(self, disk_id: str, size_bytes: int) -> None:
        """Grow a disk that nobody has open."""
        ...

    def grown(self, disk_id: str, size_bytes: int) -> None:
        """Who has it open has grown it."""
        ...

    def destroy(self, disk_id: str, below: int | None = None) -> None:
        """All its revisions, or those below one."""
        ...

    def release(self, disk_id: str) -> None:
        """Put it aside."""
        ...

    def location(self, disk_id: str) -> DiskLocation: ...

    def cluster_key(self) -> bytes | None:
        """By which QEMU gets at the disks, where it takes one."""
        ...

    def tidy(self, image_ids: frozenset[str]) -> None:
        """Drop what interrupted work left, soon, and what there is for disks on images besides these."""
        ...
