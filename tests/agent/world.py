"""A control plane and a tenant made of dice, for one host with simulated drivers."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from volutus.agent.actions import Action, DestroyDisk, KillGuest, RemoveGuest, StartGuest
from volutus.agent.converge import DISK, GUEST, UPLOAD
from volutus.agent.faults import HostFault
from volutus.agent.host import Drivers, Host
from volutus.agent.hypervisor.simulated import SimulatedHypervisor
from volutus.agent.iscsi.simulated import SimulatedExports
from volutus.agent.network.simulated import SimulatedNetwork
from volutus.agent.records import MemoryRecords
from volutus.agent.reporting import CACHE, Item
from volutus.agent.storage.simulated import SimulatedStorage
from volutus.wire import (
    Assignment,
    CacheObserved,
    Desired,
    DiskObserved,
    DiskSpec,
    ExportSpec,
    Gone,
    GuestDisk,
    GuestNic,
    GuestObserved,
    GuestSpec,
    GuestState,
    MetadataPort,
    Power,
    Received,
    UploadSpec,
)

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
GIB = 1 << 30


@contextmanager
def no_image(image_id: str) -> Iterator[Iterator[bytes]]:
    """Images of simulated disks have no bytes."""
    yield iter(())


def nic(number: int, network: str = "net-0") -> GuestNic:
    port = MetadataPort(port_id=f"md-{network}", mac="fa:16:3e:00:00:02", addresses=["10.0.0.2/24"])
    mac = f"fa:16:3e:00:01:{number % 256:02x}"
    return GuestNic(
        port_id=f"port-{number}", network_id=network, mac=mac, addresses=[f"10.0.0.{number}"], metadata=port
    )


def guest(guest_id: str, **changes: object) -> GuestSpec:
    spec = GuestSpec(
        id=guest_id, name=guest_id, power=Power.ON, cores=1, mhz=1000, memory_mib=128, disks=[], nics=[]
    )
    return replace(spec, **changes)


def _kind(item: Item) -> str:
    match item:
        case Gone():
            return item.what
        case GuestObserved():
            return GUEST
        case DiskObserved():
            return DISK
        case CacheObserved():
            return CACHE[0]
    return UPLOAD


class World:
    """One host and who gives it orders. `restart_agent` and `reboot_host` are what can happen to it."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.trouble_rate = 0.0
        self.hypervisor = SimulatedHypervisor(trouble=self._trouble)
        self.storage = SimulatedStorage(trouble=self._trouble)
        self.network = SimulatedNetwork(trouble=self._trouble)
        self.exports = SimulatedExports(trouble=self._trouble)
        self.records = MemoryRecords()
        self.now = 1000.0
        self.boot = "boot-0"
        self.orders: dict[tuple[str, str], Assignment] = {}
        self.generation = 0
        self.count = 0
        self.sent: list[str] = []
        self.restart_agent()

    def _trouble(self, what: str) -> None:
        if self.random.random() < self.trouble_rate:
            raise HostFault("Bad luck.", what)

    def send(self, image_id: str, path: Path) -> None:
        """The control plane takes the bytes of an image, or the line breaks."""
        self._trouble("send")
        self.sent.append(image_id)

    # What happens to the host

    def restart_agent(self) -> None:
        drivers = Drivers(
            self.hypervisor, self.storage, self.network, self.exports, self.records, no_image, self.send
        )
        self.host = Host(drivers, self.boot, lambda: EPOCH)
        self.deliver(full=True)

    def reboot_host(self) -> None:
        self.boot = f"boot-{self.next()}"
        for guest_id in self.hypervisor.guests():
            self.hypervisor.stop_inside(guest_id)
        self.network._ports.clear()
        self.network._metadata.clear()
        self.exports.end()
        self.restart_agent()

    # What the control plane does

    def next(self) -> int:
        self.count += 1
        return self.count

    def order(
        self,
        kind: str,
        key: str,
        spec: GuestSpec | DiskSpec | UploadSpec | ExportSpec | None,
        *,
        tombstone: bool = False,
    ) -> None:
        self.generation += 1
        self.orders[(kind, key)] = Assignment(
            kind=kind, key=key, generation=self.generation, spec=spec, tombstone=tombstone
        )

    def deliver(self, *, full: bool = False) -> None:
        newer = [o for o in self.orders.values() if full or o.generation > self.host.generation]
        self.host.accept(Desired(generation=self.generation, full=full, assignments=newer))

    def make_disk(self, size: int = GIB) -> str:
        disk_id = f"disk-{self.next()}"
        self.order(DISK, disk_id, DiskSpec(id=disk_id, size_bytes=size))
        return disk_id

    def make_upload(self, disk_id: str) -> str:
        image_id = f"image-{self.next()}"
        self.order(UPLOAD, image_id, UploadSpec(id=image_id, disk_id=disk_id))
        return image_id

    def make_guest(self, **changes: object) -> str:
        guest_id = f"guest-{self.next()}"
        disks = [GuestDisk(disk_id=self.make_disk(), target="vda")]
        spec = guest(guest_id, disks=disks, nics=[nic(self.next())])
        self.order(GUEST, guest_id, replace(spec, **changes))
        return guest_id

    def spec(self, guest_id: str) -> GuestSpec:
        spec = self.orders[(GUEST, guest_id)].spec
        assert isinstance(spec, GuestSpec)
        return spec

    def change(self, guest_id: str, **changes: object) -> None:
        self.order(GUEST, guest_id, replace(self.spec(guest_id), **changes))

    # What the agent does

    def step(self, limit: int | None = None) -> int:
        """One look, and the first `limit` actions of the plan; how many there were to do."""
        plan = self.host.look(self.now)
        due = [action for action in plan.actions if self.host.due(action, self.now)]
        for action in due[:limit]:
            self.check(action)
            self.host.perform(action, self.now)
        return len(plan.actions) if plan.wake_at is None else len(plan.actions) + 1

    def report(self) -> None:
        observed, said = self.host.report(None)
        for item in observed.items:
            key = (_kind(item), item.id)
            if isinstance(item, Gone) and key in self.orders and self.orders[key].tombstone:
                del self.orders[key]
        self.host.received(said, Received())

    def settle(self, looks: int = 60) -> None:
        """Let it converge with nobody in the way; fails if it takes more than `looks`."""
        self.deliver()
        for _ in range(looks):
            if self.step() == 0:
                self.report()
                return
            self.now += 5.0
        raise AssertionError(f"still busy after {looks} looks: {self.host.look(self.now).actions}")

    def check(self, action: Action) -> None:
        """No action that destroys without a tombstone, none on a stranger, no second start."""
        if isinstance(action, DestroyDisk):
            assert self.orders[(DISK, action.key)].tombstone
            guests = self.hypervisor.guests().values()
            assert not any(action.key in g.disks for g in guests if g.alive)
        if isinstance(action, RemoveGuest):
            assert self.orders[(GUEST, action.key)].tombstone
        if isinstance(action, (KillGuest, StartGuest)):
            assert (GUEST, action.key) in self.orders
        if isinstance(action, StartGuest):
            mine = {disk.disk_id for disk in action.spec.disks}
            others = [g for g in self.hypervisor.guests().values() if g.alive]
            assert not any(mine & g.disks for g in others)

    def state(self, guest_id: str) -> GuestState | None:
        seen = self.hypervisor.guests().get(guest_id)
        return seen.state if seen else None
