"""Groups of volumes, their snapshots and their types."""

import pytest


@pytest.fixture
def group_type(operator):
    body = {"group_type": {"name": "kind", "group_specs": {"a": "b"}}}
    return operator.call("POST", "/group_types", body, 202)["group_type"]["id"]


@pytest.fixture
def group(cinder, group_type):
    """Makes a group; its id."""

    def make(expect=202, **fields):
        body = {"group_type": group_type, "volume_types": ["standard"], "name": "g", **fields}
        found = cinder.call("POST", "/groups", {"group": body}, expect)
        return found["group"]["id"] if expect == 202 else found

    return make


def groups_used(cinder):
    found = cinder.get(f"/os-quota-sets/{cinder.http.caller.project_id}?usage=true")["quota_set"]
    return found["groups"]["in_use"]


def test_a_group_is_filled_snapshotted_copied_and_removed(cinder, group, settle):
    one = group()
    inside = [cinder.make(group_id=one) for _ in range(2)]
    settle()
    cinder.call("DELETE", f"/volumes/{inside[0]}", expect=400)
    assert set(cinder.get(f"/groups/{one}?list_volume=true")["group"]["volumes"]) == set(inside)
    body = {"group_snapshot": {"group_id": one, "name": "s"}}
    taken = cinder.call("POST", "/group_snapshots", body, 202)["group_snapshot"]["id"]
    assert cinder.get(f"/group_snapshots/{taken}")["group_snapshot"]["status"] == "creating"
    settle()
    assert cinder.get(f"/group_snapshots/{taken}")["group_snapshot"]["status"] == "available"
    copies = []
    for source in ({"group_snapshot_id": taken}, {"source_group_id": one}):
        body = {"create-from-src": {"name": "copy", **source}}
        copies.append(cinder.call("POST", "/groups/action", body, 202)["group"]["id"])
        assert cinder.get(f"/groups/{copies[-1]}")["group"]["status"] == "creating"
        settle()
        assert cinder.get(f"/groups/{copies[-1]}")["group"]["status"] == "available"
    cinder.call("POST", "/groups/action", {"create-from-src": {"name": "neither"}}, 400)
    cinder.call("POST", f"/groups/{one}/action", {"delete": {"delete-volumes": True}}, 400)
    cinder.call("DELETE", f"/group_snapshots/{taken}", expect=202)
    settle()
    cinder.get(f"/group_snapshots/{taken}", 404)
    cinder.call("POST", f"/groups/{one}/action", {"delete": {"delete-volumes": False}}, 400)
    for each in (one, *copies):
        cinder.call("POST", f"/groups/{each}/action", {"delete": {"delete-volumes": True}}, 202)
    settle()
    assert (cinder.get("/groups")["groups"], cinder.get("/volumes")["volumes"]) == ([], [])
    assert groups_used(cinder) == 0


def test_volumes_come_and_go(cinder, operator, group, made):
    one, volume_id = group(), made()
    cinder.call("PUT", f"/groups/{one}", {"group": {"add_volumes": volume_id, "name": "new"}}, 202)
    assert cinder.volume(volume_id)["group_id"] == one
    cinder.call("PUT", f"/groups/{one}", {"group": {"add_volumes": volume_id}}, 400)
    cinder.call("PUT", f"/groups/{one}", {"group": {}}, 400)
    cinder.call("PUT", f"/groups/{one}", {"group": {"remove_volumes": volume_id}}, 202)
    cinder.call("PUT", f"/groups/{one}", {"group": {"remove_volumes": volume_id}}, 400)
    operator.call("POST", "/types", {"volume_type": {"name": "other"}}, 200)
    cinder.make(400, volume_type="other", group_id=one)
    cinder.call("POST", f"/groups/{one}/action", {"reset_status": {"status": "error"}}, 403)
    operator.call("POST", f"/groups/{one}/action", {"reset_status": {"status": "error"}}, 202)
    assert cinder.get("/groups/detail")["groups"][0]["status"] == "error"
    cinder.at("3.12").get("/groups", 404)


def test_group_types_are_the_operators(cinder, operator, group_type, group):
    cinder.call("POST", "/group_types", {"group_type": {"name": "mine"}}, 403)
    operator.call("POST", "/group_types", {"group_type": {"name": "kind"}}, 409)
    root = f"/group_types/{group_type}"
    assert operator.call("POST", f"{root}/group_specs", {"group_specs": {"c": "d"}}, 202) == {
        "group_specs": {"c": "d"}
    }
    assert operator.get(f"{root}/group_specs")["group_specs"] == {"a": "b", "c": "d"}
    operator.call("DELETE", f"{root}/group_specs/c", expect=202)
    operator.get(f"{root}/group_specs/c", 404)
    group()
    operator.call("DELETE", root, expect=400)
    group(expect=404, group_type="none")
    group(expect=400, volume_types=[])
