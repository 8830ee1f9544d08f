"""The supervisor's loop: one thread that starts, watches and stops the children of a `Plan`.

When the supervisor is killed, its children run on. The next supervisor reads the record, takes over those
that are adoptable and still what the plan describes, and ends the others before it starts them anew: so
neither guests' networking nor the database pause because of it.
"""

import fcntl
import os
import select
import selectors
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from volutus.supervise import control, libc, logs, processes, record
from volutus.supervise.child import Child, Guests, Plan
from volutus.supervise.keeper import Keeper, State
from volutus.supervise.sockets import host_and_port

MOVING_TICK_S = 0.05
IDLE_TICK_S = 5.0
LOG_CHECK_EVERY_S = 60.0
# Requests under way may finish; nobody is served meanwhile.
LEFT_END_WITHIN_S = 2.0
LOCK_NAME = "supervisor.lock"
LISTEN_BACKLOG = 1024


class AlreadyRunning(Exception):
    """Another supervisor holds this state directory."""


class Supervisor:
    """Runs one plan from `run()` until it is told to stop."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._keepers = [Keeper(child, plan.log_dir) for child in plan.children]
        self._by_name = {keeper.child.name: keeper for keeper in self._keepers}
        self._selector = selectors.DefaultSelector()
        self._watched: dict[int, Keeper] = {}
        self._sockets: dict[str, socket.socket] = {}
        self._stopping = False
        self._guests = Guests.KEPT
        self._guest_stopper: Keeper | None = None
        self._since = time.time()
        self._logs_due = 0.0
        self._recorded: list[record.Entry] = []

    def stop(self, guests: Guests) -> None:
        """End `run` after everything has been stopped in order; told before `run`, it only ends what was
        left."""
        self._stopping, self._guests = True, guests

    def run(self) -> None:
        """Supervise until every child has been stopped."""
        lock = _lock(self._plan.run_dir)
        libc.become_subreaper()
        listener = control.listen(self._plan.run_dir)
        self._selector.register(listener, selectors.EVENT_READ, None)
        wake_up = self._catch_signals()
        self._take_over()
        while not (self._stopping and all(keeper.over for keeper in self._keepers)):
            self._step()
            for key, _ in self._selector.select(self._timeout()):
                if key.fileobj is listener:
                    self._serve(listener)
                elif key.fileobj == wake_up:
                    os.read(wake_up, 1024)
            self._reap()
        self._plan.clean_up()
        record.remove(self._plan.run_dir)
        (self._plan.run_dir / control.SOCKET_NAME).unlink(missing_ok=True)
        _say("stopped")
        lock.close()

    def _catch_signals(self) -> int:
        """Let signals interrupt the wait; guests stop only for those who say so over the socket."""
        wake_up, wake_up_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_up_write)
        self._selector.register(wake_up, selectors.EVENT_READ, None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop(Guests.KEPT))
        signal.signal(signal.SIGCHLD, lambda *_: None)
        return wake_up

    def _step(self) -> None:
        for keeper in self._keepers:
            before = keeper.state
            keeper.tick()
            if self._stopping:
                self._stop_if_last(keeper)
            elif keeper.state is State.WAITING and self._may_start(keeper.child):
                keeper.start(self._descriptor(keeper.child))
                self._watch(keeper)
            if keeper.state is not before:
                _say_change(keeper)
        self._write_record()
        if time.monotonic() > self._logs_due:
            self._logs_due = time.monotonic() + LOG_CHECK_EVERY_S
            logs.rotate(self._plan.log_dir)

    def _may_start(self, child: Child) -> bool:
        return all(self._by_name[name].settled for name in child.after)

    def _needs(self, child: Child) -> set[str]:
        """Those it comes after, also through others that have long run to their end."""
        direct = {name for name in child.after if name in self._by_name}
        return direct.union(*(self._needs(self._by_name[name].child) for name in direct))

    def _stop_if_last(self, keeper: Keeper) -> None:
        """Stop a child once nothing that needs it runs; the hypervisor outlives the guests."""
        dependents = [other for other in self._keepers if keeper.child.name in self._needs(other.child)]
        if keeper.state in (State.STOPPING, State.STOPPED) or not all(other.over for other in dependents):
            return
        if self._guest_stopper is None and keeper.process is not None:
            self._end_guests_before(keeper.child)
        if self._guest_stopper is not None and self._guest_stopper.process is not None:
            return
        keeper.stop()

    def _end_guests_before(self, child: Child) -> None:
        """Start what ends the guests, if this child is one that it needs."""
        stopper = self._plan.ending_guests.get(self._guests)
        if stopper is not None and child.name in stopper.after:
            self._guest_stopper = Keeper(stopper, self._plan.log_dir)
            self._guest_stopper.start(None)
            self._watch(self._guest_stopper)

    def _take_over(self) -> None:
        """Adopt what a killed supervisor left, and end what cannot be adopted."""
        unfit = []
        for entry in record.read(self._plan.run_dir):
            if not entry.process.alive:
                continue
            keeper = self._by_name.get(entry.name)
            if keeper and keeper.child.adoptable and keeper.child.fingerprint == entry.fingerprint:
                keeper.adopt(entry)
                self._watch(keeper)
                _say(f"{entry.name} still runs as process {entry.pid}: taken over")
            else:
                unfit.append(entry)
        _end(unfit)

    def _watch(self, keeper: Keeper) -> None:
        if keeper.process is None:
            return
        try:
            descriptor = os.pidfd_open(keeper.process.pid)
        except ProcessLookupError:
            keeper.ended()  # An adopted process that died a moment ago.
            return
        self._watched[descriptor] = keeper
        self._selector.register(descriptor, selectors.EVENT_READ, None)

    def _reap(self) -> None:
        for descriptor, keeper in list(self._watched.items()):
            if select.select([descriptor], [], [], 0)[0]:
                self._selector.unregister(descriptor)
                os.close(descriptor)
                del self._watched[descriptor]
                before = keeper.state
                keeper.ended()
                if keeper.state is not before:
                    _say_change(keeper)
        self._reap_orphans()

    def _reap_orphans(self) -> None:
        """Bury guests and helpers that ended after their parent: process 1 may not (in containers)."""
        own = {keeper.process.pid for keeper in self._watched.values() if keeper.process}
        with suppress(ChildProcessError):
            while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if found.si_pid in own:
                    return  # Its keeper is told in the next round.
                os.waitpid(found.si_pid, os.WNOHANG)

    def _descriptor(self, child: Child) -> int | None:
        if child.listens is None:
            return None
        if child.listens not in self._sockets:
            self._sockets[child.listens] = _listening(child.listens)
        return self._sockets[child.listens].fileno()

    def _timeout(self) -> float:
        resting = (State.READY, State.DONE)
        return IDLE_TICK_S if all(keeper.state in resting for keeper in self._keepers) else MOVING_TICK_S

    def _serve(self, listener: socket.socket) -> None:
        received = control.receive(listener)
        if received is None:
            return
        connection, request = received
        if request.get("command") == "stop":
            self.stop(Guests(request.get("guests", Guests.STOPPED)))
        control.answer(connection, self._status())

    def _status(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "since": self._since,
            "stopping": self._stopping,
            "children": [_described(keeper) for keeper in self._keepers],
        }

    def _write_record(self) -> None:
        entries = [entry for keeper in self._keepers if (entry := keeper.entry)]
        if entries != self._recorded:
            record.write(self._plan.run_dir, entries)
            self._recorded = entries


def _described(keeper: Keeper) -> dict[str, Any]:
    return {
        "name": keeper.child.name,
        "state": keeper.state.value,
        "pid": keeper.process.pid if keeper.process else None,
        "since": keeper.since,
        "restarts": keeper.restarts,
        "failures": keeper.failures,
        "why": keeper.why,
        "once": keeper.child.once,
    }


def _lock(run_dir: Path) -> IO[str]:
    lock = open(run_dir / LOCK_NAME, "w")  # noqa: SIM115 held until the process ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise AlreadyRunning(f"a supervisor already runs in {run_dir}") from error
    return lock


def _listening(address: str) -> socket.socket:
    host, port = host_and_port(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=LISTEN_BACKLOG)


def _end(entries: list[record.Entry]) -> None:
    """End children of a killed supervisor that cannot be adopted: first asked, then made to."""
    for entry in entries:
        _say(f"{entry.name} still runs as process {entry.pid}: ended, to be started anew")
        processes.signal_group(entry.pid, signal.SIGTERM)
    deadline = time.monotonic() + LEFT_END_WITHIN_S
    while any(entry.process.alive for entry in entries) and time.monotonic() < deadline:
        time.sleep(MOVING_TICK_S)
    for entry in entries:
        processes.signal_group(entry.pid, signal.SIGKILL)


def _say_change(keeper: Keeper) -> None:
    detail = f": {keeper.why}" if keeper.state is State.BACKOFF else ""
    _say(f"{keeper.child.name} {keeper.state.value}{detail}")


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} supervisor: {text}\n")
    sys.stderr.flush()


def is_running(run_dir: Path) -> bool:
    """Whether a supervisor holds this state directory."""
    path = run_dir / LOCK_NAME
    if not path.exists():
        return False
    with path.open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
