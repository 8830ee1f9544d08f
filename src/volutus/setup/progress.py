"""What a person sees while `volutus up` works: one line a step, with the time it took. Nothing is decided
here."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

# A step shorter than this is not worth a line.
QUIET_BELOW_S = 0.5
SPINNER_EVERY_S = 0.2


class Progress:
    """Writes to standard error, so that standard output stays for what was asked for."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._live = sys.stderr.isatty() and not quiet
        self._started = time.monotonic()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Something that takes a while: its title at once on a terminal, with the seconds when done."""
        began = time.monotonic()
        self.show(title)
        yield
        took = time.monotonic() - began
        self.clear()
        if took >= QUIET_BELOW_S:
            self.line(f"{title}  {took:.1f} s")

    def show(self, text: str) -> None:
        """A line that the next one replaces; nothing where lines cannot be replaced."""
        if self._live:
            elapsed = time.monotonic() - self._started
            sys.stderr.write(f"\r\033[K  … {text}  ({elapsed:.0f} s)")
            sys.stderr.flush()

    def clear(self) -> None:
        """Take away what `show` wrote."""
        if self._live:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def line(self, text: str) -> None:
        """A line that stays."""
        if not self._quiet:
            self.clear()
            sys.stderr.write(f"  {text}\n")
            sys.stderr.flush()
