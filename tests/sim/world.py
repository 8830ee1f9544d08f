"""The whole plane made of dice: real verbs, reconcilers and agents, simulated machines, a clock that we move.

Anything may fail at any statement: a worker dies before, within or after a step; a report is lost or comes
twice; a host is silent, its agent starts anew, its machine boots; a guest stops by itself. Nobody knows.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from tests.compute.hosts import facts, send_image
from tests.compute.plane import add_image, add_network
from tests.conftest import FakeClock, make_caller
from volutus import compute, placement, quota, volume
from volutus.agent.faults import HostFault
from volutus.agent.host import Drivers, Host
from volutus.agent.hypervisor.simulated import SimulatedHypervisor
from volutus.agent.iscsi.simulated import SimulatedExports
from volutus.agent.network.simulated import SimulatedNetwork
from volutus.agent.records import MemoryRecords
from volutus.agent.storage.simulated import SimulatedStorage
from volutus.compute import ServerOrder, actions
from volutus.compute.flavors import Flavor
from volutus.compute.rebuilds import Rebuild
from volutus.db import Database, Tx
from volutus.errors import NotFound, VolutusError
from volutus.network.ovn.memory import MemoryNorthbound
from volutus.network.reconcilers import reconcilers as network_reconcilers
from volutus.reconcile import finish, take, wake_many
from volutus.volume import VolumeOrder
from volutus.wire import Observed, Received

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
LEASE_S = 60.0
# Turns after the last fault until everything must be as it should be; each is some seconds of the clock.
QUIET_TURNS = 60
# Flavors with ephemeral disks and swap, each with more of either than the one before.
LOCAL = ("local-1", "local-2")
_MOVING = """
    SELECT 1 FROM volume_disks WHERE removed_at IS NOT NULL OR made_at IS NULL AND host_id IS NOT NULL
    UNION ALL SELECT 1 FROM volume_uploads
    UNION ALL SELECT 1 FROM network_units WHERE written < wanted OR deleted_at IS NOT NULL
    UNION ALL SELECT 1 FROM volume_attachments WHERE wanted = 'detached' OR attached_at IS NULL LIMIT 1
"""


class Crash(Exception):
    """A process died just there."""


class FragileDatabase:
    """The database as a process sees it that may die at any statement, or just before its commit."""

    def __init__(self, database: Database, dice: random.Random) -> None:
        self._database = database
        self._dice = dice
        self.clock = database.clock
        self.rate = 0.0

    @contextmanager
    def begin(self, request_id: str = "") -> Iterator[Tx]:
        with self._database.begin(request_id) as tx:
            self._weaken(tx)
            yield tx
            self._maybe_crash()

    @contextmanager
    def read(self, request_id: str = "") -> Iterator[Tx]:
        with self._database.read(request_id) as tx:
            self._weaken(tx)
            yield tx

    def _weaken(self, tx: Tx) -> None:
        if not self.rate:
            return
        execute = tx.execute

        def fragile(*arguments):
            self._maybe_crash()
            return execute(*arguments)

        tx.execute = fragile

    def _maybe_crash(self) -> None:
        if self.rate and self._dice.random() < self.rate:
            raise Crash


class SimulatedMachine:
    """One machine with its agent; `deaf` hears and says nothing."""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name
        self.hypervisor = SimulatedHypervisor(trouble=world.trouble)
        self.storage = SimulatedStorage(trouble=world.trouble)
        self.network = SimulatedNetwork(trouble=world.trouble)
        self.exports = SimulatedExports(trouble=world.trouble)
        self.records = MemoryRecords()
        self.boots = 0
        self.deaf_until = 0.0
        with world.database.begin() as tx:
            self.host_id = placement.hosts.register(tx, name, "nova")
        self.restart_agent()

    def restart_agent(self) -> None:
        drivers = Drivers(
            self.hypervisor, self.storage, self.network, self.exports, self.records, _no_image, self.send
        )
        self.host = Host(drivers, f"boot-{self.boots}", lambda: EPOCH)
        self.seen = 0
        self.told = False

    def send(self, image_id: str, _: Path) -> None:
        self.world.trouble("send")
        try:
            send_image(self.world.fragile, self.host_id, image_id)
        except Crash as crash:
            raise HostFault("The image could not be sent.") from crash
        except NotFound as error:
            raise HostFault("Nobody waits for the image.") from error

    def reboot(self) -> None:
        self.boots += 1
        for guest_id in self.hypervisor.guests():
            self.hypervisor.stop_inside(guest_id)
        self.network._ports.clear()
        self.network._metadata.clear()
        self.exports.end()
        self.restart_agent()

    def turn(self) -> None:
        """Hear, act, report."""
        now = self.world.seconds
        if now < self.deaf_until:
            return
        with self.world.database.begin() as tx:
            desired = placement.desired(tx, self.host_id, self.seen)
        self.host.accept(desired)
        self.seen = desired.generation
        for _ in range(6):
            plan = self.host.look(now)
            for action in plan.actions:
                if self.host.due(action, now):
                    self.host.perform(action, now)
        self._report()

    def busy(self) -> bool:
        """Whether the agent has something to do or to tell."""
        return self.host.has_news() or bool(self.host.look(self.world.seconds).actions)

    def _report(self) -> None:
        observed, said = self.host.report(None if self.told else facts(self.name, cores=2, memory_mib=4096))
        luck = self.world.dice.random() if self.world.troubled else 1.0
        if luck < 0.1:
            return
        self._send(observed)
        if luck < 0.2:
            self._send(observed)
        if luck < 0.3:
            # It arrived, but its answer did not: the same news are told again next time.
            return
        self.told = True
        self.host.received(said, Received())

    def _send(self, observed: Observed) -> None:
        with self.world.database.begin() as tx:
            compute.report(tx, self.host_id, observed)


class World:
    """`run` lets things happen, `quiet` lets them settle."""

    def __init__(self, database: Database, clock: FakeClock, seed: int) -> None:
        self.seed = seed
        self.dice = random.Random(seed)
        self.database = database
        self.clock = clock
        self.seconds = 0.0
        self.troubled = False
        self.northbound = MemoryNorthbound()
        self.fragile = FragileDatabase(database, self.dice)
        self.caller = make_caller()
        with database.begin() as tx:
            compute.bootstrap(tx)
            add_image(tx)
            add_network(tx, self.caller)
            for size, name in enumerate(LOCAL, 1):
                made = Flavor(name, name, 1, 256, 1, ephemeral_gib=size, swap_mib=64 * size)
                compute.flavors.create(tx, self.caller, made)
            quota.set_limits(
                tx,
                self.caller.project_id,
                {"instances": 30, "images": -1, "image_bytes": -1, "mhz": -1, "cores": -1, "port": -1},
            )
        self.machines = [SimulatedMachine(self, f"host-{n}") for n in range(2)]
        self.servers: list[str] = []
        self.volumes: list[str] = []

    def trouble(self, what: str) -> None:
        if self.troubled and self.dice.random() < 0.05:
            raise HostFault("The host had bad luck.", what)

    # Time

    def run(self, turns: int) -> None:
        """Let tenants act and things fail."""
        self.troubled = True
        for _ in range(turns):
            self.fragile.rate = self.dice.choice((0.0, 0.0, 0.02, 0.2))
            self._happen()
            self._turn()
        self.troubled = False
        self.fragile.rate = 0.0

    def quiet(self, turns: int = QUIET_TURNS) -> None:
        """No more faults: everybody gets on with it."""
        for machine in self.machines:
            machine.deaf_until = 0.0
        for _ in range(turns):
            self._turn()
            if self._is_still():
                return

    def _is_still(self) -> bool:
        """Whether nothing is under way any more, as far as one can see: whoever checks looks closer."""
        with self.database.read() as tx:
            moving = tx.value(text(_MOVING)) or compute.servers.unsettled(tx, 1)
        tasks = any(server.status.task_state for server in self.found())
        return not moving and not tasks and not any(machine.busy() for machine in self.machines)

    def _turn(self) -> None:
        # A little at a time while things happen, so that they meet half-done; then as leases and waits need.
        passed = self.dice.choice((0.1, 1.0, 5.0, 70.0)) if self.troubled else 15.0
        self.clock.advance(passed)
        self.seconds += passed
        for machine in self.dice.sample(self.machines, len(self.machines)):
            machine.turn()
        if not self.troubled or self.dice.random() < 0.3:
            self._scan()
        for _ in range(3):
            self._work()

    def _reconcilers(self):
        return [
            compute.ServerReconciler(self.fragile),
            volume.VolumeReconciler(self.fragile),
            volume.UploadReconciler(self.fragile),
            *network_reconcilers(self.fragile, self.northbound, self.clock),
        ]

    def _scan(self) -> None:
        for reconciler in self._reconcilers():
            with suppress(Crash), self.database.begin() as tx:
                wake_many(tx, reconciler.kind, reconciler.scan(tx))

    def _work(self) -> None:
        for reconciler in self._reconcilers():
            with self.database.begin() as tx:
                count = self.dice.choice((1, reconciler.batch))
                items = take(tx, {reconciler.kind: count}, LEASE_S)
            if not items:
                continue
            try:
                outcomes = reconciler.step(items)
                self.fragile._maybe_crash()
            except Crash:
                continue
            with self.database.begin() as tx:
                for item in items:
                    finish(tx, item, outcomes[item.key])

    # What tenants do, and what befalls hosts

    def _happen(self) -> None:
        for _ in range(self.dice.randrange(3)):
            event = self.dice.choice(
                [self.create] * 3
                + [self.delete, self.power, self.power, self.reboot, self.plug, self.unplug]
                + [
                    self.rebuild,
                    self.resize,
                    self.end_resize,
                    self.shelve,
                    self.unshelve,
                    self.image,
                    self.guest_stops,
                    self.silence,
                    self.restart_agent,
                    self.reboot_host,
                ]
            )
            try:
                event()
            except VolutusError:
                # Refused: a tenant asked for what the state does not allow.
                continue

    def create(self) -> None:
        flavor = self.dice.choice(["c1", "c2", "1000mhz-1c-900m-1g", *LOCAL])
        order = ServerOrder("s", flavor, "micro", count=self.dice.choice((1, 1, 3)))
        with self.database.begin() as tx:
            self.servers += [server.id for server in compute.orders.create(tx, self.caller, order)]

    def delete(self) -> None:
        self._act(actions.delete)

    def power(self) -> None:
        self._act(self.dice.choice((actions.start, actions.stop, actions.pause, actions.unpause)))

    def reboot(self) -> None:
        self._act(actions.reboot, hard=self.dice.random() < 0.5)

    def rebuild(self) -> None:
        wanted = Rebuild("micro", preserve_ephemeral=self.dice.random() < 0.5)
        self._act(compute.rebuilds.rebuild, wanted=wanted)

    def resize(self) -> None:
        self._act(compute.resizes.resize, flavor_id=self.dice.choice(("c1", *LOCAL)))

    def shelve(self) -> None:
        self._act(compute.shelving.shelve)

    def unshelve(self) -> None:
        self._act(compute.shelving.unshelve)

    def end_resize(self) -> None:
        self._act(self.dice.choice((compute.resizes.confirm, compute.resizes.revert)))

    def image(self) -> None:
        self._act(compute.images.create, name="copy", metadata={})

    def plug(self) -> None:
        if len(self.volumes) < 4:
            with self.database.begin() as tx:
                made = volume.volumes.create(tx, self.caller, VolumeOrder(size_gib=1))
            self.volumes.append(made.id)
        with self.database.begin() as tx:
            compute.attachments.attach(tx, self.caller, self._server(), self.dice.choice(self.volumes))

    def unplug(self) -> None:
        with self.database.begin() as tx:
            found = volume.attachments_of(tx, self.servers)
            tied = [one for attachments in found.values() for one in attachments]
            if tied:
                one = self.dice.choice(tied)
                compute.attachments.detach(tx, self.caller, one.server_id, one.volume_id)

    def guest_stops(self) -> None:
        machine = self.dice.choice(self.machines)
        alive = sorted(key for key, guest in machine.hypervisor.guests().items() if guest.alive)
        if alive:
            machine.hypervisor.stop_inside(self.dice.choice(alive))

    def silence(self) -> None:
        self.dice.choice(self.machines).deaf_until = self.seconds + self.dice.choice((5, 100))

    def restart_agent(self) -> None:
        self.dice.choice(self.machines).restart_agent()

    def reboot_host(self) -> None:
        if self.dice.random() < 0.3:
            self.dice.choice(self.machines).reboot()

    def delete_all(self) -> None:
        for server_id in self.servers:
            with self.database.begin() as tx:
                server = compute.servers.get(tx, self.caller, server_id, deleted=True)
                if server.deleted_at is None:
                    actions.delete(tx, self.caller, server_id)

    def _act(self, verb, **arguments) -> None:
        with self.database.begin() as tx:
            verb(tx, self.caller, self._server(), **arguments)

    def _server(self) -> str:
        return self.dice.choice(self.servers) if self.servers else "none"

    # What is

    def found(self):
        with self.database.read() as tx:
            return [compute.servers.get(tx, self.caller, one, deleted=True) for one in self.servers]

    def value(self, sql: str):
        with self.database.read() as tx:
            return tx.value(text(sql))

    def rows(self, sql: str) -> list[tuple]:
        with self.database.read() as tx:
            return [tuple(row) for row in tx.rows(text(sql))]

    def column(self, sql: str) -> set[str]:
        with self.database.read() as tx:
            return {row[0] for row in tx.rows(text(sql))}

    def ties(self) -> dict[str, str]:
        """Volume to the server that it is attached to."""
        with self.database.read() as tx:
            rows = tx.rows(text("SELECT volume_id, server_id FROM volume_attachments"))
            return {row.volume_id: row.server_id for row in rows if row.volume_id in self.volumes}

    def plugged(self) -> dict[str, list[str]]:
        """Volume to the running guests that have it open."""
        found: dict[str, list[str]] = {}
        for machine in self.machines:
            for key, guest in machine.hypervisor.guests().items():
                for disk_id in guest.disks & set(self.volumes) if guest.alive else ():
                    found.setdefault(disk_id, []).append(key)
        return found

    def running(self) -> dict[str, list[str]]:
        """Server to the machines on which a guest of it runs."""
        found: dict[str, list[str]] = {}
        for machine in self.machines:
            for key, guest in machine.hypervisor.guests().items():
                if guest.alive:
                    found.setdefault(key, []).append(machine.host_id)
        return found


@contextmanager
def _no_image(_: str) -> Iterator[Iterator[bytes]]:
    yield iter(())
