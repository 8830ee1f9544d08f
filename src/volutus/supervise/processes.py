"""Questions about processes, answered from /proc.

A process id alone names nothing for long, so a process is known by its id and the tick it started at. A
zombie counts as dead: where process 1 does not reap (containers), dead processes keep their ids for ever.
"""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

_STATE, _PARENT, _START = 0, 1, 19  # positions in /proc/PID/stat after the command's closing bracket


@dataclass(frozen=True)
class Process:
    """`start` is in clock ticks since the machine's boot."""

    pid: int
    start: int

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        found = _stat(self.pid)
        return found is not None and found[_STATE] not in "ZX" and int(found[_START]) == self.start


def find(pid: int) -> Process | None:
    """The process with this id now, or None if it is gone or a zombie."""
    found = _stat(pid)
    if found is None or found[_STATE] in "ZX":
        return None
    return Process(pid, int(found[_START]))


def memory_kib(pid: int) -> int:
    """The proportional set size of a process and all that descend from it; 0 once it is gone."""
    parents = {int(entry.name): parent_of(int(entry.name)) for entry in Path("/proc").glob("[0-9]*")}
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(_pss_kib(member) for member in family)


def own_memory_kib(pid: int) -> int:
    """The proportional set size of one process alone."""
    return _pss_kib(pid)


def parent_of(pid: int) -> int | None:
    """The id of the parent, None if the process is gone."""
    found = _stat(pid)
    return None if found is None else int(found[_PARENT])


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to the process group that a child leads; nothing happens if it is empty."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def _pss_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()
