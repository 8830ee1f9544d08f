"""What the supervisor has to know of one process that it keeps running. Nothing here starts anything."""

import hashlib
import json
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

# Longer than the slowest daemon needs on a busy two-core machine (PostgreSQL after a crash replays its log).
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0


def _nothing() -> None:
    """The hook of a child that needs none."""


def _alive_is_enough() -> bool:
    return True


@dataclass(frozen=True)
class Child:
    """One process. `after` names those that must be ready before its first start, and that outlive it at the
    end.

    `prepare` runs before each start, `ready` is asked until it says yes, `settle` then runs once for that
    start. All three must be quick and safe to repeat. With `once` the process runs to its end and ready
    means exit 0. `listens` is ADDR:PORT of a listening socket it inherits; `{fd}` in `argv` becomes its
    number. Children with the same address share one socket. `adoptable` children that outlived a killed
    supervisor are taken over as they are; the others are started anew. `stop` asks it to end in place of
    `stop_signal`. With `forked_at`, the socket of a fork server, `argv` are words of the `volutus` command.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    forked_at: Path | None = None
    umask: int = 0o022
    listens: str | None = None
    prepare: Callable[[], None] = _nothing
    ready: Callable[[], bool] = _alive_is_enough
    settle: Callable[[], None] = _nothing
    stop: Callable[[], None] | None = None
    once: bool = False
    adoptable: bool = True
    ready_timeout_s: float = READY_TIMEOUT_S
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = STOP_TIMEOUT_S

    @property
    def fingerprint(self) -> str:
        """Changes when a running process would no longer be what this child describes."""
        described = json.dumps([self.argv, dict(self.environment), self.listens], sort_keys=True)
        return hashlib.sha256(described.encode()).hexdigest()[:16]


class Guests(Enum):
    """What becomes of guests when their cloud stops: they run on, are asked to end, or are ended at once."""

    KEPT = "kept"
    STOPPED = "stopped"
    KILLED = "killed"


@dataclass(frozen=True)
class Plan:
    """All children of one cloud, those that others need first. One of `ending_guests` and `clean_up` run on
    the way down: the one while the hypervisor still runs, the other when nothing runs any more."""

    children: tuple[Child, ...]
    run_dir: Path
    log_dir: Path
    ending_guests: Mapping[Guests, Child] = field(default_factory=dict)
    clean_up: Callable[[], None] = _nothing
