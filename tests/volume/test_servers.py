"""What the compute service asks of volumes, from order to release."""

import pytest

from tests.conftest import make_caller
from tests.volume.conftest import add_host, broken
from volutus import placement, volume
from volutus.errors import NotFound
from volutus.volume import AttachOptions, Role, RootDisk, VolumeOrder
from volutus.volume.faults import OtherHost, WrongStatus
from volutus.volume.status import GIB

SERVER = "11111111-0000-4000-8000-000000000001"


def status(database, caller, volume_id):
    with database.begin() as tx:
        return volume.get_volume(tx, caller, volume_id).status


def ordered_root(database, caller, role=Role.ROOT, size_gib=2):
    with database.begin() as tx:
        return volume.order_root(tx, caller, RootDisk(SERVER, None, size_gib, role))


def ordered_volume(database, caller, settle, **order):
    with database.begin() as tx:
        volume_id = volume.volumes.create(tx, caller, VolumeOrder(**{"size_gib": 1, **order})).id
    settle()
    return volume_id


def targets(database, **how):
    with database.begin() as tx:
        found = volume.guest_disks(tx, SERVER, **how)
    return [(disk.disk_id, disk.target, disk.boot_index) for disk in found]


def test_a_root_disk_waits_for_its_place_and_is_no_tenants_volume(database, caller, agent, settle):
    root = ordered_root(database, caller)
    settle()
    with database.begin() as tx:
        assert volume.ready(tx, SERVER).waiting == (root,)
        assert volume.hosts_of(tx, [root]) == set()
        volume.place(tx, [root], agent.host_id)
    settle()
    with database.begin() as tx:
        assert volume.ready(tx, SERVER).ready
        assert volume.hosts_of(tx, [root]) == {agent.host_id}
        with pytest.raises(NotFound):
            volume.get_volume(tx, caller, root)
        assert placement.host_of(tx, root) is None
    assert targets(database) == [(root, "vda", 0)]


def test_a_volume_is_plugged_and_unplugged_as_the_guest_is_seen(database, caller, agent, settle):
    root = ordered_root(database, caller)
    data = ordered_volume(database, caller, settle)
    with database.begin() as tx:
        tied = volume.begin_attach(tx, caller, data, SERVER, None, AttachOptions(agent.host_id, "host-1"))
        assert tied.device == "/dev/vdb"
    assert status(database, caller, data) == "attaching"
    assert targets(database) == [(root, "vda", 0), (data, "vdb", None)]
    with database.begin() as tx:
        volume.record_plugged(tx, SERVER, [root, data])
    assert status(database, caller, data) == "in-use"
    with database.begin() as tx:
        volume.begin_detach(tx, caller, data, SERVER)
        volume.record_plugged(tx, SERVER, [root, data])
    assert status(database, caller, data) == "detaching"
    assert targets(database) == [(root, "vda", 0)]
    with database.begin() as tx:
        volume.record_plugged(tx, SERVER, [root])
    assert status(database, caller, data) == "available"


def test_a_report_without_the_volume_does_not_undo_an_attachment(database, caller, settle):
    data = ordered_volume(database, caller, settle)
    with database.begin() as tx:
        volume.begin_attach(tx, caller, data, SERVER)
        volume.record_plugged(tx, SERVER, [])
    assert status(database, caller, data) == "attaching"


def test_only_an_available_volume_on_the_servers_host_is_attached(database, caller, agent, settle):
    data = ordered_volume(database, caller, settle)
    other = add_host(database, "host-2")
    with database.begin() as tx, pytest.raises(OtherHost):
        volume.begin_attach(tx, caller, data, SERVER, None, AttachOptions(host_id=other.host_id))
    with database.begin() as tx, pytest.raises(NotFound):
        volume.begin_attach(tx, make_caller("project-b"), data, SERVER)
    with database.begin() as tx:
        volume.begin_attach(tx, caller, data, SERVER)
    with database.begin() as tx, pytest.raises(WrongStatus):
        volume.begin_attach(tx, caller, data, "another-server")


def test_a_server_boots_from_a_volume_that_is_still_being_made(database, caller, agent, settle):
    with database.begin() as tx:
        options = AttachOptions(boot_index=0, delete_on_termination=True)
        boot = volume.order_boot_volume(tx, caller, VolumeOrder(size_gib=3), SERVER, options).id
        assert not volume.ready(tx, SERVER).ready
    assert targets(database) == [(boot, "vda", 0)]
    settle()
    assert status(database, caller, boot) == "reserved"
    with database.begin() as tx:
        assert volume.ready(tx, SERVER).ready
        volume.record_plugged(tx, SERVER, [boot])
    assert status(database, caller, boot) == "in-use"
    with database.begin() as tx:
        volume.release_server(tx, SERVER)
    assert status(database, caller, boot) == "deleting"
    settle()
    with database.begin() as tx, pytest.raises(NotFound):
        volume.get_volume(tx, caller, boot)


def test_a_server_that_goes_takes_its_own_disks_and_frees_the_volumes(database, caller, agent, settle):
    root = ordered_root(database, caller)
    data = ordered_volume(database, caller, settle)
    with database.begin() as tx:
        volume.place(tx, [root], agent.host_id)
        volume.reserve(tx, caller, data, SERVER)
    settle()
    with database.begin() as tx:
        volume.release_server(tx, SERVER)
        assert volume.own_disks(tx, [SERVER]) == {SERVER: []}
    assert status(database, caller, data) == "available"
    assert agent.desired()[root].tombstone is False
    settle()
    assert root not in agent.desired()


def test_a_rescue_disk_comes_first_and_goes_again(database, caller, agent, settle):
    root = ordered_root(database, caller)
    data = ordered_volume(database, caller, settle)
    with database.begin() as tx:
        volume.begin_attach(tx, caller, data, SERVER, "/dev/vdb")
    rescue = ordered_root(database, caller, Role.RESCUE)
    first = targets(database, rescue_first=True)
    assert first == [(rescue, "vda", 0), (root, "vdc", None), (data, "vdb", None)]
    assert targets(database) == [(root, "vda", 0), (data, "vdb", None), (rescue, "vdc", None)]
    with database.begin() as tx:
        volume.discard(tx, SERVER, Role.RESCUE)
    assert targets(database) == [(root, "vda", 0), (data, "vdb", None)]


def test_a_fault_is_told_to_the_server_that_waits(database, caller, agent):
    root = ordered_root(database, caller)
    with database.begin() as tx:
        volume.place(tx, [root], agent.host_id)
    assert agent.report([broken(root, "The image is damaged.")]) == [SERVER]
    with database.begin() as tx:
        assert volume.ready(tx, SERVER).fault == "The image is damaged."


def test_a_resized_server_has_a_larger_root(database, caller, agent, settle):
    root = ordered_root(database, caller)
    with database.begin() as tx:
        volume.place(tx, [root], agent.host_id)
    settle()
    with database.begin() as tx:
        volume.grow_own(tx, root, 5)
    settle()
    assert agent.desired()[root].spec.size_bytes == 5 * GIB


def test_attachments_and_own_disks_of_many_servers_are_one_statement_each(database, caller):
    with database.begin() as tx:
        volume.attachments_of(tx, ["a", "b", "c"])
        volume.own_disks(tx, ["a", "b", "c"])
        assert tx.statements == 2
