"""Files that an order carries, which the API took before 2.57."""

import base64
import json

from tests.api.compute.conftest import ROOT
from tests.api.compute.test_servers import IMAGE, at, body, make


def files(*named):
    return [{"path": path, "contents": base64.b64encode(text.encode()).decode()} for path, text in named]


def on_drive(plane, server_id):
    """Path in the guest to content, as what reads the drive finds it."""
    tree = plane.hosts[0].guests[server_id].spec.metadata
    listed = json.loads(tree["openstack/latest/meta_data.json"]).get("files", [])
    return {file["path"]: tree[f"openstack{file['content_path']}"] for file in listed}


def test_files_are_on_the_config_drive(nova, plane):
    old = at(nova, "2.56")
    id_ = make(old, plane, personality=files(("/etc/one", "1\n"), ("two", "2")), config_drive=False)
    assert on_drive(plane, id_) == {"/etc/one": "1\n", "/two": "2"}
    assert plane.hosts[0].guests[id_].spec.config_drive
    url = f"{ROOT}/servers/{id_}/action"
    again = {"rebuild": {"imageRef": IMAGE, "personality": files(("/three", "3"))}}
    assert old.post(url, again).status_code == 202
    plane.settle()
    assert on_drive(plane, id_) == {"/three": "3"}


def test_files_are_bounded_and_went_from_the_api(nova, plane):
    old = at(nova, "2.56")
    limits = old.get(f"{ROOT}/limits").json()["limits"]["absolute"]
    assert (limits["maxPersonality"], limits["maxPersonalitySize"]) == (5, 10240)

    def refusal(client, *named, **changes):
        return client.post(f"{ROOT}/servers", body(personality=files(*named), **changes)).status_code

    assert refusal(old, *((f"/{number}", "x") for number in range(6))) == 403
    assert refusal(old, ("/a", "x" * 10241)) == 403
    assert refusal(old, ("/" + "a" * 255, "x")) == 403
    assert refusal(old, ("/a/../b", "x")) == 400
    assert refusal(at(nova, "2.57"), ("/a", "x")) == 400
    bare = body(personality=[{"path": "/a", "contents": "this is no base64"}])
    assert old.post(f"{ROOT}/servers", bare).status_code == 400
    changed = {"injected_files": 6, "injected_file_content_bytes": 20000, "fixed_ips": 99}
    url = f"{ROOT}/os-quota-class-sets/default"
    answer = at(nova, "2.1", role="admin").put(url, {"quota_class_set": changed}).json()["quota_class_set"]
    assert {name: answer[name] for name in changed} == changed
    assert refusal(old, *((f"/{number}", "x") for number in range(6))) == 202
