"""Where the records of guests are kept: one small file each, replaced whole; and beside them what was counted
for metering labels. A lost file costs at worst one reboot too many, so nothing is flushed to the platter."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from volutus.agent.label_counts import LabelCounts
from volutus.agent.state import Carried, Record

# Not a guest's: those end in `.json`.
LABELS_FILE = "labels.counts"


class RecordStore(Protocol):
    """Keeps records over restarts of the agent."""

    def load(self) -> dict[str, Record]: ...

    def save(self, guest_id: str, record: Record) -> None: ...

    def drop(self, guest_id: str) -> None: ...

    def load_labels(self) -> LabelCounts: ...

    def save_labels(self, counts: LabelCounts) -> None: ...


class MemoryRecords:
    """Records of simulated hosts: as lasting as the object."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._labels = LabelCounts()

    def load(self) -> dict[str, Record]:
        return dict(self._records)

    def save(self, guest_id: str, record: Record) -> None:
        self._records[guest_id] = record

    def drop(self, guest_id: str) -> None:
        self._records.pop(guest_id, None)

    def load_labels(self) -> LabelCounts:
        return self._labels

    def save_labels(self, counts: LabelCounts) -> None:
        self._labels = counts


class KeptLabels:
    """What was counted for labels, written down as it grows."""

    def __init__(self, records: RecordStore) -> None:
        self._records = records
        self.counts = records.load_labels()

    def read(self, flows: Mapping[int, Mapping[str, Carried]] | None, run: str) -> None:
        """After a reading of the switch; None is one that failed."""
        counts = self.counts if flows is None else self.counts.read(flows, run)
        if counts != self.counts:
            self._records.save_labels(counts)
            self.counts = counts


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
        _replace(self._directory / f"{guest_id}.json", record)

    def drop(self, guest_id: str) -> None:
        (self._directory / f"{guest_id}.json").unlink(missing_ok=True)

    def load_labels(self) -> LabelCounts:
        with contextlib.suppress(msgspec.DecodeError, FileNotFoundError):
            return msgspec.json.decode((self._directory / LABELS_FILE).read_bytes(), type=LabelCounts)
        return LabelCounts()

    def save_labels(self, counts: LabelCounts) -> None:
        _replace(self._directory / LABELS_FILE, counts)


def _replace(path: Path, content: Record | LabelCounts) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(content))
    os.replace(fresh, path)
