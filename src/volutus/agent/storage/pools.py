"""Where disks are on a host: directories, one a pool, and the names of files in them.

`ID.qcow2` or `ID.raw` is a disk, `ID.N.qcow2` the same in its revision N. A disk made anew has two files for
a moment: the higher revision is the disk, the lower one is dropped by whoever sees both. A released disk is
moved to `released/` below its pool, where nothing of ours looks but an order to adopt it. A file beside which
there is another with the suffix `.moving` is not the disk yet: a guest fills it.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from volutus.agent.faults import HostFault

# The pool that every host has; its directory is older than its name.
FIRST = "directory"
FIRST_DIRECTORY = "disks"
RELEASED = "released"
PART, FILL, MOVING = ".part", ".fill", ".moving"
FORMATS = ("qcow2", "raw")


@dataclass(frozen=True)
class Entry:
    """One file of a disk."""

    disk_id: str
    revision: int
    format: str
    path: Path


class Pools:
    """The pools named `names` besides the first, each a directory of that name below `agent_dir`: mount
    another file system there to have another class of storage."""

    def __init__(self, agent_dir: Path, names: tuple[str, ...] = ()) -> None:
        self._directories = {FIRST: agent_dir / FIRST_DIRECTORY, **{name: agent_dir / name for name in names}}
        for directory in self._directories.values():
            (directory / RELEASED).mkdir(parents=True, exist_ok=True)
            directory.chmod(0o711)

    @property
    def directories(self) -> Mapping[str, Path]:
        """Pool to directory, the first pool first."""
        return self._directories

    def directory(self, pool: str) -> Path:
        """The directory of a pool, by default the first's. Raises HostFault for one that is not here."""
        found = self._directories.get(pool or FIRST)
        if found is None:
            raise HostFault(f"The host has no storage class {pool}.")
        return found

    def path(self, pool: str, disk_id: str, revision: int, format_: str) -> Path:
        """Where a disk is to be."""
        if format_ not in FORMATS:
            raise HostFault(f"The host keeps no disks of the format {format_}.")
        middle = f".{revision}" if revision else ""
        return self.directory(pool) / f"{disk_id}{middle}.{format_}"

    def entries(self) -> dict[str, Entry]:
        """The disks by id."""
        found: dict[str, Entry] = {}
        for entry in self.files():
            known = found.get(entry.disk_id)
            if known is None or known.revision < entry.revision:
                found[entry.disk_id] = entry
        return found

    def files(self) -> Iterator[Entry]:
        """All files of disks, the outdated too."""
        for directory in self._directories.values():
            for path in directory.iterdir():
                entry = entry_of(path)
                if entry is not None and not _comes(entry):
                    yield entry

    def of(self, disk_id: str) -> list[Entry]:
        """A disk's files, the newest first."""
        found = [
            entry
            for directory in self._directories.values()
            for path in directory.glob(f"{disk_id}.*")
            if (entry := entry_of(path)) is not None and not _comes(entry)
        ]
        return sorted(found, key=lambda entry: entry.revision, reverse=True)

    def find(self, disk_id: str) -> Entry:
        """The disk. Raises HostFault when it is not here."""
        found = self.of(disk_id)
        if not found:
            raise HostFault("The disk is not on the host.", disk_id)
        return found[0]

    def coming(self, disk_id: str = "*") -> Iterator[Entry]:
        """Files, there or not, that guests fill to become this disk, or any."""
        for directory in self._directories.values():
            for mark in directory.glob(f"{disk_id}.*{MOVING}"):
                entry = entry_of(mark.with_suffix(""))
                if entry is not None:
                    yield entry

    def released(self, disk_id: str) -> Entry:
        """A disk that was put aside. Raises HostFault."""
        for directory in self._directories.values():
            for path in (directory / RELEASED).glob(f"{disk_id}.*"):
                entry = entry_of(path)
                if entry is not None:
                    return entry
        raise HostFault("No such disk was put aside on the host.", disk_id)


def mark_of(entry: Entry) -> Path:
    """What says that a file is not the disk yet; made before the file is."""
    return entry.path.with_name(entry.path.name + MOVING)


def settle(directory: Path) -> None:
    """What was made, renamed and removed there stays so after a loss of power."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _comes(entry: Entry) -> bool:
    # Looked for after the file was found: a listing may have missed what was made during it.
    return entry.revision > 0 and mark_of(entry).exists()


def entry_of(path: Path) -> Entry | None:
    """What the file is of by its name, if it is a disk's."""
    parts = path.name.split(".")
    if len(parts) not in (2, 3) or parts[-1] not in FORMATS:
        return None
    if len(parts) == 3 and not parts[1].isdigit():
        return None
    return Entry(parts[0], int(parts[1]) if len(parts) == 3 else 0, parts[-1], path)
