"""Notices within milliseconds that a QEMU process ended; libvirt takes one to two seconds.

It only says that something happened: what, is for the next look to see.
"""

import contextlib
import os
import selectors
import threading
from collections.abc import Callable
from pathlib import Path


class PidWatch:
    """Calls `hint` when a watched process ends. `follow` is called after each look with the processes to be
    watched; a pid that was given to another process meanwhile costs one needless look."""

    def __init__(self, hint: Callable[[], None]) -> None:
        self._hint = hint
        self._selector = selectors.DefaultSelector()
        self._watched: dict[int, int] = {}
        self._lock = threading.Lock()
        self._wake_read, self._wake_write = os.pipe()
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, name="pidwatch", daemon=True)
        self._thread.start()

    def follow(self, pids: frozenset[int]) -> None:
        """Watch these and no others."""
        with self._lock:
            for pid in self._watched.keys() - pids:
                self._forget(pid)
            for pid in pids - self._watched.keys():
                with contextlib.suppress(OSError):
                    fd = os.pidfd_open(pid)
                    self._watched[pid] = fd
                    self._selector.register(fd, selectors.EVENT_READ, pid)
        # A selector that waits does not see what is registered meanwhile until it is woken.
        os.write(self._wake_write, b"x")

    def close(self) -> None:
        """Watch nothing any more."""
        with self._lock:
            for pid in list(self._watched):
                self._forget(pid)
        os.write(self._wake_write, b"q")

    def _forget(self, pid: int) -> None:
        fd = self._watched.pop(pid)
        self._selector.unregister(fd)
        os.close(fd)

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    if b"q" in os.read(self._wake_read, 4096):
                        return
                    continue
                with self._lock:
                    if key.data in self._watched:
                        self._forget(key.data)
                self._hint()


def read_pid(path: Path) -> int | None:
    """The pid in a pid file, if there is one."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
