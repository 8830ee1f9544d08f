"""Guests on one host, behind one protocol: libvirt with QEMU, and a simulated twin.

A driver owns the directory of each guest (config drive, sockets, console log). It knows nothing of disks'
formats, of the switch, or of what should be: it is told files and taps.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from volutus.agent.state import GuestSeen
from volutus.agent.storage import DiskLocation, RbdImage
from volutus.wire import GuestDisk, GuestNic, GuestSpec


@dataclass(frozen=True)
class StartOrder:
    """Everything needed to start a guest: where each disk is, which tap each card has, and kernel files for
    direct boot."""

    spec: GuestSpec
    disks: Mapping[str, DiskLocation]
    taps: Mapping[str, str]
    kernel: Path | None = None
    ramdisk: Path | None = None


class Hypervisor(Protocol):
    """What runs guests. All calls block, may be made from any thread, and raise HostFault. A call about a
    guest that already is as asked does nothing. `guests` raises rather than leave one out."""

    def version(self) -> int:
        """As `HostFacts.hypervisor_version`: major * 1,000,000 + minor * 1,000 + release."""
        ...

    def guests(self) -> dict[str, GuestSeen]:
        """All guests on the host by id, strangers too."""
        ...

    def files(self) -> frozenset[str]:
        """Guests that have a directory."""
        ...

    def start(self, order: StartOrder) -> None: ...

    def ask_shutdown(self, guest_id: str) -> None: ...

    def ask_reboot(self, guest_id: str) -> bool:
        """Reboot from inside; False when nobody in the guest answers."""
        ...

    def kill(self, guest_id: str) -> None: ...

    def pause(self, guest_id: str) -> None: ...

    def resume(self, guest_id: str) -> None: ...

    def save(self, guest_id: str) -> None:
        """Write a guest's memory to disk and end its process; `start` lets it go on."""
        ...

    def drop_saved(self, guest_id: str) -> None: ...

    def set_password(self, guest_id: str, user: str, password: str) -> None:
        """By the agent in the guest."""
        ...

    def inject_nmi(self, guest_id: str) -> None: ...

    def remove(self, guest_id: str) -> None:
        """Forget a guest that does not run, with its directory."""
        ...

    def set_mhz(self, guest_id: str, mhz: int) -> None: ...

    def grow(self, guest_id: str, cores: int, memory_mib: int) -> None:
        """Give a running guest more cores and memory, within what it was started for."""
        ...

    def keep_key(self, disk_id: str, key: bytes) -> None:
        """Have the key of an encrypted disk, in memory alone, before a guest opens the disk."""
        ...

    def keep_cluster_key(self, image: RbdImage, key: bytes) -> None:
        """Have the key by which Ceph knows the image's user, as long as `keep_key` has the others."""
        ...

    def attach_disk(self, guest_id: str, disk: GuestDisk, location: DiskLocation) -> None: ...

    def detach_disk(self, guest_id: str, disk_id: str) -> None: ...

    def grow_disk(self, guest_id: str, disk_id: str, size_bytes: int) -> None: ...

    def copy_disk(self, guest_id: str, disk_id: str, target: Path) -> None:
        """Copy a disk that the guest has open, as it is at one instant, into an empty qcow2 file of its size.
        The guest runs on; its file systems are at rest at that instant if an agent in it helps."""
        ...

    def begin_move(self, guest_id: str, disk_id: str, target: DiskLocation) -> None:
        """Begin to copy a disk that the guest has open to an empty place of its size. What the guest writes
        meanwhile goes to both."""
        ...

    def end_move(self, guest_id: str, disk_id: str, file: str, commit: Callable[[], None]) -> None:
        """Hold the guest, have it go over to the place, whose file has that name, `commit`, and let it go
        on. Held it stays if it went over and the commit failed: then this is to be called again."""
        ...

    def abort_move(self, guest_id: str, disk_id: str) -> None: ...

    def at_rest(self, guest_id: str) -> AbstractContextManager[None]:
        """While it lasts, the guest's file systems are written out and still, if an agent in it helps."""
        ...

    def attach_nic(self, guest_id: str, nic: GuestNic, tap: str) -> None: ...

    def detach_nic(self, guest_id: str, port_id: str) -> None: ...

    def vnc_socket(self, guest_id: str) -> str | None: ...

    def serial_socket(self, guest_id: str) -> str | None: ...

    def console_log(self, guest_id: str) -> Path | None: ...

    def close(self) -> None: ...
