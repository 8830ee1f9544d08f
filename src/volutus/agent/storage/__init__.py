"""Disks on one host, behind one protocol: a directory of qcow2 files, and a simulated twin.

A backend knows nothing of guests, except that a disk open in a running guest is grown through that guest.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from volutus.agent.state import DiskSeen
from volutus.wire import DiskSource, DiskSpec

Fetch = Callable[[str], AbstractContextManager[Iterator[bytes]]]
"""Opens an image of the control plane by id and gives its bytes in pieces."""


@dataclass(frozen=True)
class DiskLocation:
    """What QEMU opens, and as what. The format is always named: a guest that writes another format's header
    into a raw disk must not have it believed."""

    path: Path
    format: str


class StorageBackend(Protocol):
    """What keeps disks. All calls block, may be made from any thread, and raise HostFault."""

    def disks(self) -> dict[str, DiskSeen]:
        """All whole disks by id."""
        ...

    def create(self, spec: DiskSpec, fetch: Fetch) -> None:
        """Make a disk: wholly, or not at all. Its image is fetched at most once for all disks."""
        ...

    def grow(self, disk_id: str, size_bytes: int) -> None:
        """Grow a disk that no running guest has open."""
        ...

    def grown(self, disk_id: str, size_bytes: int) -> None:
        """A running guest has grown it."""
        ...

    def destroy(self, disk_id: str) -> None: ...

    def location(self, disk_id: str) -> DiskLocation: ...

    def boot_file(self, source: DiskSource, fetch: Fetch) -> Path:
        """A kernel or ramdisk as a file that QEMU may read."""
        ...

    def capacity_gib(self) -> int:
        """The size of the pool."""
        ...

    def tidy(self, needed: frozenset[str]) -> None:
        """Drop what is left of interrupted work, and images that are in neither a disk nor `needed`."""
        ...
