"""Drives one real host: one thread decides, a few act, one listens to the control plane and one reports to
it.

Every look is a look at everything. What wakes the deciding thread (a document, an action that ended, a
process that died, a pause that is over) only makes the next look sooner; without any it comes each `LOOK_S`.
No thread holds anything that a restart of the agent would miss.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from volutus.agent.actions import (
    Action,
    AttachDisk,
    BackUpDisk,
    CaptureDisk,
    CreateDisk,
    EndMove,
    GrowDisk,
    PlugPort,
    ServeExport,
    StartGuest,
)
from volutus.agent.config import AgentConfig
from volutus.agent.connection import POLL_WAIT_S, TIMEOUT_S, Channel, ConnectionTrouble
from volutus.agent.console_tunnels import ConsoleTunnels
from volutus.agent.consoles import ConsoleShipping
from volutus.agent.converge import Plan
from volutus.agent.disk_reads import DiskReads
from volutus.agent.faults import HostFault
from volutus.agent.host import Host
from volutus.agent.hypervisor import Hypervisor
from volutus.agent.polling import Polling
from volutus.agent.reporting import Item, Key
from volutus.agent.storage import Span
from volutus.wire import Desired, GuestCommand, HostFacts, Observed, Received

log = logging.getLogger(__name__)

LOOK_S = 10.0
# libvirt knows of a death up to two seconds after the kernel told us; so look often for a while.
LOOK_OFTEN_S = 0.2
LOOK_OFTEN_FOR_S = 3.0
# While a guest is asked to let go of a device, or to shut down.
LOOK_WAITING_S = 0.5
CONSOLE_S = 1.0
BACK_OFF_FIRST_S = 0.5
BACK_OFF_LONGEST_S = 15.0
# Making disks and ports waits for the disk and other programs, so more than cores.
WORKERS = 6
# In the state directory; made when the control plane has received the host's facts.
READY_FILE = "ready"
# An emulated guest that boots takes a whole core: three at once make all of them late.
STARTING_AT_ONCE = {"tcg": 2, "kvm": 6}
TIDY_S = 3600.0


@dataclass(frozen=True)
class Arrived:
    """The control plane said what should be."""

    desired: Desired


@dataclass(frozen=True)
class Ended:
    """The action begun under this number ended, well or not."""

    number: int


@dataclass(frozen=True)
class Told:
    """A report was received (or, with no answer, was not)."""

    said: dict[Key, Item]
    answer: Received | None
    with_facts: bool


@dataclass(frozen=True)
class Hint:
    """Something happened to a process."""


@dataclass(frozen=True)
class Stop:
    """End this agent; guests run on."""


Event = Arrived | Ended | Told | Hint | Stop


@dataclass(frozen=True)
class Parts:
    """What the runner drives. `tidy` drops what interrupted work left, `read` gives a disk's bytes."""

    host: Host
    hypervisor: Hypervisor
    facts: Callable[[], HostFacts]
    tidy: Callable[[frozenset[str]], None]
    read: Callable[[str, int], Iterator[Span]]


class Runner:
    """See the module. `run` returns after `stop`."""

    def __init__(self, config: AgentConfig, parts: Parts, accelerator: str) -> None:
        self._config = config
        self._parts = parts
        self._host = parts.host
        self._events: queue.Queue[Event] = queue.Queue()
        self._outbox: queue.Queue[tuple[Observed, dict[Key, Item]] | None] = queue.Queue()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="act")
        self._tunnels = ConsoleTunnels(config, parts.hypervisor)
        self._reads = DiskReads(config, parts.read)
        self._polling = Channel(config, POLL_WAIT_S + TIMEOUT_S)
        self._stopping = threading.Event()
        self._busy: dict[int, tuple[Action, frozenset[str]]] = {}
        self._begun = 0
        self._starts_max = config.starting_at_once or STARTING_AT_ONCE[accelerator]
        self._facts: HostFacts | None = None
        self._facts_told = False
        self._ready_told = False
        self._report_under_way = False
        self._heartbeat_at = 0.0
        self._look_at = 0.0
        self._often_until = 0.0
        self._tidy_at = 0.0

    def stop(self) -> None:
        """From any thread, or a signal handler."""
        self._events.put(Stop())

    def hint(self) -> None:
        """From any thread: look soon."""
        self._events.put(Hint())

    def run(self) -> None:
        """Until `stop`."""
        threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for name, work in (("poll", self._poll), ("report", self._report), ("console", self._ship))
        ]
        for thread in threads:
            thread.start()
        try:
            while self._take(self._wait_s()):
                self._turn(time.monotonic())
        finally:
            self._stopping.set()
            self._outbox.put(None)
            self._polling.abort()
            # Actions under way are cut short by the process's end at worst; every one may be done again.
            self._pool.shutdown(wait=True, cancel_futures=True)

    # The deciding thread

    def _wait_s(self) -> float:
        wake = min(self._look_at, self._heartbeat_at)
        return max(0.0, wake - time.monotonic())

    def _take(self, timeout_s: float) -> bool:
        """Take what has come, waiting for the first; False to stop."""
        try:
            event = self._events.get(timeout=timeout_s)
            while True:
                if isinstance(event, Stop):
                    return False
                self._handle(event)
                event = self._events.get_nowait()
        except queue.Empty:
            return True

    def _handle(self, event: Event) -> None:
        match event:
            case Arrived(desired):
                self._host.accept(desired)
                self._look_at = 0.0
            case Ended(number):
                del self._busy[number]
                self._look_at = 0.0
            case Hint():
                self._often_until = time.monotonic() + LOOK_OFTEN_FOR_S
                self._look_at = 0.0
            case Told(said, answer, with_facts):
                self._report_under_way = False
                if answer is not None:
                    self._facts_told = (self._facts_told or with_facts) and not answer.resend_all
                    self._tell_ready()
                    self._host.received(said, answer)

    def _tell_ready(self) -> None:
        """Once the control plane has this host's facts it may place guests here: whoever started us can see
        it by a file."""
        if self._facts_told and not self._ready_told:
            (self._config.state_dir / READY_FILE).touch()
            self._ready_told = True

    def _turn(self, now: float) -> None:
        if now >= self._look_at:
            self._look(now)
        if not self._report_under_way:
            beat = now >= self._heartbeat_at
            if beat or self._host.has_news():
                self._send(now)
        if now >= self._tidy_at and self._host.informed and not self._busy:
            self._tidy_at = now + TIDY_S
            self._parts.tidy(self._host.images_needed())

    def _look(self, now: float) -> None:
        try:
            in_motion = frozenset(key for _, keys in self._busy.values() for key in keys)
            plan = self._host.look(now, in_motion)
        except HostFault as fault:
            log.warning("cannot see the host: %s", fault)
            self._look_at = now + BACK_OFF_FIRST_S
            return
        self._begin(plan, now)
        pause = LOOK_OFTEN_S if now < self._often_until else LOOK_S
        if self._host.waits_for_guest():
            pause = min(pause, LOOK_WAITING_S)
        wakes = [now + pause, plan.wake_at, self._host.next_retry()]
        self._look_at = max(now + LOOK_OFTEN_S, min(wake for wake in wakes if wake is not None))

    def _begin(self, plan: Plan, now: float) -> None:
        """Begin the actions that nothing under way touches."""
        touched = {key for _, keys in self._busy.values() for key in keys}
        starts = sum(isinstance(action, StartGuest) for action, _ in self._busy.values())
        for action in plan.actions:
            keys = touches(action)
            if keys & touched or not self._host.due(action, now):
                continue
            if isinstance(action, StartGuest):
                if starts >= self._starts_max:
                    continue
                starts += 1
            touched |= keys
            self._begun += 1
            self._busy[self._begun] = (action, keys)
            self._pool.submit(self._perform, self._begun, action)

    def _perform(self, number: int, action: Action) -> None:
        log.info("%s %s", type(action).__name__, action.key)
        try:
            self._host.perform(action, time.monotonic())
        except Exception as bug:
            # The edge of this thread: logged here, and the action is tried again like any that failed.
            log.exception("%s %s", type(action).__name__, action.key)
            self._host.failed(
                action, time.monotonic(), HostFault("The host had an internal error.", repr(bug))
            )
        finally:
            self._events.put(Ended(number))

    def _obey(self, command: GuestCommand) -> None:
        log.info("%s %s", command.kind.value, command.guest_id)
        self._host.commands.obey(command)
        self._events.put(Hint())

    def _send(self, now: float) -> None:
        self._heartbeat_at = now + self._config.heartbeat_s
        try:
            self._host.traffic_read()
            if self._facts is None:
                self._facts = self._parts.facts()
        except HostFault as fault:
            log.warning("cannot measure the host: %s", fault)
        observed, said = self._host.report(None if self._facts_told else self._facts)
        self._report_under_way = True
        self._outbox.put((observed, said))

    # The other threads

    def _poll(self) -> None:
        back_off = BACK_OFF_FIRST_S
        polling = Polling()
        while not self._stopping.is_set():
            try:
                wait_s = POLL_WAIT_S if polling.complete else 0
                answer = self._polling.desired(polling.seen, wait_s)
                self._tunnels.open(answer.consoles)
                self._reads.begin(answer.reads)
                for command in answer.commands:
                    self._pool.submit(self._obey, command)
                desired = polling.answered(answer)
            except ConnectionTrouble as trouble:
                if not self._stopping.is_set():
                    log.warning("no word from the control plane: %s", trouble)
                self._stopping.wait(back_off)
                back_off = min(back_off * 2, BACK_OFF_LONGEST_S)
                continue
            back_off = BACK_OFF_FIRST_S
            if desired is not None:
                self._events.put(Arrived(desired))

    def _report(self) -> None:
        channel = Channel(self._config)
        back_off = BACK_OFF_FIRST_S
        while (message := self._outbox.get()) is not None:
            observed, said = message
            answer = None
            try:
                answer = channel.report(observed)
                back_off = BACK_OFF_FIRST_S
            except ConnectionTrouble as trouble:
                log.warning("report not received: %s", trouble)
                self._stopping.wait(back_off)
                back_off = min(back_off * 2, BACK_OFF_LONGEST_S)
            self._events.put(Told(said, answer, observed.facts is not None))
        channel.close()

    def _ship(self) -> None:
        channel = Channel(self._config)
        shipping = ConsoleShipping(channel.console, self._parts.hypervisor.console_log)
        while not self._stopping.wait(CONSOLE_S):
            shipping.round(self._host.console_guests())
        channel.close()


def touches(action: Action) -> frozenset[str]:
    """Everything that an action uses, so that no two under way use the same: a disk is not copied while a
    guest starts with it."""
    keys = {action.key}
    match action:
        case StartGuest(spec):
            keys |= {disk.disk_id for disk in spec.disks} | {nic.port_id for nic in spec.nics}
        case CreateDisk(spec, _) if spec.source is not None and spec.source.disk_id is not None:
            keys.add(spec.source.disk_id)
        case CaptureDisk(upload, _):
            # Not the guest that copies it: nobody should wait to stop a server until it is copied.
            keys.add(upload.disk_id)
        case BackUpDisk(backup, _):
            keys.add(backup.disk_id)
        case GrowDisk(_, _, guest_id) if guest_id is not None:
            keys.add(guest_id)
        case EndMove(_, guest_id, _):
            keys.add(guest_id)
        case AttachDisk(_, disk):
            keys.add(disk.disk_id)
        case ServeExport(export):
            keys.add(export.disk_id)
        case PlugPort(guest_id, _):
            # Not the guest: its ports are made at once.
            pass
    return frozenset(keys)
