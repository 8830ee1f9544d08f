"""Hosts that are only pretended, many in one process, speaking the real protocol: `volutus agent --simulated
N`.

They decide by the same `converge` and are driven by the same `Host` as real ones; only the drivers differ.
Used by tests of the whole control plane, and to see how it bears thousands of hosts.
"""

import asyncio
import contextlib
import logging
import struct
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from volutus.agent.connection import DISK_UPGRADE, POLL_WAIT_S, PREFIX, TIMEOUT_S, ConnectionTrouble
from volutus.agent.disk_reads import encoded
from volutus.agent.facts import AGENT_VERSION, rooms
from volutus.agent.faults import HostFault
from volutus.agent.host import Drivers, Host
from volutus.agent.hypervisor.simulated import SimulatedHypervisor
from volutus.agent.iscsi.simulated import SimulatedExports
from volutus.agent.network.simulated import SimulatedNetwork
from volutus.agent.polling import Polling
from volutus.agent.records import MemoryRecords
from volutus.agent.simulated_wire import Connection, Identity, Origin, Pool, head
from volutus.agent.storage.simulated import SimulatedStorage
from volutus.wire import Desired, DiskRead, HostFacts, Received

log = logging.getLogger(__name__)

BACK_OFF_FIRST_S = 0.5
BACK_OFF_LONGEST_S = 15.0
# A plan with simulated drivers ends after a few looks; the bound is against a fault of ours.
LOOKS_AT_ONCE = 20
REPORTS_AT_ONCE = 64
# The smallest qcow2 that stands by itself: version 2, a disk of no bytes, an L1 table of none.
NO_DISK = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 16, 0, 0, 0, 72, 0, 0, 0, 0)


@dataclass(frozen=True)
class SimulatedMachine:
    """What each host says that it has."""

    cores: int = 64
    mhz_per_core: int = 3000
    memory_mib: int = 512 * 1024
    disk_gib: int = 8192
    accelerator: str = "kvm"


@dataclass(frozen=True)
class Simulation:
    """How to simulate. Each host beats once in `heartbeat_s`, spread evenly."""

    origin: Origin
    identities: Sequence[Identity]
    machine: SimulatedMachine = field(default_factory=SimulatedMachine)
    heartbeat_s: float = 10.0
    poll_wait_s: int = POLL_WAIT_S


@contextmanager
def _no_image(_: str) -> Iterator[Iterator[bytes]]:
    yield iter(())


class SimulatedHost:
    """One host: a task that polls, one that beats, and the drivers, for tests to let things happen."""

    def __init__(self, simulation: Simulation, number: int, pool: Pool) -> None:
        self.identity = simulation.identities[number]
        self._simulation = simulation
        self._pool = pool
        self._phase_s = simulation.heartbeat_s * number / len(simulation.identities)
        self.hypervisor = SimulatedHypervisor()
        self.storage = SimulatedStorage(capacity_bytes=simulation.machine.disk_gib << 30)
        self.network = SimulatedNetwork()
        self.exports = SimulatedExports()
        drivers = Drivers(
            self.hypervisor,
            self.storage,
            self.network,
            self.exports,
            MemoryRecords(),
            _no_image,
            self._send,
        )
        self.host = Host(drivers, "simulated", lambda: datetime.now(UTC))
        self._sending: set[asyncio.Task[None]] = set()
        self._facts_told = False
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._poll())
            tasks.create_task(self._beat())

    def look_again(self) -> None:
        """Something was let happen to the drivers."""
        self._converge()
        self._news.set()

    def _send(self, image_id: str, _: Path) -> None:
        """A simulated disk has no bytes: an image of it is an empty disk."""
        start = head("PUT", f"{PREFIX}/images/{image_id}/file", self.identity, "application/octet-stream")
        self._begin_sending(self._pool.call(self.identity, start, NO_DISK, TIMEOUT_S))

    def _send_disk(self, read: DiskRead) -> None:
        """Downloaded, it is zeros, or nothing when it is not there."""
        content = b""
        with contextlib.suppress(HostFault):
            content = b"".join(encoded(self.storage.read(read.disk_id, read.begin)))
        start = head("PUT", f"{PREFIX}/reads/{read.session_id}", self.identity)
        connection = Connection(self._simulation.origin, self.identity.tls)
        self._begin_sending(connection.hand_over(start, DISK_UPGRADE, content))

    def _begin_sending(self, sending: Coroutine[Any, Any, object]) -> None:
        """In a task of its own, for actions do not wait."""
        task = asyncio.get_running_loop().create_task(_sent(sending))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _poll(self) -> None:
        connection = Connection(self._simulation.origin, self.identity.tls)
        back_off = BACK_OFF_FIRST_S
        polling = Polling()
        try:
            while True:
                wait_s = self._simulation.poll_wait_s if polling.complete else 0
                path = f"{PREFIX}/desired?seen={polling.seen}&wait={wait_s}"
                try:
                    answer = await connection.call(head("GET", path, self.identity), b"", wait_s + TIMEOUT_S)
                except ConnectionTrouble as trouble:
                    log.info("host %s has no word: %s", self.identity.host_id, trouble)
                    await asyncio.sleep(back_off)
                    back_off = min(back_off * 2, BACK_OFF_LONGEST_S)
                    continue
                back_off = BACK_OFF_FIRST_S
                said = msgspec.json.decode(answer, type=Desired)
                for command in said.commands:
                    self.host.commands.obey(command)
                    self._news.set()
                for read in said.reads:
                    self._send_disk(read)
                desired = polling.answered(said)
                if desired is not None:
                    self.host.accept(desired)
                    self.look_again()
        finally:
            connection.close()

    def _converge(self) -> None:
        now = asyncio.get_running_loop().time()
        for _ in range(LOOKS_AT_ONCE):
            plan = self.host.look(now)
            due = [action for action in plan.actions if self.host.due(action, now)]
            if not due:
                return
            for action in due:
                self.host.perform(action, now)

    async def _beat(self) -> None:
        # The first report at once: the control plane places nothing on a host it knows nothing of.
        next_beat = 0.0
        loop = asyncio.get_running_loop()
        while True:
            if await self._report():
                pause = self._simulation.heartbeat_s if next_beat else self._phase_s + 0.001
                next_beat = loop.time() + pause
            else:
                next_beat = loop.time() + BACK_OFF_FIRST_S
            while not self.host.has_news() and (left := next_beat - loop.time()) > 0:
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._news.wait()
            if self.host.informed and not self.host.has_news():
                self._converge()

    async def _report(self) -> bool:
        facts = None if self._facts_told else self._facts()
        observed, said = self.host.report(facts)
        body = msgspec.json.encode(observed)
        start = head("POST", f"{PREFIX}/observed", self.identity)
        try:
            answer = await self._pool.call(self.identity, start, body, TIMEOUT_S)
        except ConnectionTrouble as trouble:
            log.info("host %s is not heard: %s", self.identity.host_id, trouble)
            await asyncio.sleep(BACK_OFF_FIRST_S)
            return False
        received = msgspec.json.decode(answer, type=Received)
        self._facts_told = not received.resend_all
        self.host.received(said, received)
        return True

    def _facts(self) -> HostFacts:
        machine = self._simulation.machine
        return HostFacts(
            hostname=f"simulated-{self.identity.host_id[:13]}",
            cores=machine.cores,
            mhz_per_core=machine.mhz_per_core,
            memory_mib=machine.memory_mib,
            disk_gib=machine.disk_gib,
            pools=self.storage.pools(),
            resources=rooms({name: self.storage.pools()[name] for name in self.storage.own_rooms()}),
            accelerator=machine.accelerator,
            hypervisor_version=self.hypervisor.version(),
            agent_version=AGENT_VERSION,
            chassis=self.identity.host_id,
            address="127.0.0.1",
            iscsi_portal="127.0.0.1:3260",
        )


async def _sent(sending: Coroutine[Any, Any, object]) -> None:
    try:
        await sending
    except ConnectionTrouble as trouble:
        log.warning("something was not sent: %s", trouble)


class SimulatedHosts:
    """All hosts of one simulation. `run` until cancelled; `hosts` is there at once."""

    def __init__(self, simulation: Simulation) -> None:
        self._pool = Pool(simulation.origin, REPORTS_AT_ONCE)
        numbers = range(len(simulation.identities))
        self.hosts = [SimulatedHost(simulation, number, self._pool) for number in numbers]

    async def run(self) -> None:
        """Run them all."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for host in self.hosts:
                    tasks.create_task(host.run())
        finally:
            self._pool.close()


def run_simulated(simulation: Simulation) -> None:
    """Pretend to be many hosts until the process ends."""

    async def run() -> None:
        await SimulatedHosts(simulation).run()

    asyncio.run(run())
