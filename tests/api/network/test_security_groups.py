"""Security groups, their rules, quotas, tags and what the service says of itself."""

import pytest

from tests.api.network.conftest import V2
from tests.conftest import make_caller


def test_each_project_has_a_default_group_with_four_rules(net):
    (group,) = net.show("security-groups")
    assert (group["name"], group["stateful"]) == ("default", True)
    rules = {(r["direction"], r["ethertype"], r["remote_group_id"]) for r in group["security_group_rules"]}
    assert rules == {
        ("egress", "IPv4", None),
        ("egress", "IPv6", None),
        ("ingress", "IPv4", group["id"]),
        ("ingress", "IPv6", group["id"]),
    }
    path = f"security-groups/{group['id']}"
    net.refused("DELETE", path, 409, "SecurityGroupCannotRemoveDefault")
    body = {"security_group": {"name": "x"}}
    net.refused("PUT", path, 409, "SecurityGroupCannotUpdateDefault", body)
    default = {"security_group": {"name": "default"}}
    net.refused("POST", "security-groups", 409, "SecurityGroupDefaultAlreadyExists", default)


@pytest.fixture
def group(net):
    return net.make("security_group", "security-groups", name="g")


def test_a_group_is_made_changed_and_removed(net, group):
    assert len(group["security_group_rules"]) == 2
    path = f"security-groups/{group['id']}"
    changed = net.put(path, {"security_group": {"name": "h", "description": "d"}})["security_group"]
    assert (changed["name"], changed["description"]) == ("h", "d")
    network = net.make("network")
    port = net.make("port", network_id=network["id"], security_groups=[group["id"]])
    net.refused("DELETE", path, 409, "SecurityGroupInUse")
    net.delete(f"ports/{port['id']}")
    net.delete(path)
    net.refused("GET", path, 404, "SecurityGroupNotFound")


def test_a_rule_is_shown_as_neutron_shows_it(net, group):
    rule = net.make(
        "security_group_rule",
        "security-group-rules",
        security_group_id=group["id"],
        direction="ingress",
        protocol="TCP",
        port_range_min="22",
        port_range_max=22,
        remote_ip_prefix="10.1.2.3/8",
    )
    assert (rule["remote_ip_prefix"], rule["normalized_cidr"]) == ("10.1.2.3/8", "10.0.0.0/8")
    assert (rule["protocol"], rule["port_range_min"], rule["ethertype"]) == ("tcp", 22, "IPv4")
    assert net.show(f"security-group-rules/{rule['id']}") == rule
    same = {"security_group_id": group["id"], "direction": "ingress", "protocol": "6"}
    same |= {"port_range_min": 22, "port_range_max": 22, "remote_ip_prefix": "10.0.0.0/8"}
    body = {"security_group_rule": same}
    net.refused("POST", "security-group-rules", 409, "SecurityGroupRuleExists", body)
    found = net.show("security-group-rules?direction=ingress&protocol=tcp&ethertype=IPv4")
    assert [one["id"] for one in found] == [rule["id"]]
    net.delete(f"security-group-rules/{rule['id']}")
    net.delete(f"security-groups/{group['id']}")


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"protocol": "nonsense"}, 400, "SecurityGroupRuleInvalid"),
        (
            {"protocol": "tcp", "port_range_min": 90, "port_range_max": 80},
            400,
            "SecurityGroupInvalidPortRange",
        ),
        (
            {"protocol": "tcp", "port_range_min": -16, "port_range_max": 80},
            400,
            "SecurityGroupInvalidPortValue",
        ),
        (
            {"protocol": "tcp", "port_range_min": 80, "port_range_max": 65536},
            400,
            "SecurityGroupInvalidPortValue",
        ),
        ({"port_range_min": 80, "port_range_max": 80}, 400, "SecurityGroupRuleInvalid"),
        ({"protocol": "icmp", "port_range_min": 256}, 400, "SecurityGroupRuleInvalid"),
        ({"protocol": "icmp", "port_range_max": 2}, 400, "SecurityGroupRuleInvalid"),
        ({"remote_ip_prefix": "92.168.1./24"}, 400, "InvalidInput"),
        ({"remote_ip_prefix": "fd00::/64"}, 400, "SecurityGroupRuleInvalid"),
        ({"direction": "sideways"}, 400, "HTTPBadRequest"),
        ({"ethertype": "bad"}, 400, "HTTPBadRequest"),
        ({"remote_group_id": "x"}, 404, "SecurityGroupNotFound"),
        ({"security_group_id": "x"}, 404, "SecurityGroupNotFound"),
    ],
)
def test_rules_that_make_no_sense(net, group, body, status, kind):
    full = {"security_group_id": group["id"], "direction": "ingress", **body}
    net.refused("POST", "security-group-rules", status, kind, {"security_group_rule": full})


def test_quotas_are_shown_set_met_and_reset(net, admin):
    shown = net.show("quotas/project-a")
    assert (shown["network"], shown["port"]) == (100, 500)
    net.refused("PUT", "quotas/project-a", 403, "PolicyNotAuthorized", {"quota": {"network": 1}})
    net.refused("GET", "quotas/project-b", 403, "PolicyNotAuthorized")
    assert admin.put("quotas/project-a", {"quota": {"network": 1}})["quota"]["network"] == 1
    assert [one["project_id"] for one in admin.show("quotas")] == ["project-a"]
    net.make("network")
    net.refused("POST", "networks", 409, "OverQuota", {"network": {}})
    details = net.show("quotas/project-a/details.json")
    assert details["network"] == {"limit": 1, "used": 1, "reserved": 0}
    admin.delete("quotas/project-a")
    assert net.show("quotas/project-a")["network"] == net.show("quotas/project-a/default")["network"] == 100


def test_tags(net):
    network = net.make("network")
    path = f"networks/{network['id']}/tags"
    assert net.put(path, {"tags": ["red", "blue"]})["tags"] == ["blue", "red"]
    net.put(f"{path}/green", status=201)
    net.delete(f"{path}/red")
    net.refused("DELETE", f"{path}/red", 404, "TagNotFound")
    assert net.api.get(f"{V2}/{path}/blue").status_code == 204
    assert net.show(path) == ["blue", "green"]
    other = net.make("network")
    found = {
        "tags=blue,green": [network["id"]],
        "tags=blue,red": [],
        "tags-any=blue,red": [network["id"]],
        "not-tags=blue": [other["id"]],
        "not-tags-any=blue,red": [other["id"]],
    }
    for query, ids in found.items():
        assert [one["id"] for one in net.show(f"networks?{query}")] == ids, query


def test_the_service_tells_what_it_is(net, admin, api):
    (version,) = api.get("/network/").json()["versions"]
    assert (version["id"], version["status"]) == ("v2.0", "CURRENT")
    assert api.get("/network/v2.0/").status_code == 200
    aliases = {one["alias"] for one in net.show("extensions")}
    assert {"router", "security-group", "standard-attr-tag"} <= aliases
    assert net.show("extensions/router")["alias"] == "router"
    assert net.api.get(f"{V2}/extensions/lbaas").status_code == 404
    assert {one["resource"] for one in net.show("availability_zones")} == {"network", "router"}
    assert net.show("service-providers")[0]["service_type"] == "L3_ROUTER_NAT"
    assert admin.show("agents") == []
    network = net.make("network")
    net.subnet(network, "10.0.0.0/28")
    net.subnet(network, "fd00::/64")
    usage = admin.show(f"network-ip-availabilities/{network['id']}")
    totals = {one["ip_version"]: one["total_ips"] for one in usage["subnet_ip_availability"]}
    assert totals == {4: 13, 6: 2**64 - 2}
    assert usage["used_ips"] == 1
    shown = sorted(usage["subnet_ip_availability"], key=lambda one: one["ip_version"])
    four, six = (one["ip_availability_details"] for one in shown)
    assert four == {
        "total_ips_in_subnet": 14,
        "total_ips_in_allocation_pool": 13,
        "used_ips_in_subnet": 1,
        "used_ips_in_allocation_pool": 1,
    }
    assert six["total_ips_in_subnet"] == 2**64
    assert usage["ip_availability_details"] == {name: four[name] + six[name] for name in four}


def test_readers_read_and_nothing_else(api, net):
    made = net.make("network")
    reader = api.as_(make_caller(role="reader"))
    assert reader.get(f"{V2}/networks/{made['id']}").status_code == 200
    assert reader.post(f"{V2}/networks", {"network": {}}).status_code == 403
    assert reader.delete(f"{V2}/networks/{made['id']}").status_code == 403
