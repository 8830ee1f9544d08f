"""Disks that a guest's process has open though libvirt shows them no more.

libvirt drops a disk from what it shows as soon as the guest let go of the device; QEMU writes out the file's
tables and closes it only afterwards: 4 to 43 ms later on a quiet machine, and as long as its disk takes on a
busy one. A disk that is shown free meanwhile is opened by others in vain. Disks in Ceph are no files, so this
does not see them: there the lock on the image is handed over by who holds it.
"""

import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from volutus.agent.state import GuestSeen
from volutus.agent.storage.pools import entry_of


class OpenDisks:
    """`directories` are the pools', as QEMU sees them. To look at all files of all processes each time would
    be slow: it is done where a disk vanished since the last look, or there was none."""

    def __init__(self, directories: Collection[Path]) -> None:
        self._directories = frozenset(directories)
        self._last: dict[str, frozenset[str]] = {}

    def added(self, guests: dict[str, GuestSeen], pids: dict[str, int]) -> dict[str, GuestSeen]:
        """The guests with those of their disks that they are about to close."""
        seen = {}
        for guest_id, guest in guests.items():
            pid, before = pids.get(guest_id), self._last.get(guest_id)
            if pid is not None and (before is None or not before <= guest.disks):
                seen[guest_id] = replace(guest, disks=guest.disks | self._opened_by(pid))
            else:
                seen[guest_id] = guest
        self._last = {guest_id: guest.disks for guest_id, guest in seen.items() if guest.alive}
        return seen

    def _opened_by(self, pid: int) -> frozenset[str]:
        found = set()
        # A process that ended has nothing open.
        with suppress(FileNotFoundError, ProcessLookupError):
            for entry in os.scandir(f"/proc/{pid}/fd"):
                with suppress(FileNotFoundError):
                    path = Path(os.readlink(entry.path))
                    disk = entry_of(path) if path.parent in self._directories else None
                    found |= {disk.disk_id} if disk is not None else set()
        return frozenset(found)
