"""An administrator, and objects that most tests need."""

import pytest

from tests.conftest import make_caller

V2 = "/network/v2.0"


class Network:
    """Short words for the paths: `net.make("network", name="x")` answers the object."""

    def __init__(self, api):
        self.api = api

    def make(self, noun, path=None, **body):
        answer = self.api.post(f"{V2}/{path or noun + 's'}", {noun: body})
        assert answer.status_code == 201, answer.text
        return answer.json()[noun]

    def refused(self, method, path, status, kind, json=None):
        answer = self.api.request(method, f"{V2}/{path}", json=json)
        error = answer.json()["NeutronError"]
        assert (answer.status_code, error["type"]) == (status, kind), answer.text
        return error["message"]

    def show(self, path):
        answer = self.api.get(f"{V2}/{path}")
        assert answer.status_code == 200, answer.text
        return next(iter(answer.json().values()))

    def put(self, path, json=None, status=200, **kw):
        answer = self.api.put(f"{V2}/{path}", json, **kw)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def delete(self, path, status=204):
        answer = self.api.delete(f"{V2}/{path}")
        assert answer.status_code == status, answer.text

    def subnet(self, network, cidr="10.0.0.0/24", **more):
        version = 6 if ":" in cidr else 4
        return self.make("subnet", network_id=network["id"], cidr=cidr, ip_version=version, **more)


@pytest.fixture
def net(api):
    return Network(api)


@pytest.fixture
def admin(api):
    return Network(api.as_(make_caller("admin-project", "admin", user="admin")))


@pytest.fixture
def stranger(api):
    return Network(api.as_(make_caller("project-b", user="user-b")))


@pytest.fixture
def public(admin):
    body = {
        "name": "public",
        "router:external": True,
        "provider:network_type": "flat",
        "provider:physical_network": "physnet1",
    }
    made = admin.make("network", **body)
    admin.subnet(made, "172.24.4.0/24", enable_dhcp=False)
    return made
