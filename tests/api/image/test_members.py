"""Sharing an image with projects that decide for themselves."""

import pytest

from tests.api.image.test_images import ROOT, make, names
from tests.conftest import make_caller


@pytest.fixture
def other(api):
    return api.as_(make_caller("project-b", user="user-b"))


@pytest.fixture
def shared(api):
    image = make(api, name="shared")
    answer = api.post(f"{ROOT}/images/{image['id']}/members", {"member": "project-b"})
    assert answer.status_code == 200, answer.text
    return f"{ROOT}/images/{image['id']}", answer.json()


def test_a_new_member_is_pending(api, shared):
    path, member = shared
    assert set(member) == {"image_id", "member_id", "status", "created_at", "updated_at", "schema"}
    assert (member["member_id"], member["status"]) == ("project-b", "pending")
    assert api.get(f"{path}/members").json() == {"members": [member], "schema": "/v2/schemas/members"}
    assert api.post(f"{path}/members", {"member": "project-b"}).status_code == 409


@pytest.mark.parametrize(("status", "listed"), [("accepted", True), ("rejected", False), ("pending", False)])
def test_only_what_a_member_accepted_is_in_its_list(other, shared, status, listed):
    path, _ = shared
    assert other.put(f"{path}/members/project-b", {"status": status}).json()["status"] == status
    assert (names(other) == ["shared"]) == listed
    assert names(other, member_status="all") == ["shared"]
    assert names(other, member_status=status, visibility="shared") == ["shared"]
    assert other.get(path).status_code == 200


def test_the_decision_is_the_members_alone(api, other, shared):
    path, _ = shared
    assert api.put(f"{path}/members/project-b", {"status": "accepted"}).status_code == 403
    assert other.put(f"{path}/members/project-b", {"status": "perhaps"}).status_code == 400
    assert other.put(f"{path}/members/project-c", {"status": "accepted"}).status_code == 404
    assert other.post(f"{path}/members", {"member": "project-c"}).status_code == 403
    assert other.delete(f"{path}/members/project-b").status_code == 403


def test_a_member_sees_itself_alone(api, other, shared):
    path, member = shared
    api.post(f"{path}/members", {"member": "project-c"})
    assert len(api.get(f"{path}/members").json()["members"]) == 2
    assert other.get(f"{path}/members").json()["members"] == [member]
    assert other.get(f"{path}/members/project-b").json() == member
    assert other.get(f"{path}/members/project-c").status_code == 404
    assert api.as_(make_caller("project-d")).get(f"{path}/members").status_code == 404


def test_a_removed_member_sees_nothing(api, other, shared):
    path, _ = shared
    assert api.delete(f"{path}/members/project-b").status_code == 204
    assert api.delete(f"{path}/members/project-b").status_code == 404
    assert other.get(path).status_code == 404


def test_only_shared_images_have_members(api):
    image = make(api, name="private", visibility="private")
    path = f"{ROOT}/images/{image['id']}/members"
    assert api.post(path, {"member": "project-b"}).status_code == 403
    assert api.get(path).status_code == 403
