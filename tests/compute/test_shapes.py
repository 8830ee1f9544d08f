"""Other sizes, rescue, the shelf and suspension: what a tenant sees, what is claimed and charged, and what
happens when something on the way fails."""

import pytest

from volutus import compute, image, placement, quota, volume
from volutus.compute import actions, attachments, rescues, resizes, shelving
from volutus.compute.faults import WrongState
from volutus.compute.rescues import Rescue
from volutus.errors import Invalid, NoCapacity, QuotaExceeded
from volutus.identity.caller import CLOUD
from volutus.wire import Power


@pytest.fixture
def server(plane):
    return plane.create()


def claimed(plane, server_id):
    with plane.database.read() as tx:
        row = placement.claim_of(tx, server_id)
        return row and (row.mhz, row.cores, row.memory_mib, row.disk_gib)


def used(plane):
    with plane.database.read() as tx:
        used = quota.usage(tx, plane.caller.project_id)
        return used["mhz"], used["cores"], used["ram"]


def metered(plane, server_id):
    from sqlalchemy import text

    statement = "SELECT meter, amount FROM usage_ranges WHERE resource_id = :id AND upper_inf(during) LIMIT 9"
    with plane.database.read() as tx:
        return {row.meter: int(row.amount) for row in tx.rows(text(statement), {"id": server_id})}


def spec(plane, server_id):
    return plane.hosts[0].guests[server_id].spec


def test_more_memory_needs_a_stop_and_is_confirmed(plane, server):
    plane.act(resizes.resize, server.id, flavor_id="c3")
    assert plane.status(server.id) == "RESIZE"
    assert plane.get(server.id).flavor_id == "c1"
    assert used(plane) == (2000, 1, 1024)
    plane.settle()
    assert plane.status(server.id) == "VERIFY_RESIZE"
    made = plane.get(server.id)
    assert (made.flavor_id, made.memory_mib, made.root_volume_gib) == ("c3", 1024, 5)
    assert (spec(plane, server.id).memory_mib, spec(plane, server.id).power) == (1024, Power.ON)
    assert plane.hosts[0].disks[spec(plane, server.id).disks[0].disk_id].size_bytes == 5 << 30
    plane.act(resizes.confirm, server.id)
    plane.settle()
    assert plane.status(server.id) == "ACTIVE"
    assert claimed(plane, server.id) == (2000, 1, 1024, 5)
    assert metered(plane, server.id) == {"cpu_mhz": 2000, "memory_mib": 1024}


def test_reverting_goes_back_but_keeps_the_disk(plane, server):
    plane.act(resizes.resize, server.id, flavor_id="c3")
    plane.settle()
    plane.act(resizes.revert, server.id)
    assert plane.status(server.id) == "REVERT_RESIZE"
    plane.settle()
    made = plane.get(server.id)
    assert (made.status.name, made.flavor_id, made.memory_mib, made.root_volume_gib) == (
        "ACTIVE",
        "c1",
        256,
        5,
    )
    assert claimed(plane, server.id) == (1000, 1, 256, 5)
    assert used(plane) == (1000, 1, 256)


def test_mhz_change_while_it_runs(plane, server):
    plane.act(resizes.resize, server.id, flavor_id="4000mhz-1c-256m")
    assert plane.get(server.id).flavor_id == "4000mhz-1c-256m"
    assert metered(plane, server.id)["cpu_mhz"] == 4000
    plane.settle()
    assert (plane.status(server.id), spec(plane, server.id).mhz) == ("VERIFY_RESIZE", 4000)
    plane.act(resizes.revert, server.id)
    plane.settle()
    assert (plane.status(server.id), spec(plane, server.id).mhz) == ("ACTIVE", 1000)
    assert spec(plane, server.id).power is Power.ON
    assert metered(plane, server.id)["cpu_mhz"] == 1000


def test_a_stopped_server_stays_stopped(plane, server):
    plane.act(actions.stop, server.id)
    plane.settle()
    plane.act(resizes.resize, server.id, flavor_id="c2")
    plane.settle()
    assert plane.status(server.id) == "VERIFY_RESIZE"
    plane.act(resizes.confirm, server.id)
    plane.settle()
    assert plane.status(server.id) == "SHUTOFF"


def test_a_forgotten_resize_is_confirmed(plane, server):
    plane.act(resizes.resize, server.id, flavor_id="c2")
    plane.settle()
    plane.clock.advance(resizes.CONFIRMED_AFTER.total_seconds())
    plane.settle()
    assert plane.status(server.id) == "ACTIVE"
    assert used(plane) == (1500, 1, 512)


REFUSED = [("c1", Invalid), ("no-such", Invalid), ("9000000mhz-1c-256m", QuotaExceeded)]


@pytest.mark.parametrize(("flavor_id", "error"), REFUSED)
def test_what_is_no_size_for_it(plane, server, flavor_id, error):
    with pytest.raises(error):
        plane.act(resizes.resize, server.id, flavor_id=flavor_id)


def test_a_host_without_room_says_so_at_once(plane, server):
    with pytest.raises(NoCapacity):
        plane.act(resizes.resize, server.id, flavor_id="1000mhz-1c-20000m")
    assert (plane.status(server.id), used(plane)) == ("ACTIVE", (1000, 1, 256))


def test_a_resized_server_that_is_deleted_gives_all_back(plane, server):
    plane.act(resizes.resize, server.id, flavor_id="c3")
    plane.settle()
    plane.act(actions.delete, server.id)
    plane.settle()
    assert (used(plane), claimed(plane, server.id)) == ((0, 0, 0), None)


def test_rescue_boots_another_disk_and_back(plane, server):
    own = spec(plane, server.id).disks[0].disk_id
    plane.act(rescues.rescue, server.id, wanted=Rescue(admin_pass="secret"))
    assert plane.get(server.id).status.task_state == "rescuing"
    plane.settle()
    assert plane.status(server.id) == "RESCUE"
    first, second = spec(plane, server.id).disks
    assert (first.target, first.boot_index, second.disk_id, second.target) == ("vda", 0, own, "vdb")
    assert plane.get(server.id).admin_pass is None
    with pytest.raises(WrongState):
        plane.act(actions.reboot, server.id, hard=True)
    plane.act(rescues.unrescue, server.id)
    plane.settle()
    assert plane.status(server.id) == "ACTIVE"
    (only,) = spec(plane, server.id).disks
    assert (only.disk_id, only.target) == (own, "vda")
    assert len(plane.hosts[0].disks) == 1


def test_a_stable_rescue_leaves_the_disks_where_they_are(plane, server):
    from sqlalchemy import text

    with plane.database.begin() as tx:
        tx.execute(text("""UPDATE images SET properties = '{"hw_rescue_device": "cdrom"}'"""))
    own = spec(plane, server.id).disks[0]
    plane.act(rescues.rescue, server.id, wanted=Rescue())
    plane.settle()
    first, rescue = spec(plane, server.id).disks
    assert (first.disk_id, first.target, first.boot_index) == (own.disk_id, "vda", None)
    assert (rescue.target, rescue.bus, rescue.device, rescue.boot_index) == ("hda", "ide", "cdrom", 0)


def test_a_shelved_server_uses_nothing_and_comes_back(plane, server):
    addresses = [nic.addresses for nic in spec(plane, server.id).nics]
    plane.act(shelving.shelve, server.id)
    assert plane.get(server.id).status.task_state == "shelving"
    plane.settle()
    plane.settle()
    assert plane.status(server.id) == "SHELVED_OFFLOADED"
    assert (claimed(plane, server.id), metered(plane, server.id)) == (None, {})
    assert (plane.hosts[0].guests, plane.hosts[0].disks) == ({}, {})
    image_id = plane.get(server.id).step_data["image_id"]
    with plane.database.read() as tx:
        assert image.get(tx, CLOUD, image_id).name == "one-shelved"
    plane.act(shelving.unshelve, server.id)
    plane.settle()
    assert plane.status(server.id) == "ACTIVE"
    assert [nic.addresses for nic in spec(plane, server.id).nics] == addresses
    with plane.database.read() as tx:
        assert image.status_of(tx, image_id) == "deleted"


def test_volumes_of_a_shelved_server_wait_for_it_or_leave_at_once(plane, server):
    with plane.database.begin() as tx:
        kept, left = (
            volume.volumes.create(tx, plane.caller, volume.VolumeOrder(size_gib=1)).id for _ in range(2)
        )
    plane.act(shelving.shelve, server.id)
    plane.settle()
    plane.settle()
    plane.act(attachments.attach, server.id, volume_id=kept)
    plane.act(attachments.attach, server.id, volume_id=left)
    plane.act(attachments.detach, server.id, volume_id=left)
    with plane.database.read() as tx:
        found = {one: volume.get_volume(tx, plane.caller, one).status for one in (kept, left)}
    assert found == {kept: "in-use", left: "available"}
    plane.act(shelving.unshelve, server.id)
    plane.settle()
    assert [disk.disk_id for disk in spec(plane, server.id).disks][1:] == [kept]
    with plane.database.read() as tx:
        assert volume.get_volume(tx, plane.caller, kept).status == "in-use"


@pytest.mark.parametrize("running", [True, False])
def test_a_volume_taken_out_before_its_host_heard_of_it_is_let_go(plane, server, running):
    if not running:
        plane.act(actions.stop, server.id)
        plane.settle()
    with plane.database.begin() as tx:
        volume_id = volume.volumes.create(tx, plane.caller, volume.VolumeOrder(size_gib=1)).id
    plane.settle()
    plane.act(attachments.attach, server.id, volume_id=volume_id)
    plane.act(attachments.detach, server.id, volume_id=volume_id)
    plane.settle()
    with plane.database.read() as tx:
        assert volume.get_volume(tx, plane.caller, volume_id).status == "available"
    assert plane.get(server.id).status.task_state is None


def test_a_guest_that_takes_it_grows_while_it_runs(plane, server):
    from sqlalchemy import text

    with plane.database.begin() as tx:
        tx.execute(text("""UPDATE servers SET image_properties = '{"hw_live_resize": true}'"""))
        tx.execute(text("UPDATE guests SET cores_max = 4, memory_mib_max = 1024"))
    plane.act(resizes.resize, server.id, flavor_id="1000mhz-2c-512m")
    grown = plane.get(server.id)
    assert (grown.step, grown.cores, grown.memory_mib) == ("resize_start", 2, 512)
    plane.settle()
    assert plane.status(server.id) == "VERIFY_RESIZE"
    plane.act(resizes.revert, server.id)
    assert plane.get(server.id).step == "revert_stop"


def test_nowhere_to_unshelve_to(plane, server):
    plane.act(shelving.shelve, server.id)
    plane.settle()
    plane.settle()
    with plane.database.begin() as tx:
        placement.hosts.set_enabled(tx, plane.hosts[0].host_id, False)
    plane.act(shelving.unshelve, server.id)
    plane.settle()
    assert plane.status(server.id) == "SHELVED_OFFLOADED"
    with plane.database.read() as tx:
        last = compute.history.list_(tx, plane.caller, server.id, compute.history.Page(9))[0]
        assert (last.action, bool(last.message)) == ("unshelve", True)
        assert volume.own_disks(tx, [server.id])[server.id] == []
    plane.act(actions.delete, server.id)
    plane.settle()
    assert plane.status(server.id) == "DELETED"


def test_an_image_that_cannot_be_made_leaves_the_server(plane, server):
    plane.hosts[0].cannot_send = "The disk is full."
    plane.act(shelving.shelve, server.id)
    plane.settle()
    plane.clock.advance(4 * 3600)
    plane.settle()
    plane.settle()
    assert plane.status(server.id) in ("ACTIVE", "ERROR")


def test_memory_goes_to_disk_and_back(plane, server):
    plane.act(actions.suspend, server.id)
    plane.settle()
    assert (plane.status(server.id), metered(plane, server.id)) == ("SUSPENDED", {})
    plane.act(actions.resume, server.id)
    plane.settle()
    assert plane.status(server.id) == "ACTIVE"


def test_a_step_that_takes_too_long_ends_in_error_with_a_cause(plane, server):
    plane.act(resizes.resize, server.id, flavor_id="c3")
    plane.hosts.clear()
    plane.clock.advance(4000)
    plane.settle()
    made = plane.get(server.id)
    assert made.status.name == "ERROR" and "resize_stop" in made.fault.message
