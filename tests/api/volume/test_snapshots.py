"""Snapshots, and volumes made from snapshots and volumes."""

import pytest

GONE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def snapped(cinder, made, settle):
    """Makes a volume with an available snapshot: (volume id, snapshot id)."""

    def make(**fields):
        volume_id = made(**fields)
        snapshot_id = snap(cinder, volume_id)
        settle()
        return volume_id, snapshot_id

    return make


def snap(cinder, volume_id, expect=202, **fields):
    body = cinder.call("POST", "/snapshots", {"snapshot": {"volume_id": volume_id, **fields}}, expect)
    return body["snapshot"]["id"] if expect == 202 else body


def test_a_snapshot_is_made_shown_changed_and_removed(cinder, made, settle, agent):
    volume_id = made(size=2)
    snapshot_id = snap(cinder, volume_id, name="monday", metadata={"a": "b"})
    assert cinder.get(f"/snapshots/{snapshot_id}")["snapshot"]["status"] == "creating"
    settle()
    assert agent.desired()[snapshot_id].spec.source.disk_id == volume_id
    snapshot = cinder.get(f"/snapshots/{snapshot_id}")["snapshot"]
    assert (snapshot["status"], snapshot["size"], snapshot["name"]) == ("available", 2, "monday")
    assert snapshot["os-extended-snapshot-attributes:progress"] == "100%"
    cinder.call("PUT", f"/snapshots/{snapshot_id}", {"snapshot": {"name": "tuesday"}}, 200)
    cinder.call("POST", f"/snapshots/{snapshot_id}/metadata", {"metadata": {"c": "d"}}, 200)
    (listed,) = cinder.get(f"/snapshots/detail?volume_id={volume_id}&name=tuesday")["snapshots"]
    assert listed["metadata"] == {"a": "b", "c": "d"}
    usage = cinder.get("/os-quota-sets/project-a?usage=1")["quota_set"]
    assert (usage["snapshots"]["in_use"], usage["gigabytes"]["in_use"]) == (1, 4)
    cinder.call("DELETE", f"/snapshots/{snapshot_id}", expect=202)
    settle()
    cinder.get(f"/snapshots/{snapshot_id}", 404)
    usage = cinder.get("/os-quota-sets/project-a?usage=1")["quota_set"]
    assert (usage["snapshots"]["in_use"], usage["gigabytes"]["in_use"]) == (0, 2)


def test_lists_are_filtered_and_paged(cinder, snapped):
    first_volume, first = snapped(name="v")
    _, second = snapped()
    assert {one["id"] for one in cinder.get("/snapshots")["snapshots"]} == {first, second}
    assert [one["id"] for one in cinder.get(f"/snapshots?volume_id={first_volume}")["snapshots"]] == [first]
    assert cinder.get("/snapshots?status=error")["snapshots"] == []
    page = cinder.get("/snapshots?limit=1&sort=created_at:asc&with_count=1")
    assert (len(page["snapshots"]), page["count"], page["snapshots_links"][0]["rel"]) == (1, 2, "next")


@pytest.mark.parametrize(
    ("fields", "status"), [({"volume_id": GONE}, 404), ({"volume_id": "x"}, 400), ({"force": False}, 400)]
)
def test_what_is_refused(cinder, made, fields, status):
    snap(cinder, **{"volume_id": made(), **fields}, expect=status)


def test_quota_holds_for_snapshots(cinder, made):
    volume_id = made(size=400)
    snap(cinder, volume_id)
    assert "gigabytes" in snap(cinder, volume_id, expect=413)["overLimit"]["message"]


def test_a_volume_in_use_is_copied_unless_somebody_says_no(cinder, made):
    volume_id = made()
    cinder.act(volume_id, "os-attach", {"instance_uuid": GONE, "mountpoint": "/dev/vdb"})
    older = cinder.at("3.0")
    snap(older, volume_id, force=False, expect=400)
    snap(older, volume_id, force=True)
    snap(older, volume_id)
    snap(cinder, volume_id)


def test_a_volume_with_snapshots_goes_only_with_them(cinder, snapped, settle):
    volume_id, snapshot_id = snapped()
    cinder.call("DELETE", f"/volumes/{volume_id}", expect=400)
    cinder.call("DELETE", f"/volumes/{volume_id}?cascade=true", expect=202)
    settle()
    settle()
    cinder.get(f"/snapshots/{snapshot_id}", 404)
    cinder.get(f"/volumes/{volume_id}", 404)


def test_a_volume_from_a_snapshot_is_on_its_host_and_as_large(cinder, snapped, settle, agent):
    volume_id, snapshot_id = snapped(size=2)
    cinder.act(volume_id, "os-set_bootable", {"bootable": True}, expect=200)
    copy_id = cinder.call("POST", "/volumes", {"volume": {"snapshot_id": snapshot_id}}, 202)["volume"]["id"]
    settle()
    copy = cinder.volume(copy_id)
    assert (copy["status"], copy["size"], copy["snapshot_id"]) == ("available", 2, snapshot_id)
    assert copy["bootable"] == "true"
    assert agent.desired()[copy_id].spec.source.disk_id == snapshot_id
    cinder.make(expect=400, snapshot_id=snapshot_id, size=1)


def test_a_clone_may_be_larger_but_not_smaller(cinder, made, settle):
    origin = made(size=2)
    clone = cinder.make(source_volid=origin, size=3)
    settle()
    shown = cinder.volume(clone)
    assert (shown["status"], shown["size"], shown["source_volid"]) == ("available", 3, origin)
    cinder.make(expect=400, source_volid=origin, size=1)


def test_a_source_is_not_removed_under_its_copy(cinder, made, settle, worker, agent):
    origin = made()
    clone = cinder.make(source_volid=origin)
    cinder.call("DELETE", f"/volumes/{origin}", expect=202)
    worker.drain()
    assert not agent.desired()[origin].tombstone
    agent.work()
    assert cinder.status(clone) == "available"


def test_an_operator_forces_statuses(cinder, operator, snapped, settle):
    _, snapshot_id = snapped()
    path = f"/snapshots/{snapshot_id}/action"
    cinder.call("POST", path, {"os-reset_status": {"status": "error"}}, 403)
    operator.call("POST", path, {"os-reset_status": {"status": "creating"}}, 202)
    progress = {"status": "error", "progress": "80%"}
    operator.call("POST", path, {"os-update_snapshot_status": progress}, 202)
    shown = cinder.get(f"/snapshots/{snapshot_id}")["snapshot"]
    assert shown["status"] == "error" and shown["os-extended-snapshot-attributes:progress"] == "80%"
    operator.call("POST", path, {"os-reset_status": {"status": "dancing"}}, 400)
    operator.call("POST", path, {"os-force_delete": {}}, 202)
    settle()
    cinder.get(f"/snapshots/{snapshot_id}", 404)
