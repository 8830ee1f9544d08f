"""What Nova once did for other services, in the versions that still have it."""

import pytest

from tests.api.compute.conftest import ROOT
from tests.conftest import make_caller

HOSTS = f"{ROOT}/os-hosts"


@pytest.fixture
def operator(nova):
    """The same API, asked by an administrator."""
    return nova.as_(make_caller(role="admin"))


def test_volumes_and_snapshots_are_the_volume_services(nova):
    made = nova.post(f"{ROOT}/os-volumes", {"volume": {"size": "1", "display_name": "old"}}).json()["volume"]
    assert (made["size"], made["displayName"], made["attachments"]) == (1, "old", [{}])
    url = f"{ROOT}/os-volumes/{made['id']}"
    assert nova.get(url).json()["volume"]["id"] == made["id"]
    listed = nova.get(f"{ROOT}/os-volumes/detail?limit=1&offset=0").json()["volumes"]
    assert [one["id"] for one in listed] == [made["id"]]
    assert nova.get(f"{ROOT}/os-volumes?offset=1").json() == {"volumes": []}
    assert nova.get(f"{ROOT}/os-snapshots").json() == {"snapshots": []}
    assert nova.post(f"{ROOT}/os-volumes", {"volume": {"size": 0}}).status_code == 400
    assert nova.get(url, headers={"X-OpenStack-Nova-API-Version": "2.36"}).status_code == 404


def test_networks_are_the_network_services(nova):
    (known,) = nova.get(f"{ROOT}/os-tenant-networks").json()["networks"]
    assert nova.get(f"{ROOT}/os-networks/{known['id']}").json() == {"network": known}
    assert nova.get(f"{ROOT}/os-floating-ips").json() == {"floating_ips": []}
    assert nova.post(f"{ROOT}/os-floating-ips", {"pool": "none"}).status_code == 404


def test_hosts_are_told_and_closed_and_never_switched_off(operator):
    hosts = operator.get(HOSTS).json()["hosts"]
    assert [(host["host_name"], host["service"]) for host in hosts] == [
        ("host-1", "compute"),
        ("control", "conductor"),
    ]
    shown = operator.get(f"{HOSTS}/host-1").json()["host"]
    assert [line["resource"]["project"] for line in shown] == ["(total)", "(used_now)"]
    closed = operator.put(f"{HOSTS}/host-1", {"status": "disable"})
    assert closed.json() == {"host": "host-1", "status": "disabled"}
    assert operator.get(f"{HOSTS}/host-1/reboot").status_code == 400
    assert operator.get(f"{HOSTS}/nobody/reboot").status_code == 404


@pytest.mark.parametrize("known", [True, False])
def test_events_are_of_servers_that_there_are(nova, operator, plane, known):
    server_id = (
        plane.create("told", flavor_id="c1", image_id="11111111-2222-3333-4444-555555555555").id
        if known
        else "00000000-0000-4000-8000-000000000000"
    )
    event = {"name": "network-changed", "server_uuid": server_id}
    answer = operator.post(f"{ROOT}/os-server-external-events", {"events": [event]})
    assert answer.status_code == (200 if known else 207)
    assert answer.json()["events"][0]["code"] == (200 if known else 404)
    assert nova.post(f"{ROOT}/os-server-external-events", {"events": [event]}).status_code == 403


def test_the_class_of_quotas_is_the_default_of_all(operator, nova):
    url = f"{ROOT}/os-quota-class-sets/default"
    assert operator.put(url, {"quota_class_set": {"cores": 77}}).json()["quota_class_set"]["cores"] == 77
    assert nova.get(f"{ROOT}/limits").json()["limits"]["absolute"]["maxTotalCores"] == 77
    other = operator.put(f"{ROOT}/os-quota-class-sets/gold", {"quota_class_set": {"cores": 1}})
    assert other.status_code == 404


def test_assisted_snapshots_are_snapshots_under_the_askers_id(nova, operator, plane):
    made = nova.post(f"{ROOT}/os-volumes", {"volume": {"size": 1}}).json()["volume"]
    kept_id = "0f0e0d0c-0000-4000-8000-000000000001"
    info = {"snapshot_id": kept_id, "type": "qcow2", "new_file": "any"}
    body = {"snapshot": {"volume_id": made["id"], "create_info": info}}
    url = f"{ROOT}/os-assisted-volume-snapshots"
    assert operator.post(url, body).status_code == 400
    plane.settle()
    assert nova.post(url, body).status_code == 403
    wrong = {"snapshot": {"volume_id": made["id"], "create_info": info | {"snapshot_id": "1/2"}}}
    assert operator.post(url, wrong).status_code == 400
    assert operator.post(url, body).json() == {"snapshot": {"id": kept_id, "volumeId": made["id"]}}
    assert operator.post(url, body).status_code == 409
    for asked in ("", "{}", '{"volume_id": "other"}'):
        assert operator.delete(f"{url}/{kept_id}?delete_info={asked}").status_code == 400
    named = f'{url}/{kept_id}?delete_info={{"volume_id":"{made["id"]}"}}'
    assert operator.delete(named).status_code == 204
