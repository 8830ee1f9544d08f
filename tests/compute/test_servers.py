"""Servers from order to end, through the verbs, with hosts that obey at once."""

from decimal import Decimal

import pytest
from sqlalchemy import text

from tests.compute.plane import add_image
from tests.conftest import make_caller
from volutus import compute, quota
from volutus.compute import actions, servers
from volutus.compute.faults import ServerLocked, ServerNotFound, WrongState
from volutus.compute.rebuilds import Rebuild
from volutus.errors import Invalid, QuotaExceeded
from volutus.wire import GuestState

# Everything that must be empty once all servers are gone.
LEFTOVERS = {
    "claims": "SELECT count(*) FROM claims",
    "assignments": "SELECT count(*) FROM assignments",
    "ports": "SELECT count(*) FROM ports WHERE device_owner LIKE 'compute:%'",
    "volumes": "SELECT count(*) FROM volumes",
    "guests": "SELECT count(*) FROM guests",
    "usage": "SELECT count(*) FROM usage_ranges WHERE upper_inf(during) AND meter <> 'vlan'",
    "quota": "SELECT count(*) FROM quota_usage WHERE used <> 0 AND resource IN ('instances', 'cores', 'mhz')",
    "used": "SELECT count(*) FROM inventories WHERE mhz_used + memory_mib_used + disk_gib_used <> 0",
}


def leftovers(database) -> dict[str, int]:
    with database.read() as tx:
        return {name: n for name, sql in LEFTOVERS.items() if (n := tx.value(text(sql)))}


def test_a_server_is_built_and_runs(plane):
    made = plane.order()
    assert (made.status.name, made.status.task_state) == ("BUILD", "scheduling")
    plane.settle()
    server = plane.get(made.id)
    assert (server.status.name, server.status.vm_state, server.status.task_state) == (
        "ACTIVE",
        "active",
        None,
    )
    assert server.guest.host_name == "host-1"
    assert server.launched_at is not None
    (guest,) = plane.hosts[0].guests.values()
    assert (guest.spec.cores, guest.spec.mhz, guest.spec.memory_mib) == (1, 1000, 256)
    assert len(guest.spec.disks) == len(guest.spec.nics) == 1
    assert '"uuid": "' + server.id in guest.spec.metadata["openstack/latest/meta_data.json"]


def test_running_is_metered_and_stopping_ends_it(plane, database):
    server = plane.create()
    with database.read() as tx:
        rows = tx.rows(
            text("SELECT meter, amount FROM usage_ranges WHERE resource_id = :id LIMIT 9"), {"id": server.id}
        )
    assert {row.meter: row.amount for row in rows} == {"cpu_mhz": Decimal(1000), "memory_mib": Decimal(256)}
    plane.act(actions.stop, server.id)
    assert plane.get(server.id).status.task_state == "powering-off"
    plane.settle()
    assert plane.status(server.id) == "SHUTOFF"
    with database.read() as tx:
        assert (
            tx.value(
                text("SELECT count(*) FROM usage_ranges WHERE resource_kind = 'server' AND upper_inf(during)")
            )
            == 0
        )
    plane.act(actions.start, server.id)
    plane.settle()
    assert plane.status(server.id) == "ACTIVE"


@pytest.mark.parametrize("hard", [True, False])
def test_a_reboot_is_caught_up_with(plane, hard):
    server = plane.create()
    plane.act(actions.reboot, server.id, hard=hard)
    assert plane.status(server.id) == ("HARD_REBOOT" if hard else "REBOOT")
    plane.settle()
    assert plane.status(server.id) == "ACTIVE"
    (guest,) = plane.hosts[0].guests.values()
    assert (guest.soft_done, guest.hard_done) == ((0, 1) if hard else (1, 0))


def test_everything_is_given_back(plane, database):
    server = plane.create()
    plane.act(actions.delete, server.id)
    assert plane.get(server.id).status.task_state == "deleting"
    plane.settle()
    assert plane.status(server.id) == "DELETED"
    assert leftovers(database) == {}
    with database.read() as tx, pytest.raises(ServerNotFound):
        servers.get(tx, plane.caller, server.id)


def test_no_capacity_is_a_fault_and_the_server_can_be_deleted(empty_plane, database):
    server = empty_plane.create()
    assert server.status.name == "ERROR"
    assert server.fault.message.startswith("No valid host was found.")
    empty_plane.act(actions.delete, server.id)
    empty_plane.settle()
    assert leftovers(database) == {}


@pytest.mark.parametrize("state", [GuestState.STOPPED, GuestState.CRASHED])
def test_a_guest_that_stops_itself_stays_off_until_started(plane, state):
    server = plane.create()
    plane.hosts[0].halt(server.id, state)
    plane.settle()
    assert (plane.status(server.id), plane.get(server.id).power) == ("SHUTOFF", "off")
    plane.act(actions.start, server.id)
    plane.settle()
    assert plane.status(server.id) == "ACTIVE"


def test_a_start_is_not_lost_to_a_guest_that_stopped_itself_before(plane):
    """The host reports the halt, and before it is looked at somebody asks for a start."""
    server = plane.create()
    plane.hosts[0].halt(server.id)
    plane.hosts[0].work()
    plane.act(actions.start, server.id)
    plane.settle()
    assert plane.status(server.id) == "ACTIVE"


def test_a_host_that_cannot_says_why(plane):
    plane.hosts[0].unable = "The disk of the host is full."
    server = plane.create()
    assert (server.status.name, server.fault.message) == ("ERROR", "The disk of the host is full.")
    plane.hosts[0].unable = None
    plane.settle()
    assert plane.status(server.id) == "ACTIVE"


def test_a_silent_host_keeps_its_servers_and_actions_wait_with_a_reason(plane, database, clock):
    server = plane.create()
    host = plane.hosts.pop()
    clock.advance(120)
    assert plane.status(server.id) == "ACTIVE"
    plane.act(actions.stop, server.id)
    plane.worker.drain()
    clock.advance(70)
    plane.worker.drain()
    with database.read() as tx:
        why = tx.value(text("SELECT why FROM work WHERE kind = 'server'"))
    assert "host-1" in why
    assert "silent" in why
    assert plane.get(server.id).status.task_state == "powering-off"
    plane.hosts.append(host)
    plane.settle()
    assert plane.status(server.id) == "SHUTOFF"


def test_quota_is_charged_and_refused(plane, database):
    with database.begin() as tx:
        quota.set_limits(tx, plane.caller.project_id, {"instances": 1})
    plane.order()
    with pytest.raises(QuotaExceeded):
        plane.order("two")
    with database.read() as tx:
        assert quota.usage(tx, plane.caller.project_id)["mhz"] == 1000


def test_any_size_is_a_flavor(plane):
    server = plane.create(flavor_id="4000mhz-8c-4096m-20g")
    assert (server.mhz, server.cores, server.memory_mib, server.disk_gib) == (4000, 8, 4096, 20)
    assert server.status.name == "ACTIVE"


@pytest.mark.parametrize(
    ("order", "field"),
    [
        ({"flavor_id": "none"}, "flavorRef"),
        ({"image_id": "none"}, "imageRef"),
        ({"image_id": None}, "imageRef"),
        ({"key_name": "none"}, "key_name"),
        ({"user_data": "not base 64!"}, "user_data"),
        ({"count": 1, "count_min": 2}, "min_count"),
        ({"count": 1000}, "max_count"),
    ],
)
def test_a_wrong_order_is_refused_by_field(plane, order, field):
    with pytest.raises(Invalid) as refused:
        plane.order(**order)
    assert refused.value.field == field


def test_many_are_made_at_once_and_named(plane, database):
    first = plane.order("web", count=3)
    plane.settle()
    with database.read() as tx:
        found = servers.list_(tx, plane.caller, compute.ServerFilter(), compute.servers.Page())
    assert sorted(server.name for server in found) == ["web-1", "web-2", "web-3"]
    assert {server.status.name for server in found} == {"ACTIVE"}
    assert {server.reservation_id for server in found} == {first.reservation_id}


def test_the_same_client_token_makes_nothing_new(plane):
    first = plane.order(client_token="once")
    assert plane.order(client_token="once").id == first.id
    assert plane.order(client_token="twice").id != first.id
    plane.clock.advance(24 * 3600 + 1)
    assert plane.order(client_token="once").id != first.id


def test_a_locked_server_refuses_its_tenant_and_obeys_an_administrator(plane, database):
    server = plane.create()
    plane.act(actions.lock, server.id, reason="careful")
    with pytest.raises(ServerLocked):
        plane.act(actions.delete, server.id)
    with database.begin() as tx:
        actions.stop(tx, make_caller(role="admin"), server.id)
    plane.settle()
    assert plane.status(server.id) == "SHUTOFF"


@pytest.mark.parametrize(
    ("prepare", "verb", "arguments"),
    [
        (None, actions.start, {}),
        (actions.stop, actions.stop, {}),
        (actions.stop, actions.reboot, {"hard": False}),
        (actions.delete, actions.stop, {}),
        (actions.delete, actions.start, {}),
    ],
)
def test_actions_that_do_not_fit_the_state_are_refused(plane, prepare, verb, arguments):
    server = plane.create()
    if prepare:
        plane.act(prepare, server.id)
    if prepare is actions.stop:
        plane.settle()
    with pytest.raises(WrongState):
        plane.act(verb, server.id, **arguments)


def test_another_project_does_not_see_a_server(plane, database):
    server = plane.order()
    other = make_caller("project-b", user="user-b")
    with database.begin() as tx:
        for verb in (servers.get, actions.delete, actions.stop, actions.lock):
            with pytest.raises(ServerNotFound):
                verb(tx, other, server.id)
        assert servers.list_(tx, other, compute.ServerFilter(all_projects=True), compute.servers.Page()) == []


def test_a_password_asked_for_is_kept_only_until_the_first_boot(plane):
    made = plane.order(admin_pass="s3cret")
    plane.settle()
    assert plane.get(made.id).admin_pass is None
    (guest,) = plane.hosts[0].guests.values()
    assert not any("s3cret" in content for content in guest.spec.metadata.values())


@pytest.mark.parametrize("off", [False, True])
def test_a_rebuild_replaces_the_root_disk_and_nothing_else(plane, database, off):
    with database.begin() as tx:
        add_image(tx, "other")
    server = plane.create()
    if off:
        plane.act(actions.stop, server.id)
        plane.settle()
    before = next(iter(plane.hosts[0].disks))
    plane.act(compute.rebuilds.rebuild, server.id, wanted=Rebuild("other", name="new"))
    assert plane.status(server.id) == "REBUILD"
    plane.settle()
    after = plane.get(server.id)
    assert (after.status.name, after.name, after.image_id) == ("SHUTOFF" if off else "ACTIVE", "new", "other")
    assert after.guest.host_id == server.guest.host_id
    (disk,) = plane.hosts[0].disks.values()
    assert disk.id != before
    assert disk.source.image_id == "other"
    plane.act(actions.delete, server.id)
    plane.settle()
    assert leftovers(database) == {}


def test_a_server_is_held_and_let_go(plane):
    server = plane.create()
    plane.act(actions.pause, server.id)
    assert plane.get(server.id).status.task_state == "pausing"
    with pytest.raises(WrongState):
        plane.act(actions.pause, server.id)
    plane.settle()
    assert plane.status(server.id) == "PAUSED"
    with pytest.raises(WrongState):
        plane.act(actions.stop, server.id)
    plane.act(actions.unpause, server.id)
    plane.settle()
    assert plane.status(server.id) == "ACTIVE"


def test_a_held_server_whose_guest_is_gone_is_off(plane):
    server = plane.create()
    plane.act(actions.pause, server.id)
    plane.settle()
    plane.hosts[0].halt(server.id)
    plane.settle()
    assert plane.status(server.id) == "SHUTOFF" and plane.get(server.id).power == "off"
