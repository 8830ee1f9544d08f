"""The API over a cloud just bootstrapped, with real tokens."""

from collections.abc import Iterator
from typing import Any

import pytest
from httpx import Response
from starlette.testclient import TestClient

from tests.conftest import FakeClock
from tests.identity.conftest import ADMIN_PASSWORD, BEGINNINGS, DEMO_PASSWORD
from volutus import main
from volutus.db import Database
from volutus.http.kernel import Kernel
from volutus.identity import Identity, Made, bootstrap, open_identity
from volutus.identity.passwords import HashCost
from volutus.ids import Ids
from volutus.settings import Settings

TOKENS = "/identity/v3/auth/tokens"


class Session:
    """Requests with one token."""

    def __init__(self, http: TestClient, token: str = "") -> None:
        self.http = http
        self.token = token
        self.body: dict[str, Any] = {}

    def request(self, method: str, path: str, **kw: Any) -> Response:
        headers = {"X-Auth-Token": self.token} if self.token else {}
        url = path if path.startswith("/identity") else f"/identity/v3{path}"
        return self.http.request(method, url, headers={**headers, **kw.pop("headers", {})}, **kw)

    def get(self, path: str, **kw: Any) -> Response:
        return self.request("GET", path, **kw)

    def head(self, path: str, **kw: Any) -> Response:
        return self.request("HEAD", path, **kw)

    def post(self, path: str, json: Any = None, **kw: Any) -> Response:
        return self.request("POST", path, json=json, **kw)

    def put(self, path: str, json: Any = None, **kw: Any) -> Response:
        return self.request("PUT", path, json=json, **kw)

    def patch(self, path: str, json: Any = None, **kw: Any) -> Response:
        return self.request("PATCH", path, json=json, **kw)

    def delete(self, path: str, **kw: Any) -> Response:
        return self.request("DELETE", path, **kw)

    def make(self, path: str, noun: str, /, **attributes: Any) -> dict[str, Any]:
        """Create an object and answer its document."""
        answer = self.post(path, {noun: attributes})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()[noun]
        return made


class Cloud:
    """Signing in, and who was made."""

    def __init__(self, http: TestClient, made: Made, clock: FakeClock) -> None:
        self.http = http
        self.made = made
        self.clock = clock

    def attempt(self, name: str, password: str, scope: Any = None, domain: str = "default") -> Response:
        user = {"name": name, "domain": {"id": domain}, "password": password}
        auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
        if scope is not None:
            auth["scope"] = scope
        return self.http.post(TOKENS, json={"auth": auth})

    def attempt_with(self, identity: dict[str, Any], scope: Any = None) -> Response:
        auth = {"identity": identity} | ({} if scope is None else {"scope": scope})
        return self.http.post(TOKENS, json={"auth": auth})

    def session(self, name: str, password: str, scope: Any = None, domain: str = "default") -> Session:
        answer = self.attempt(name, password, scope, domain)
        assert answer.status_code == 201, answer.text
        session = Session(self.http, answer.headers["X-Subject-Token"])
        session.body = answer.json()["token"]
        return session

    def project(self, name: str) -> dict[str, Any]:
        return {"project": {"name": name, "domain": {"id": "default"}}}

    def admin(self, scope: Any = None) -> Session:
        return self.session("admin", ADMIN_PASSWORD, scope or self.project("admin"))

    def demo(self, scope: Any = None) -> Session:
        return self.session("demo", DEMO_PASSWORD, scope or self.project("demo"))


@pytest.fixture
def identity(settings: Settings) -> Identity:
    return open_identity(settings, HashCost.least())


@pytest.fixture
def cloud(
    settings: Settings, database: Database, clock: FakeClock, ids: Ids, identity: Identity
) -> Iterator[Cloud]:
    with database.begin() as tx:
        made = bootstrap(tx, identity, BEGINNINGS)
    plane = main.plane(settings, database, clock, ids, identity.tokens)
    plane.parts["identity"] = identity
    with TestClient(Kernel(plane, main.dialects()), raise_server_exceptions=False) as http:
        yield Cloud(http, made, clock)


@pytest.fixture
def admin(cloud: Cloud) -> Session:
    return cloud.admin()


@pytest.fixture
def demo(cloud: Cloud) -> Session:
    return cloud.demo()
