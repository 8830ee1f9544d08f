"""Metadata definitions over HTTP: namespaces and what is in them, who sees and who changes them."""

import pytest

from tests.conftest import make_caller
from volutus.image.definitions import items

ROOT = "/image/v2/metadefs"
SIZE = {"title": "Size", "type": "integer", "minimum": 1}


@pytest.fixture
def admin(api):
    return api.as_(make_caller("project-admin", "admin", user="admin"))


def define(admin, name="chips", **more):
    answer = admin.post(f"{ROOT}/namespaces", {"namespace": name, "visibility": "public", **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_namespace_comes_with_its_content(api, admin):
    made = define(
        admin,
        display_name="Chips",
        resource_type_associations=[{"name": "OS::Glance::Image", "prefix": "hw_"}],
        objects=[{"name": "cpu", "required": ["size"], "properties": {"size": SIZE}}],
        properties={"size": SIZE},
        tags=[{"name": "red"}],
    )
    shown = api.get(f"{ROOT}/namespaces/chips").json()
    assert shown == made
    assert shown["properties"] == {"size": SIZE}
    assert shown["objects"][0]["properties"] == {"size": SIZE}
    assert shown["tags"][0]["name"] == "red"
    assert shown["self"] == "/v2/metadefs/namespaces/chips"
    prefixed = api.get(f"{ROOT}/namespaces/chips?resource_type=OS::Glance::Image").json()
    assert list(prefixed["properties"]) == ["hw_size"]
    (listed,) = api.get(f"{ROOT}/namespaces?resource_types=OS::Glance::Image").json()["namespaces"]
    assert listed["resource_type_associations"] == [{"name": "OS::Glance::Image", "prefix": "hw_"}]
    assert api.get(f"{ROOT}/namespaces?resource_types=OS::Nova::Flavor").json()["namespaces"] == []


def test_private_namespaces_are_their_owners(api, admin):
    define(admin, visibility="private")
    assert api.get(f"{ROOT}/namespaces/chips").status_code == 404
    assert api.get(f"{ROOT}/namespaces").json()["namespaces"] == []
    assert api.get(f"{ROOT}/namespaces/chips/objects").status_code == 404
    assert api.post(f"{ROOT}/namespaces", {"namespace": "mine"}).status_code == 403
    assert admin.get(f"{ROOT}/namespaces/chips").json()["owner"] == "project-admin"


def test_a_namespace_is_renamed_protected_and_deleted(api, admin):
    define(admin, tags=[{"name": "red"}])
    changed = admin.put(f"{ROOT}/namespaces/chips", {"namespace": "boards", "protected": True})
    assert (changed.json()["namespace"], changed.json()["visibility"]) == ("boards", "private")
    assert admin.get(f"{ROOT}/namespaces/boards/tags/red").status_code == 200
    assert admin.delete(f"{ROOT}/namespaces/boards").status_code == 403
    admin.put(f"{ROOT}/namespaces/boards", {"namespace": "boards"})
    assert admin.delete(f"{ROOT}/namespaces/boards").status_code == 204
    assert admin.get(f"{ROOT}/namespaces/boards").status_code == 404
    define(admin, "boards")
    assert admin.post(f"{ROOT}/namespaces", {"namespace": "boards"}).status_code == 409


@pytest.mark.parametrize(
    ("plural", "content"),
    [("objects", {"description": "many"}), ("properties", SIZE), ("tags", {})],
)
def test_each_kind_comes_and_goes(api, admin, plural, content):
    define(admin)
    place = f"{ROOT}/namespaces/chips/{plural}"
    made = admin.post(f"{place}/a") if plural == "tags" else admin.post(place, {"name": "a", **content})
    assert made.status_code == 201, made.text
    assert api.get(f"{place}/a").json() == made.json()
    again = admin.post(f"{place}/a") if plural == "tags" else admin.post(place, {"name": "a", **content})
    assert again.status_code == 409
    changed = admin.put(f"{place}/a", {"name": "b", **content})
    assert (changed.status_code, changed.json()["name"]) == (200, "b")
    assert api.get(f"{place}/a").status_code == 404
    found = api.get(place).json()[plural]
    assert next(iter(found)) == "b" if plural == "properties" else found[0]["name"] == "b"
    assert admin.delete(f"{place}/b").status_code == 204
    assert admin.delete(f"{place}/b").status_code == 404
    assert admin.delete(place).status_code == 204


def test_tags_are_set_together_or_added(admin):
    define(admin)
    place = f"{ROOT}/namespaces/chips/tags"

    def names():
        return [tag["name"] for tag in admin.get(place).json()["tags"]]

    assert admin.post(place, {"tags": [{"name": "b"}, {"name": "a"}]}).status_code == 201
    admin.post(place, {"tags": [{"name": "c"}]}, headers={"X-Openstack-Append": "true"})
    assert names() == ["a", "b", "c"]
    admin.post(place, {"tags": [{"name": "d"}]})
    assert names() == ["d"]
    assert admin.post(place, {"tags": [{"name": "e"}, {"name": "e"}]}).status_code == 400


def test_types_of_resources(api, admin):
    define(admin)
    place = f"{ROOT}/namespaces/chips/resource_types"
    assert "OS::Glance::Image" in [
        one["name"] for one in api.get(f"{ROOT}/resource_types").json()["resource_types"]
    ]
    made = admin.post(place, {"name": "My::Thing", "prefix": "my_"})
    assert made.status_code == 201
    assert api.get(place).json()["resource_type_associations"] == [made.json()]
    assert "My::Thing" in [one["name"] for one in api.get(f"{ROOT}/resource_types").json()["resource_types"]]
    assert admin.delete(f"{place}/My::Thing").status_code == 204
    assert admin.delete(f"{place}/My::Thing").status_code == 404


@pytest.mark.parametrize(
    ("plural", "body", "field"),
    [
        ("properties", {"name": "a", "title": "A", "type": "date"}, "a.type"),
        ("properties", {"name": "a", "title": "A", "type": "string", "colour": 1}, "a.colour"),
        ("properties", {"title": "A", "type": "string"}, "name"),
        ("objects", {"name": "a", "properties": {"b": {"type": "string"}}}, "title"),
        ("objects", {"name": "a/b"}, "slashes"),
        ("tags", {"tags": [{"name": "a", "x": 1}]}, "x"),
    ],
)
def test_what_is_no_definition_is_refused_by_name(admin, plural, body, field):
    define(admin)
    answer = admin.post(f"{ROOT}/namespaces/chips/{plural}", body)
    assert answer.status_code == 400
    assert field in answer.json()["message"]


def test_a_list_goes_on_behind_its_marker(admin, database):
    define(admin)
    define(admin, "boards")
    place = f"{ROOT}/namespaces/chips/objects"
    for name in ("a", "b", "c"):
        admin.post(place, {"name": name})
    admin.post(f"{ROOT}/namespaces/boards/objects", {"name": "d"})
    first = admin.get(f"{place}?limit=2").json()
    assert [one["name"] for one in first["objects"]] == ["a", "b"]
    assert [one["name"] for one in admin.get("/image" + first["next"]).json()["objects"]] == ["c"]
    assert admin.get(f"{place}?marker=d").status_code == 404
    with database.begin() as tx:
        items.of_namespace(tx, "chips")
        assert tx.statements == 1


@pytest.mark.parametrize("name", ["namespace", "object", "property", "tag", "resource_type"])
def test_clients_can_fetch_the_schemas(api, name):
    single, plural = name, {"property": "properties"}.get(name, f"{name}s")
    for one in (single, plural):
        answer = api.get(f"/image/v2/schemas/metadefs/{one}")
        assert answer.status_code == 200
        assert answer.json()["properties"]
    assert api.get("/image/v2/schemas/metadefs/nonsense").status_code == 404
