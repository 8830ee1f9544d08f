"""Hundreds of random histories, at the end of which everything is in order. A failure prints its seed:
`SIM_SEEDS=17 pytest tests/sim` runs that one again, `SIM_SEEDS=0-500` many."""

import os

import pytest

from tests.sim.world import World

TURNS = 25
RESTING = ("ACTIVE", "PAUSED", "SHUTOFF", "VERIFY_RESIZE", "SHELVED_OFFLOADED", "ERROR", "DELETED")
# Placed servers that have claimed more or less than their own disks take.
CLAIMED = """
    SELECT c.consumer_id, c.disk_gib, sum(d.size_gib) FROM claims c
    JOIN volumes v ON v.server_id = c.consumer_id JOIN volume_disks d ON d.id = v.id
    WHERE d.removed_at IS NULL GROUP BY 1, 2 HAVING sum(d.size_gib) <> c.disk_gib
"""


def _seeds() -> range:
    first, _, last = os.environ.get("SIM_SEEDS", "0-24").partition("-")
    return range(int(first), int(last) if last else int(first) + 1)


@pytest.mark.parametrize("seed", _seeds())
def test_everything_ends_in_order(database, clock, seed):
    world = World(database, clock, seed)
    world.run(TURNS)
    world.quiet()
    check_settled(world)
    world.delete_all()
    world.quiet()
    check_gone(world)


def check_settled(world: World) -> None:
    running = world.running()
    for server in world.found():
        status = server.status
        told = (world.seed, server.id, status, server.guest)
        assert status.task_state is None, told
        assert status.name in RESTING, told
        assert status.name != "ERROR" or server.fault.message, told
        # The control plane's word is the machines' word, and no server runs twice.
        runs = status.name in ("ACTIVE", "PAUSED") or (
            status.name == "VERIFY_RESIZE" and server.power == "on"
        )
        expected = [server.guest.host_id] if runs else []
        if status.name != "ERROR":
            assert running.get(server.id, []) == expected, told
    owners = {server.id for server in world.found() if server.deleted_at is None}
    placed = {server.id for server in world.found() if server.guest is not None}
    assert set(running) <= owners, world.seed
    assert world.column("SELECT consumer_id FROM claims c WHERE mhz > 0") == placed, world.seed
    assert world.column("SELECT key FROM assignments WHERE kind = 'guest'") == placed, world.seed
    assert world.column("SELECT device_id FROM ports WHERE device_owner LIKE 'compute:%'") == owners
    assert world.value("SELECT used FROM quota_usage WHERE resource = 'instances'") in (len(owners), None)
    metered = "SELECT resource_id FROM usage_ranges WHERE resource_kind = 'server' AND upper_inf(during)"
    assert world.column(metered) == {one for one in running if one in owners}, world.seed
    shelved = {server.id for server in world.found() if server.status.name == "SHELVED_OFFLOADED"}
    stored = world.column("SELECT server_id FROM volumes WHERE server_id IS NOT NULL")
    assert stored == owners - shelved, world.seed
    check_plugged(world)
    check_disks(world)
    # An image is whole or gone, and no host keeps a copy for it.
    assert world.value("SELECT count(*) FROM volume_uploads") == 0, world.seed
    assert world.column("SELECT status FROM images") <= {"active", "deleted"}, world.seed
    assert all(not machine.storage.captures() for machine in world.machines), world.seed


def check_disks(world: World) -> None:
    """What is claimed is what there is; hosts have each disk in its newest revision, and no other."""
    differing = world.rows(CLAIMED)
    settled = {server.id for server in world.found() if server.step is None and server.fault is None}
    assert not [row for row in differing if row[0] in settled], (world.seed, differing)
    wanted = dict(world.rows("SELECT id, revision FROM volume_disks WHERE made_at IS NOT NULL"))
    there = {key: disk.revision for one in world.machines for key, disk in one.storage.disks().items()}
    assert there == wanted, world.seed


def check_plugged(world: World) -> None:
    """Each volume is in the one guest that its attachment names, and in no other."""
    ties = world.ties()
    plugged = world.plugged()
    running = world.running()
    assert all(len(guests) == 1 for guests in plugged.values()), (world.seed, plugged)
    # Told either way round: nothing is plugged in without an attachment, and no attachment is for nothing.
    held = {key: guests for key, guests in plugged.items() if ties.get(key) not in guests}
    assert not held, (world.seed, held, ties)
    missing = {key for key, server_id in ties.items() if server_id in running and key not in plugged}
    assert not missing, (world.seed, missing)


def check_gone(world: World) -> None:
    told = world.seed
    assert all(server.deleted_at is not None for server in world.found()), told
    assert world.running() == {}, told
    assert world.value("SELECT count(*) FROM guests") == 0, told
    assert world.value("SELECT count(*) FROM claims WHERE mhz > 0") == 0, told
    assert world.value("SELECT sum(mhz_used + memory_mib_used) FROM inventories") == 0, told
    assert world.value("SELECT count(*) FROM ports WHERE device_owner LIKE 'compute:%'") == 0, told
    assert world.value("SELECT sum(used) FROM quota_usage WHERE resource IN ('instances', 'mhz')") in (
        0,
        None,
    )
    assert world.ties() == world.plugged() == {}, told
    kept = set(world.volumes)
    assert world.column("SELECT id FROM volumes") == kept, told
    for machine in world.machines:
        assert machine.hypervisor.guests() == {}, told
        assert set(machine.storage.disks()) <= kept, told
        assert not machine.network.ports(), told
