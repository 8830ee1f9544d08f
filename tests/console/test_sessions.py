"""Signing in and out, and what others cannot do with a session."""

from pathlib import Path

import pytest

from volutus.console import rendering
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
