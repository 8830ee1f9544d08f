"""Keeps one child running: its start, its readiness, its back-off after a death, its end.

A keeper never waits. The supervisor calls `tick` often while anything moves and `ended` when the process has
died. What happens with other children is no concern of a keeper.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from enum import Enum
from functools import partial
from pathlib import Path

from volutus.errors import VolutusError
from volutus.supervise import forkserver, logs, processes
from volutus.supervise.child import Child
from volutus.supervise.processes import Process
from volutus.supervise.record import Entry

# The first death is answered at once: without the switch guests have no network. The second waits so long.
BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 30.0
# A child that ran this long has recovered: its next death is a new story with a short back-off.
STABLE_AFTER_S = 30.0
# Children see the variables of the supervisor that any program may need, and those made for them.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "SSL_CERT_FILE")
# What a hook of a child may fail with: told in the status and tried again; anything else is a bug.
EXPECTED = (OSError, subprocess.SubprocessError, VolutusError)


class State(Enum):
    """`DONE` is a child that ran once and succeeded. `BACKOFF` waits before the next start."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Keeper:
    """The running side of one `Child`."""

    def __init__(self, child: Child, log_dir: Path) -> None:
        self.child = child
        self.state = State.WAITING
        self.process: Process | None = None
        self.since = 0.0
        self.restarts = 0
        self.failures = 0
        self.why = ""
        self._log_dir = log_dir
        self._wait: Callable[[], int] | None = None
        self._started = 0.0
        self._due = 0.0

    @property
    def settled(self) -> bool:
        """Whether those that come after this child may start."""
        return self.state in (State.READY, State.DONE)

    @property
    def over(self) -> bool:
        """Whether nothing of this child runs and nothing will."""
        return self.process is None and self.state in (State.STOPPED, State.WAITING, State.DONE)

    @property
    def entry(self) -> Entry | None:
        """What the record should say."""
        if self.process is None:
            return None
        return Entry(
            self.child.name,
            self.process.pid,
            self.process.start,
            self.child.fingerprint,
            self.since,
            self.restarts,
        )

    def start(self, descriptor: int | None) -> None:
        """Start the process; `descriptor` is the listening socket it inherits."""
        self._started = time.monotonic()
        self.state = State.STARTING
        try:
            self.child.prepare()
            pid = self._spawn(descriptor)
        except EXPECTED as error:
            self._failed(f"could not be started: {error}")
            return
        self.since = time.time()
        # A child that died in between is a zombie of ours, whose end the supervisor sees like any other.
        self.process = processes.find(pid) or Process(pid, 0)

    def adopt(self, entry: Entry) -> None:
        """Take over a process that a killed supervisor left; its readiness is looked at again."""
        self.process, self.since, self.restarts = entry.process, entry.since, entry.restarts
        self._started = time.monotonic()
        self.state = State.STARTING

    def tick(self) -> None:
        """One look at a child that moves."""
        now = time.monotonic()
        if self.state is State.STARTING and self.process is not None and not self.child.once:
            self._look_whether_ready(now)
        elif self.state is State.BACKOFF and now >= self._due:
            self.state = State.WAITING
        elif self.state is State.READY and now - self._started > STABLE_AFTER_S:
            self.failures = 0
        elif self.state is State.STOPPING and now > self._due and self.process is not None:
            processes.signal_group(self.process.pid, signal.SIGKILL)

    def ended(self) -> None:
        """The process has died: of its own, or because it was told to stop."""
        assert self.process is not None
        status = self._wait() if self._wait else None
        # A daemon's helpers are in its process group and must not outlive it.
        processes.signal_group(self.process.pid, signal.SIGKILL)
        self._wait, self.process = None, None
        if self.state is State.STOPPING:
            self.state = State.STOPPED
        elif self.child.once and status == 0:
            self.state, self.failures = State.DONE, 0
        else:
            self._failed(_how_it_ended(status))

    def stop(self) -> None:
        """Ask the process to end; `tick` sees to it that it does."""
        if self.process is None:
            self.state = State.STOPPED
            return
        self.state = State.STOPPING
        self._due = time.monotonic() + self.child.stop_timeout_s
        try:
            if self.child.stop is None:
                os.kill(self.process.pid, self.child.stop_signal)
            else:
                self.child.stop()
        except ProcessLookupError:
            return
        except EXPECTED as error:
            self.why = f"its gentle stop failed: {error}"
            processes.signal_group(self.process.pid, self.child.stop_signal)

    def _spawn(self, descriptor: int | None) -> int:
        """Start the process; its pid, and in `_wait` what waits for its end and says how it was."""
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment = passed | dict(self.child.environment)
        with logs.opened(self._log_dir, self.child.name) as log:
            if self.child.forked_at is not None:
                order = forkserver.Order(self.child.argv, environment, self.child.umask)
                pid = forkserver.fork(self.child.forked_at, order, log.fileno(), descriptor)
                self._wait = partial(_exit_code, pid)
                return pid
            started = subprocess.Popen(
                [part.replace("{fd}", str(descriptor)) for part in self.child.argv],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=() if descriptor is None else (descriptor,),
                start_new_session=True,
                umask=self.child.umask,
            )
        self._wait = started.wait
        return started.pid

    def _look_whether_ready(self, now: float) -> None:
        assert self.process is not None
        try:
            if self.child.ready():
                self.child.settle()
                self.state, self.why = State.READY, ""
        except EXPECTED as error:
            self.why = str(error)
        if self.state is State.STARTING and now - self._started > self.child.ready_timeout_s:
            self.why = f"not ready after {self.child.ready_timeout_s:.0f} s. {self.why}".strip()
            processes.signal_group(self.process.pid, signal.SIGKILL)

    def _failed(self, how: str) -> None:
        self.why = f"{how}. {self.why}" if self.why.startswith("not ready") else how
        self.failures += 1
        self.restarts += 1
        self.state = State.BACKOFF
        wait_s = BACKOFF_FIRST_S * 2 ** (self.failures - 2) if self.failures > 1 else 0.0
        self._due = time.monotonic() + min(BACKOFF_MAX_S, wait_s)


def _exit_code(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _how_it_ended(status: int | None) -> str:
    if status is None:
        return "ended"
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"
