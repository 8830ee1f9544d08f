"""A cloud with one host, reached through Cinder's API."""

import pytest

from tests.conftest import make_caller
from tests.volume.conftest import agent, settle, worker  # noqa: F401


class Cinder:
    """The API below one project's path at one microversion."""

    def __init__(self, api, version="3.70"):
        self.http = api
        self.version = version
        self.root = f"/volume/v3/{api.caller.project_id}"

    def at(self, version):
        return Cinder(self.http, version)

    def as_(self, caller):
        return Cinder(self.http.as_(caller), self.version)

    def call(self, method, path, body=None, expect=None):
        headers = {"OpenStack-API-Version": f"volume {self.version}"}
        answer = self.http.request(method, self.root + path, json=body, headers=headers)
        if expect is not None:
            assert answer.status_code == expect, answer.text
        return answer.json() if answer.content and expect is not None and expect < 500 else answer

    def get(self, path, expect=200):
        return self.call("GET", path, None, expect)

    def make(self, expect=202, **fields):
        body = self.call("POST", "/volumes", {"volume": {"size": 1, **fields}}, expect)
        return body["volume"]["id"] if expect == 202 else body

    def act(self, volume_id, name, body=None, expect=202):
        return self.call("POST", f"/volumes/{volume_id}/action", {name: body or {}}, expect)

    def volume(self, volume_id):
        return self.get(f"/volumes/{volume_id}")["volume"]

    def status(self, volume_id):
        return self.volume(volume_id)["status"]


@pytest.fixture
def cinder(api):
    return Cinder(api)


@pytest.fixture
def operator(cinder):
    return cinder.as_(make_caller("project-admin", "admin", user="admin"))


@pytest.fixture
def made(cinder, settle):  # noqa: F811
    """Makes an available volume."""

    def make(**fields):
        volume_id = cinder.make(**fields)
        settle()
        return volume_id

    return make
