"""Giving roles over all paths, and the list of assignments as given and as they take effect."""

import pytest


@pytest.fixture
def known(cloud, admin):
    roles = {r["name"]: r["id"] for r in admin.get("/roles").json()["roles"]}
    group = admin.make("/groups", "group", name="g")["id"]
    user = admin.make("/users", "user", name="u")["id"]
    admin.put(f"/groups/{group}/users/{user}")
    return {"group": group, "user": user, "project": cloud.made.demo_project_id, "domain": "default"} | roles


PLACES = ["/projects/{project}", "/domains/{domain}", "/system"]
WHO = ["users/{user}", "groups/{group}"]
PATHS = [(f"{place}/{who}/roles", "") for place in PLACES for who in WHO] + [
    (f"/OS-INHERIT{place}/{who}/roles", "/inherited_to_projects") for place in PLACES[:2] for who in WHO
]


@pytest.mark.parametrize(("path", "tail"), PATHS)
def test_a_role_is_given_seen_and_taken(admin, known, path, tail):
    listed = f"{path.format(**known)}{tail}"
    one = f"{path.format(**known)}/{known['member']}{tail}"
    assert admin.get(one).status_code == 404
    assert admin.put(one).status_code == 204
    assert admin.put(one).status_code == 204
    assert admin.head(one).status_code == 204
    assert [role["name"] for role in admin.get(listed).json()["roles"]] == ["member"]
    query = "user.id={user}" if "users" in path else "group.id={group}"
    (assignment,) = admin.get(f"/role_assignments?{query.format(**known)}").json()["role_assignments"]
    assert assignment["role"] == {"id": known["member"]}
    assert ("OS-INHERIT:inherited_to" in assignment["scope"]) is bool(tail)
    assert assignment["links"]["assignment"] == f"http://testserver/identity/v3{one}"
    assert admin.delete(one).status_code == 204
    assert admin.delete(one).status_code == 404


def test_what_takes_effect(admin, known):
    admin.put(f"/projects/{known['project']}/groups/{known['group']}/roles/{known['member']}")
    path = f"/role_assignments?user.id={known['user']}&effective&include_names"
    found = admin.get(path).json()["role_assignments"]
    assert {a["role"]["name"] for a in found} == {"member", "reader"}
    assert {a["scope"]["project"]["name"] for a in found} == {"demo"}
    assert all(
        a["user"] == {"id": known["user"], "name": "u", "domain": {"id": "default", "name": "Default"}}
        for a in found
    )
    assert all("membership" in a["links"] for a in found)


def test_inherited_takes_effect_in_the_projects_below(admin, known):
    below = admin.make("/projects", "project", name="below", parent_id=known["project"])["id"]
    on = f"/OS-INHERIT/projects/{known['project']}/users/{known['user']}"
    admin.put(f"{on}/roles/{known['reader']}/inherited_to_projects")
    path = f"/role_assignments?user.id={known['user']}&effective"
    assert [a["scope"]["project"]["id"] for a in admin.get(path).json()["role_assignments"]] == [below]
    tree = f"{path}&scope.project.id={known['project']}&include_subtree=1"
    assert len(admin.get(tree).json()["role_assignments"]) == 1
    mine = admin.get(f"/users/{known['user']}/projects").json()["projects"]
    assert [project["id"] for project in mine] == [below]


@pytest.mark.parametrize(
    "path",
    [
        "/projects/{project}/users/none/roles/{member}",
        "/projects/{project}/users/{user}/roles/none",
        "/projects/none/users/{user}/roles/{member}",
        "/domains/none/groups/{group}/roles/{member}",
    ],
)
def test_what_does_not_exist_gets_nothing(admin, known, path):
    assert admin.put(path.format(**known)).status_code == 404


def test_what_a_token_could_be_traded_for(cloud, admin, demo):
    assert [p["name"] for p in demo.get("/auth/projects").json()["projects"]] == ["demo"]
    assert demo.get("/auth/domains").json()["domains"] == []
    assert demo.get("/auth/system").json()["system"] == []
    assert [d["id"] for d in admin.get("/auth/domains").json()["domains"]] == ["default"]
    assert admin.get("/auth/system").json()["system"] == [{"all": True}]
    admin.patch(f"/projects/{cloud.made.demo_project_id}", {"project": {"enabled": False}})
    assert [p["name"] for p in admin.get("/auth/projects").json()["projects"]] == ["admin"]
