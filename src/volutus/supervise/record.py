"""What runs, written down, so that the supervisor after a killed one finds the children it left."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from volutus.supervise.processes import Process

FILE_NAME = "supervisor.json"


@dataclass(frozen=True)
class Entry:
    """One child as it was last started; `since` is seconds since the epoch."""

    name: str
    pid: int
    start: int
    fingerprint: str
    since: float
    restarts: int

    @property
    def process(self) -> Process:
        return Process(self.pid, self.start)


def write(run_dir: Path, entries: list[Entry]) -> None:
    """Replace the record as one act: a reader sees the old or the new one, never half of it."""
    path = run_dir / FILE_NAME
    partial = path.with_suffix(".new")
    partial.write_text(json.dumps([asdict(entry) for entry in entries], indent=1))
    os.replace(partial, path)


def read(run_dir: Path) -> list[Entry]:
    """The children of the last supervisor, whether they still run or not."""
    path = run_dir / FILE_NAME
    if not path.exists():
        return []
    return [Entry(**entry) for entry in json.loads(path.read_text())]


def remove(run_dir: Path) -> None:
    """Nothing runs any more."""
    (run_dir / FILE_NAME).unlink(missing_ok=True)
