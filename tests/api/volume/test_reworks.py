"""What makes a volume's disk anew: other storage classes, snapshots to go back to; and disks put aside."""

import msgspec
import pytest

from tests.volume.conftest import broken, facts
from tests.volume.conftest import made as made_disk
from volutus import placement
from volutus.placement.inventory import Overcommit


@pytest.fixture
def kind(operator):
    def make(name, **specs):
        body = {"volume_type": {"name": name, "extra_specs": specs}}
        return operator.call("POST", "/types", body, 200)["volume_type"]["id"]

    return make


@pytest.fixture
def two_pools(database, agent):
    known = msgspec.structs.replace(
        facts("host-1"), pools={"directory": 500, "bulk": 900}, resources={"pool:bulk": 900}
    )
    with database.begin() as tx:
        placement.hosts.record_facts(tx, agent.host_id, known, Overcommit())
    return agent


def test_a_type_chooses_the_storage_class(cinder, operator, kind, two_pools, settle):
    kind("slow", volume_backend_name="bulk")
    one = cinder.make(volume_type="slow")
    settle()
    assert operator.volume(one)["os-vol-host-attr:host"] == "host-1@bulk#bulk"
    assert two_pools.desired()[one].spec.pool == "bulk"
    kind("elsewhere", volume_backend_name="nowhere")
    lost = cinder.make(volume_type="elsewhere")
    settle()
    assert cinder.status(lost) == "error"


def test_a_retype_moves_a_volume_only_when_it_may(cinder, operator, kind, two_pools, made, settle):
    kind("slow", volume_backend_name="bulk")
    one = made()
    cinder.act(one, "os-retype", {"new_type": "slow", "migration_policy": "never"}, expect=400)
    cinder.act(one, "os-retype", {"new_type": "slow", "migration_policy": "on-demand"})
    moving = operator.volume(one)
    assert (moving["status"], moving["volume_type"]) == ("retyping", "standard")
    settle()
    moved = operator.volume(one)
    assert (moved["status"], moved["volume_type"], moved["migration_status"]) == (
        "available",
        "slow",
        "success",
    )
    spec = two_pools.desired()[one].spec
    assert (spec.pool, spec.revision, spec.source.disk_id) == ("bulk", 1, one)


def test_each_pool_has_its_own_room(cinder, operator, kind, two_pools, made, settle):
    kind("slow", volume_backend_name="bulk")
    project = cinder.http.caller.project_id
    operator.call("PUT", f"/os-quota-sets/{project}", {"quota_set": {"gigabytes": -1}}, 200)

    def rooms():
        told = operator.get("/scheduler-stats/get_pools?detail=true")["pools"]
        each = [one["capabilities"] for one in told]
        return {one["volume_backend_name"]: one["free_capacity_gb"] for one in each}

    free = rooms()["directory"]
    first = made(size=free)
    assert rooms() == {"directory": 0, "bulk": 900}
    slow = made(size=600, volume_type="slow")
    assert (cinder.status(slow), rooms()["bulk"]) == ("available", 300)
    # Neither fits where the other is; what fits goes on fitting after it was refused.
    move = {"new_type": "slow", "migration_policy": "on-demand"}
    cinder.act(first, "os-retype", move, expect=409)
    cinder.act(slow, "os-extend", {"new_size": 901}, expect=409)
    assert rooms() == {"directory": 0, "bulk": 300}
    cinder.act(slow, "os-extend", {"new_size": 650})
    cinder.call("DELETE", f"/volumes/{first}", expect=202)
    settle()
    assert rooms() == {"directory": free, "bulk": 250}
    cinder.act(slow, "os-retype", {"new_type": "standard", "migration_policy": "on-demand"}, 409)
    small = made(size=10)
    cinder.act(small, "os-retype", move)
    settle()
    assert rooms() == {"directory": free, "bulk": 240}


def test_a_pool_on_the_first_ones_file_system_has_its_room(cinder, operator, kind, database, agent, settle):
    known = msgspec.structs.replace(facts("host-1"), pools={"directory": 500, "bulk": 500})
    with database.begin() as tx:
        placement.hosts.record_facts(tx, agent.host_id, known, Overcommit())
    kind("slow", volume_backend_name="bulk")
    cinder.make(size=300, volume_type="slow")
    settle()
    told = operator.get("/scheduler-stats/get_pools?detail=true")["pools"]
    assert {one["capabilities"]["free_capacity_gb"] for one in told} == {200}
    over = cinder.make(size=300)
    settle()
    assert cinder.status(over) == "creating"


def test_limits_by_type_follow_the_volume(cinder, operator, kind, two_pools, made, settle):
    kind("few")
    project = cinder.http.caller.project_id
    operator.call("PUT", f"/os-quota-sets/{project}", {"quota_set": {"volumes_few": 1}}, 200)
    one, other = made(), made()
    cinder.act(one, "os-retype", {"new_type": "few"})
    cinder.act(other, "os-retype", {"new_type": "few"}, expect=413)
    cinder.make(413, volume_type="few")
    cinder.call("DELETE", f"/volumes/{one}", expect=202)
    settle()
    cinder.make(volume_type="few")


def test_shared_volumes_are_raw_and_attached_more_than_once(cinder, kind, two_pools, settle):
    kind("shared", multiattach="<is> True")
    one = cinder.make(volume_type="shared")
    settle()
    assert two_pools.desired()[one].spec.format == "raw"
    for server in ("11111111-2222-3333-4444-555555555555", "11111111-2222-3333-4444-666666666666"):
        body = {"volume_uuid": one, "instance_uuid": server, "connector": {"host": "h"}}
        made = cinder.call("POST", "/attachments", {"attachment": body}, 200)["attachment"]["id"]
        cinder.call("POST", f"/attachments/{made}/action", {"os-complete": {}}, 204)
    found = cinder.volume(one)
    assert (found["status"], found["multiattach"], len(found["attachments"])) == ("in-use", True, 2)
    cinder.call("POST", "/attachments", {"attachment": body}, 400)
    # One that ends shows, though the other is in use: who waits for `in-use` waits for its end.
    cinder.act(one, "os-begin_detaching", {})
    assert cinder.status(one) == "detaching"
    cinder.act(one, "os-roll_detaching", {})
    cinder.call("DELETE", f"/attachments/{made}", expect=200)
    assert cinder.status(one) == "in-use"


def test_an_encrypted_type_gives_each_volume_a_key(cinder, operator, kind, two_pools, settle):
    root = f"/types/{kind('secret')}/encryption"
    assert operator.get(root) == {}
    operator.call("POST", root, {"encryption": {"provider": "luks", "control_location": "front-end"}}, 200)
    one = cinder.make(volume_type="secret")
    settle()
    assert cinder.volume(one)["encrypted"]
    order = two_pools.desired()[one]
    assert order.spec.encrypted
    operator.call(
        "PUT", f"{root}/{operator.get(root)['encryption_id']}", {"encryption": {"key_size": 256}}, 400
    )
    copy = cinder.make(source_volid=one)
    settle()
    assert cinder.volume(copy)["encrypted"]


def test_a_volume_is_what_its_newest_snapshot_was(cinder, made, settle, agent):
    one = made()
    body = {"snapshot": {"volume_id": one}}
    first, second = (cinder.call("POST", "/snapshots", body, 202)["snapshot"]["id"] for _ in range(2))
    settle()
    found = {entry["id"] for entry in cinder.get("/snapshots")["snapshots"]}
    assert found == {first, second}
    newest = cinder.get("/snapshots?sort=created_at:desc,id:desc&limit=1")["snapshots"][0]["id"]
    (older,) = found - {newest}
    cinder.act(one, "revert", {"snapshot_id": older}, expect=400)
    cinder.act(one, "revert", {"snapshot_id": newest})
    assert cinder.status(one) == "reverting"
    cinder.act(one, "revert", {"snapshot_id": newest}, expect=400)
    settle()
    assert cinder.status(one) == "available"
    assert agent.desired()[one].spec.source.disk_id == newest


def test_a_volume_let_go_is_taken_back_under_another_id(cinder, operator, made, settle, agent):
    one = made()
    cinder.act(one, "os-unmanage", expect=403)
    operator.act(one, "os-unmanage")
    settle()
    cinder.get(f"/volumes/{one}", 404)
    (listed,) = operator.get("/manageable_volumes?host=host-1@directory")["manageable-volumes"]
    assert listed["reference"] == {"source-name": f"volume-{one}"}
    body = {"host": "host-1@directory#directory", "ref": listed["reference"], "name": "again"}
    again = operator.call("POST", "/os-volume-manage", {"volume": body}, 202)["volume"]["id"]
    settle()
    assert operator.status(again) == "available"
    assert agent.desired()[again].spec.source.adopted_id == one
    operator.call("POST", "/os-volume-manage", {"volume": body}, 404)


def test_a_frozen_class_takes_nothing_and_gives_nothing(cinder, operator, made, settle):
    one = made()
    body = {"host": "host-1@directory", "binary": "cinder-volume"}
    operator.call("PUT", "/os-services/freeze", body, 200)
    (service,) = operator.get("/os-services")["services"]
    assert service["frozen"]
    stuck = cinder.make()
    cinder.call("DELETE", f"/volumes/{one}", expect=202)
    settle()
    assert (cinder.status(stuck), cinder.status(one)) == ("error", "deleting")
    operator.call("PUT", "/os-services/thaw", body, 200)
    settle()
    fresh = cinder.make()
    settle()
    assert cinder.status(fresh) == "available"
    operator.call("PUT", "/os-services/disable", {**body, "binary": "nothing"}, 404)
    operator.call("PUT", "/os-services/disable-log-reason", {**body, "disabled_reason": "full"}, 200)
    (service,) = operator.get("/os-services")["services"]
    assert (service["status"], service["disabled_reason"]) == ("disabled", "full")


def test_a_project_has_a_default_type_of_its_own(cinder, operator, kind):
    type_id, project = kind("theirs"), cinder.http.caller.project_id
    operator.get(f"/default-types/{project}", 404)
    operator.call("PUT", f"/default-types/{project}", {"default_type": {"volume_type": "theirs"}}, 200)
    assert cinder.volume(cinder.make())["volume_type"] == "theirs"
    (listed,) = operator.get("/default-types")["default_types"]
    assert listed == {"project_id": project, "volume_type_id": type_id}
    operator.call("DELETE", f"/default-types/{project}", expect=204)
    assert cinder.volume(cinder.make())["volume_type"] == "standard"


@pytest.fixture
def used(cinder, made):
    """A volume that a server has."""

    def make(server="11111111-2222-3333-4444-555555555555", **fields):
        one = made(**fields)
        body = {"volume_uuid": one, "instance_uuid": server, "connector": {"host": "h"}}
        tie = cinder.call("POST", "/attachments", {"attachment": body}, 200)["attachment"]["id"]
        cinder.call("POST", f"/attachments/{tie}/action", {"os-complete": {}}, 204)
        return one

    return make


def seen(operator, volume_id):
    found = operator.volume(volume_id)
    place = found["os-vol-host-attr:host"].rpartition("#")[2]
    return found["status"], found["volume_type"], place, found["migration_status"]


def test_a_volume_in_use_moves_but_is_not_converted(cinder, operator, kind, two_pools, used, settle):
    kind("slow", volume_backend_name="bulk")
    kind("shared", multiattach="<is> True")
    one = used()
    move = {"new_type": "slow", "migration_policy": "on-demand"}
    cinder.act(one, "os-retype", {"new_type": "shared"}, expect=400)
    cinder.act(one, "os-retype", move)
    assert seen(operator, one) == ("retyping", "standard", "directory", "migrating")
    operator.act(one, "os-migrate_volume", {"host": "host-1@bulk#bulk"}, expect=400)
    settle()
    assert seen(operator, one) == ("in-use", "slow", "bulk", "success")
    spec = two_pools.desired()[one].spec
    assert (spec.pool, spec.revision, spec.source.disk_id, spec.format) == ("bulk", 1, one, "qcow2")
    both = used(volume_type="shared")
    body = {"volume_uuid": both, "instance_uuid": two_pools.host_id, "connector": {"host": "h"}}
    cinder.call("POST", "/attachments", {"attachment": body}, 200)
    operator.act(both, "os-migrate_volume", {"host": "host-1@bulk"}, expect=400)


def test_an_operator_moves_a_volume_and_its_type_stays(cinder, operator, kind, two_pools, made, used, settle):
    kind("slow", volume_backend_name="bulk")
    kind("other")
    one, slow = used(), made(volume_type="slow")
    there = {"host": "host-1@bulk#bulk", "force_host_copy": True}
    cinder.act(one, "os-migrate_volume", there, expect=403)
    for wrong in ("host-1", "host-1@tape#tape", "host-2@bulk", "host-1@directory#directory", None):
        answer = operator.act(one, "os-migrate_volume", {"host": wrong}, expect=400)
        assert "host" in answer["badRequest"]["message"]
    operator.act(slow, "os-migrate_volume", {"host": "host-1@directory"}, expect=400)
    operator.act(one, "os-migrate_volume_completion", {"new_volume": slow}, expect=400)
    operator.act(one, "os-migrate_volume", there)
    assert seen(operator, one) == ("in-use", "standard", "directory", "migrating")
    for name, body in (("os-extend", {"new_size": 2}), ("os-retype", {"new_type": "other"})):
        cinder.act(one, name, body, expect=400 if name == "os-extend" else 202)
    settle()
    assert seen(operator, one) == ("in-use", "other", "bulk", "success")
    # It stays where it was put, and may be called what that place is called.
    cinder.act(one, "os-retype", {"new_type": "standard"})
    cinder.act(one, "os-retype", {"new_type": "slow"})
    assert seen(operator, one) == ("in-use", "slow", "bulk", "success")
    locked = made()
    operator.act(locked, "os-migrate_volume", {**there, "lock_volume": True})
    assert seen(operator, locked)[0] == "maintenance"
    settle()
    assert seen(operator, locked) == ("available", "standard", "bulk", "success")


def test_a_move_that_fails_leaves_all_as_it_was(cinder, operator, kind, two_pools, used, worker, settle):
    kind("slow", volume_backend_name="bulk")
    one = used()
    project = cinder.http.caller.project_id
    usage = f"/os-quota-sets/{project}?usage=true"

    def state():
        rooms = operator.get("/scheduler-stats/get_pools?detail=true")["pools"]
        counted = operator.get(usage)["quota_set"]
        in_type = [counted[f"volumes_{name}"]["in_use"] for name in ("standard", "slow")]
        return [room["capabilities"]["free_capacity_gb"] for room in rooms], in_type

    before = state()
    cinder.act(one, "os-retype", {"new_type": "slow", "migration_policy": "on-demand"})
    worker.drain()
    assert state() != before
    two_pools.report([broken(one, "The host's disk pool is full.")])
    assert seen(operator, one) == ("retyping", "standard", "directory", "migrating")
    worker.drain()
    spec = two_pools.desired()[one].spec
    assert (spec.pool, spec.revision) == ("", 0)
    settle()
    assert seen(operator, one) == ("in-use", "standard", "directory", "error") and state() == before
    (told,) = cinder.get("/messages")["messages"]
    assert "pool is full" in told["user_message"] and told["resource_uuid"] == one
    # One that was there already when it was given up is moved.
    cinder.act(one, "os-retype", {"new_type": "slow", "migration_policy": "on-demand"})
    worker.drain()
    two_pools.report([broken(one, "The host's disk pool is full.")])
    worker.drain()
    two_pools.report([made_disk(one, 1 << 30, two_pools.desired()[one].generation, 1)])
    settle()
    assert seen(operator, one) == ("in-use", "slow", "bulk", "success")
    # What is deleted on its way leaves no room claimed.
    operator.act(one, "os-force_detach", {})
    operator.act(one, "os-migrate_volume", {"host": "host-1@directory"}, expect=400)
    cinder.act(one, "os-retype", {"new_type": "standard", "migration_policy": "on-demand"})
    operator.act(one, "os-force_delete", {})
    settle()
    cinder.get(f"/volumes/{one}", 404)
    assert state() == ([900, 500], [0, 0])
