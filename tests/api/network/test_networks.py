"""Networks and subnets on the wire."""

import pytest

from tests.api.network.conftest import V2


def test_a_network_is_shown_as_neutron_shows_it(net):
    made = net.make("network", name="a", description="d")
    assert made["status"] == "ACTIVE"
    assert (made["shared"], made["router:external"], made["admin_state_up"]) == (False, False, True)
    assert (made["mtu"], made["subnets"], made["availability_zones"]) == (1442, [], ["nova"])
    assert "provider:network_type" not in made
    assert made["created_at"].endswith("Z")
    assert net.show(f"networks/{made['id']}") == made
    changed = net.put(f"networks/{made['id']}", {"network": {"name": "b", "admin_state_up": "false"}})
    assert (changed["network"]["name"], changed["network"]["admin_state_up"]) == ("b", False)
    assert changed["network"]["revision_number"] == made["revision_number"] + 1
    net.delete(f"networks/{made['id']}")
    net.refused("GET", f"networks/{made['id']}", 404, "NetworkNotFound")


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"network": {"name": None}}, 400, "HTTPBadRequest"),
        ({"network": {"colour": "red"}}, 400, "HTTPBadRequest"),
        ({"network": {"shared": True}}, 403, "PolicyNotAuthorized"),
        ({"network": {"provider:network_type": "vlan"}}, 403, "PolicyNotAuthorized"),
        ({"network": {"tenant_id": "project-b"}}, 400, "InvalidInput"),
        ({"networks": []}, 400, "HTTPBadRequest"),
        ([], 400, "HTTPBadRequest"),
        ({}, 400, "HTTPBadRequest"),
    ],
)
def test_what_is_refused(net, body, status, kind):
    net.refused("POST", "networks", status, kind, body)


def test_many_are_made_at_once_or_none(net):
    answer = net.api.post(f"{V2}/networks", {"networks": [{"name": "a"}, {"name": "b"}]})
    assert [one["name"] for one in answer.json()["networks"]] == ["a", "b"]
    net.refused("POST", "networks", 400, "HTTPBadRequest", {"networks": [{"name": "c"}, {"name": 5}]})
    assert len(net.show("networks")) == 2


def test_lists_are_filtered_sorted_cut_and_paged(net, admin):
    for name in "cab":
        net.make("network", name=name)
    assert [one["name"] for one in net.show("networks?sort_key=name&sort_dir=desc")] == ["c", "b", "a"]
    assert [one["name"] for one in net.show("networks?name=a&name=b&sort_key=name")] == ["a", "b"]
    assert net.show("networks?fields=name&name=a") == [{"name": "a"}]
    first = net.api.get(f"{V2}/networks?limit=2&sort_key=name").json()
    assert [one["name"] for one in first["networks"]] == ["a", "b"]
    (link,) = first["networks_links"]
    rest = net.api.get(link["href"].partition("http://testserver")[2]).json()
    assert [one["name"] for one in rest["networks"]] == ["c"]
    backwards = net.show("networks?limit=2&sort_key=name&page_reverse=True")
    assert [one["name"] for one in backwards] == ["b", "c"]
    net.refused("GET", "networks?colour=red", 400, "InvalidInput")
    assert net.show("networks?shared=True") == []
    assert len(admin.show("networks?project_id=project-a")) == 3


def test_revisions_guard_changes(net):
    made = net.make("network")
    path = f"networks/{made['id']}"
    stale = {"If-Match": "revision_number=7"}
    assert net.api.put(f"{V2}/{path}", {"network": {"name": "x"}}, headers=stale).status_code == 412
    assert net.api.delete(f"{V2}/{path}", headers=stale).status_code == 412
    seen = {"If-Match": f"revision_number={made['revision_number']}"}
    assert net.api.put(f"{V2}/{path}", {"network": {"name": "x"}}, headers=seen).status_code == 200


def test_shared_networks_are_seen_but_not_changed_by_others(net, admin, stranger):
    shared = admin.make("network", name="shared", shared=True)
    own = net.make("network", name="own")
    assert [one["name"] for one in stranger.show("networks")] == ["shared"]
    stranger.refused("GET", f"networks/{own['id']}", 404, "NetworkNotFound")
    stranger.refused("DELETE", f"networks/{own['id']}", 404, "NetworkNotFound")
    stranger.refused("DELETE", f"networks/{shared['id']}", 403, "PolicyNotAuthorized")
    stranger.refused("PUT", f"networks/{shared['id']}/tags/x", 403, "PolicyNotAuthorized")
    stranger.make("port", network_id=shared["id"])
    admin.refused(
        "PUT", f"networks/{shared['id']}", 409, "InvalidSharedSetting", {"network": {"shared": False}}
    )


def test_a_subnet_has_pools_around_its_gateway(net):
    network = net.make("network")
    subnet = net.subnet(network)
    assert subnet["gateway_ip"] == "10.0.0.1"
    assert subnet["allocation_pools"] == [{"start": "10.0.0.2", "end": "10.0.0.254"}]
    assert net.show(f"networks/{network['id']}")["subnets"] == [subnet["id"]]
    other = net.subnet(net.make("network"), gateway_ip="10.0.0.100", dns_nameservers=["10.0.0.9"])
    assert len(other["allocation_pools"]) == 2
    bare = net.subnet(net.make("network"), gateway_ip=None)
    assert bare["gateway_ip"] is None
    six = net.subnet(network, "fd00::/64", ipv6_address_mode="slaac", ipv6_ra_mode="slaac")
    assert (six["gateway_ip"], six["ip_version"]) == ("fd00::1", 6)


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"cidr": "10.0.0.1/24"}, 400, "InvalidInput"),
        ({"cidr": "10.0.0.0/24", "ip_version": 6}, 400, "InvalidInput"),
        ({"cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.255"}, 400, "InvalidInput"),
        (
            {"cidr": "10.0.0.0/24", "allocation_pools": [{"start": "10.0.1.2", "end": "10.0.1.9"}]},
            400,
            "OutOfBoundsAllocationPool",
        ),
        (
            {"cidr": "10.0.0.0/24", "allocation_pools": [{"start": "10.0.0.1", "end": "10.0.0.9"}]},
            409,
            "GatewayConflictWithAllocationPools",
        ),
        (
            {
                "cidr": "10.0.0.0/24",
                "allocation_pools": [
                    {"start": "10.0.0.2", "end": "10.0.0.9"},
                    {"start": "10.0.0.9", "end": "10.0.0.19"},
                ],
            },
            409,
            "OverlappingAllocationPools",
        ),
        (
            {"cidr": "10.0.0.0/24", "allocation_pools": [{"start": "10.0.0.9", "end": "10.0.0.2"}]},
            400,
            "InvalidAllocationPool",
        ),
        ({"cidr": "10.0.0.0/24", "ipv6_ra_mode": "slaac"}, 400, "InvalidInput"),
        ({"cidr": "fd00::/60", "ip_version": 6, "ipv6_ra_mode": "slaac"}, 400, "InvalidInput"),
        ({"cidr": "10.0.0.0/24", "dns_nameservers": ["x"]}, 400, "InvalidInput"),
        ({"cidr": "192.168.0.0/16"}, 400, "InvalidInput"),
    ],
)
def test_subnets_that_make_no_sense(net, body, status, kind):
    network = net.make("network")
    net.subnet(network, "192.168.3.0/24")
    net.refused(
        "POST", "subnets", status, kind, {"subnet": {"network_id": network["id"], "ip_version": 4, **body}}
    )


def test_a_subnet_in_use_stays(net):
    network = net.make("network")
    subnet = net.subnet(network)
    port = net.make("port", network_id=network["id"])
    net.refused("DELETE", f"subnets/{subnet['id']}", 409, "SubnetInUse")
    assert "delete its servers" in net.refused("DELETE", f"networks/{network['id']}", 409, "NetworkInUse")
    net.delete(f"ports/{port['id']}")
    net.delete(f"subnets/{subnet['id']}")
    net.delete(f"networks/{network['id']}")


def test_a_network_is_cleared_by_deleting_its_ports(net):
    network = net.make("network")
    first = net.subnet(network)
    (metadata,) = net.show(f"ports?network_id={network['id']}")
    assert metadata["device_owner"] == "network:distributed"
    net.delete(f"ports/{metadata['id']}")
    assert net.show(f"ports?network_id={network['id']}") == []
    # The next subnet with DHCP brings it back, for the others too.
    added = net.subnet(network, "10.9.0.0/24")
    (again,) = net.show(f"ports?network_id={network['id']}")
    assert {fixed["subnet_id"] for fixed in again["fixed_ips"]} == {first["id"], added["id"]}
    net.delete(f"ports/{again['id']}")
    for subnet in (first, added):
        net.delete(f"subnets/{subnet['id']}")
    net.delete(f"networks/{network['id']}")


def test_a_subnet_is_changed(net):
    subnet = net.subnet(net.make("network"))
    changes = {
        "name": "n",
        "enable_dhcp": False,
        "gateway_ip": "10.0.0.254",
        "allocation_pools": [{"start": "10.0.0.5", "end": "10.0.0.9"}],
        "dns_nameservers": ["10.0.0.3"],
        "host_routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.3"}],
    }
    changed = net.put(f"subnets/{subnet['id']}", {"subnet": changes})["subnet"]
    assert {name: changed[name] for name in changes} == changes
    net.put(f"subnets/{subnet['id']}", {"subnet": {"enable_dhcp": True, "gateway_ip": None}})
    net.refused("PUT", f"subnets/{subnet['id']}", 400, "InvalidInput", {"subnet": {"cidr": "10.1.0.0/24"}})


def test_an_external_network_goes_with_its_idle_floating_ips(net, admin, public):
    floating = net.make("floatingip", floating_network_id=public["id"])
    admin.delete(f"networks/{public['id']}")
    assert net.api.get(f"{V2}/floatingips/{floating['id']}").status_code == 404
    assert net.show("quotas/project-a/details")["floatingip"]["used"] == 0
