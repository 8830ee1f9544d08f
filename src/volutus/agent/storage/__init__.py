"""Disks on one host, behind one protocol: files in directories and images in Ceph, and a simulated twin.

A backend knows nothing of guests, except that a disk open in a running guest is grown through that guest.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from volutus.agent.state import BackupSeen, CaptureState, DiskSeen, ImageSeen
from volutus.wire import BackupSpec, DiskSource, DiskSpec, ImageSpec, UploadSpec

Fetch = Callable[[str], AbstractContextManager[Iterator[bytes]]]
"""Opens an image of the control plane by id and gives its bytes in pieces."""

Send = Callable[[str, Path], None]
"""Sends a file to the control plane as the bytes of the image with that id."""

Span = bytes | memoryview | int
"""A piece of a disk: its bytes, there until the next piece is asked for, or how many zeros."""


@dataclass(frozen=True)
class Holder:
    """A guest, or an export, that has a disk open. `copy` copies the disk into an empty qcow2 file of its
    size, as it is at one instant. While `at_rest` lasts, the file systems on it are written out and still, if
    an agent in the guest helps."""

    copy: Callable[[Path], None]
    at_rest: Callable[[], AbstractContextManager[None]] = nullcontext


@dataclass(frozen=True)
class RbdImage:
    """An image in a pool of Ceph, as it was at a `snapshot` if one is named. `conf` tells how to reach the
    cluster as `user`, and has no secret in it."""

    pool: str
    name: str
    conf: Path
    user: str
    snapshot: str = ""


@dataclass(frozen=True)
class DiskLocation:
    """What QEMU opens, and as what; an `encrypted` disk with its key, which makes a raw one LUKS. The format
    is always named: a guest that writes another format's header into a raw disk must not have it believed."""

    place: Path | RbdImage
    format: str
    encrypted: bool = False


@dataclass(frozen=True)
class Keys:
    """What QEMU needs besides the location: the key of an encrypted `disk`, and that by which a Ceph
    `cluster` knows the user."""

    disk: bytes | None = None
    cluster: bytes | None = None


class StorageBackend(Protocol):
    """What keeps disks. All calls block, may be made from any thread, and raise HostFault."""

    def disks(self) -> dict[str, DiskSeen]:
        """All whole disks by id."""
        ...

    def create(self, spec: DiskSpec, fetch: Fetch, holder: Holder | None = None) -> None:
        """Make a disk: wholly, or not at all. Its image is fetched at most once for all disks. `holder` is
        who has its source open."""
        ...

    def grow(self, disk_id: str, size_bytes: int) -> None:
        """Grow a disk that no running guest has open."""
        ...

    def grown(self, disk_id: str, size_bytes: int) -> None:
        """A running guest has grown it."""
        ...

    def prepare_move(self, spec: DiskSpec) -> DiskLocation:
        """An empty place of the disk's size, for a guest that has it open to move it to. It is not the disk
        until `moved`. Raises HostFault also when moves there were cut off too often."""
        ...

    def moved(self, disk_id: str) -> None:
        """The place holds all that the disk does and nobody writes: it is the disk now, whatever happens."""
        ...

    def drop_move(self, disk_id: str) -> None:
        """Drop the place, if there is one. No guest may have it open."""
        ...

    def destroy(self, disk_id: str) -> None: ...

    def release(self, disk_id: str) -> None:
        """Put a disk aside, unharmed: it is seen no more, and can be adopted by a new disk."""
        ...

    def captures(self) -> dict[str, CaptureState]:
        """Copies made to be sent, by image."""
        ...

    def capture(self, spec: UploadSpec, holder: Holder | None = None) -> None:
        """Copy a disk to be sent, wholly or not at all, in the image's format; `holder` as in `create`."""
        ...

    def captured(self, image_id: str) -> Path:
        """The file to send."""
        ...

    def sent(self, image_id: str) -> None:
        """It was sent: keep no more than the note of it."""
        ...

    def drop_capture(self, image_id: str) -> None: ...

    def backups(self) -> dict[str, BackupSeen]:
        """The whole backups in the target."""
        ...

    def back_up(self, spec: BackupSpec, holder: Holder | None = None) -> None:
        """Store a disk in the backup target, wholly or not at all; `holder` as in `create`."""
        ...

    def drop_backup(self, backup_id: str) -> None: ...

    def location(self, disk_id: str) -> DiskLocation: ...

    def keys(self, disk_id: str) -> Keys:
        """What QEMU needs to open the disk."""
        ...

    def read(self, disk_id: str, begin: int) -> Iterator[Span]:
        """What a guest would see of a disk that nobody writes to, from `begin` to its end."""
        ...

    def boot_file(self, source: DiskSource, fetch: Fetch) -> Path:
        """A kernel or ramdisk as a file that QEMU may read."""
        ...

    def images(self) -> dict[str, ImageSeen]:
        """The whole images in the cache."""
        ...

    def cache(self, spec: ImageSpec, fetch: Fetch) -> None:
        """Have the image in the cache, wholly or not at all."""
        ...

    def drop_image(self, image_id: str) -> None:
        """Drop it from the cache, unless a disk stands on it."""
        ...

    def capacity_gib(self) -> int:
        """The size of the first pool."""
        ...

    def pools(self) -> dict[str, int]:
        """Pool to size in GiB, the first pool first."""
        ...

    def own_rooms(self) -> frozenset[str]:
        """The pools whose room is not the first one's, on the same file system."""
        ...

    def tidy(self, needed: frozenset[str]) -> None:
        """Drop what is left of interrupted work, and images that are in neither a disk nor `needed`."""
        ...
