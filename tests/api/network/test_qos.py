"""Limits and marks: policies, their rules, and what they are for."""

import pytest


@pytest.fixture
def policy(admin):
    return admin.make("policy", "qos/policies", name="gold", shared=True)


def limit(admin, policy, **body):
    path = f"qos/policies/{policy['id']}/bandwidth_limit_rules"
    return admin.make("bandwidth_limit_rule", path, **({"max_kbps": 10000} | body))


def test_a_policy_with_its_rules(admin, net, policy):
    sent = limit(admin, policy, max_burst_kbps=2000)
    got = limit(admin, policy, direction="ingress")
    base = f"qos/policies/{policy['id']}"
    mark = admin.make("dscp_marking_rule", f"{base}/dscp_marking_rules", dscp_mark=26)
    assert (sent["direction"], got["max_burst_kbps"], mark["dscp_mark"]) == ("egress", 0, 26)
    shown = net.show(base)
    assert sorted(rule["type"] for rule in shown["rules"]) == ["bandwidth_limit"] * 2 + ["dscp_marking"]
    assert {one["id"] for one in net.show(f"{base}/bandwidth_limit_rules")} == {sent["id"], got["id"]}
    path = f"{base}/bandwidth_limit_rules/{sent['id']}"
    assert admin.put(path, {"bandwidth_limit_rule": {"max_kbps": 5}})["bandwidth_limit_rule"]["max_kbps"] == 5
    assert net.show(path)["max_burst_kbps"] == 2000
    body = {"bandwidth_limit_rule": {"direction": "ingress"}}
    admin.refused("PUT", path, 409, "QoSRulesConflict", body)
    admin.delete(path)
    net.refused("GET", path, 404, "QosRuleNotFound")
    assert [one["type"] for one in net.show("qos/rule-types")] == ["bandwidth_limit", "dscp_marking"]
    assert len(net.show("qos/rule-types?all_rules=True")) == 5
    assert net.show("qos/rule-types/dscp_marking")["drivers"][0]["name"] == "ovn"


@pytest.mark.parametrize(
    ("kind", "body", "status", "error"),
    [
        ("bandwidth_limit", {"max_kbps": 0}, 400, "InvalidInput"),
        ("bandwidth_limit", {"max_kbps": 2**33}, 400, "InvalidInput"),
        ("bandwidth_limit", {}, 400, "InvalidInput"),
        ("bandwidth_limit", {"max_kbps": 9, "direction": "up"}, 400, "InvalidInput"),
        ("dscp_marking", {"dscp_mark": 9}, 400, "InvalidInput"),
        ("packet_rate_limit", {"max_kpps": 9, "max_burst_kpps": -1}, 400, "InvalidInput"),
        ("minimum_bandwidth", {"min_kbps": 9, "direction": "any"}, 400, "InvalidInput"),
        ("minimum_packet_rate", {"min_kbps": 9}, 400, "InvalidInput"),
    ],
)
def test_rules_that_make_no_sense(admin, policy, kind, body, status, error):
    path = f"qos/policies/{policy['id']}/{kind}_rules"
    admin.refused("POST", path, status, error, {f"{kind}_rule": body})


@pytest.mark.parametrize(
    ("kind", "body", "changes"),
    [
        ("packet_rate_limit", {"max_kpps": 9, "max_burst_kpps": 3}, {"max_burst_kpps": 0}),
        ("minimum_bandwidth", {"min_kbps": 9}, {"min_kbps": 7500}),
        ("minimum_packet_rate", {"min_kpps": 9}, {"min_kpps": 7500, "direction": "any"}),
    ],
)
def test_what_is_not_carried_out_can_be_said_but_not_had(admin, net, policy, kind, body, changes):
    base = f"qos/policies/{policy['id']}"
    rule = admin.make(f"{kind}_rule", f"{base}/{kind}_rules", **body)
    assert rule == {"id": rule["id"], "direction": "egress"} | body
    path = f"{base}/{kind}_rules/{rule['id']}"
    assert admin.put(path, {f"{kind}_rule": changes})[f"{kind}_rule"] == rule | changes
    order = {"network": {"qos_policy_id": policy["id"]}}
    net.refused("POST", "networks", 409, "QosRuleNotSupported", order)
    admin.delete(path)
    net.make("network", **order["network"])
    admin.refused("POST", f"{base}/{kind}_rules", 409, "QosRuleNotSupported", {f"{kind}_rule": body})


def test_what_has_a_policy_shows_it_and_holds_it(admin, net, stranger, policy):
    network = net.make("network", qos_policy_id=policy["id"])
    port = net.make("port", network_id=network["id"])
    assert (port["qos_policy_id"], port["qos_network_policy_id"]) == (None, policy["id"])
    path = f"ports/{port['id']}"
    changed = net.put(path, {"port": {"qos_policy_id": policy["id"]}})["port"]
    assert changed["qos_policy_id"] == policy["id"]
    assert [one["id"] for one in net.show(f"ports?qos_policy_id={policy['id']}")] == [port["id"]]
    admin.refused("DELETE", f"qos/policies/{policy['id']}", 409, "QosPolicyInUse")
    net.put(path, {"port": {"qos_policy_id": None}})
    net.put(f"networks/{network['id']}", {"network": {"qos_policy_id": None}})
    admin.delete(f"qos/policies/{policy['id']}")
    hidden = admin.make("policy", "qos/policies", name="operators")
    net.refused("PUT", path, 404, "QosPolicyNotFound", {"port": {"qos_policy_id": hidden["id"]}})
    body = {"policy": {"name": "mine"}}
    net.refused("POST", "qos/policies", 403, "PolicyNotAuthorized", body)


def test_a_default_policy_is_that_of_new_networks(admin, net):
    project = net.make("network")["project_id"]
    policy = admin.make("policy", "qos/policies", is_default=True, project_id=project)
    assert net.make("network")["qos_policy_id"] == policy["id"]
    other = admin.make("policy", "qos/policies", is_default=True, project_id=project)
    assert net.show(f"qos/policies/{policy['id']}")["is_default"] is False
    assert net.make("network")["qos_policy_id"] == other["id"]


def test_gateways_and_floating_ips_have_limits_of_their_own(admin, public, policy):
    gateway = {"network_id": public["id"], "qos_policy_id": policy["id"]}
    router = admin.make("router", external_gateway_info=gateway)
    assert router["external_gateway_info"]["qos_policy_id"] == policy["id"]
    floating = admin.make("floatingip", floating_network_id=public["id"], qos_policy_id=policy["id"])
    path = f"floatingips/{floating['id']}"
    assert admin.show(path)["qos_policy_id"] == policy["id"]
    assert admin.put(path, {"floatingip": {"qos_policy_id": None}})["floatingip"]["qos_policy_id"] is None
    body = {"router": {"external_gateway_info": {"network_id": public["id"], "qos_policy_id": None}}}
    changed = admin.put(f"routers/{router['id']}", body)["router"]
    assert changed["external_gateway_info"]["qos_policy_id"] is None
    admin.delete(f"qos/policies/{policy['id']}")
