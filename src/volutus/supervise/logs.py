"""One log file for each child, kept small.

Children write to the file themselves, so a killed supervisor takes no log with it. A full file is copied
aside and cut to nothing: the child's descriptor, opened for appending, goes on at the beginning. The few
lines written between copy and cut are lost; that is the price of leaving the writers alone.
"""

import os
import shutil
from pathlib import Path
from typing import IO

ROTATE_AT_BYTES = 16 * 1024 * 1024
OLD_FILES_MAX = 3


def opened(log_dir: Path, name: str) -> IO[bytes]:
    """The child's log, opened so that it survives being cut."""
    return open(log_dir / f"{name}.log", "ab", buffering=0)


def rotate(log_dir: Path) -> None:
    """Cut every file that is over its size, keeping the last few."""
    for path in log_dir.glob("*.log"):
        if path.stat().st_size > ROTATE_AT_BYTES:
            _rotate(path)


def tail(log_dir: Path, name: str, lines: int) -> list[str]:
    """The last lines of a child's log, for a message to a person."""
    path = log_dir / f"{name}.log"
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 400 * lines))
        return file.read().decode(errors="replace").splitlines()[-lines:]


def _rotate(path: Path) -> None:
    for number in range(OLD_FILES_MAX, 1, -1):
        older, newer = Path(f"{path}.{number}"), Path(f"{path}.{number - 1}")
        if newer.exists():
            newer.replace(older)
    shutil.copyfile(path, f"{path}.1")
    os.truncate(path, 0)
