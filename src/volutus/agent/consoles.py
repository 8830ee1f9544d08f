"""Sends what guests print on their serial console, and keeps the logs on the host small.

The control plane says how much it has, so nothing is remembered here. A guest can print faster than anybody
reads: only so much of its log stays on the disk, the rest is given back to the file system.
"""

import ctypes
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from volutus.agent.connection import ConnectionTrouble

log = logging.getLogger(__name__)

PIECE_BYTES = 128 << 10
PIECES_AT_ONCE = 8
# What stays on the disk behind what was sent, for the operator.
KEPT_BYTES = 1 << 20
# A log that cannot be sent does not grow over this either: its oldest part is given up.
UNSENT_BYTES_MAX = 16 << 20
# After trouble with one guest the others go on, and it is tried again after so many rounds.
ROUNDS_TO_REST = 10

_KEEP_SIZE_AND_PUNCH_HOLE = 3
_libc = ctypes.CDLL(None, use_errno=True)

Send = Callable[[str, int, bytes], int]


@dataclass
class _Log:
    """One guest's log. `sent` is what the control plane has, None before it said; position in the file plus
    `ahead` is the offset there. `punched` bytes at the start are given back."""

    sent: int | None = None
    ahead: int = 0
    punched: int = 0
    resting: int = 0


class ConsoleShipping:
    """Call `round` about once a second from one thread."""

    def __init__(self, send: Send, path_of: Callable[[str], Path | None]) -> None:
        self._send = send
        self._path_of = path_of
        self._logs: dict[str, _Log] = {}

    def round(self, guest_ids: Iterable[str]) -> None:
        """Send what is new of each guest."""
        wanted = set(guest_ids)
        for gone in self._logs.keys() - wanted:
            del self._logs[gone]
        for guest_id in wanted:
            state = self._logs.setdefault(guest_id, _Log())
            path = self._path_of(guest_id)
            if state.resting:
                state.resting -= 1
            elif path is not None and path.exists():
                try:
                    self._ship(guest_id, path, state)
                except (ConnectionTrouble, OSError) as error:
                    log.debug("console of %s not sent: %s", guest_id, error)
                    state.resting = ROUNDS_TO_REST
                    _bound(path, state)

    def _ship(self, guest_id: str, path: Path, state: _Log) -> None:
        size = path.stat().st_size
        if state.sent is None:
            if size == 0:
                return
            state.sent = self._send(guest_id, 0, b"")
            # A log that is shorter than what was sent before is a new file.
            state.ahead = state.sent if size < state.sent else 0
        with path.open("rb") as file:
            for _ in range(PIECES_AT_ONCE):
                file.seek(state.sent - state.ahead)
                piece = file.read(PIECE_BYTES)
                if not piece:
                    break
                state.sent = self._send(guest_id, state.sent, piece)
        _punch(path, state, state.sent - state.ahead - KEPT_BYTES)


def _bound(path: Path, state: _Log) -> None:
    """Give up the oldest part of a log that could not be sent for long."""
    try:
        size = path.stat().st_size
        oldest = size - UNSENT_BYTES_MAX
        if oldest > (state.sent or 0) - state.ahead:
            _punch(path, state, oldest)
            if state.sent is not None:
                state.ahead = state.sent - oldest
    except OSError:
        return


def _punch(path: Path, state: _Log, until: int) -> None:
    """Free the first `until` bytes. The size stays, so QEMU, which appends, and offsets are not disturbed."""
    if until - state.punched < KEPT_BYTES:
        return
    descriptor = os.open(path, os.O_WRONLY)
    try:
        mode, start, length = _KEEP_SIZE_AND_PUNCH_HOLE, ctypes.c_long(0), ctypes.c_long(until)
        if _libc.fallocate(descriptor, mode, start, length) == 0:
            state.punched = until
    finally:
        os.close(descriptor)
