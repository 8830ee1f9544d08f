"""Volume types, their access and extra specs; QoS specs."""

import pytest

from tests.conftest import make_caller


@pytest.fixture
def kind(operator):
    """Makes a type; its id."""

    def make(expect=200, **fields):
        body = operator.call("POST", "/types", {"volume_type": {"name": "fast", **fields}}, expect)
        return body["volume_type"]["id"] if expect == 200 else body

    return make


def test_the_default_type_is_standard_and_stays(cinder, operator):
    (listed,) = cinder.get("/types")["volume_types"]
    assert (listed["name"], listed["is_public"]) == ("standard", True)
    assert cinder.get("/types/default")["volume_type"]["id"] == listed["id"]
    operator.call("DELETE", f"/types/{listed['id']}", expect=400)


def test_a_type_is_made_changed_used_and_removed(cinder, operator, kind, settle):
    type_id = kind(description="d", extra_specs={"volume_backend_name": "directory", "mine:a": "b"})
    cinder.call("POST", "/types", {"volume_type": {"name": "x"}}, 403)
    kind(expect=409)
    body = {"volume_type": {"name": "faster", "description": None}}
    changed = operator.call("PUT", f"/types/{type_id}", body, 200)["volume_type"]
    assert (changed["name"], changed["description"]) == ("faster", None)
    volume_id = cinder.make(volume_type="faster")
    assert cinder.volume(volume_id)["volume_type"] == "faster"
    operator.call("DELETE", f"/types/{type_id}", expect=400)
    settle()
    cinder.act(volume_id, "os-retype", {"new_type": "standard", "migration_policy": "never"})
    cinder.act(volume_id, "os-retype", {"new_type": "standard"}, expect=400)
    operator.call("DELETE", f"/types/{type_id}", expect=202)
    operator.get(f"/types/{type_id}", 404)


@pytest.mark.parametrize("fields", [{"name": ""}, {"name": "x" * 256}, {"name": None}, {"name": " "}])
def test_bad_names_are_refused(kind, fields):
    kind(expect=400, **fields)


def test_extra_specs_one_by_one(operator, cinder, kind):
    root = f"/types/{kind()}/extra_specs"
    operator.call("POST", root, {"extra_specs": {"k": "v", "l": "w"}}, 200)
    assert operator.call("PUT", f"{root}/k", {"k": "x"}, 200) == {"k": "x"}
    assert cinder.get(f"{root}/k") == {"k": "x"}
    operator.call("DELETE", f"{root}/l", expect=202)
    assert operator.get(root)["extra_specs"] == {"k": "x"}
    operator.get(f"{root}/l", 404)
    operator.call("DELETE", f"{root}/l", expect=404)
    for body in ({"extra_specs": {}}, {"extra_specs": None}, {"extra_specs": {"a;b": "c"}}, {}):
        operator.call("POST", root, body, 400)
    operator.call("PUT", f"{root}/k", {"l": "x"}, 400)


def test_a_private_type_is_for_those_it_was_given_to(cinder, operator, kind):
    type_id = kind(**{"os-volume-type-access:is_public": False})
    cinder.get(f"/types/{type_id}", 404)
    cinder.make(expect=404, volume_type="fast")
    give = {"addProjectAccess": {"project": "project-a"}}
    operator.call("POST", f"/types/{type_id}/action", give, 202)
    operator.call("POST", f"/types/{type_id}/action", give, 409)
    assert cinder.get(f"/types/{type_id}")["volume_type"]["name"] == "fast"
    assert "fast" in [one["name"] for one in cinder.get("/types")["volume_types"]]
    cinder.make(volume_type="fast")
    (access,) = operator.get(f"/types/{type_id}/os-volume-type-access")["volume_type_access"]
    assert access == {"volume_type_id": type_id, "project_id": "project-a"}
    take = {"removeProjectAccess": {"project": "project-a"}}
    operator.call("POST", f"/types/{type_id}/action", take, 202)
    operator.call("POST", f"/types/{type_id}/action", take, 404)
    cinder.as_(make_caller()).get(f"/types/{type_id}", 404)


def test_qos_specs_and_what_has_them(operator, cinder, kind):
    body = {"qos_specs": {"name": "slow", "consumer": "front-end", "total_iops_sec": "100"}}
    made = operator.call("POST", "/qos-specs", body, 200)["qos_specs"]
    assert (made["consumer"], made["specs"]) == ("front-end", {"total_iops_sec": "100"})
    root, type_id = f"/qos-specs/{made['id']}", kind()
    cinder.get(root, 403)
    assert operator.call("PUT", root, {"qos_specs": {"k": "v"}}, 200) == {"qos_specs": {"k": "v"}}
    operator.call("PUT", f"{root}/delete_keys", {"keys": ["k"]}, 202)
    operator.call("PUT", f"{root}/delete_keys", {"keys": ["k"]}, 404)
    operator.get(f"{root}/associate?vol_type_id={type_id}", 202)
    (tied,) = operator.get(f"{root}/associations")["qos_associations"]
    assert (tied["id"], tied["association_type"]) == (type_id, "volume_type")
    operator.call("DELETE", root, expect=400)
    operator.get(f"{root}/disassociate_all", 202)
    operator.call("DELETE", root, expect=202)
    operator.get(root, 404)
    body["qos_specs"]["consumer"] = "nobody"
    operator.call("POST", "/qos-specs", body, 400)


def test_a_type_that_no_host_fulfils_makes_no_volume(cinder, kind, settle):
    kind(extra_specs={"storage_protocol": "iSCSI"})
    volume_id = cinder.make(volume_type="fast")
    settle()
    assert cinder.status(volume_id) == "error"
    (message,) = cinder.get("/messages")["messages"]
    assert "storage_protocol" in message["user_message"]
