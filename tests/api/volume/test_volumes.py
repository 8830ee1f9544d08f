"""Volumes from order to end, as a client sees them."""

import pytest
from sqlalchemy import event

from tests.conftest import make_caller
from tests.volume.conftest import broken

GONE = "00000000-0000-4000-8000-000000000000"


def test_a_volume_is_made_shown_and_removed(cinder, settle):
    volume_id = cinder.make(name="data", description="mine", metadata={"a": "b"})
    assert cinder.status(volume_id) == "creating"
    settle()
    volume = cinder.volume(volume_id)
    assert volume["status"] == "available"
    assert (volume["name"], volume["size"], volume["metadata"]) == ("data", 1, {"a": "b"})
    assert volume["volume_type"] == "standard"
    cinder.call("DELETE", f"/volumes/{volume_id}", expect=202)
    assert cinder.status(volume_id) == "deleting"
    settle()
    assert cinder.get(f"/volumes/{volume_id}", 404)["itemNotFound"]["code"] == 404
    usage = cinder.get("/os-quota-sets/project-a?usage=true")["quota_set"]
    assert (usage["volumes"]["in_use"], usage["gigabytes"]["in_use"]) == (0, 0)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"size": "#$%"}, 400),
        ({"size": ""}, 400),
        ({"size": "0"}, 400),
        ({"size": "-1"}, 400),
        ({"size": None}, 400),
        ({"volume_type": GONE}, 404),
        ({"snapshot_id": GONE}, 404),
        ({"source_volid": GONE}, 404),
        ({"imageRef": GONE}, 404),
        ({"name": "x" * 256}, 400),
        ({"metadata": {"k": "v" * 256}}, 400),
        ({"metadata": {"": "v"}}, 400),
        ({"availability_zone": "nowhere"}, 400),
        ({"multiattach": True}, 400),
        ({"colour": "red"}, 400),
        ({"snapshot_id": GONE, "source_volid": GONE}, 400),
        ({"size": 2000}, 413),
    ],
)
def test_what_is_refused(cinder, agent, fields, status):
    cinder.make(expect=status, **fields)


def test_what_came_later_says_which_version_has_it(cinder):
    refused = cinder.at("3.0").get("/messages", expect=404)
    assert "--os-volume-api-version 3.3" in refused["itemNotFound"]["message"]


def test_unknown_fields_were_ignored_before_they_were_refused(cinder):
    cinder.at("3.52").make(colour="red")


def test_sizes_may_come_as_text(cinder):
    assert cinder.volume(cinder.make(size="2"))["size"] == 2


def test_quota_is_told_as_over_limit(cinder):
    for _ in range(10):
        cinder.make()
    refused = cinder.make(expect=413)
    assert refused["overLimit"]["code"] == 413
    assert "volumes" in refused["overLimit"]["message"]


def test_somebody_elses_volume_is_not_there(cinder, made, operator):
    volume_id = made()
    stranger = cinder.as_(make_caller("project-b"))
    stranger.get(f"/volumes/{volume_id}", 404)
    stranger.call("DELETE", f"/volumes/{volume_id}", expect=404)
    assert stranger.get("/volumes")["volumes"] == []
    assert operator.get("/volumes")["volumes"] == []
    assert [one["id"] for one in operator.get("/volumes?all_tenants=1")["volumes"]] == [volume_id]
    assert operator.volume(volume_id)["os-vol-host-attr:host"] == "host-1@directory#directory"


def test_readers_only_read(cinder, made):
    volume_id = made()
    reader = cinder.as_(make_caller(role="reader"))
    assert reader.status(volume_id) == "available"
    reader.make(expect=403)
    reader.act(volume_id, "os-extend", {"new_size": 2}, expect=403)


def test_the_path_must_carry_the_tokens_project(cinder, api):
    cinder.root = "/volume/v3/project-b"
    assert "doesn't match" in cinder.get("/volumes", 400)["badRequest"]["message"]
    assert api.get("/volume/v3/volumes").status_code == 200


def test_lists_are_filtered_sorted_and_paged(cinder, made, settle):
    first, second = made(name="first", metadata={"k": "v"}), made(name="second", size=2)
    third = cinder.make(name="third")

    def ids(query):
        return [one["id"] for one in cinder.get(f"/volumes?{query}")["volumes"]]

    assert ids("name=second") == [second]
    assert ids("status=creating") == [third]
    assert set(ids("status=available")) == {first, second}
    assert ids("metadata={'k': 'v'}") == [first]
    assert ids("sort=size:desc,name:asc") == [second, first, third]
    assert ids("sort_key=name&sort_dir=asc&limit=2") == [first, second]
    page = cinder.get(f"/volumes/detail?sort=name:asc&limit=1&marker={first}&with_count=true")
    assert [one["id"] for one in page["volumes"]] == [second]
    assert page["volumes_links"][0]["rel"] == "next"
    assert page["count"] == 3
    cinder.get("/volumes?sort=colour", 400)
    cinder.get("/volumes?marker=nothing", 404)
    assert ids("limit=0") == []
    assert ids("sort=name:asc&offset=1&limit=1") == [second]
    assert set(ids("availability_zone=nova")) == {first, second, third}
    assert ids("availability_zone=other") == []
    cinder.get("/volumes/", 404)


def test_a_list_costs_the_same_however_long(cinder, database, settle):
    def statements():
        seen = []
        engine = database._connection.engine
        event.listen(engine, "before_cursor_execute", lambda *a: seen.append(a[2]))
        cinder.get("/volumes/detail")
        return len(seen)

    cinder.make()
    before = statements()
    for _ in range(4):
        cinder.make()
    settle()
    assert statements() == before <= 2


def test_an_operators_list_with_hosts_is_two_statements(operator, cinder, made, database):
    made()
    made()
    seen = []
    event.listen(database._connection.engine, "before_cursor_execute", lambda *a: seen.append(a[2]))
    assert len(operator.get("/volumes/detail?all_tenants=1")["volumes"]) == 2
    assert len(seen) == 2


def test_the_summary_counts(cinder):
    cinder.make(size=2, metadata={"k": "v"})
    cinder.make(size=3, metadata={"k": "w"})
    summary = cinder.get("/volumes/summary")["volume-summary"]
    assert summary == {"total_count": 2, "total_size": 5, "metadata": {"k": ["v", "w"]}}
    assert "metadata" not in cinder.at("3.12").get("/volumes/summary")["volume-summary"]


def test_a_volume_is_changed(cinder, made):
    volume_id = made(name="old")
    body = {"volume": {"name": "new", "description": "d", "metadata": {"x": "y"}}}
    cinder.call("PUT", f"/volumes/{volume_id}", body, 200)
    volume = cinder.volume(volume_id)
    assert (volume["name"], volume["description"], volume["metadata"]) == ("new", "d", {"x": "y"})
    cinder.call("PUT", f"/volumes/{volume_id}", {"volume": {}}, 400)
    cinder.call("PUT", f"/volumes/{volume_id}", {}, 400)
    cinder.call("PUT", "/volumes/", {"volume": {"name": "n"}}, 404)


def test_metadata_item_by_item(cinder, made):
    root = f"/volumes/{made()}/metadata"
    assert cinder.call("POST", root, {"metadata": {"a": "1", "b": "2"}}, 200)["metadata"] == {
        "a": "1",
        "b": "2",
    }
    cinder.call("PUT", f"{root}/a", {"meta": {"a": "3"}}, 200)
    assert cinder.get(f"{root}/a")["meta"] == {"a": "3"}
    cinder.call("DELETE", f"{root}/b", expect=200)
    assert cinder.get(root)["metadata"] == {"a": "3"}
    cinder.call("PUT", root, {"metadata": {"z": "1"}}, 200)
    assert cinder.get(root)["metadata"] == {"z": "1"}
    cinder.get(f"{root}/nothing", 404)
    cinder.call("DELETE", f"{root}/nothing", expect=404)
    cinder.call("PUT", f"{root}/a", {"meta": {"b": "3"}}, 400)


def test_a_volume_grows(cinder, made, settle):
    volume_id = made()
    cinder.act(volume_id, "os-extend", {"new_size": 3})
    assert cinder.status(volume_id) == "extending"
    settle()
    assert (cinder.status(volume_id), cinder.volume(volume_id)["size"]) == ("available", 3)
    for size in (3, 2, "x", 0, None, ""):
        cinder.act(volume_id, "os-extend", {"new_size": size}, expect=400)
    cinder.act(volume_id, "os-extend", {"new_size": 2000}, expect=413)
    refused = cinder.act(volume_id, "os-extend", {"new_size": 99999}, expect=400)
    assert "from 1 to 65536 GiB" in refused["badRequest"]["message"]


def test_flags_are_set(cinder, made):
    volume_id = made()
    for flag in (True, False):
        cinder.act(volume_id, "os-set_bootable", {"bootable": flag}, expect=200)
        cinder.act(volume_id, "os-update_readonly_flag", {"readonly": flag})
        volume = cinder.volume(volume_id)
        assert (volume["bootable"], volume["metadata"]["readonly"]) == (str(flag).lower(), str(flag))


def test_a_fault_of_the_host_is_told_to_the_tenant(cinder, agent, worker):
    volume_id = cinder.make()
    worker.drain()
    agent.report([broken(volume_id, "The host's disk is full.")])
    assert cinder.status(volume_id) == "error"
    (message,) = cinder.get("/messages")["messages"]
    assert message["resource_uuid"] == volume_id
    assert "The host's disk is full." in message["user_message"]
    assert cinder.get(f"/messages/{message['id']}")["message"] == message
    cinder.call("DELETE", f"/messages/{message['id']}", expect=204)
    cinder.get(f"/messages/{message['id']}", 404)
    cinder.call("DELETE", f"/volumes/{volume_id}", expect=202)


def test_no_room_ends_in_an_error_that_says_so(cinder, agent, worker, clock):
    volume_id = cinder.make(size=900)
    for _ in range(20):
        worker.drain()
        clock.advance(2)
    assert cinder.status(volume_id) == "error"
    assert "No valid host was found" in cinder.get("/messages")["messages"][0]["user_message"]


def test_an_operator_forces_a_status_and_an_end(cinder, operator, made, settle):
    volume_id = made()
    cinder.act(volume_id, "os-reset_status", {"status": "error"}, expect=403)
    operator.act(volume_id, "os-reset_status", {"status": "maintenance"})
    assert cinder.status(volume_id) == "maintenance"
    cinder.call("DELETE", f"/volumes/{volume_id}", expect=400)
    operator.act(volume_id, "os-reset_status", {"status": "available"})
    assert cinder.status(volume_id) == "available"
    operator.act(volume_id, "os-reset_status", {"status": "creating"})
    operator.act(volume_id, "os-force_delete")
    settle()
    cinder.get(f"/volumes/{volume_id}", 404)


def test_image_metadata_is_kept_apart(cinder, made):
    volume_id = made()
    cinder.act(volume_id, "os-set_image_metadata", {"metadata": {"image_id": "x", "k": "v"}}, expect=200)
    cinder.act(volume_id, "os-unset_image_metadata", {"key": "image_id"}, expect=200)
    assert cinder.volume(volume_id)["volume_image_metadata"] == {"k": "v"}
    shown = cinder.act(volume_id, "os-show_image_metadata", expect=200)
    assert shown["metadata"] == {"k": "v"}


def test_an_unknown_action_is_a_bad_request(cinder, made):
    volume_id = made()
    cinder.act(volume_id, "os-dance", expect=400)
    cinder.call("POST", f"/volumes/{volume_id}/action", {}, 400)


@pytest.mark.parametrize(
    ("version", "absent", "present"),
    [
        ("3.0", {"group_id", "shared_targets", "volume_type_id", "consumes_quota"}, {"bootable"}),
        ("3.48", {"volume_type_id", "consumes_quota"}, {"group_id", "shared_targets"}),
        ("3.70", set(), {"group_id", "shared_targets", "volume_type_id", "consumes_quota"}),
    ],
)
def test_fields_come_with_their_microversion(cinder, made, version, absent, present):
    shown = cinder.at(version).volume(made()).keys()
    assert not absent & shown
    assert present <= shown
