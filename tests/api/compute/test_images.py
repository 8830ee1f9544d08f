"""`createImage`, and images through Nova's old paths."""

import json

import pytest

from tests.api.compute.conftest import ROOT
from tests.api.compute.test_newest import FROM_VOLUME
from tests.api.compute.test_servers import at, body, make
from tests.conftest import make_caller


def order(nova, server_id, version="2.1", **body):
    asked = at(nova, version)
    return asked.post(f"{ROOT}/servers/{server_id}/action", {"createImage": {"name": "copy", **body}})


def test_the_answer_names_the_image_by_version(nova, plane):
    server_id = make(nova, plane)
    answer = order(nova, server_id, metadata={"mine": "yes"})
    assert answer.status_code == 202
    image_id = answer.headers["Location"].rsplit("/", 1)[1]
    assert order(nova, server_id).status_code == 409
    shown = nova.get(f"{ROOT}/servers/{server_id}").json()["server"]
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("ACTIVE", "image_snapshot")
    saving = nova.get(f"{ROOT}/images/{image_id}").json()["image"]
    assert (saving["status"], saving["progress"], saving["server"]["id"]) == ("SAVING", 25, server_id)
    plane.settle()
    active = nova.get(f"{ROOT}/images/{image_id}").json()["image"]
    assert (active["status"], active["progress"], active["metadata"]["mine"]) == ("ACTIVE", 100, "yes")
    plane.settle()
    answer = order(nova, server_id, "2.45")
    assert answer.status_code == 202 and set(answer.json()) == {"image_id"}


@pytest.mark.parametrize("body", [{"name": ""}, {"name": "x" * 256}, {"name": "a", "metadata": {"": "b"}}])
def test_bad_bodies_are_refused(nova, plane, body):
    server_id = make(nova, plane)
    assert order(nova, server_id, **body).status_code == 400


def test_images_are_listed_and_changed_through_old_paths(nova, plane):
    server_id = make(nova, plane)
    order(nova, server_id)
    plane.settle()
    (copy,) = nova.get(f"{ROOT}/images?server={server_id}").json()["images"]
    assert copy["name"] == "copy" and set(copy) == {"id", "name", "links"}
    assert nova.get(f"{ROOT}/images/detail?type=SNAPSHOT").json()["images"][0]["id"] == copy["id"]
    assert nova.get(f"{ROOT}/images?status=SAVING").json()["images"] == []
    one = f"{ROOT}/images/{copy['id']}"
    assert nova.post(f"{one}/metadata", {"metadata": {"a": "1"}}).json()["metadata"]["a"] == "1"
    assert nova.put(f"{one}/metadata/a", {"meta": {"a": "2"}}).json() == {"meta": {"a": "2"}}
    assert nova.get(f"{one}/metadata/a").json() == {"meta": {"a": "2"}}
    assert nova.delete(f"{one}/metadata/a").status_code == 204
    assert nova.get(f"{one}/metadata/a").status_code == 404
    assert nova.delete(one).status_code == 204
    assert nova.get(one).status_code == 404
    assert at(nova, "2.36").get(f"{ROOT}/images").status_code == 404


def test_a_backup_is_an_image_and_none_with_no_rotation(nova, plane):
    server_id = make(nova, plane)
    body = {"name": "nightly", "backup_type": "daily", "rotation": "2"}
    answer = nova.post(f"{ROOT}/servers/{server_id}/action", {"createBackup": body})
    assert answer.status_code == 202
    image_id = answer.headers["Location"].rsplit("/", 1)[1]
    assert nova.get(f"{ROOT}/images/{image_id}/metadata").json()["metadata"]["backup_type"] == "daily"
    assert nova.get(f"/image/v2/images/{image_id}/tasks").json() == {"tasks": []}
    plane.settle()
    plane.settle()
    for wrong in ({"rotation": -1}, {"rotation": "x"}, {"name": ""}):
        answer = nova.post(f"{ROOT}/servers/{server_id}/action", {"createBackup": {**body, **wrong}})
        assert answer.status_code == 400
    answer = nova.post(f"{ROOT}/servers/{server_id}/action", {"createBackup": {**body, "rotation": 0}})
    assert answer.status_code == 202 and "Location" not in answer.headers
    assert nova.get(f"{ROOT}/images/{image_id}").status_code == 404


def test_the_image_of_a_server_on_volumes_names_their_snapshots(nova, plane):
    blank = {"source_type": "blank", "destination_type": "volume", "volume_size": 2}
    devices = [{**FROM_VOLUME[0], "delete_on_termination": True}, blank]
    server_id = make(nova, plane, imageRef="", block_device_mapping_v2=devices)
    image_id = order(nova, server_id, "2.45", metadata={"mine": "yes"}).json()["image_id"]
    found = nova.get(f"/image/v2/images/{image_id}").json()
    assert (found["status"], found["size"], found["min_disk"], found["mine"]) == ("active", 0, 1, "yes")
    assert nova.get(f"/image/v2/images/{image_id}/file").status_code == 204
    root, second = json.loads(found["block_device_mapping"])
    assert (root["source_type"], root["boot_index"], root["delete_on_termination"]) == ("snapshot", 0, True)
    assert (second["boot_index"], second["volume_size"]) == (None, 2)
    shown = nova.get(f"{ROOT}/servers/{server_id}").json()["server"]
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("ACTIVE", None)

    # A server is ordered before the snapshots are there, and waits for them.
    copy_id = nova.post(f"{ROOT}/servers", body(imageRef=image_id)).json()["server"]["id"]
    plane.settle()
    copy = nova.get(f"{ROOT}/servers/{copy_id}").json()["server"]
    assert (copy["status"], copy["image"]) == ("ACTIVE", "")
    sources = {}
    for one in copy["os-extended-volumes:volumes_attached"]:
        made = nova.get(f"/volume/v3/volumes/{one['id']}").json()["volume"]
        sources[made["snapshot_id"]] = (made["size"], made["bootable"], made["status"])
    assert sources == {
        root["snapshot_id"]: (1, "true", "in-use"),
        second["snapshot_id"]: (2, "false", "in-use"),
    }
    names = [one["name"] for one in nova.get("/volume/v3/snapshots").json()["snapshots"]]
    assert names == ["snapshot for copy"] * 2
    # What the copy is does not stick to the images made of it.
    again = order(nova, copy_id, "2.45").json()["image_id"]
    assert root["snapshot_id"] not in nova.get(f"/image/v2/images/{again}").text


def test_an_image_without_bytes_is_for_booting_only(nova, plane):
    server_id = make(nova, plane, imageRef="", block_device_mapping_v2=FROM_VOLUME)
    image_id = order(nova, server_id, "2.45").json()["image_id"]
    plane.settle()
    own_id = make(nova, plane)
    for url, asked in (
        (f"{ROOT}/servers/{own_id}/action", {"rebuild": {"imageRef": image_id}}),
        ("/volume/v3/volumes", {"volume": {"size": 1, "imageRef": image_id}}),
    ):
        answer = nova.post(url, asked)
        assert (answer.status_code, "has no bytes" in answer.text) == (400, True), answer.text

    def changed(mapping):
        patch = [{"op": "replace", "path": "/block_device_mapping", "value": mapping}]
        kind = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        answer = nova.request("PATCH", f"/image/v2/images/{image_id}", json=patch, headers=kind)
        assert answer.status_code == 200, answer.text
        return nova.post(f"{ROOT}/servers", body(imageRef=image_id))

    for mapping, told in (
        ("no json", "block_device_mapping"),
        ('[{"boot_index": 0}]', "source_type"),
        ("[]", "no device to boot from"),
        ('[{"source_type": "snapshot", "boot_index": 0}]', "uuid"),
    ):
        answer = changed(mapping)
        assert (answer.status_code, told in answer.text) == (400, True), answer.text


def test_an_image_does_not_lend_its_owners_snapshots(nova, plane):
    server_id = make(nova, plane, imageRef="", block_device_mapping_v2=FROM_VOLUME)
    image_id = order(nova, server_id, "2.45").json()["image_id"]
    plane.settle()
    patch = [{"op": "replace", "path": "/visibility", "value": "community"}]
    kind = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    assert nova.request("PATCH", f"/image/v2/images/{image_id}", json=patch, headers=kind).status_code == 200
    stranger = nova.as_(make_caller("another-project", "member"), X_OpenStack_Nova_API_Version="2.37")
    answer = stranger.post(f"{ROOT}/servers", body(imageRef=image_id, networks="none"))
    assert (answer.status_code, "could not be found" in answer.text) == (400, True), answer.text
