"""Subnet pools on the wire."""

import pytest


@pytest.fixture
def pool(net):
    return net.make("subnetpool", name="p", prefixes=["10.8.0.0/16"], default_prefixlen=24, min_prefixlen=20)


def test_subnets_are_cut_without_overlap(net, pool):
    order = {"ip_version": 4, "subnetpool_id": pool["id"]}
    first = net.make("subnet", network_id=net.make("network")["id"], **order)
    second = net.make("subnet", network_id=net.make("network")["id"], prefixlen=20, **order)
    assert (first["cidr"], second["cidr"]) == ("10.8.0.0/24", "10.8.16.0/20")
    assert first["subnetpool_id"] == pool["id"]
    body = {"network_id": net.make("network")["id"], "cidr": "10.8.0.128/25", **order}
    net.refused("POST", "subnets", 409, "SubnetAllocationError", {"subnet": body})
    net.refused("POST", "subnets", 400, "InvalidInput", {"subnet": body | {"cidr": "10.8.0.0/16"}})
    net.refused("DELETE", f"subnetpools/{pool['id']}", 409, "SubnetPoolInUse")
    for subnet in (first, second):
        net.delete(f"subnets/{subnet['id']}")
    net.delete(f"subnetpools/{pool['id']}")


def test_pools_are_shown_changed_and_refused(net, stranger, pool):
    assert (pool["prefixes"], pool["ip_version"], pool["shared"]) == (["10.8.0.0/16"], 4, False)
    path = f"subnetpools/{pool['id']}"
    stranger.refused("GET", path, 404, "SubnetPoolNotFound")
    changes = {"subnetpool": {"name": "q", "prefixes": ["10.8.0.0/16", "10.9.0.0/16"]}}
    assert net.put(path, changes)["subnetpool"]["prefixes"] == ["10.8.0.0/15"]
    for body in ({"prefixes": ["10.8.0.0/24"]}, {"min_prefixlen": 30}):
        net.refused("PUT", path, 400, "InvalidInput", {"subnetpool": body})
    net.refused("POST", "subnetpools", 400, "InvalidInput", {"subnetpool": {"name": "x", "prefixes": []}})
    assert [one["name"] for one in net.show("subnetpools")] == ["q"]


def test_a_pool_may_ration_what_a_project_takes(net):
    pool = net.make("subnetpool", name="p", prefixes=["10.8.0.0/16"], default_quota=300)
    order = {"ip_version": 4, "subnetpool_id": pool["id"], "prefixlen": 24}
    net.make("subnet", network_id=net.make("network")["id"], **order)
    body = {"network_id": net.make("network")["id"], **order}
    net.refused("POST", "subnets", 409, "SubnetPoolQuotaExceeded", {"subnet": body})


def test_there_is_one_default_of_each_ip_version(admin):
    pools = [
        admin.make("subnetpool", prefixes=[prefix], is_default=True)
        for prefix in ("10.8.0.0/16", "fd00::/48")
    ]
    second = {"prefixes": ["10.9.0.0/16"], "is_default": True}
    admin.refused("POST", "subnetpools", 400, "InvalidInput", {"subnetpool": second})
    other = admin.make("subnetpool", prefixes=["10.9.0.0/16"])
    path = f"subnetpools/{other['id']}"
    admin.refused("PUT", path, 400, "InvalidInput", {"subnetpool": {"is_default": True}})
    admin.put(f"subnetpools/{pools[0]['id']}", {"subnetpool": {"is_default": False}})
    assert admin.put(path, {"subnetpool": {"is_default": True}})["subnetpool"]["is_default"]
