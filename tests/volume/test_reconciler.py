"""Disks on their way: deadlines, lost hosts, metering, and what the database refuses."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.volume.conftest import add_host, made
from volutus import placement, volume
from volutus.errors import NotFound
from volutus.volume import VolumeOrder
from volutus.volume.status import GIB


def ordered(database, caller, **order):
    with database.begin() as tx:
        return volume.volumes.create(tx, caller, VolumeOrder(**{"size_gib": 1, **order})).id


def status(database, caller, volume_id):
    with database.begin() as tx:
        return volume.get_volume(tx, caller, volume_id).status


def usage(database, volume_id):
    with database.begin() as tx:
        statement = "SELECT amount, upper(during) IS NULL AS open FROM usage_ranges WHERE resource_id = :id"
        return [
            (int(row.amount), row.open)
            for row in tx.rows(text(statement + " ORDER BY id"), {"id": volume_id})
        ]


def test_room_is_claimed_when_placed_and_given_back_when_gone(database, caller, settle, agent):
    volume_id = ordered(database, caller, size_gib=7)
    settle()
    with database.begin() as tx:
        assert placement.hosts.get(tx, agent.host_id).disk_gib_used == 7
        volume.volumes.extend(tx, caller, volume_id, 9, in_use=False)
    settle()
    with database.begin() as tx:
        assert placement.hosts.get(tx, agent.host_id).disk_gib_used == 9
        volume.volumes.remove(tx, caller, volume_id)
    settle()
    with database.begin() as tx:
        assert placement.hosts.get(tx, agent.host_id).disk_gib_used == 0


def test_usage_runs_from_made_to_the_order_to_remove(database, caller, settle, clock, worker, agent):
    volume_id = ordered(database, caller, size_gib=2)
    worker.drain()
    assert usage(database, volume_id) == []
    settle()
    assert usage(database, volume_id) == [(2, True)]
    clock.advance(300)
    with database.begin() as tx:
        placement.hosts.seen(tx, agent.host_id)
        volume.volumes.extend(tx, caller, volume_id, 3, in_use=False)
    settle()
    assert usage(database, volume_id) == [(2, False), (3, True)]
    clock.advance(300)
    with database.begin() as tx:
        volume.volumes.remove(tx, caller, volume_id)
    assert usage(database, volume_id) == [(2, False), (3, False)]


def test_a_silent_host_ends_the_wait_and_a_late_report_mends_it(database, caller, worker, agent, clock):
    volume_id = ordered(database, caller)
    worker.drain()
    clock.advance(3601)
    worker.drain()
    assert status(database, caller, volume_id) == "error"
    agent.report([made(volume_id, GIB)])
    assert status(database, caller, volume_id) == "available"


def test_a_removal_that_takes_too_long_says_so_and_still_ends(database, caller, settle, worker, agent, clock):
    volume_id = ordered(database, caller)
    settle()
    with database.begin() as tx:
        volume.volumes.remove(tx, caller, volume_id)
    worker.drain()
    clock.advance(601)
    worker.drain()
    assert status(database, caller, volume_id) == "error_deleting"
    agent.work()
    with database.begin() as tx, pytest.raises(NotFound):
        volume.get_volume(tx, caller, volume_id)


def test_only_the_disks_own_host_is_believed(database, caller, worker, agent):
    volume_id = ordered(database, caller)
    worker.drain()
    other = add_host(database, "host-2")
    other.report([made(volume_id, GIB)])
    assert status(database, caller, volume_id) == "creating"
    with database.begin() as tx:
        volume.volumes.remove(tx, caller, volume_id, force=True)
    worker.drain()
    other.report(gone=[volume_id])
    agent.report(gone=["nothing-of-ours"])
    assert status(database, caller, volume_id) == "deleting"


def test_gone_without_an_order_is_not_believed(database, caller, settle, agent):
    volume_id = ordered(database, caller)
    settle()
    agent.report(gone=[volume_id])
    assert status(database, caller, volume_id) == "available"


def test_a_report_twice_changes_nothing(database, caller, settle, agent):
    volume_id = ordered(database, caller)
    settle()
    agent.work()
    agent.work()
    assert usage(database, volume_id) == [(1, True)]


def test_the_scan_finds_what_nobody_woke(database, caller, worker, agent):
    volume_id = ordered(database, caller)
    with database.begin() as tx:
        tx.execute(text("DELETE FROM work"))
    worker.drain()
    assert agent.desired() == {}
    worker.scan()
    worker.drain()
    assert list(agent.desired()) == [volume_id]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE volume_disks SET size_gib = 0",
        "UPDATE volume_disks SET source_image_id = 'a', source_disk_id = 'b'",
        "UPDATE volume_disks SET host_id = NULL",
        "UPDATE volumes SET server_id = 'x'",
        "UPDATE volumes SET type_id = 'nothing'",
        "INSERT INTO volume_attachments (id, volume_id, by_compute, wanted, created_at) "
        "SELECT n, id, false, 'reserved', now() FROM volumes, unnest(ARRAY['a', 'b']) AS n",
        "INSERT INTO volume_attachments (id, volume_id, by_compute, wanted, created_at) "
        "SELECT 'a', id, true, 'reserved', now() FROM volumes",
    ],
)
def test_the_database_holds_the_invariants(database, caller, settle, agent, statement):
    ordered(database, caller)
    settle()
    with pytest.raises(IntegrityError), database.begin() as tx:
        tx.execute(text(statement))
