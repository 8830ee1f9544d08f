"""Each noun's life over HTTP: made, shown, listed, changed, refused, gone."""

import pytest

LIVES = [
    ("domains", "domain", {"name": "d"}, {"description": "x", "enabled": False}),
    ("projects", "project", {"name": "p"}, {"description": "x", "tags": ["a"]}),
    ("users", "user", {"name": "u", "email": "u@x"}, {"email": "v@x", "enabled": False}),
    ("groups", "group", {"name": "g"}, {"description": "x"}),
    ("roles", "role", {"name": "r"}, {"description": "x"}),
    ("regions", "region", {"id": "r1"}, {"description": "x"}),
    ("services", "service", {"type": "t", "name": "n"}, {"enabled": False}),
    ("policies", "policy", {"type": "t", "blob": "b"}, {"blob": "c"}),
]


@pytest.mark.parametrize(("plural", "singular", "made", "changes"), LIVES, ids=[life[0] for life in LIVES])
def test_the_life_of(admin, plural, singular, made, changes):
    first = admin.make(f"/{plural}", singular, **made, colour="red")
    assert first.items() >= made.items()
    assert first["colour"] == "red"
    path = f"/{plural}/{first['id']}"
    assert first["links"]["self"] == f"http://testserver/identity/v3{path}"
    assert admin.get(path).json()[singular] == first
    assert first in admin.get(f"/{plural}").json()[plural]
    changed = admin.patch(path, {singular: {**changes, "colour": None}}).json()[singular]
    assert changed.items() >= changes.items()
    assert "colour" not in changed
    assert admin.delete(path).status_code == 204
    assert admin.get(path).status_code == 404
    assert admin.patch(path, {singular: changes}).status_code == 404
    assert admin.delete(path).status_code == 404


@pytest.mark.parametrize(
    ("path", "name", "body"),
    [
        ("/users", "user", {"name": "demo"}),
        ("/projects", "project", {"name": "demo"}),
        ("/domains", "domain", {"name": "Default"}),
        ("/roles", "role", {"name": "admin"}),
        ("/regions", "region", {"id": "RegionOne"}),
    ],
)
def test_names_are_taken_once(admin, path, name, body):
    assert admin.post(path, {name: body}).status_code == 409


INVALID = [
    ("/users", "user", {}),
    ("/users", "user", {"name": ""}),
    ("/users", "user", {"name": "n" * 256}),
    ("/users", "user", {"name": "n", "enabled": "yes"}),
    ("/users", "user", {"name": "n", "options": {"unknown": True}}),
    ("/users", "user", {"name": "n", "options": {"multi_factor_auth_rules": "password"}}),
    ("/projects", "project", {"name": "n" * 65}),
    ("/projects", "project", {"name": "n", "tags": ["a,b"]}),
    ("/domains", "domain", {"name": 5}),
    ("/groups", "group", {}),
    ("/services", "service", {"name": "n"}),
    ("/endpoints", "endpoint", {"interface": "public", "url": "http://x"}),
    ("/endpoints", "endpoint", {"interface": "private", "url": "http://x", "service_id": "x"}),
    ("/credentials", "credential", {"type": "cert"}),
    ("/policies", "policy", {"type": "t"}),
    ("/users", "group", {"name": "n"}),
]


@pytest.mark.parametrize(("path", "name", "body"), INVALID)
def test_bad_bodies_are_refused(admin, path, name, body):
    assert admin.post(path, {name: body}).status_code == 400


def test_a_password_is_never_shown(admin):
    made = admin.make("/users", "user", name="u", password="secret words")
    assert "secret words" not in admin.get(f"/users/{made['id']}").text
    assert "password" not in made
    assert made["password_expires_at"] is None


def test_projects_are_trees(admin):
    top = admin.make("/projects", "project", name="top")
    assert top["parent_id"] == top["domain_id"] == "default"
    middle = admin.make("/projects", "project", name="middle", parent_id=top["id"])
    leaf = admin.make("/projects", "project", name="leaf", parent_id=middle["id"])
    path = f"/projects/{leaf['id']}"
    shown = admin.get(f"{path}?parents_as_list").json()["project"]
    assert [p["project"]["name"] for p in shown["parents"]] == ["middle", "top"]
    assert admin.get(f"{path}?parents_as_ids").json()["project"]["parents"] == {
        middle["id"]: {top["id"]: None}
    }
    shown = admin.get(f"/projects/{top['id']}?subtree_as_list").json()["project"]
    assert [p["project"]["name"] for p in shown["subtree"]] == ["middle", "leaf"]
    assert admin.get(f"/projects/{top['id']}?subtree_as_ids").json()["project"]["subtree"] == {
        middle["id"]: {leaf["id"]: None}
    }
    assert [p["id"] for p in admin.get(f"/projects?parent_id={top['id']}").json()["projects"]] == [
        middle["id"]
    ]
    assert admin.delete(f"/projects/{middle['id']}").status_code == 403
    assert admin.patch(f"/projects/{top['id']}", {"project": {"enabled": False}}).status_code == 403
    assert admin.patch(path, {"project": {"parent_id": top["id"]}}).status_code == 403
    deepest = leaf["id"]
    for depth in range(2):
        deepest = admin.make("/projects", "project", name=f"d{depth}", parent_id=deepest)["id"]
    too_deep = admin.post("/projects", {"project": {"name": "d9", "parent_id": deepest}})
    assert too_deep.status_code == 403


def test_tags(admin):
    project = admin.make("/projects", "project", name="p", tags=["b"])
    path = f"/projects/{project['id']}/tags"
    assert admin.put(f"{path}/a").status_code == 201
    assert admin.get(path).json()["tags"] == ["a", "b"]
    assert admin.get(f"{path}/a").status_code == 204
    assert admin.get(f"{path}/c").status_code == 404
    for query, found in (
        ("tags=a,b", True),
        ("tags=a,c", False),
        ("tags-any=a,c", True),
        ("not-tags=a", False),
    ):
        listed = [p["id"] for p in admin.get(f"/projects?{query}").json()["projects"]]
        assert (project["id"] in listed) is found, query
    assert admin.delete(f"{path}/a").status_code == 204
    assert admin.put(path, {"tags": ["x", "y"]}).json()["tags"] == ["x", "y"]
    assert admin.delete(path).status_code == 204
    assert admin.get(path).json()["tags"] == []


def test_a_domain_goes_with_all_that_is_in_it_once_disabled(admin):
    domain = admin.make("/domains", "domain", name="d")["id"]
    project = admin.make("/projects", "project", name="p", domain_id=domain)
    admin.make("/projects", "project", name="q", parent_id=project["id"], domain_id=domain)
    admin.make("/users", "user", name="u", domain_id=domain)
    assert admin.delete(f"/domains/{domain}").status_code == 403
    admin.patch(f"/domains/{domain}", {"domain": {"enabled": False}})
    assert admin.delete(f"/domains/{domain}").status_code == 204
    assert admin.get(f"/projects/{project['id']}").status_code == 404
    assert admin.delete("/domains/default").status_code == 403


def test_lists_are_paged_filtered_and_link_onwards(admin):
    for number in range(5):
        admin.make("/users", "user", name=f"Paged-{number}")
    path = "/users?name__icontains=paged&limit=2&sort_key=name"
    seen: list[str] = []
    while path:
        body = admin.get(path).json()
        seen += [user["name"] for user in body["users"]]
        path = (body["links"]["next"] or "").removeprefix("http://testserver")
    assert seen == [f"Paged-{number}" for number in range(5)]
    assert len(admin.get("/users?name=Paged-3").json()["users"]) == 1
    assert admin.get("/users?enabled=false").json()["users"] == []


def test_endpoints_are_shown_whole_and_filtered(admin):
    service = admin.make("/services", "service", type="t")["id"]
    ours = admin.make(
        "/endpoints", "endpoint", service_id=service, interface="public", url="/t/$(project_id)s"
    )
    assert ours["url"] == "http://testserver/t/$(project_id)s"
    region = admin.make(
        "/endpoints", "endpoint", service_id=service, interface="admin", url="http://x", region="new"
    )
    assert region["region_id"] == region["region"] == "new"
    assert admin.get("/regions/new").status_code == 200
    assert admin.delete("/regions/new").status_code == 409
    listed = admin.get(f"/endpoints?service_id={service}&interface=admin").json()["endpoints"]
    assert [e["id"] for e in listed] == [region["id"]]
    assert admin.delete(f"/services/{service}").status_code == 204
    assert admin.get(f"/endpoints/{ours['id']}").status_code == 404


def test_roles_imply_others_but_not_in_circles_nor_admin(admin):
    roles = {r["name"]: r["id"] for r in admin.get("/roles").json()["roles"]}
    made = admin.make("/roles", "role", name="auditor")["id"]
    path = f"/roles/{made}/implies/{roles['reader']}"
    assert admin.put(path).status_code == 201
    assert admin.head(path).status_code == 204
    implied = admin.get(f"/roles/{made}/implies").json()["role_inference"]["implies"]
    assert [role["name"] for role in implied] == ["reader"]
    assert len(admin.get("/role_inferences").json()["role_inferences"]) == 4
    assert admin.put(f"/roles/{roles['reader']}/implies/{made}").status_code == 400
    assert admin.put(f"/roles/{made}/implies/{roles['admin']}").status_code == 403
    assert admin.delete(path).status_code == 204
    assert admin.delete(path).status_code == 404


def test_a_user_changes_his_own_password(cloud, demo):
    path = f"/users/{cloud.made.demo_user_id}/password"
    wrong = {"user": {"original_password": "wrong", "password": "new words"}}
    assert demo.post(path, wrong).status_code == 401
    right = {"user": {"original_password": "demo's password", "password": "new words"}}
    assert demo.post(path, right).status_code == 204
    assert demo.get("/auth/projects").status_code == 401
    assert cloud.attempt("demo", "demo's password").status_code == 401
    assert cloud.attempt("demo", "new words").status_code == 201


def test_groups_have_members(admin, cloud):
    group = admin.make("/groups", "group", name="g")["id"]
    member = f"/groups/{group}/users/{cloud.made.demo_user_id}"
    assert admin.get(member).status_code == 404
    assert admin.put(member).status_code == 204
    assert admin.put(member).status_code == 204
    assert admin.head(member).status_code == 204
    assert [u["name"] for u in admin.get(f"/groups/{group}/users").json()["users"]] == ["demo"]
    listed = admin.get(f"/users/{cloud.made.demo_user_id}/groups").json()["groups"]
    assert [g["id"] for g in listed] == [group]
    assert admin.delete(member).status_code == 204
    assert admin.delete(member).status_code == 404
