"""Quotas, limits, services, pools, zones, transfers and discovery."""

import pytest

from tests.conftest import make_caller


def test_discovery_needs_no_token(api):
    headers = {"X-Auth-Token": ""}
    every = api.request("GET", "/volume/", headers=headers)
    assert every.status_code == 300
    (version,) = api.request("GET", "/volume/v3/", headers=headers).json()["versions"]
    assert (version["id"], version["min_version"]) == ("v3.0", "3.0")
    assert version["links"][-1]["href"].endswith("/volume/v3/")


def test_versions_are_negotiated(cinder, api):
    answer = api.get("/volume/v3/volumes", headers={"OpenStack-API-Version": "volume 3.27"})
    assert answer.headers["OpenStack-API-Version"] == "volume 3.27"
    assert cinder.at("3.99").call("GET", "/volumes").status_code == 406


def test_quotas_are_shown_set_and_reset(cinder, operator):
    shown = cinder.get("/os-quota-sets/project-a")["quota_set"]
    assert (shown["id"], shown["volumes"], shown["per_volume_gigabytes"]) == ("project-a", 10, -1)
    cinder.get("/os-quota-sets/project-b", 403)
    body = {"quota_set": {"volumes": 1, "per_volume_gigabytes": "5"}}
    cinder.call("PUT", "/os-quota-sets/project-a", body, 403)
    assert operator.call("PUT", "/os-quota-sets/project-a", body, 200)["quota_set"]["volumes"] == 1
    cinder.make(expect=413, size=6)
    cinder.make()
    cinder.make(expect=413)
    operator.call("DELETE", "/os-quota-sets/project-a", expect=200)
    assert cinder.get("/os-quota-sets/project-a")["quota_set"]["volumes"] == 10
    assert operator.get("/os-quota-sets/project-a/defaults")["quota_set"]["volumes"] == 10


@pytest.mark.parametrize(
    "changes", [{"colour": 1}, {"volumes": "x"}, {"volumes": -2}, {"volumes": 2**31}, None]
)
def test_bad_quotas_are_refused(operator, changes):
    operator.call("PUT", "/os-quota-sets/project-a", {"quota_set": changes}, 400)


def test_limits_say_what_is_used(cinder):
    cinder.make(size=3)
    absolute = cinder.get("/limits")["limits"]["absolute"]
    assert (absolute["totalVolumesUsed"], absolute["totalGigabytesUsed"]) == (1, 3)
    assert absolute["maxTotalVolumes"] == 10


def test_what_operators_see(cinder, operator, made):
    made(size=5)
    cinder.get("/os-services", 403)
    (service,) = operator.get("/os-services?binary=cinder-volume")["services"]
    assert (service["host"], service["state"], service["status"]) == ("host-1@directory", "up", "enabled")
    assert operator.get("/os-services?host=other")["services"] == []
    (pool,) = operator.get("/scheduler-stats/get_pools?detail=true")["pools"]
    assert pool["name"] == "host-1@directory#directory"
    assert pool["capabilities"]["free_capacity_gb"] == 495
    (host,) = operator.get("/os-hosts")["hosts"]
    total, own = operator.get(f"/os-hosts/{host['host_name']}")["host"]
    assert total["resource"]["total_volume_gb"] == "5"
    assert own["resource"]["project"] == "project-a"
    assert operator.get("/capabilities/host-1@directory")["pool_name"] == "directory"
    zones = cinder.get("/os-availability-zone")["availabilityZoneInfo"]
    assert zones == [{"zoneName": "nova", "zoneState": {"available": True}}]
    assert cinder.get("/extensions")["extensions"]
    assert cinder.get("/resource_filters?resource=snapshot")["resource_filters"][0]["filters"]


def offered(cinder, volume_id, expect=202):
    body = {"transfer": {"volume_id": volume_id, "name": "gift"}}
    return cinder.call("POST", "/volume-transfers", body, expect)


def test_a_volume_changes_hands_with_its_quota(cinder, made):
    volume_id = made(size=2)
    transfer = offered(cinder, volume_id)["transfer"]
    assert cinder.status(volume_id) == "awaiting-transfer"
    assert "auth_key" not in cinder.get(f"/volume-transfers/{transfer['id']}")["transfer"]
    offered(cinder, volume_id, expect=400)
    other = cinder.as_(make_caller("project-b", user="user-b"))
    other.get(f"/os-volume-transfer/{transfer['id']}", 404)
    path = f"/os-volume-transfer/{transfer['id']}/accept"
    other.call("POST", path, {"accept": {"auth_key": "wrong"}}, 400)
    taken = other.call("POST", path, {"accept": {"auth_key": transfer["auth_key"]}}, 202)
    assert taken["transfer"]["volume_id"] == volume_id
    assert taken["transfer"]["name"] == transfer["name"]
    assert other.status(volume_id) == "available"
    cinder.get(f"/volumes/{volume_id}", 404)
    assert cinder.get("/limits")["limits"]["absolute"]["totalGigabytesUsed"] == 0
    assert other.get("/limits")["limits"]["absolute"]["totalGigabytesUsed"] == 2


def test_an_offer_is_withdrawn(cinder, made):
    volume_id = made()
    transfer = offered(cinder, volume_id)["transfer"]
    assert [one["id"] for one in cinder.get("/volume-transfers")["transfers"]] == [transfer["id"]]
    cinder.call("DELETE", f"/volume-transfers/{transfer['id']}", expect=202)
    assert cinder.status(volume_id) == "available"
    assert cinder.get("/volume-transfers/detail")["transfers"] == []
