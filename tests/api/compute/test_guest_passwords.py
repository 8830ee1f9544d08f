"""`os-server-password`: what guests told of their passwords, shown to their owners and nobody else."""

import pytest

from tests.api.compute.test_servers import ROOT, make
from tests.conftest import make_caller
from volutus import compute
from volutus.compute import actions, rebuilds
from volutus.compute.faults import ServerNotFound
from volutus.compute.guest_passwords import BYTES_MAX
from volutus.errors import Invalid


@pytest.fixture
def server_id(nova, plane):
    return make(nova, plane)


def told(plane, server_id, data, host_id=None):
    host_id = host_id or plane.get(server_id).guest.host_id
    with plane.database.begin() as tx:
        return compute.guest_passwords.told(tx, host_id, server_id, data)


def shown(client, server_id):
    return client.get(f"{ROOT}/servers/{server_id}/os-server-password").json()


def test_a_password_is_kept_until_it_is_forgotten(nova, plane, server_id):
    assert shown(nova, server_id) == {"password": ""}
    assert told(plane, server_id, b"") == ""
    assert [told(plane, server_id, one) for one in (b"sealed==", b"another", b"")] == ["sealed=="] * 3
    assert shown(nova, server_id) == {"password": "sealed=="}
    assert nova.delete(f"{ROOT}/servers/{server_id}/os-server-password").status_code == 204
    assert shown(nova, server_id) == {"password": ""}
    assert told(plane, server_id, b"another") == "another"


def test_a_rebuilt_or_deleted_server_has_none(nova, plane, server_id):
    told(plane, server_id, b"sealed==")
    plane.act(rebuilds.rebuild, server_id, wanted=rebuilds.Rebuild(plane.get(server_id).image_id))
    plane.settle()
    assert shown(nova, server_id) == {"password": ""}
    told(plane, server_id, b"sealed==")
    plane.act(actions.delete, server_id)
    plane.settle()
    assert nova.get(f"{ROOT}/servers/{server_id}/os-server-password").status_code == 404


def test_only_its_own_host_tells_and_only_its_owner_hears(nova, plane, server_id):
    with pytest.raises(ServerNotFound):
        told(plane, server_id, b"sealed==", host_id="another")
    for wrong in (b"x" * (BYTES_MAX + 1), b"\xff", b"a\nb", b"a\0b"):
        with pytest.raises(Invalid):
            told(plane, server_id, wrong)
    told(plane, server_id, b"sealed==")
    stranger = nova.as_(make_caller("project-b", user="user-b"))
    for call in (stranger.get, stranger.delete):
        assert call(f"{ROOT}/servers/{server_id}/os-server-password").status_code == 404
    assert shown(nova, server_id) == {"password": "sealed=="}
