"""Who may do what: one table of requests against the personas of Keystone's defaults."""

from typing import Any

import pytest

from tests.api.identity.conftest import Cloud, Session

PASSWORD = "a password"


class Company:
    """A domain with a manager, a reader, a member with a project; beside it another domain."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.admin = cloud, cloud.admin()
        self.roles = {r["name"]: r["id"] for r in self.admin.get("/roles").json()["roles"]}
        self.domain = self.admin.make("/domains", "domain", name="ours")["id"]
        self.other_domain = self.admin.make("/domains", "domain", name="theirs")["id"]
        self.project = self.admin.make("/projects", "project", name="ours", domain_id=self.domain)["id"]
        self.other_project = self.admin.make(
            "/projects", "project", name="theirs", domain_id=self.other_domain
        )["id"]
        self.group = self.admin.make("/groups", "group", name="ours", domain_id=self.domain)["id"]
        self.users = {name: self._user(name, self.domain) for name in ("manager", "reader", "member")}
        self.other_user = self._user("other", self.other_domain)
        for name in ("manager", "reader"):
            self._give(f"/domains/{self.domain}/users/{self.users[name]}/roles/{self.roles[name]}")
        self._give(f"/projects/{self.project}/users/{self.users['member']}/roles/{self.roles['member']}")
        self._give(f"/system/users/{self.users['reader']}/roles/{self.roles['reader']}")

    def _user(self, name: str, domain: str) -> str:
        return str(self.admin.make("/users", "user", name=name, domain_id=domain, password=PASSWORD)["id"])

    def _give(self, path: str) -> None:
        assert self.admin.put(path).status_code == 204

    def persona(self, name: str) -> Session:
        if name == "admin":
            return self.admin
        if name == "system_reader":
            return self.cloud.session("reader", PASSWORD, {"system": {"all": True}}, self.domain)
        if name == "member":
            return self.cloud.session("member", PASSWORD, {"project": {"id": self.project}}, self.domain)
        if name == "unscoped":
            return self.cloud.session("member", PASSWORD, "unscoped", self.domain)
        user = name.removeprefix("domain_")
        return self.cloud.session(user, PASSWORD, {"domain": {"id": self.domain}}, self.domain)

    def fill(self, text: str) -> str:
        return text.format(
            domain=self.domain,
            other_domain=self.other_domain,
            project=self.project,
            other_project=self.other_project,
            group=self.group,
            member=self.users["member"],
            other_user=self.other_user,
            role=self.roles["member"],
            admin_role=self.roles["admin"],
        )


@pytest.fixture
def company(cloud: Cloud) -> Company:
    return Company(cloud)


ALL = {"admin", "system_reader", "domain_manager", "domain_reader", "member", "unscoped"}
READERS = {"admin", "system_reader", "domain_manager", "domain_reader"}
MANAGERS = {"admin", "domain_manager"}
SEE_ALL = {"admin", "system_reader"}
TABLE: list[tuple[str, str, Any, set[str]]] = [
    ("GET", "/domains", None, READERS),
    ("GET", "/domains/{domain}", None, READERS | {"member"}),
    ("GET", "/domains/{other_domain}", None, SEE_ALL),
    ("POST", "/domains", {"domain": {"name": "new"}}, {"admin"}),
    ("PATCH", "/domains/{domain}", {"domain": {"description": "x"}}, {"admin"}),
    ("GET", "/projects", None, READERS),
    ("GET", "/projects?domain_id={other_domain}", None, SEE_ALL),
    ("GET", "/projects/{project}", None, READERS | {"member"}),
    ("GET", "/projects/{other_project}", None, SEE_ALL),
    ("POST", "/projects", {"project": {"name": "new", "domain_id": "{domain}"}}, MANAGERS),
    ("POST", "/projects", {"project": {"name": "new", "domain_id": "{other_domain}"}}, {"admin"}),
    ("PATCH", "/projects/{project}", {"project": {"description": "x"}}, MANAGERS),
    ("PUT", "/projects/{project}/tags/x", None, MANAGERS),
    ("DELETE", "/projects/{other_project}", None, {"admin"}),
    ("GET", "/users", None, READERS),
    ("GET", "/users/{member}", None, ALL),
    ("GET", "/users/{other_user}", None, SEE_ALL),
    ("GET", "/users/{member}/projects", None, ALL),
    ("GET", "/users/{other_user}/projects", None, SEE_ALL),
    ("GET", "/users/{member}/groups", None, ALL),
    ("POST", "/users", {"user": {"name": "new", "domain_id": "{domain}"}}, MANAGERS),
    ("POST", "/users", {"user": {"name": "new", "domain_id": "{other_domain}"}}, {"admin"}),
    ("PATCH", "/users/{member}", {"user": {"email": "a@b"}}, MANAGERS),
    ("PATCH", "/users/{other_user}", {"user": {"password": "x"}}, {"admin"}),
    ("DELETE", "/users/{other_user}", None, {"admin"}),
    ("GET", "/groups/{group}", None, READERS),
    ("PUT", "/groups/{group}/users/{member}", None, MANAGERS),
    ("PUT", "/groups/{group}/users/{other_user}", None, {"admin"}),
    ("GET", "/roles", None, SEE_ALL | {"domain_manager"}),
    ("POST", "/roles", {"role": {"name": "new"}}, {"admin"}),
    ("PUT", "/projects/{project}/groups/{group}/roles/{role}", None, MANAGERS),
    ("PUT", "/projects/{project}/groups/{group}/roles/{admin_role}", None, {"admin"}),
    ("PUT", "/projects/{other_project}/users/{member}/roles/{role}", None, {"admin"}),
    ("PUT", "/projects/{project}/users/{other_user}/roles/{role}", None, {"admin"}),
    ("PUT", "/system/users/{member}/roles/{role}", None, {"admin"}),
    ("GET", "/system/users/{member}/roles", None, SEE_ALL),
    ("GET", "/role_assignments", None, READERS),
    ("GET", "/services", None, SEE_ALL),
    ("POST", "/services", {"service": {"type": "new"}}, {"admin"}),
    ("GET", "/regions", None, ALL),
    ("POST", "/regions", {"region": {"id": "new"}}, {"admin"}),
    ("GET", "/credentials", None, ALL),
    (
        "POST",
        "/credentials",
        {"credential": {"user_id": "{member}", "type": "a", "blob": "b"}},
        {"admin", "member", "unscoped"},
    ),
    ("GET", "/users/{member}/application_credentials", None, SEE_ALL | {"member", "unscoped"}),
    ("GET", "/policies", None, SEE_ALL),
    ("GET", "/OS-TRUST/trusts", None, SEE_ALL),
    ("GET", "/OS-TRUST/trusts?trustor_user_id={member}", None, SEE_ALL | {"member", "unscoped"}),
    ("GET", "/auth/projects", None, ALL),
    ("GET", "/auth/catalog", None, ALL - {"unscoped"}),
]


@pytest.mark.parametrize(("method", "path", "body", "allowed"), TABLE)
def test_who_may(company, method, path, body, allowed):
    filled = None if body is None else _filled(company, body)
    succeeded = set()
    # Those who may come last: what they change must not let the others in.
    for name in sorted(ALL, key=lambda persona: (persona in allowed, persona)):
        answer = company.persona(name).request(method, company.fill(path), json=filled)
        assert answer.status_code in (200, 201, 204, 403, 404, 409), answer.text
        if answer.status_code not in (403, 404) or (answer.status_code == 404 and name in allowed):
            succeeded.add(name)
    assert succeeded == allowed


def test_lists_are_narrowed_to_the_readers_domain(company):
    reader = company.persona("domain_reader")
    assert {p["name"] for p in reader.get("/projects").json()["projects"]} == {"ours"}
    assert {u["domain_id"] for u in reader.get("/users").json()["users"]} == {company.domain}
    assert [d["id"] for d in reader.get("/domains").json()["domains"]] == [company.domain]
    scopes = [a["scope"] for a in reader.get("/role_assignments").json()["role_assignments"]]
    assert len(scopes) == 3
    assert {"system": {"all": True}} not in scopes


def _filled(company: Company, body: Any) -> Any:
    if isinstance(body, dict):
        return {key: _filled(company, value) for key, value in body.items()}
    return company.fill(body) if isinstance(body, str) else body
