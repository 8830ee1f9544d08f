"""Signing in and out, and what others cannot do with a session."""

import base64
import hashlib
import hmac
import re
import struct
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.identity.conftest import DEMO_PASSWORD
from volutus.console import IdentityProvider, rendering
from volutus.console.assets import Assets
from volutus.console.rendering import Renderer
from volutus.console.visits import safe_path

_COOKIE = "volutus_session"


def test_a_browser_is_asked_to_sign_in_and_comes_back_to_its_page(visitor):
    page = visitor.get("/servers?q=web")
    assert page.url.path == "/sign-in"
    assert 'value="/servers?q=web"' in page.text
    assert visitor.sign_in(next="/servers?q=web").url.path == "/servers"


def test_clients_still_find_the_api_at_the_root(visitor):
    assert visitor.http.get("/", headers={"Accept": "application/json"}).headers["content-type"] == (
        "application/json"
    )
    assert visitor.http.get("/identity/v3").status_code == 200
    refreshing = {"Accept": "*/*", "HX-Request": "true"}
    assert "html" in visitor.http.get("/", headers=refreshing).headers["content-type"]


def test_a_wrong_password_says_so_and_keeps_what_was_typed(visitor):
    page = visitor.sign_in("demo", password="wrong")
    assert page.status_code == 401
    assert "User, password, domain or code is wrong" in page.text
    assert "req-" in page.text
    assert 'value="demo"' in page.text
    assert 'value="wrong"' not in page.text
    assert _COOKIE not in visitor.http.cookies


def test_the_cookie_is_for_the_server_alone(visitor):
    answer = visitor.http.post(
        "/sign-in",
        data={"user": "demo", "password": "demo's password", "domain": "Default"},
        follow_redirects=False,
    )
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "gaaaa" in cookie, "sealed, not readable"


def test_every_page_forbids_what_the_console_never_does(browser):
    for path in ("/", "/servers", "/servers/none/of/ours", "/static/console.css", "/sign-in"):
        headers = browser.http.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
    assert browser.http.get("/").headers["cache-control"] == "no-store"


def test_a_form_without_the_sessions_secret_is_refused(browser):
    answer = browser.http.post("/servers/new", data={"name": "evil"})
    assert answer.status_code == 403
    answer = browser.http.post("/servers/new", data={"name": "evil", "csrf": "guessed"})
    assert answer.status_code == 403
    assert "evil" not in browser.get("/servers").text


@pytest.mark.parametrize(
    "header", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
def test_a_form_from_another_site_is_refused(browser, header):
    fields = {"csrf": browser.csrf, "name": "evil"}
    assert browser.http.post("/servers/new", data=fields, headers=header).status_code == 403
    signing_in = {"user": "demo", "password": "demo's password"}
    assert browser.http.post("/sign-in", data=signing_in, headers=header).status_code == 403


def test_signing_in_begins_a_new_session(browser):
    """A session planted before is not continued."""
    before, secret = browser.http.cookies[_COOKIE], browser.csrf
    browser.sign_in()
    assert browser.http.cookies[_COOKIE] != before
    assert browser.csrf != secret


def test_a_cookie_that_was_changed_is_nobodys(browser):
    sealed = browser.http.cookies[_COOKIE]
    browser.http.cookies.set(_COOKIE, sealed[:-4] + "AAAA", domain="testserver.local", path="/")
    assert browser.get("/servers").url.path == "/sign-in"


def test_signing_out_makes_the_token_worthless(browser):
    sealed = browser.http.cookies[_COOKIE]
    assert browser.send("/sign-out").url.path == "/sign-in"
    browser.http.cookies.clear()
    browser.http.cookies.set(_COOKIE, sealed, domain="testserver.local", path="/")
    assert browser.get("/servers").url.path == "/sign-in"


@pytest.mark.parametrize(
    "text", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", "", "/a\nb"]
)
def test_nobody_is_sent_to_another_site(text):
    assert safe_path(text) == "/"


def test_a_named_project_is_entered_and_another_can_be_chosen(visitor):
    page = visitor.sign_in("admin", project="admin")
    assert "Project admin" in page.text
    projects = visitor.get("/projects").text
    assert "admin" in projects


def test_a_project_one_has_no_role_in_is_refused(browser):
    page = browser.send("/projects", project="somebody-elses")
    assert page.status_code == 404
    assert "no role" in page.text


def test_whatever_page_follows_what_it_shows_has_the_part_that_changes(tmp_path):
    directory = Path(rendering.__file__).parent / "templates"
    environment = Renderer(Assets(tmp_path)).environment
    for template in directory.glob("*.html"):
        text = template.read_text()
        if "parts.live(visit)" in text or 'extends "sheet.html"' in text:
            # A block that is only inherited would send the whole page as its own part.
            assert "live" in environment.get_template(template.name).blocks, template.name


def test_a_session_is_ended_from_another_browser(app, browser):
    with TestClient(
        app, headers={"Accept": "text/html", "User-Agent": "Elsewhere/1.0 (X11; Linux x86_64)"}
    ) as http:
        other = type(browser)(http)
        assert other.sign_in().status_code == 200
        page = browser.get("/account").text
        assert "Elsewhere, Linux" in page
        rows = page.partition("Where you are signed in")[2].split("<tr")
        row = next(one for one in rows if "Elsewhere" in one)
        record = re.search(r'name="id" value="([^"]+)"', row)
        assert record
        browser.send("/account", act="end", id=record[1])
        assert "Elsewhere" not in browser.get("/account").text
        assert other.get("/servers").url.path == "/sign-in", "its cookie is worth nothing"
    assert browser.get("/servers").status_code == 200


def test_one_time_codes_are_begun_by_a_code_required_and_ended(browser, visitor, clock):
    page = browser.send("/account", act="codes").text
    secret = re.search(r'name="secret"[^>]* value="([A-Z2-7]{32})"', page)
    assert secret
    assert "otpauth://totp/" in page
    refused = browser.send("/account", act="keep-codes", secret=secret[1], code="000000")
    assert refused.status_code == 400
    assert "No longer use" not in browser.get("/account").text, "nothing is kept of it"
    code = _code(secret[1], clock.now().timestamp())
    page = browser.send("/account", act="keep-codes", secret=secret[1], code=code).text
    assert "No longer use one-time codes" in page
    user_id = browser.get("/account").text.partition("User&#39;s id</dt><dd><code>")[2].partition("<")[0]
    visitor.sign_in("admin", project="admin")
    assert "Require no code" in visitor.send("/admin/users", act="codes", id=user_id).text
    assert visitor.sign_in().status_code == 401, "a password alone no longer does"
    clock.advance(60)
    page = visitor.sign_in(code=_code(secret[1], clock.now().timestamp()))
    assert page.status_code == 200
    fold = visitor.get("/account").text.partition('id="make-2"')[2].partition("</form>")[0]
    kept = re.search(r'name="id" value="([^"]+)"', fold)
    assert kept
    assert "Use one-time codes" in visitor.send("/account", act="no-codes", id=kept[1]).text


def test_who_signed_in_by_a_provider_is_taken_from_our_own_page_alone(app, visitor):
    auth = {
        "identity": {
            "methods": ["password"],
            "password": {"user": {"name": "demo", "domain": {"id": "default"}, "password": DEMO_PASSWORD}},
        },
        "scope": "unscoped",
    }
    made = visitor.http.post("/identity/v3/auth/tokens", json={"auth": auth})
    form = {"token": made.headers["x-subject-token"]}
    for site in ({}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}):
        assert visitor.http.post("/sign-in/token", data=form, headers=site).status_code == 403
    ours = {"sec-fetch-site": "same-origin", "origin": "null"}
    assert visitor.http.post("/sign-in/token", data={"token": "no"}, headers=ours).status_code == 401
    page = visitor.http.post("/sign-in/token", data=form, headers=ours)
    assert page.url.path == "/"
    assert "Overview" in page.text
    (listed,) = IdentityProvider.listed("corp/openid/Corp & Sons", "https://cloud.example")
    assert listed.label == "Corp & Sons"
    assert listed.path.endswith("/websso?origin=https%3A%2F%2Fcloud.example%2Fsign-in%2Ftoken")


def _code(secret: str, at: float) -> str:
    digest = hmac.new(base64.b32decode(secret), struct.pack(">Q", int(at) // 30), hashlib.sha1).digest()
    start = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 10**6:06}"
