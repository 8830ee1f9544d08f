"""The key repositories: numbered Fernet keys in a directory, as many hosts can share them.

Key `0` is *staged*: every host can already read what it seals. The highest number is the *primary*, which
seals. Rotation makes the staged key primary and stages a new one, so a host that has not yet got the newest
directory still reads tokens of one that has. What a dropped key sealed can no longer be read.
"""

import os
import threading
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from volutus.errors import Unavailable

# A token lives one day: three keys let rotations be as close as half of that before live tokens die.
KEYS_KEPT = 3


class KeyRepository:
    """One directory of keys. Changes made by another process are seen at the next use."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._seen_at_ns = -1
        self._fernet: MultiFernet | None = None
        self._primary: Fernet | None = None

    def ensure(self) -> None:
        """Make a primary and a staged key unless there are keys."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._numbers():
            self._write(1)
            self._write(0)

    def rotate(self, kept: int = KEYS_KEPT) -> int:
        """Make the staged key primary, stage a new one, drop the oldest. Answers the new primary's number."""
        self.ensure()
        numbers = self._numbers()
        primary = max(numbers) + 1
        os.rename(self._directory / "0", self._directory / str(primary))
        self._write(0)
        for number in sorted(n for n in [*numbers, primary] if n)[: -(kept - 1)]:
            (self._directory / str(number)).unlink()
        return primary

    def seal(self, data: bytes, at_s: int) -> str:
        """Encrypted and signed with the primary key."""
        self._refresh()
        assert self._primary is not None
        return self._primary.encrypt_at_time(data, at_s).decode().rstrip("=")

    def open(self, text: str) -> bytes | None:
        """What was sealed, or None where no key fits."""
        self._refresh()
        assert self._fernet is not None
        try:
            return self._fernet.decrypt(text + "=" * (-len(text) % 4))
        except (InvalidToken, ValueError):
            return None

    @property
    def generation(self) -> int:
        """Another number after each change of the directory: what was opened before is to be opened anew."""
        self._refresh()
        return self._seen_at_ns

    def _refresh(self) -> None:
        try:
            changed_at_ns = self._directory.stat().st_mtime_ns
        except FileNotFoundError as error:
            raise Unavailable("The cloud has no keys yet.", detail=f"no {self._directory}") from error
        if changed_at_ns == self._seen_at_ns:
            return
        with self._lock:
            numbers = sorted(self._numbers(), reverse=True)
            if not numbers:
                raise Unavailable("The cloud has no keys yet.", detail=f"no key in {self._directory}")
            keys = [Fernet((self._directory / str(number)).read_bytes()) for number in numbers]
            self._primary, self._fernet = keys[0], MultiFernet(keys)
            self._seen_at_ns = changed_at_ns

    def _numbers(self) -> list[int]:
        return [int(path.name) for path in self._directory.iterdir() if path.name.isdigit()]

    def _write(self, number: int) -> None:
        # Renamed into place: a reader never sees half a key.
        partial = self._directory / f".{number}.new"
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key())
        partial.rename(self._directory / str(number))
