"""Tokens over HTTP: every way to sign in, every scope, and every way for a token to end."""

import pytest

from tests.api.identity.conftest import TOKENS, Session
from tests.identity.conftest import ADMIN_PASSWORD, DEMO_PASSWORD
from volutus.identity.password_rules import PasswordRules


def test_a_password_gives_a_token_for_a_project(cloud):
    answer = cloud.attempt("demo", DEMO_PASSWORD, cloud.project("demo"))
    assert answer.status_code == 201
    token = answer.json()["token"]
    assert token["user"]["id"] == cloud.made.demo_user_id
    assert token["user"]["domain"] == {"id": "default", "name": "Default"}
    assert token["project"]["id"] == cloud.made.demo_project_id
    assert [role["name"] for role in token["roles"]] == ["member", "reader"]
    assert token["methods"] == ["password"]
    assert token["issued_at"] == "2026-11-21T12:00:00.000000Z"
    assert token["expires_at"] == "2026-11-22T12:00:00.000000Z"
    assert len(token["audit_ids"]) == 1
    assert len(answer.headers["X-Subject-Token"]) <= 255


def test_the_catalog_is_whole_and_for_the_project(cloud):
    token = cloud.attempt("demo", DEMO_PASSWORD, cloud.project("demo")).json()["token"]
    urls = {
        (offer["type"], point["interface"]): point["url"]
        for offer in token["catalog"]
        for point in offer["endpoints"]
    }
    assert urls["compute", "public"] == "http://testserver/compute/v2.1"
    assert urls["block-storage", "internal"].endswith(f"/volume/v3/{cloud.made.demo_project_id}")
    assert {kind for kind, _ in urls} == {
        "identity",
        "compute",
        "network",
        "image",
        "placement",
        "block-storage",
        "volumev3",
        "billing",
        "load-balancer",
        "operations",
    }


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        ({"project": {"name": "admin", "domain": {"name": "Default"}}}, "project"),
        ({"domain": {"id": "default"}}, "domain"),
        ({"domain": {"name": "Default"}}, "domain"),
        ({"system": {"all": True}}, "system"),
    ],
)
def test_each_scope(cloud, scope, key):
    token = cloud.admin(scope).body
    assert key in token
    assert {"admin", "manager", "member", "reader"} == {role["name"] for role in token["roles"]}
    assert token["catalog"]


def test_unscoped_has_no_roles_and_no_catalog(cloud):
    token = cloud.attempt("demo", DEMO_PASSWORD).json()["token"]
    assert not {"roles", "catalog", "project"} & token.keys()
    explicit = cloud.attempt("demo", DEMO_PASSWORD, "unscoped").json()["token"]
    assert "project" not in explicit


REFUSED = [
    ("demo", "wrong", None),
    ("nobody", "wrong", None),
    ("demo", DEMO_PASSWORD, {"system": {"all": True}}),
    ("demo", DEMO_PASSWORD, {"domain": {"id": "default"}}),
    ("demo", DEMO_PASSWORD, {"project": {"name": "admin", "domain": {"id": "default"}}}),
    ("demo", DEMO_PASSWORD, {"project": {"id": "0" * 32}}),
]


@pytest.mark.parametrize(("name", "password", "scope"), REFUSED)
def test_refusals_are_the_same_words(cloud, name, password, scope):
    answer = cloud.attempt(name, password, scope)
    assert answer.status_code == 401
    assert answer.json()["error"] == {
        "code": 401,
        "title": "Unauthorized",
        "message": "The request you have made requires authentication.",
    }


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"auth": {}},
        {"auth": {"identity": {"methods": ["magic"]}}},
        {"auth": {"identity": {"methods": ["password"]}}},
        {"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "demo"}}}}},
        {"auth": {"identity": {"methods": []}}},
    ],
)
def test_a_body_without_a_proof_is_invalid(cloud, body):
    assert cloud.http.post(TOKENS, json=body).status_code == 400


def test_a_token_is_shown_checked_and_revoked(cloud, admin, demo):
    subject = {"X-Subject-Token": demo.token}
    shown = admin.get("/auth/tokens", headers=subject)
    assert shown.json()["token"] == demo.body
    assert shown.headers["X-Subject-Token"] == demo.token
    assert admin.head("/auth/tokens", headers=subject).status_code == 200
    assert "catalog" not in admin.get("/auth/tokens?nocatalog", headers=subject).json()["token"]
    assert demo.delete("/auth/tokens", headers=subject).status_code == 204
    assert admin.get("/auth/tokens", headers=subject).status_code == 404
    assert demo.get("/auth/catalog").status_code == 401


def test_a_token_is_nobody_elses_business(cloud, admin, demo):
    subject = {"X-Subject-Token": admin.token}
    assert demo.get("/auth/tokens", headers=subject).status_code == 403
    assert demo.delete("/auth/tokens", headers=subject).status_code == 403
    assert admin.get("/auth/catalog").status_code == 200


def test_a_token_expires(cloud, demo):
    cloud.clock.advance(24 * 3600 - 1)
    assert demo.get("/auth/catalog").status_code == 200
    cloud.clock.advance(1)
    assert demo.get("/auth/catalog").status_code == 401
    admin = cloud.admin()
    subject = {"X-Subject-Token": demo.token}
    assert admin.get("/auth/tokens", headers=subject).status_code == 404
    assert admin.get("/auth/tokens?allow_expired=1", headers=subject).status_code == 200


@pytest.mark.parametrize("token", ["x", "gAAAA", "", "\u00e9"])
def test_what_is_no_token_is_refused(cloud, token):
    answer = Session(cloud.http).get("/auth/catalog", headers={"X-Auth-Token": token.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Keystone uri="http://testserver/identity"'


def test_a_token_is_traded_for_another_scope_and_lives_no_longer(cloud):
    unscoped = cloud.session("demo", DEMO_PASSWORD)
    cloud.clock.advance(100)
    proof = {"methods": ["token"], "token": {"id": unscoped.token}}
    answer = cloud.attempt_with(proof, cloud.project("demo"))
    token = answer.json()["token"]
    assert token["project"]["name"] == "demo"
    assert token["methods"] == ["password", "token"]
    assert token["expires_at"] == unscoped.body["expires_at"]
    assert token["audit_ids"][1] == unscoped.body["audit_ids"][0]
    assert cloud.attempt_with({"methods": ["token"], "token": {"id": "x"}}).status_code == 404


def test_too_many_failures_lock_and_time_unlocks(cloud):
    for _ in range(PasswordRules.lockout_failures):
        assert cloud.attempt("demo", "wrong").status_code == 401
    assert cloud.attempt("demo", DEMO_PASSWORD).status_code == 401
    assert cloud.attempt("admin", ADMIN_PASSWORD).status_code == 201
    cloud.clock.advance(PasswordRules.lockout.total_seconds() + 1)
    assert cloud.attempt("demo", DEMO_PASSWORD).status_code == 201


def test_discovery_needs_no_token(cloud):
    versions = cloud.http.get("/identity/")
    assert versions.status_code == 300
    (value,) = versions.json()["versions"]["values"]
    assert value["id"] == "v3.14"
    assert cloud.http.get("/identity/v3/").json()["version"] == value
