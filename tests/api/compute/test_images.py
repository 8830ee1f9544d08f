"""`createImage`, and images through Nova's old paths."""

import pytest

from tests.api.compute.conftest import ROOT
from tests.api.compute.test_servers import at, make


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
