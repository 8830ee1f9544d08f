"""The console before the real API, over a cloud just bootstrapped, with one simulated host."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx import Response
from starlette.testclient import TestClient

from tests.compute.plane import Plane, add_image
from tests.conftest import FakeClock, make_caller
from tests.identity.conftest import ADMIN_PASSWORD, BEGINNINGS, DEMO_PASSWORD
from volutus import billing, compute, main, network
from volutus.console import mount
from volutus.db import Database
from volutus.http.kernel import Kernel
from volutus.identity import bootstrap, open_identity
from volutus.identity.passwords import HashCost
from volutus.ids import Ids
from volutus.settings import Settings

IMAGE_ID = "11111111-2222-3333-4444-555555555555"
PASSWORDS = {"demo": DEMO_PASSWORD, "admin": ADMIN_PASSWORD}


class Browser:
    """A browser without scripts: follows links, sends the forms of pages with all their hidden fields."""

    def __init__(self, http: TestClient) -> None:
        self.http = http
        self.page: Response | None = None

    def get(self, path: str) -> Response:
        self.page = self.http.get(path)
        return self.page

    def sign_in(self, user: str = "demo", **fields: str) -> Response:
        form = {"user": user, "password": PASSWORDS.get(user, "none"), "domain": "Default", **fields}
        self.page = self.http.post("/sign-in", data=form)
        return self.page

    @property
    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.http.get("/projects").text)
        assert found, "not signed in"
        return found[1]

    def send(self, path: str, **fields: str) -> Response:
        self.page = self.http.post(path, data={"csrf": self.csrf, **fields})
        return self.page

    def option(self, path: str, select: str, shown: str) -> str:
        """The value of a choice by what it shows."""
        part = self.get(path).text.partition(f'name="{select}"')[2].partition("</select>")[0]
        found = re.search(rf'<option value="([^"]*)"[^>]*>{re.escape(shown)}', part)
        assert found, f"{shown} is not among {part}"
        return found[1]


@pytest.fixture
def served(settings: Settings, database: Database, clock: FakeClock, ids: Ids):
    """What the API is served from."""
    identity = open_identity(settings, HashCost.least())
    with database.begin() as tx:
        made = bootstrap(tx, identity, BEGINNINGS)
        compute.bootstrap(tx)
        network.bootstrap(
            tx, network.FirstNetworks(made.admin_project_id, made.demo_project_id, "172.24.4.0/24")
        )
        add_image(tx, IMAGE_ID)
        billing.bootstrap(tx, settings.region)
    plane = main.plane(settings, database, clock, ids, identity.tokens)
    plane.parts["identity"] = identity
    return plane


@pytest.fixture
def app(settings: Settings, served, tmp_path: Path):
    assets = tmp_path / "console"
    return mount(Kernel(served, main.dialects()), settings.secrets_dir / "fernet", assets, settings.region)


@pytest.fixture
def visitor(app) -> Iterator[Browser]:
    """Somebody who has not signed in."""
    with TestClient(app, headers={"Accept": "text/html,*/*"}) as http:
        yield Browser(http)


@pytest.fixture
def browser(visitor: Browser) -> Browser:
    """The demo user in project demo."""
    assert visitor.sign_in().status_code == 200
    return visitor


@pytest.fixture
def plane(app, database: Database, clock: FakeClock) -> Plane:
    """A host, and everybody who converges."""
    made = Plane(database, clock, make_caller())
    made.add_host("host-1")
    return made
