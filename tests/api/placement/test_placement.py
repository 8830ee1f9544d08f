"""What Placement tells of hosts and claims."""

import pytest

from tests.conftest import make_caller
from tests.volume.conftest import add_host
from volutus import placement

CONSUMER = "11111111-0000-4000-8000-000000000001"
CPU = {"VCPU": 2, "MEMORY_MB": 512, "DISK_GB": 5, "CUSTOM_MHZ": 1000}


@pytest.fixture
def hosts(database):
    return [add_host(database, name).host_id for name in ("host-1", "host-2")]


@pytest.fixture
def claimed(database, hosts):
    """The host on which a consumer has a claim."""
    with database.begin() as tx:
        claim = placement.Claim(
            CONSUMER, "project-a", "user-a", mhz=1000, cores=2, memory_mib=512, disk_gib=5
        )
        return placement.claim(tx, claim)


@pytest.fixture
def see(api):
    admin = api.as_(make_caller("admin", "admin"))

    def get(path, version="1.39", status=200):
        headers = {"OpenStack-API-Version": f"placement {version}"}
        answer = admin.get(f"/placement{path}", headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    return get


def test_discovery_is_open_and_the_rest_is_for_operators(api, hosts):
    (version,) = api.request("GET", "/placement/", headers={"X-Auth-Token": ""}).json()["versions"]
    assert (version["min_version"], version["max_version"]) == ("1.0", "1.39")
    refused = api.get("/placement/resource_providers")
    assert refused.status_code == 403
    assert refused.json()["errors"][0]["status"] == 403
    assert api.post("/placement/resource_providers", {}).status_code == 405


def test_providers_are_hosts(see, hosts):
    found = see("/resource_providers")["resource_providers"]
    assert [one["name"] for one in found] == ["host-1", "host-2"]
    assert found[0]["root_provider_uuid"] == hosts[0]
    assert "root_provider_uuid" not in see("/resource_providers", "1.0")["resource_providers"][0]
    (named,) = see("/resource_providers?name=host-2")["resource_providers"]
    assert see(f"/resource_providers/{named['uuid']}")["name"] == "host-2"
    see("/resource_providers/nothing", status=404)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("resources=VCPU:1", 2),
        ("resources=DISK_GB:501", 0),
        ("required=COMPUTE_NODE", 2),
        ("required=!COMPUTE_NODE", 0),
        ("required=in:COMPUTE_STATUS_DISABLED,CUSTOM_ACCELERATOR_TCG", 2),
        ("member_of=in:x", 0),
        ("in_tree=nothing", 0),
    ],
)
def test_providers_are_filtered(see, hosts, query, count):
    assert len(see(f"/resource_providers?{query}")["resource_providers"]) == count


def test_inventories_and_usages_show_the_claim(see, claimed):
    root = f"/resource_providers/{claimed}"
    inventories = see(f"{root}/inventories")["inventories"]
    assert (inventories["CUSTOM_MHZ"]["total"], inventories["DISK_GB"]["total"]) == (10_000, 500)
    assert see(f"{root}/inventories/VCPU")["allocation_ratio"] == 1.0
    see(f"{root}/inventories/PGPU", status=404)
    assert see(f"{root}/usages")["usages"] == CPU
    assert see(f"{root}/allocations")["allocations"] == {CONSUMER: {"resources": CPU}}
    assert see(f"{root}/aggregates")["aggregates"] == []
    assert "COMPUTE_NODE" in see(f"{root}/traits")["traits"]


def test_a_consumers_allocations(see, claimed):
    found = see(f"/allocations/{CONSUMER}")
    assert found["allocations"][claimed]["resources"] == CPU
    assert (found["project_id"], found["user_id"]) == ("project-a", "user-a")
    assert see("/allocations/nobody") == {"allocations": {}}


def test_usages_of_a_project(see, claimed):
    assert see("/usages?project_id=project-a", "1.9")["usages"] == CPU
    assert see("/usages?project_id=project-a")["usages"]["unknown"]["consumer_count"] == 1
    assert see("/usages?project_id=project-b")["usages"] == {}
    see("/usages", status=400)


def test_candidates_are_hosts_with_room(see, claimed, hosts):
    found = see("/allocation_candidates?resources=VCPU:1,MEMORY_MB:64")
    assert {next(iter(one["allocations"])) for one in found["allocation_requests"]} == set(hosts)
    assert found["provider_summaries"][claimed]["resources"]["VCPU"]["used"] == 2
    assert len(see("/allocation_candidates?resources=VCPU:1&limit=1")["allocation_requests"]) == 1
    assert see("/allocation_candidates?resources=CUSTOM_MHZ:9001")["allocation_requests"] != []
    assert see("/allocation_candidates?resources=CUSTOM_MHZ:10001")["allocation_requests"] == []
    for query in ("", "?resources=", "?resources=VCPU:0", "?resources=NOTHING:1"):
        see(f"/allocation_candidates{query}", status=400)


def test_classes_and_traits(see):
    assert len(see("/resource_classes")["resource_classes"]) == 4
    assert see("/resource_classes/CUSTOM_MHZ")["name"] == "CUSTOM_MHZ"
    see("/resource_classes/PGPU", status=404)
    assert see("/traits?name=startswith:COMPUTE")["traits"] == ["COMPUTE_NODE", "COMPUTE_STATUS_DISABLED"]
    see("/traits/COMPUTE_NODE", status=204)
    see("/traits/NOTHING", status=404)
