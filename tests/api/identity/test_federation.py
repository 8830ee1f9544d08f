"""Signing in by OpenID Connect, against a real provider in a thread of its own."""

import html
import re
import time
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from oidc_provider_mock import User, run_server_in_thread

from tests.api.identity.conftest import TOKENS, Session
from volutus.settings import Settings

ORIGIN = "https://dashboard.example/auth/websso/"
AUTH = "/OS-FEDERATION/identity_providers/corporate/protocols/openid/auth"
WEBSSO = "/identity/v3/auth/OS-FEDERATION/websso/openid"
RULES = [
    {
        "local": [{"user": {"name": "{0}", "email": "{1}"}}, {"groups": "{2}", "domain": {"id": "default"}}],
        "remote": [{"type": "OIDC-preferred_username"}, {"type": "HTTP_OIDC_EMAIL"}, {"type": "OIDC-groups"}],
    }
]
ALICE = {"preferred_username": "alice", "email": "alice@example.com", "groups": ["engineers", "unheard-of"]}


@pytest.fixture
def settings(settings) -> Settings:
    from dataclasses import replace

    return replace(settings, trusted_dashboards=f"https://other.example {ORIGIN}")


@pytest.fixture(scope="module")
def issuer():
    users = [User(sub="1", claims=ALICE), User(sub="2", claims={"email": "nameless@example.com"})]
    with run_server_in_thread(user_claims=users) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def corporate(cloud, admin, settings, issuer):
    """A provider whose engineers are members of the project demo. Its clock is the machine's."""
    cloud.clock._now = datetime.now(UTC)
    config = f'[corporate]\nissuer = "{issuer}"\nclient_id = "volutus"\nclient_secret = "s"\n'
    (settings.state_dir / "oidc.toml").write_text(f"{config}trust_userinfo = true\n")
    admin = cloud.admin()
    provider = {"enabled": True, "remote_ids": [issuer], "domain_id": "default"}
    body = {"identity_provider": provider}
    assert admin.put("/OS-FEDERATION/identity_providers/corporate", body).status_code == 201
    mapping = {"mapping": {"rules": RULES, "schema_version": None}}
    assert admin.put("/OS-FEDERATION/mappings/people", mapping).status_code == 201
    way = "/OS-FEDERATION/identity_providers/corporate/protocols/openid"
    assert admin.put(way, {"protocol": {"mapping_id": "people"}}).status_code == 201
    group = admin.make("/groups", "group", name="engineers", domain_id="default")
    (member,) = admin.get("/roles?name=member").json()["roles"]
    place = f"/projects/{cloud.made.demo_project_id}/groups/{group['id']}/roles/{member['id']}"
    assert admin.put(place).status_code == 204
    return admin


def _at_provider(url, sub="1"):
    """What the browser does there: type a name, and be sent back."""
    answer = httpx.post(url, data={"sub": sub}, follow_redirects=False)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


def _code_flow(issuer, sub="1"):
    """What a command-line client does: its own code, for tokens of the provider."""
    back = "http://localhost:8080/"
    query = f"response_type=code&client_id=volutus&scope=openid+email+profile&redirect_uri={back}"
    location = _at_provider(f"{issuer}/oauth2/authorize?{query}", sub)
    (code,) = parse_qs(urlsplit(location).query)["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
    return httpx.post(f"{issuer}/oauth2/token", data=form, auth=("volutus", "s")).json()


def _bearer(cloud, token):
    return cloud.http.post(f"/identity/v3{AUTH}", headers={"Authorization": f"Bearer {token}"})


def _scoped(cloud, token):
    """The unscoped token traded for one of the project demo."""
    return cloud.attempt_with(
        {"methods": ["token"], "token": {"id": token}}, {"project": {"id": cloud.made.demo_project_id}}
    )


@pytest.mark.parametrize("kind", ["access_token", "id_token"])
def test_a_providers_token_is_traded_for_one_of_the_cloud(cloud, corporate, issuer, kind):
    answer = _bearer(cloud, _code_flow(issuer)[kind])
    assert answer.status_code == 201, answer.text
    token = answer.json()["token"]
    assert (token["user"]["name"], token["methods"]) == ("alice", ["mapped", "openid"])
    assert "project" not in token
    session = Session(cloud.http, answer.headers["X-Subject-Token"])
    assert [p["name"] for p in session.get("/OS-FEDERATION/projects").json()["projects"]] == ["demo"]
    scoped = _scoped(cloud, session.token)
    assert {r["name"] for r in scoped.json()["token"]["roles"]} == {"member", "reader"}
    shown = corporate.get(f"/users/{token['user']['id']}").json()["user"]
    assert shown["email"] == "alice@example.com"


def _sso(cloud, path=WEBSSO, origin=ORIGIN):
    return cloud.http.get(path, params={"origin": origin}, follow_redirects=False)


@pytest.mark.parametrize(
    "path", [WEBSSO, "/identity/v3/auth/OS-FEDERATION/identity_providers/corporate/protocols/openid/websso"]
)
def test_a_browser_comes_back_with_a_token_for_the_dashboard(cloud, corporate, path):
    sent = _sso(cloud, path)
    assert sent.status_code == 302
    back = _at_provider(sent.headers["location"])
    page = cloud.http.get(back)
    assert page.status_code == 200, page.text
    assert f'action="{html.escape(ORIGIN)}"' in page.text
    (token,) = re.findall(r'name="token" value="([^"]+)"', page.text)
    assert _scoped(cloud, token).status_code == 201
    # The code and the cookie were good once.
    assert cloud.http.get(back).status_code == 401


def test_another_browser_is_not_signed_in_by_the_link(cloud, corporate):
    back = _at_provider(_sso(cloud).headers["location"])
    cloud.http.cookies.clear()
    assert cloud.http.get(back).status_code == 401


def test_a_sign_in_that_took_too_long_begins_again(cloud, corporate):
    back = _at_provider(_sso(cloud).headers["location"])
    cloud.clock.advance(601)
    assert cloud.http.get(back).status_code == 401


@pytest.mark.parametrize("origin", ["https://evil.example/", ORIGIN + "x", ""])
def test_a_token_goes_to_trusted_dashboards_alone(cloud, corporate, origin):
    assert _sso(cloud, origin=origin).status_code in (400, 401)


def test_groups_are_those_of_the_last_sign_in(cloud, corporate, issuer):
    session = Session(
        cloud.http, _bearer(cloud, _code_flow(issuer)["access_token"]).headers["X-Subject-Token"]
    )
    assert _scoped(cloud, session.token).status_code == 201
    httpx.put(f"{issuer}/users/1", json={**ALICE, "groups": ["sales"], "preferred_username": "alicia"})
    again = _bearer(cloud, _code_flow(issuer)["access_token"])
    httpx.put(f"{issuer}/users/1", json=ALICE)
    assert again.json()["token"]["user"]["name"] == "alicia"
    assert _scoped(cloud, session.token).status_code == 401


def test_disabling_a_provider_ends_its_tokens(cloud, corporate, issuer):
    access_token = _code_flow(issuer)["access_token"]
    session = Session(cloud.http, _bearer(cloud, access_token).headers["X-Subject-Token"])
    assert session.get("/OS-FEDERATION/projects").status_code == 200
    provider = "/OS-FEDERATION/identity_providers/corporate"
    assert corporate.patch(provider, {"identity_provider": {"enabled": False}}).status_code == 200
    assert session.get("/OS-FEDERATION/projects").status_code == 401
    assert _bearer(cloud, access_token).status_code == 401
    assert corporate.delete(provider).status_code == 204
    assert corporate.get("/users?name=alice").json()["users"] == []


def _forged(issuer, **changes):
    """A token that says the right things, signed by somebody else."""
    now = int(time.time())
    claims = {"iss": issuer, "aud": "volutus", "sub": "1", "exp": now + 60, **ALICE, **changes}
    return jwt.encode(claims, rsa.generate_private_key(65537, 2048), algorithm="RS256")


def test_what_the_provider_did_not_sign_for_us_is_refused(cloud, corporate, issuer, settings):
    good = _code_flow(issuer)["id_token"]
    refused = [
        "",
        "nonsense",
        "a.b.c",
        _forged(issuer),
        jwt.encode({"iss": issuer, "aud": "volutus", "sub": "1"}, "x" * 32, algorithm="HS256"),
        jwt.encode({"iss": issuer, "aud": "volutus", "sub": "1"}, None, algorithm="none"),
        good[:-4] + "AAAA",
    ]
    assert [_bearer(cloud, token).status_code for token in refused] == [401] * len(refused)
    # Somebody without the claims that the mapping asks for.
    assert _bearer(cloud, _code_flow(issuer, "2")["access_token"]).status_code == 401
    cloud.clock.advance(2 * 3600)
    assert _bearer(cloud, good).status_code == 401
    # One made for another client of the same provider.
    cloud.clock.advance(-2 * 3600)
    path = settings.state_dir / "oidc.toml"
    path.write_text(path.read_text().replace('"volutus"', '"another"').replace("true", "false"))
    assert _bearer(cloud, good).status_code == 401
    assert _bearer(cloud, _code_flow(issuer)["access_token"]).status_code == 401


def test_a_mapped_user_may_be_one_who_exists(cloud, corporate, issuer):
    rules = [
        {
            "local": [{"user": {"name": "demo", "type": "local", "domain": {"id": "default"}}}],
            "remote": [{"type": "email", "any_one_of": [r".*@example\.com$"], "regex": True}],
        }
    ]
    changed = corporate.patch("/OS-FEDERATION/mappings/people", {"mapping": {"rules": rules}})
    assert changed.json()["mapping"]["rules"] == rules
    token = _bearer(cloud, _code_flow(issuer)["access_token"]).json()["token"]
    assert token["user"]["id"] == cloud.made.demo_user_id


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [{"local": [{"user": {"name": "{1}"}}], "remote": [{"type": "sub"}]}],
        [{"local": [{"user": {"name": "x"}}], "remote": [{"type": "x", "any_one_of": ["("], "regex": True}]}],
        [{"local": [{"user": {"name": "x"}}], "remote": [{"type": "x", "any_one_of": [], "whitelist": []}]}],
        [{"local": [{"projects": []}], "remote": [{"type": "sub"}]}],
    ],
)
def test_rules_that_cannot_be_are_refused(admin, rules):
    answer = admin.put("/OS-FEDERATION/mappings/wrong", {"mapping": {"rules": rules}})
    assert answer.status_code == 400
    assert "mapping.rules" in answer.text


def test_without_a_file_nobody_signs_in(cloud, corporate, settings):
    (settings.state_dir / "oidc.toml").unlink()
    assert _bearer(cloud, "x").status_code == 401
    assert _sso(cloud).status_code == 401
    assert cloud.http.post(TOKENS, json={}).status_code == 400
