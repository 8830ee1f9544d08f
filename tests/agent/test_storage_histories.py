"""Random histories of disks that are made anew, put aside and backed up, on a host where anything may fail
and the agent may die between any two actions. A failure prints its seed."""

import random

import pytest

from tests.agent.world import World, replace
from volutus.agent.actions import CreateDisk, ReleaseDisk
from volutus.agent.converge import BACKUP, DISK
from volutus.wire import BackupSpec, DiskSource, DiskSpec

STEPS = 40


@pytest.mark.parametrize("seed", range(150))
def test_everything_ends_as_it_was_last_ordered(seed: int) -> None:
    world, dice = World(seed), random.Random(seed)
    world.trouble_rate = 0.2
    for _ in range(STEPS):
        _happen(world, dice)
        world.deliver()
        _check(world)
        world.step(limit=dice.randrange(3))
        world.now += dice.randrange(30)
        if dice.random() < 0.1:
            world.restart_agent()
        if dice.random() < 0.3:
            world.report()
    world.trouble_rate = 0.0
    world.now += 1000
    world.settle()
    _check_end(world)


def _disks(world: World) -> list[DiskSpec]:
    found = [order.spec for order in world.orders.values() if order.kind == DISK]
    return [spec for spec in found if isinstance(spec, DiskSpec) and not spec.released]


def _happen(world: World, dice: random.Random) -> None:
    specs = _disks(world)
    what = dice.randrange(7)
    if what == 0 or not specs:
        world.make_guest() if dice.random() < 0.3 else world.make_disk()
        return
    spec = dice.choice(specs)
    used = {disk.disk_id for order in world.orders.values() for disk in getattr(order.spec, "disks", [])}
    match what:
        case 1:
            source = DiskSource(disk_id=spec.id)
            world.order(DISK, spec.id, replace(spec, revision=spec.revision + 1, source=source))
        case 2 if spec.id not in used:
            world.order(DISK, spec.id, replace(spec, released=True))
        case 3:
            backup = f"backup-{world.next()}"
            world.order(BACKUP, backup, BackupSpec(id=backup, disk_id=spec.id))
        case 4:
            backups = [key for kind, key in world.orders if kind == BACKUP]
            if backups:
                world.order(BACKUP, dice.choice(backups), None, tombstone=True)
        case 5 if spec.id not in used:
            world.order(DISK, spec.id, None, tombstone=True)
        case 6:
            backups = [key for key in world.storage.backups() if (BACKUP, key) in world.orders]
            if backups:
                made = f"restored-{world.next()}"
                source = DiskSource(backup_id=dice.choice(backups))
                world.order(DISK, made, DiskSpec(id=made, size_bytes=1 << 30, source=source))


def _check(world: World) -> None:
    """A disk that a guest has open is neither put aside nor replaced under it."""
    guests = world.hypervisor.guests().values()
    opened = {disk for guest in guests if guest.alive for disk in guest.disks}
    for action in world.host.look(world.now).actions:
        if isinstance(action, ReleaseDisk):
            assert action.key not in opened
        if isinstance(action, CreateDisk):
            assert action.spec.id not in opened


def _check_end(world: World) -> None:
    disks, backups = world.storage.disks(), world.storage.backups()
    guests = world.hypervisor.guests().values()
    opened = {disk for guest in guests if guest.alive for disk in guest.disks}
    for (kind, key), order in world.orders.items():
        if kind == DISK and isinstance(order.spec, DiskSpec):
            if order.spec.released:
                assert key not in disks
            elif key in disks and key not in opened:
                assert disks[key].revision == order.spec.revision
        if kind == BACKUP and isinstance(order.spec, BackupSpec) and order.spec.disk_id in disks:
            assert key in backups
    ordered = {key for (kind, key), order in world.orders.items() if kind == DISK and not order.tombstone}
    assert disks.keys() <= ordered
    assert backups.keys() <= {key for (kind, key), order in world.orders.items() if kind == BACKUP}
