"""Disks that move between pools of a simulated host, open or not: no write of a guest is lost, whatever dies.
A failure of the histories prints its seed."""

import random

import pytest
from msgspec.structs import replace

from tests.agent.world import World
from volutus.agent.actions import BeginMove, CreateDisk, DetachDisk, EndMove, SaveGuest
from volutus.agent.converge import DISK, UPLOAD
from volutus.wire import DiskSource, DiskSpec, GuestDisk, GuestState, Power

STEPS = 60


class Moving(World):
    """A host whose guests write, each write counted here and in the file that the guest has open."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.wrote: dict[str, int] = {}

    def write(self) -> None:
        for guest in self.hypervisor.guests().values():
            if guest.state is GuestState.RUNNING:
                for disk_id, file in guest.files.items():
                    self.storage.written[file] = self.storage.written.get(file, 0) + 1
                    self.wrote[disk_id] = self.wrote.get(disk_id, 0) + 1

    def disk(self, disk_id: str) -> DiskSpec:
        spec = self.orders[(DISK, disk_id)].spec
        assert isinstance(spec, DiskSpec)
        return spec

    def move(self, disk_id: str, pool: str = "bulk") -> None:
        spec = self.disk(disk_id)
        source = DiskSource(disk_id=disk_id)
        self.order(DISK, disk_id, replace(spec, pool=pool, revision=spec.revision + 1, source=source))

    def give_up(self, disk_id: str) -> None:
        """As the control plane does: what the disk is known to be."""
        known = self.storage.disks().get(disk_id)
        if known is not None:
            self.order(DISK, disk_id, replace(self.disk(disk_id), pool="", revision=known.revision))

    def check_writes(self) -> None:
        for disk_id, disk in self.storage.disks().items():
            file = f"{disk_id}.{disk.revision}"
            assert self.storage.written.get(file, 0) == self.wrote.get(disk_id, 0), file


@pytest.fixture
def world() -> Moving:
    return Moving()


@pytest.fixture
def guest_id(world: Moving) -> str:
    made = world.make_guest()
    world.settle()
    world.write()
    return made


def test_an_open_disk_is_moved_by_the_guest_that_goes_on_writing(world: Moving, guest_id: str) -> None:
    world.hypervisor.copies_slowly = True
    disk_id = world.spec(guest_id).disks[0].disk_id
    world.move(disk_id)
    world.deliver()
    (begun,) = world.host.look(world.now).actions
    assert isinstance(begun, BeginMove) and begun.guest_id == guest_id
    world.step()
    world.write()
    image = world.make_upload(disk_id)
    world.deliver()
    plan = world.host.look(world.now)
    # Nobody else copies it meanwhile, and it is not yet where it goes.
    assert plan.actions == [] and plan.wake_at is not None and (DISK, disk_id) not in plan.settled
    world.restart_agent()
    world.hypervisor.copied_inside(guest_id, disk_id)
    assert [type(action) for action in world.host.look(world.now).actions] == [EndMove]
    world.settle()
    world.write()
    world.check_writes()
    assert world.storage.disks()[disk_id].revision == 1 and world.state(guest_id) is GuestState.RUNNING
    assert world.sent == [image] and world.hypervisor.starts[guest_id] == 1


@pytest.mark.parametrize("power", [Power.OFF, Power.SUSPENDED])
def test_a_guest_that_stops_does_not_wait_for_the_move(world: Moving, guest_id: str, power: Power) -> None:
    world.hypervisor.copies_slowly = True
    disk_id = world.spec(guest_id).disks[0].disk_id
    world.move(disk_id)
    world.deliver()
    world.step()
    world.change(guest_id, power=power)
    if power is Power.OFF:
        world.settle()
        assert world.storage.disks()[disk_id].revision == 1
    else:
        for _ in range(5):
            world.deliver()
            world.step()
        # Its memory names the file, which stays until it has gone on.
        assert world.state(guest_id) is GuestState.SUSPENDED
        assert world.storage.disks()[disk_id].revision == 0
        world.hypervisor.copies_slowly = False
    world.change(guest_id, power=Power.ON)
    world.settle()
    world.check_writes()
    assert world.storage.disks()[disk_id].revision == 1 and world.state(guest_id) is GuestState.RUNNING


def test_a_guest_starts_before_its_disk_moves_and_lets_it_go_meanwhile(world: Moving, guest_id: str) -> None:
    world.hypervisor.copies_slowly = True
    before = world.spec(guest_id)
    disk_id = world.make_disk()
    world.change(guest_id, disks=[*before.disks, GuestDisk(disk_id=disk_id, target="vdb")])
    world.settle()
    world.change(guest_id, hard_reboots=1)
    world.move(disk_id)
    world.deliver()
    for _ in range(4):
        assert not any(isinstance(action, CreateDisk) and action.spec.source for action in _looks(world))
        world.step()
    assert world.hypervisor.guests()[guest_id].mirrors == {disk_id: False}
    world.change(guest_id, disks=before.disks, hard_reboots=1)
    world.deliver()
    assert not any(isinstance(action, (DetachDisk, SaveGuest)) for action in _looks(world))
    world.settle()
    assert disk_id not in world.hypervisor.guests()[guest_id].disks
    assert world.storage.disks()[disk_id].revision == 1


def test_a_move_that_is_given_up_leaves_the_disk_where_it_was(world: Moving, guest_id: str) -> None:
    world.hypervisor.copies_slowly = True
    disk_id = world.spec(guest_id).disks[0].disk_id
    world.move(disk_id)
    world.deliver()
    world.step()
    world.give_up(disk_id)
    world.settle()
    world.write()
    disk = world.storage.disks()[disk_id]
    assert (disk.revision, disk.coming, world.hypervisor.guests()[guest_id].mirrors) == (0, "", {})
    world.check_writes()


def _looks(world: Moving) -> list[object]:
    return list(world.host.look(world.now).actions)


@pytest.mark.parametrize("seed", range(120))
def test_no_write_is_lost(seed: int) -> None:
    world, dice = Moving(seed), random.Random(seed)
    guests = [world.make_guest(), world.make_guest()]
    world.settle()
    world.trouble_rate = 0.25
    for _ in range(STEPS):
        world.hypervisor.copies_slowly = dice.random() < 0.5
        guest_id = dice.choice(guests)
        _happen(world, dice, guest_id)
        world.deliver()
        world.step(limit=dice.randrange(4))
        world.write()
        world.now += dice.randrange(30)
        world.check_writes()
    world.trouble_rate, world.hypervisor.copies_slowly = 0.0, False
    for guest_id in guests:
        world.change(guest_id, power=Power.ON)
        for disk in world.spec(guest_id).disks:
            _copied(world, guest_id, disk.disk_id)
    world.now += 1000
    world.settle()
    world.write()
    world.check_writes()
    for (kind, disk_id), order in world.orders.items():
        if kind == DISK and isinstance(order.spec, DiskSpec):
            seen = world.storage.disks()[disk_id]
            # What was given up when the guest had gone over already, is moved.
            assert seen.revision >= order.spec.revision and not seen.coming
    assert all(world.state(guest_id) is GuestState.RUNNING for guest_id in guests)
    assert not any(guest.mirrors for guest in world.hypervisor.guests().values())
    assert not any(kind == UPLOAD for kind, _ in world.orders)


def _copied(world: Moving, guest_id: str, disk_id: str) -> None:
    guest = world.hypervisor.guests().get(guest_id)
    if guest is not None and guest.alive and disk_id in guest.mirrors:
        world.hypervisor.copied_inside(guest_id, disk_id)


def _happen(world: Moving, dice: random.Random, guest_id: str) -> None:
    disk_id = world.spec(guest_id).disks[0].disk_id
    match dice.randrange(10):
        case 0 | 1:
            world.move(disk_id, dice.choice(["", "bulk"]))
        case 2:
            world.give_up(disk_id)
        case 3 | 4:
            _copied(world, guest_id, disk_id)
        case 5:
            world.restart_agent()
        case 6:
            world.hypervisor.stop_inside(guest_id, GuestState.CRASHED)
        case 7:
            world.change(guest_id, power=dice.choice(list(Power)))
        case 8:
            world.change(guest_id, hard_reboots=world.spec(guest_id).hard_reboots + 1)
        case 9 if dice.random() < 0.3:
            world.reboot_host()
