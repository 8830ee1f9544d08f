"""Where the records of guests are kept: one small file each, replaced whole. A lost file costs at worst one
reboot too many, so nothing is flushed to the platter."""

import contextlib
import os
from pathlib import Path
from typing import Protocol

import msgspec

from volutus.agent.state import Record


class RecordStore(Protocol):
    """Keeps records over restarts of the agent."""

    def load(self) -> dict[str, Record]: ...

    def save(self, guest_id: str, record: Record) -> None: ...

    def drop(self, guest_id: str) -> None: ...


class MemoryRecords:
    """Records of simulated hosts: as lasting as the object."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}

    def load(self) -> dict[str, Record]:
        return dict(self._records)

    def save(self, guest_id: str, record: Record) -> None:
        self._records[guest_id] = record

    def drop(self, guest_id: str) -> None:
        self._records.pop(guest_id, None)


class FileRecords:
    """Records as `DIRECTORY/GUEST.json`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def load(self) -> dict[str, Record]:
        records = {}
        for path in self._directory.glob("*.json"):
            # A host that lost power may leave an empty file: as good as none.
            with contextlib.suppress(msgspec.DecodeError):
                records[path.stem] = msgspec.json.decode(path.read_bytes(), type=Record)
        return records

    def save(self, guest_id: str, record: Record) -> None:
        path = self._directory / f"{guest_id}.json"
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(record))
        os.replace(fresh, path)

    def drop(self, guest_id: str) -> None:
        (self._directory / f"{guest_id}.json").unlink(missing_ok=True)
