"""Several regions: the pages are those of the one looked at, by the catalogue and nothing else. The second
region is another API of the same cloud, on a port of its own."""

import re
import socket
import threading
from contextlib import contextmanager

import pytest
import uvicorn
from starlette.responses import JSONResponse, RedirectResponse, Response

from bench.cloud import _free_port
from tests.console.conftest import PASSWORDS
from tests.console.test_servers import order
from tests.console.tour import ADMIN_PAGES, PAGES
from volutus import main
from volutus.console import catalog, far, live, regions
from volutus.http.kernel import Kernel

SERVICES = ("compute", "network", "volume", "image", "load-balancer", "placement", "billing", "operations")
VERSIONS = {"compute": "/v2.1", "volume": "/v3/$(project_id)s", "billing": "/v1", "operations": "/v1"}
TYPES = {"volume": "volumev3"}


class Place:
    """Another address: an application on it, and what was asked of it."""

    def __init__(self, app, port: int) -> None:
        self.app, self.port, self.asked = app, port, []
        self.url = f"http://127.0.0.1:{port}"

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "http":
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            self.asked.append((scope["method"], scope["path"], headers))
        await self.app(scope, receive, send)

    def paths(self, method: str = "GET") -> list[str]:
        return [path for asked, path, _headers in self.asked if asked == method]


@contextmanager
def listening(app):
    place = Place(app, _free_port())
    server = uvicorn.Server(uvicorn.Config(place, port=place.port, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
        yield place
    finally:
        server.should_exit = True
        thread.join(timeout=20)


class Catalogue:
    """The catalogue as an administrator changes it."""

    def __init__(self, http) -> None:
        self.http = http
        who = {"name": "admin", "domain": {"id": "default"}, "password": PASSWORDS["admin"]}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        auth = {"identity": {"methods": ["password"], "password": {"user": who}}, "scope": scope}
        made = http.post("/identity/v3/auth/tokens", json={"auth": auth})
        self.headers = {"X-Auth-Token": made.headers["x-subject-token"]}

    def add(self, region: str, url: str, services=SERVICES) -> None:
        known = self.http.get("/identity/v3/services", headers=self.headers).json()["services"]
        keys = {one["type"]: one["id"] for one in known}
        for name in services:
            address = url if "?" in url else f"{url}/{name}{VERSIONS.get(name, '')}"
            endpoint = {"interface": "public", "region_id": region, "url": address}
            endpoint["service_id"] = keys[TYPES.get(name, name)]
            path = "/identity/v3/endpoints"
            answer = self.http.post(path, json={"endpoint": endpoint}, headers=self.headers)
            assert answer.status_code == 201, answer.text

    def remove(self, region: str) -> None:
        path = f"/identity/v3/endpoints?region_id={region}"
        for one in self.http.get(path, headers=self.headers).json()["endpoints"]:
            self.http.delete(f"/identity/v3/endpoints/{one['id']}", headers=self.headers)


def look_at(browser, region: str, place: str = "/servers"):
    return browser.send("/regions", region=region, next=place)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    """The catalogue is asked for at each page."""
    monkeypatch.setattr(regions, "BELIEVED_S", 0.0)


@pytest.fixture
def second(served, browser):
    """A region that works."""
    with listening(Kernel(served, main.dialects())) as place:
        Catalogue(browser.http).add("East", place.url)
        yield place


def test_every_page_is_of_the_region_looked_at(browser, second):
    head = browser.get("/volumes").text.partition("</header>")[0]
    assert "RegionOne" in head and 'href="/regions?next=/volumes"' in head
    assert second.asked == []
    page = look_at(browser, "East", "/volumes")
    assert page.url.path == "/volumes" and "Region East" in page.text.partition("</header>")[0]
    spoken = browser.http.get("/volumes", headers={"Accept-Language": "zh"}).text
    assert "区域 East" in spoken.partition("</header>")[0]
    assert "openstack --os-region-name East volume create" in page.text
    browser.sign_in("admin", project="admin")
    look_at(browser, "East")
    for path in (*PAGES.values(), *ADMIN_PAGES.values()):
        answer = browser.get(path)
        assert answer.status_code == 200 or path == PAGES["trouble"], (path, answer.text)
        assert "Traceback" not in answer.text
    services = {path.split("/")[1] for path in second.paths()}
    assert services == set(SERVICES), "all but identity, of which there is one"
    assert all(headers["x-auth-token"] for _method, _path, headers in second.asked)
    asked = len(second.asked)
    assert "Region East" not in look_at(browser, "RegionOne").text.partition("</header>")[0]
    browser.get("/volumes")
    assert len(second.asked) == asked, "and back"
    look_at(browser, "East")
    asked = len(second.asked)
    Catalogue(browser.http).remove("East")
    page = browser.get("/servers")
    assert page.status_code == 404 and "offers no service" in page.text
    assert len(second.asked) == asked, "what left the catalogue is called no more"
    head = look_at(browser, "RegionOne").text.partition("</header>")[0]
    assert "Region" not in head, "one region needs no choice"


def test_what_is_made_is_made_there(browser, second, plane, monkeypatch):
    look_at(browser, "East")
    path = browser.send("/servers/new", **order(browser, name="far")).url.path
    plane.settle()
    shown = browser.get(path).text
    assert "ACTIVE" in shown and f"openstack --os-region-name East server stop {path[9:]}" in shown
    assert "/compute/v2.1/servers" in second.paths("POST")
    screen = browser.send(path, act="vnc")
    assert f'href="{second.url}/console/vnc?token=' in screen.text, "the browser goes there itself"
    made = browser.send("/application-credentials", act="create", name="ci")
    assert "region_name: &#34;East&#34;" in made.text
    assert f"{second.url}/billing/v1/prices" in browser.get("/prices").text
    assert browser.send(path, act="delete").url.path == "/servers"
    assert path.replace("/servers", "/compute/v2.1/servers") in second.paths("DELETE")
    for name in ("LIFETIME_S", "BUSY_S", "STILL_S"):
        monkeypatch.setattr(live, name, 0.01)
    assert browser.http.get("/live?page=/servers").text.startswith("event: part")


def test_images_come_and_go_as_they_are(browser, second):
    look_at(browser, "East")
    made = browser.http.post(
        "/images",
        data={"csrf": browser.csrf, "act": "create", "name": "brought", "format": "raw"},
        headers={"Accept": "application/json"},
    )
    path, content = f"/images/{made.json()['id']}/file", b"<script>alert(1)</script>" * 9000
    assert browser.http.put(path, content=content).status_code == 403
    sent = {"X-CSRF": browser.csrf, "Content-Type": "application/octet-stream"}
    assert browser.http.put(path, content=content, headers=sent).status_code == 204
    assert path.replace("/images", "/image/v2/images") in second.paths("PUT")
    back = browser.http.get(f"{path}?as=brought.raw")
    assert back.content == content
    assert back.headers["content-type"] == "application/octet-stream"
    assert "attachment" in back.headers["content-disposition"]
    assert browser.get(path.replace(made.json()["id"], "none")).status_code == 404


def test_a_region_that_is_not_there_says_so_and_how_to_go_on(browser):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    Catalogue(browser.http).add("East", f"http://127.0.0.1:{port}")
    assert look_at(browser, "East").status_code == 503
    for language, said in (("en", "cannot be reached"), ("zh", "无法连接")):
        page = browser.http.get("/servers", headers={"Accept-Language": language})
        alert = page.text.partition('role="alert"')[2].partition("</div>")[0]
        assert said in alert and "East" in alert and f"127.0.0.1:{port}" in alert
        assert re.search(r"<code>req-[0-9a-f-]{36}</code>", alert)
        assert 'href="/regions"' in alert
    refused = browser.send("/volumes", act="create", name="data", size="1")
    assert refused.status_code == 503
    assert browser.get("/account").status_code == 200, "who one is does not depend on it"
    assert browser.get("/regions").status_code == 200
    assert look_at(browser, "RegionOne").status_code == 200


def test_the_token_goes_where_the_catalogue_says_and_nowhere_else(browser):
    async def elsewhere(scope, receive, send):
        await JSONResponse({"servers": []})(scope, receive, send)

    async def sends_on(scope, receive, send):
        url = f"{thief.url}{scope['path']}"
        await RedirectResponse(url, 307)(scope, receive, send)

    with listening(elsewhere) as thief, listening(sends_on) as region:
        Catalogue(browser.http).add("East", region.url)
        page = look_at(browser, "East")
        assert page.status_code == 502 and "sends elsewhere" in page.text and region.asked
        assert browser.send("/volumes", act="create", name="x", size="1").status_code == 502
        browser.http.get("/images/x/file")
        for name in ("West", thief.url, "", "../East"):
            assert look_at(browser, name).status_code == 404
        # Nobody but an administrator writes the catalogue, and what is no address of a service is none.
        demo = {"name": "demo", "domain": {"id": "default"}, "password": PASSWORDS["demo"]}
        auth = {"identity": {"methods": ["password"], "password": {"user": demo}}}
        made = browser.http.post("/identity/v3/auth/tokens", json={"auth": auth})
        token = {"X-Auth-Token": made.headers["x-subject-token"]}
        own = {"interface": "public", "region_id": "West", "url": thief.url, "service_id": "x"}
        refused = browser.http.post("/identity/v3/endpoints", json={"endpoint": own}, headers=token)
        assert refused.status_code == 403
        Catalogue(browser.http).add("Odd", f"http://user:secret@127.0.0.1:{thief.port}", ["compute"])
        Catalogue(browser.http).add("Odder", f"{thief.url}/?to=", ["compute"])
        assert re.findall(r'name="region" value="([^"]+)"', browser.get("/regions").text) == [
            "RegionOne",
            "East",
        ]
        assert thief.asked == []


def test_a_region_that_misbehaves_ends_no_session(browser, monkeypatch):
    answers = {
        "East": Response("who are you", 401),
        "West": Response(b"x" * 4096, 200, media_type="application/json"),
        "North": JSONResponse({"servers": "<script>alert(1)</script>"}),
        "South": JSONResponse({"error": {"message": "<script>alert(1)</script>"}}, 500),
        "Far": Response(b"x" * 4096, 500),
    }
    monkeypatch.setattr(far, "ANSWER_MAX_BYTES", 1000)

    async def odd(scope, receive, send):
        await answers[scope["path"].split("/")[1]](scope, receive, send)

    with listening(odd) as place:
        for name in answers:
            Catalogue(browser.http).add(name, f"{place.url}/{name}")
        said = {
            "East": (502, "does not accept"),
            "West": (504, "to the end"),
            "North": (500, "req-"),
            "South": (500, "&lt;script&gt;"),
            "Far": (504, "to the end"),
        }
        for name, (status, text) in said.items():
            page = look_at(browser, name)
            assert page.status_code == status and text in page.text, (name, page.text)
            assert "<script>alert" not in page.text and "Sign out" in page.text
        assert browser.get("/images/one/file").status_code == 504, "a refusal without end, for a file"
        assert look_at(browser, "RegionOne").status_code == 200


@pytest.mark.parametrize(
    ("url", "path", "address"),
    [
        ("https://e/compute/v2.1", "/compute/v2.1/servers", "https://e/compute/v2.1/servers"),
        ("https://e:8774/v2.1/p", "/compute/v2.1/servers/1", "https://e:8774/v2.1/servers/1"),
        ("https://e:9696/", "/network/v2.0/ports", "https://e:9696/v2.0/ports"),
        ("https://e/volume/v3/p", "/volume/v3/p/volumes", "https://e/volume/v3/p/volumes"),
        ("https://e/image/v2/", "/image/v2/images", "https://e/image/v2/images"),
        ("https://e/compute/v2.1", "/network/v2.0/ports", ""),
        ("ftp://e/x", "/compute/v2.1/servers", ""),
        ("https://u@e/x", "/compute/v2.1/servers", ""),
        ("https://[e/x", "/compute/v2.1/servers", ""),
    ],
)
def test_addresses_of_other_clouds_are_understood(url, path, address):
    kinds = {"9696": "network", "image": "image", "volume": "block-storage"}
    kind = next((kind for mark, kind in kinds.items() if mark in url), "compute")
    listed = [{"type": kind, "endpoints": [{"interface": "public", "region_id": "E", "url": url}]}]
    found = catalog.reach("Home", listed, "p").others.get("E", catalog.Region("E"))
    assert found.address(path) == address
