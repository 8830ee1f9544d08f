"""The Image API's documents: create, show, list, patch, delete."""

import pytest

from tests.conftest import make_caller
from volutus import quota
from volutus.db import Tx

ROOT = "/image/v2"
PATCH_21 = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
PATCH_20 = {"Content-Type": "application/openstack-images-v2.0-json-patch"}


def make(api, **body):
    answer = api.post(f"{ROOT}/images", body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def patch(api, image, *operations, headers=PATCH_21):
    return api.patch(f"{ROOT}/images/{image['id']}", list(operations), headers=headers)


def names(api, **query):
    answer = api.get(f"{ROOT}/images", params=query)
    assert answer.status_code == 200, answer.text
    return [image["name"] for image in answer.json()["images"]]


@pytest.fixture
def admin(api):
    return api.as_(make_caller("project-admin", "admin", user="admin"))


@pytest.fixture
def other(api):
    return api.as_(make_caller("project-b", user="user-b"))


def test_versions_need_no_token(api):
    answer = api.request("GET", "/image/", headers={"X-Auth-Token": ""})
    assert answer.status_code == 300
    versions = answer.json()["versions"]
    assert versions[0]["status"] == "CURRENT"
    assert all(version["links"][0]["href"] == "http://testserver/image/v2/" for version in versions)
    assert api.get("/image/versions").status_code == 200


def test_a_new_image_has_exactly_the_documented_keys(api):
    image = make(
        api, name="one", disk_format="raw", container_format="bare", tags=["b", "a", "a"], os_distro="debian"
    )
    assert set(image) == {
        *("id", "name", "status", "visibility", "protected", "os_hidden", "owner", "disk_format", "self"),
        *("container_format", "min_disk", "min_ram", "size", "virtual_size", "checksum", "os_hash_algo"),
        *("os_hash_value", "tags", "created_at", "updated_at", "file", "schema", "os_distro"),
    }
    assert image["status"] == "queued"
    assert image["visibility"] == "shared"
    assert image["owner"] == "project-a"
    assert image["tags"] == ["a", "b"]
    assert image["created_at"] == "2026-11-21T12:00:00Z"
    assert image["size"] is None
    assert image["file"] == f"/v2/images/{image['id']}/file"
    assert api.get(f"/image{image['self']}").json() == image


def test_a_create_tells_where_the_image_is_and_how_it_may_be_imported(api):
    answer = api.post(f"{ROOT}/images", {"name": "one"})
    assert answer.headers["Location"].endswith(f"/image/v2/images/{answer.json()['id']}")
    assert answer.headers["OpenStack-image-import-methods"] == "glance-direct,copy-image"


REFUSED_CREATES = [
    ({"disk_format": "wrong"}, 400),
    ({"container_format": "wrong"}, 400),
    ({"disk_format": "aki", "container_format": "ari"}, 400),
    ({"visibility": "secret"}, 400),
    ({"min_disk": -1}, 400),
    ({"min_ram": 2**31}, 400),
    ({"min_ram": "12"}, 400),
    ({"min_disk": True}, 400),
    ({"protected": "yes"}, 400),
    ({"name": "x" * 256}, 400),
    ({"name": 5}, 400),
    ({"tags": "one"}, 400),
    ({"tags": ["x" * 256]}, 400),
    ({"tags": [str(n) for n in range(129)]}, 400),
    ({"id": "not-a-uuid"}, 400),
    ({"id": 5}, 400),
    ({"colour": 5}, 400),
    ({"colour": None}, 400),
    ({"kernel_id": "not-a-uuid"}, 400),
    ({f"p{n}": "x" for n in range(129)}, 400),
    ({"status": "active"}, 403),
    ({"size": 5}, 403),
    ({"locations": []}, 403),
    ({"os_glance_thing": "x"}, 403),
    ({"visibility": "public"}, 403),
    ({"owner": "project-b"}, 403),
]


@pytest.mark.parametrize(("body", "status"), REFUSED_CREATES)
def test_a_create_is_refused(api, body, status):
    answer = api.post(f"{ROOT}/images", body)
    assert answer.status_code == status, answer.text
    assert answer.json()["code"].startswith(str(status))
    assert names(api) == []


def test_an_id_may_be_chosen_once(api):
    wished = "5f2a1d4e-7a3c-4c1b-9f0e-0d6b8a7c9e11"
    assert make(api, id=wished)["id"] == wished
    assert api.post(f"{ROOT}/images", {"id": wished}).status_code == 409


def test_an_administrator_may_publish_and_give_away(admin, api):
    image = make(admin, name="offered", visibility="public", owner="project-c")
    assert image["owner"] == "project-c"
    assert names(api) == ["offered"]


PATCHES = [
    ([{"op": "replace", "path": "/name", "value": "two"}], "name", "two"),
    ([{"op": "add", "path": "/colour", "value": "red"}], "colour", "red"),
    ([{"op": "add", "path": "/a~1b~0c", "value": "x"}], "a/b~c", "x"),
    ([{"op": "replace", "path": "/tags", "value": ["x", "y"]}], "tags", ["x", "y"]),
    ([{"op": "replace", "path": "/min_disk", "value": 3}], "min_disk", 3),
    ([{"op": "replace", "path": "/os_hidden", "value": True}], "os_hidden", True),
    ([{"op": "add", "path": "/x", "value": "1"}, {"op": "replace", "path": "/x", "value": "2"}], "x", "2"),
    ([{"op": "replace", "path": "/old", "value": "newer"}], "old", "newer"),
]


@pytest.mark.parametrize(("operations", "key", "value"), PATCHES)
def test_a_patch_changes_the_image(api, clock, operations, key, value):
    image = make(api, name="one", old="new")
    clock.advance(60)
    answer = patch(api, image, *operations)
    assert answer.status_code == 200, answer.text
    assert answer.json()[key] == value
    assert answer.json()["updated_at"] == "2026-11-21T12:01:00Z"
    assert api.get(f"{ROOT}/images/{image['id']}").json() == answer.json()


def test_the_older_patch_syntax_is_understood(api):
    image = make(api, name="one", gone="x")
    answer = patch(
        api,
        image,
        {"replace": "/name", "value": "two"},
        {"add": "/n", "value": "1"},
        {"remove": "/gone"},
        headers=PATCH_20,
    )
    assert answer.status_code == 200, answer.text
    assert (answer.json()["name"], answer.json()["n"]) == ("two", "1")
    assert "gone" not in answer.json()


REFUSED_PATCHES = [
    ({"op": "replace", "path": "/status", "value": "active"}, 403),
    ({"op": "replace", "path": "/id", "value": "x"}, 403),
    ({"op": "add", "path": "/locations/-", "value": {}}, 403),
    ({"op": "add", "path": "/os_glance_x", "value": "x"}, 403),
    ({"op": "remove", "path": "/name"}, 403),
    ({"op": "replace", "path": "/visibility", "value": "public"}, 403),
    ({"op": "replace", "path": "/owner", "value": "project-b"}, 403),
    ({"op": "replace", "path": "/absent", "value": "x"}, 409),
    ({"op": "remove", "path": "/absent"}, 409),
    ({"op": "replace", "path": "/min_disk", "value": "3"}, 400),
    ({"op": "replace", "path": "/a/b", "value": "3"}, 400),
    ({"op": "replace", "path": "name", "value": "3"}, 400),
    ({"op": "replace", "path": "/name"}, 400),
    ({"op": "move", "path": "/name", "value": "x"}, 400),
    ({"replace": "/name", "value": "x"}, 400),
]


@pytest.mark.parametrize(("operation", "status"), REFUSED_PATCHES)
def test_a_patch_is_refused_as_a_whole(api, operation, status):
    image = make(api, name="one")
    answer = patch(api, image, {"op": "replace", "path": "/name", "value": "two"}, operation)
    assert answer.status_code == status, answer.text
    assert api.get(f"{ROOT}/images/{image['id']}").json()["name"] == "one"


def test_a_patch_of_another_type_is_refused(api):
    image = make(api, name="one")
    assert patch(api, image, headers={"Content-Type": "application/json"}).status_code == 415


def test_a_deleted_image_is_gone_and_its_quota_back(api):
    image = make(api, name="one")
    assert api.delete(f"{ROOT}/images/{image['id']}").status_code == 204
    for answer in (api.get(f"{ROOT}/images/{image['id']}"), api.delete(f"{ROOT}/images/{image['id']}")):
        assert answer.status_code == 404
        assert answer.json() == {
            "message": f"No image found with ID {image['id']}",
            "code": "404 Not Found",
            "title": "Not Found",
        }
    assert names(api) == []


def test_a_protected_image_stays(api):
    image = make(api, name="one", protected=True)
    assert api.delete(f"{ROOT}/images/{image['id']}").status_code == 403
    assert patch(api, image, {"op": "replace", "path": "/protected", "value": False}).status_code == 200
    assert api.delete(f"{ROOT}/images/{image['id']}").status_code == 204


def test_an_empty_id_is_no_image(api):
    assert api.get(f"{ROOT}/images/").status_code == 404
    assert api.delete(f"{ROOT}/images/").status_code == 404
    assert api.delete(f"{ROOT}/images").status_code == 405


@pytest.mark.parametrize(
    ("visibility", "seen", "in_list"),
    [("private", False, False), ("shared", False, False), ("community", True, False), ("public", True, True)],
)
def test_what_another_project_sees(api, admin, other, visibility, seen, in_list):
    image = make(admin, name="theirs", visibility=visibility)
    path = f"{ROOT}/images/{image['id']}"
    assert other.get(path).status_code == (200 if seen else 404)
    assert other.delete(path).status_code == (403 if seen else 404)
    assert patch(other, image, {"op": "replace", "path": "/name", "value": "mine"}).status_code == (
        403 if seen else 404
    )
    assert (names(other) == ["theirs"]) == in_list
    assert (names(other, visibility=visibility) == ["theirs"]) == seen
    assert (names(other, visibility="all") == ["theirs"]) == seen
    assert names(admin) == ["theirs"]


def test_readers_read_only(api):
    image = make(api, name="one")
    reader = api.as_(make_caller(role="reader"))
    assert reader.get(f"{ROOT}/images/{image['id']}").status_code == 200
    assert reader.post(f"{ROOT}/images", {}).status_code == 403
    assert reader.delete(f"{ROOT}/images/{image['id']}").status_code == 403


@pytest.fixture
def collection(api, clock):
    made = {}
    for name, body in {
        "a": {"disk_format": "raw", "container_format": "bare", "tags": ["red", "round"], "min_ram": 64},
        "b": {"disk_format": "qcow2", "container_format": "bare", "tags": ["red"], "visibility": "private"},
        "c": {"os_distro": "debian", "protected": True},
        "d": {"os_hidden": True},
    }.items():
        made[name] = make(api, name=name, **body)
        clock.advance(60)
    yield made


FILTERS = [
    ({}, "cba"),
    ({"name": "b"}, "b"),
    ({"name": "in:a,b"}, "ba"),
    ({"name": 'in:"a","b"'}, "ba"),
    ({"disk_format": "raw"}, "a"),
    ({"container_format": "bare"}, "ba"),
    ({"status": "queued"}, "cba"),
    ({"status": "active"}, ""),
    ({"owner": "project-a"}, "cba"),
    ({"owner": "project-b"}, ""),
    ({"visibility": "private"}, "b"),
    ({"tag": "red"}, "ba"),
    ({"tag": ["red", "round"]}, "a"),
    ({"os_distro": "debian"}, "c"),
    ({"protected": "true"}, "c"),
    ({"os_hidden": "true"}, "d"),
    ({"min_ram": "64"}, "a"),
    ({"size_min": "1"}, ""),
    ({"created_at": "gt:2026-11-21T12:00:30Z"}, "cb"),
    ({"created_at": "lte:2026-11-21T12:01:00"}, "ba"),
    ({"created_at": "2026-11-21T12:00:00Z"}, "a"),
    ({"updated_at": "neq:2026-11-21T12:00:00Z"}, "cb"),
    ({"sort": "name:asc"}, "abc"),
    ({"sort_key": "name", "sort_dir": "desc"}, "cba"),
    ({"sort_key": "min_ram"}, "acb"),
    ({"limit": "2"}, "cb"),
]


@pytest.mark.parametrize(("query", "expected"), FILTERS)
def test_lists_are_filtered_and_sorted(api, collection, query, expected):
    found = names(api, **query)
    if query.get("sort_key") == "min_ram":
        assert found[0] == "a"
    else:
        assert found == list(expected)


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "x"}, {"limit": "-1"}, {"sort_key": "colour"}, {"sort_dir": "up", "sort_key": "name"},
        {"marker": "none"}, {"visibility": "x"}, {"member_status": "x"}, {"size_min": "x"},
        {"created_at": "gt:yesterday"}, {"created_at": "near:2026-11-21"}, {"protected": "x"},
        {"sort": "name", "sort_key": "size"},
    ],
)  # fmt: skip
def test_a_query_is_refused(api, query):
    assert api.get(f"{ROOT}/images", params=query).status_code == 400


def test_pages_lead_to_the_next(api, collection):
    answer = api.get(f"{ROOT}/images", params={"limit": 2, "sort": "name:asc"}).json()
    assert answer["schema"] == "/v2/schemas/images"
    assert answer["first"] == "/v2/images?limit=2&sort=name%3Aasc"
    rest = api.get(f"/image{answer['next']}").json()
    assert [image["name"] for image in answer["images"] + rest["images"]] == ["a", "b", "c"]
    assert "next" not in rest


def test_a_list_costs_one_statement(api, database, collection, monkeypatch):
    counted = []
    plain = Tx.execute
    monkeypatch.setattr(Tx, "execute", lambda self, *a: (counted.append(a), plain(self, *a))[1])
    assert len(names(api)) == 3
    assert len(counted) == 1


def test_tags_come_and_go(api):
    image = make(api, name="one")
    path = f"{ROOT}/images/{image['id']}"
    assert api.put(f"{path}/tags/red").status_code == 204
    assert api.put(f"{path}/tags/red").status_code == 204
    assert api.get(path).json()["tags"] == ["red"]
    assert api.put(f"{path}/tags/{'x' * 256}").status_code == 400
    assert api.delete(f"{path}/tags/red").status_code == 204
    assert api.delete(f"{path}/tags/red").status_code == 404
    assert api.get(path).json()["tags"] == []


@pytest.mark.parametrize("name", ["image", "images", "member", "members"])
def test_schemas_say_their_name(api, name):
    assert api.get(f"{ROOT}/schemas/{name}").json()["name"] == name


def test_the_schema_knows_every_key_of_an_image(api):
    known = api.get(f"{ROOT}/schemas/image").json()["properties"]
    assert set(make(api, name="one")) <= set(known)


def test_information(api):
    assert api.get(f"{ROOT}/schemas/none").status_code == 404
    assert api.get(f"{ROOT}/info/import").json()["import-methods"]["value"] == ["glance-direct", "copy-image"]
    assert api.get(f"{ROOT}/info/stores").json()["stores"][0]["id"] == "local"


def test_the_number_of_images_has_a_limit(api, database):
    with database.begin() as tx:
        quota.set_limits(tx, "project-a", {"images": 1})
    make(api, name="one")
    assert api.post(f"{ROOT}/images", {}).status_code == 413
