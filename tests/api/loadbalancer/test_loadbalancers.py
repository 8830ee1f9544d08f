"""Load balancers as Octavia's clients use them."""

import pytest
from sqlalchemy import event, text

from tests.conftest import make_caller

V2 = "/load-balancer/v2.0/lbaas"


class Balancing:
    """Short words for the paths: `lb.make("pools", "pool", …)` answers the object."""

    def __init__(self, api):
        self.api = api

    def make(self, path, noun, **body):
        answer = self.api.post(f"{V2}/{path}", {noun: body})
        assert answer.status_code == 201, answer.text
        return answer.json()[noun]

    def get(self, path):
        answer = self.api.get(f"{V2}/{path}")
        assert answer.status_code == 200, answer.text
        return next(iter(answer.json().values()))

    def refused(self, method, path, status, body=None):
        answer = self.api.request(method, f"{V2}/{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()["faultstring"]


@pytest.fixture
def lb(api):
    return Balancing(api)


@pytest.fixture
def subnet(api):
    net = api.post("/network/v2.0/networks", {"network": {"name": "inside"}}).json()["network"]
    body = {"network_id": net["id"], "cidr": "10.0.0.0/24", "ip_version": 4}
    return api.post("/network/v2.0/subnets", {"subnet": body}).json()["subnet"]


@pytest.fixture
def balancer(lb, subnet):
    return lb.make("loadbalancers", "loadbalancer", name="web", vip_subnet_id=subnet["id"])


def build(lb, balancer, **monitor):
    listener = lb.make(
        "listeners", "listener", loadbalancer_id=balancer["id"], protocol="TCP", protocol_port=80
    )
    pool = lb.make("pools", "pool", listener_id=listener["id"], protocol="TCP", lb_algorithm="SOURCE_IP_PORT")
    path = f"pools/{pool['id']}/members"
    member = lb.make(path, "member", address="10.0.0.11", protocol_port=8080)
    if monitor:
        lb.make("healthmonitors", "healthmonitor", pool_id=pool["id"], **monitor)
    return listener, pool, member


TCP = {"type": "TCP", "delay": 5, "timeout": 2, "max_retries": 2}


def test_address_comes_with_a_port_that_only_the_balancer_may_take_away(api, lb, balancer, subnet):
    assert balancer["provisioning_status"] == "PENDING_CREATE"
    assert balancer["operating_status"] == "ONLINE"
    assert balancer["vip_subnet_id"] == subnet["id"]
    port = api.get(f"/network/v2.0/ports/{balancer['vip_port_id']}").json()["port"]
    assert port["fixed_ips"][0]["ip_address"] == balancer["vip_address"]
    assert port["device_owner"] == "Octavia"
    assert api.delete(f"/network/v2.0/ports/{port['id']}").status_code == 409
    assert api.delete(f"{V2}/loadbalancers/{balancer['id']}").status_code == 204
    assert api.get(f"/network/v2.0/ports/{port['id']}").status_code == 404
    assert lb.refused("GET", f"loadbalancers/{balancer['id']}", 404)


def test_an_own_port_may_be_the_address(api, lb, subnet):
    body = {"network_id": subnet["network_id"], "fixed_ips": [{"ip_address": "10.0.0.50"}]}
    port = api.post("/network/v2.0/ports", {"port": body}).json()["port"]
    made = lb.make("loadbalancers", "loadbalancer", vip_port_id=port["id"])
    assert made["vip_address"] == "10.0.0.50"
    assert api.delete(f"{V2}/loadbalancers/{made['id']}").status_code == 204
    assert api.get(f"/network/v2.0/ports/{port['id']}").json()["port"]["device_owner"] == ""


def test_everything_below_is_shown_and_goes_with_cascade(lb, api, balancer):
    listener, pool, member = build(lb, balancer, **TCP)
    shown = lb.get(f"loadbalancers/{balancer['id']}")
    assert shown["listeners"] == [{"id": listener["id"]}]
    assert shown["pools"] == [{"id": pool["id"]}]
    status = lb.get(f"loadbalancers/{balancer['id']}/status")["loadbalancer"]
    below = status["listeners"][0]["pools"][0]
    assert below["members"][0]["id"] == member["id"]
    assert below["health_monitor"]["type"] == "TCP"
    assert "listeners or pools" in lb.refused("DELETE", f"loadbalancers/{balancer['id']}", 409)
    assert api.delete(f"{V2}/loadbalancers/{balancer['id']}?cascade=true").status_code == 204
    for plural in ("loadbalancers", "listeners", "pools", "healthmonitors"):
        assert lb.get(plural) == []
    # The address that OVN asked from is free again.
    assert [p for p in api.get("/network/v2.0/ports").json()["ports"] if "lb" in p["device_id"]] == []


def test_lists_cost_the_same_however_long(lb, database, subnet, balancer):
    build(lb, balancer, **TCP)
    seen = []
    event.listen(database._connection.engine, "before_cursor_execute", lambda *a: seen.append(a[2]))
    lb.get("loadbalancers")
    few = len(seen)
    for _ in range(3):
        build(lb, lb.make("loadbalancers", "loadbalancer", vip_subnet_id=subnet["id"]), **TCP)
    seen.clear()
    assert len(lb.get("loadbalancers")) == 4
    assert len(seen) == few


@pytest.mark.parametrize(
    ("noun", "body", "word"),
    [
        ("listener", {"protocol": "TERMINATED_HTTPS"}, "protocol"),
        ("listener", {"protocol": "HTTP"}, "protocol"),
        ("listener", {"protocol": "TCP", "default_tls_container_ref": "x"}, "default_tls_container_ref"),
        ("listener", {"protocol": "TCP", "insert_headers": {"X-Forwarded-For": "true"}}, "insert_headers"),
        ("listener", {"protocol": "TCP", "connection_limit": 5}, "connection_limit"),
        ("listener", {"protocol": "TCP", "allowed_cidrs": ["10.0.0.0/8"]}, "allowed_cidrs"),
        ("pool", {"protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}, "lb_algorithm"),
        ("pool", {"protocol": "TCP", "lb_algorithm": "SOURCE_IP", "tls_enabled": True}, "tls_enabled"),
        (
            "pool",
            {"protocol": "TCP", "lb_algorithm": "SOURCE_IP", "session_persistence": {"type": "HTTP_COOKIE"}},
            "session_persistence",
        ),
        ("loadbalancer", {"provider": "amphora"}, "provider"),
        ("loadbalancer", {"flavor_id": "x"}, "flavor_id"),
        ("l7policy", {"action": "REJECT"}, "l7policy"),
    ],
)
def test_what_ovn_cannot_do_is_refused_by_name(lb, balancer, noun, body, word):
    where = {"loadbalancer": "loadbalancers", "l7policy": "l7policies"}.get(noun, f"{noun}s")
    more = {} if noun in ("loadbalancer", "l7policy") else {"loadbalancer_id": balancer["id"]}
    if noun == "listener":
        more["protocol_port"] = 80
    assert word in lb.refused("POST", where, 501, {noun: {**more, **body}})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("listeners", {"listener": {"protocol": "TCP", "protocol_port": 80}}),
        ("listeners", {"listener": {"loadbalancer_id": "none", "protocol": "TCP", "protocol_port": 0}}),
        ("loadbalancers", {"loadbalancer": {"name": "nowhere"}}),
        ("loadbalancers", {"loadbalancer": {"vip_address": "10.0.0.300", "vip_subnet_id": "x"}}),
        ("pools", {"pool": {"protocol": "TCP", "lb_algorithm": "SOURCE_IP"}}),
        ("healthmonitors", {"healthmonitor": {"pool_id": "x", "type": "TCP", "delay": 0}}),
        ("healthmonitors", {"healthmonitor": {"pool_id": "x", "type": "HTTP", "url_path": "no slash"}}),
        ("healthmonitors", {"healthmonitor": {"pool_id": "x", "type": "HTTP", "expected_codes": "2xx"}}),
    ],
)
def test_bad_input_names_the_field(lb, path, body):
    assert lb.refused("POST", path, 400, body)


def test_members_are_replaced_at_once(lb, api, balancer):
    _, pool, member = build(lb, balancer)
    path = f"{V2}/pools/{pool['id']}/members"
    wanted = [
        {"address": "10.0.0.11", "protocol_port": 8080, "weight": 0},
        {"address": "10.0.0.12", "protocol_port": 8080},
    ]
    assert api.put(path, {"members": wanted}).status_code == 202
    have = {one["address"]: one for one in lb.get(f"pools/{pool['id']}/members")}
    assert set(have) == {"10.0.0.11", "10.0.0.12"}
    assert have["10.0.0.11"]["id"] == member["id"]
    assert have["10.0.0.11"]["operating_status"] == "DRAINING"
    assert have["10.0.0.12"]["operating_status"] == "NO_MONITOR"
    assert api.put(path, {"members": wanted[1:]}).status_code == 202
    assert len(lb.get(f"pools/{pool['id']}/members")) == 1
    refused = lb.refused("POST", f"pools/{pool['id']}/members", 409, {"member": wanted[1]})
    assert "has address 10.0.0.12 and port" in refused


def test_monitor_fits_its_pool(lb, balancer):
    pool = lb.make(
        "pools", "pool", loadbalancer_id=balancer["id"], protocol="UDP", lb_algorithm="SOURCE_IP_PORT"
    )
    body = {"healthmonitor": {"pool_id": pool["id"], **TCP}}
    assert "UDP-CONNECT" in lb.refused("POST", "healthmonitors", 400, body)
    lb.make("healthmonitors", "healthmonitor", pool_id=pool["id"], **{**TCP, "type": "UDP-CONNECT"})
    assert lb.refused(
        "POST",
        "healthmonitors",
        409,
        {"healthmonitor": {"pool_id": pool["id"], **TCP, "type": "UDP-CONNECT"}},
    )


def test_quota_bounds_what_a_project_has(lb, api, subnet, balancer):
    admin = api.as_(make_caller("admin-project", "admin", user="admin"))
    project = balancer["project_id"]
    assert admin.put(f"{V2}/quotas/{project}", {"quota": {"load_balancer": 1}}).status_code == 202
    assert lb.get(f"quotas/{project}")["load_balancer"] == 1
    lb.refused("POST", "loadbalancers", 403, {"loadbalancer": {"vip_subnet_id": subnet["id"]}})
    api.delete(f"{V2}/loadbalancers/{balancer['id']}")
    lb.make("loadbalancers", "loadbalancer", vip_subnet_id=subnet["id"])


def test_states_follow_what_ovn_was_told_and_found(lb, database, balancer):
    _, pool, member = build(lb, balancer, **TCP)
    other = lb.make(f"pools/{pool['id']}/members", "member", address="10.0.0.12", protocol_port=8080)

    def found(**up):
        with database.begin() as tx:
            for key, value in up.items():
                member_id = {"first": member["id"], "second": other["id"]}[key]
                tx.execute(
                    text("UPDATE lb_members SET up = :up WHERE id = :id"), {"up": value, "id": member_id}
                )

    def states():
        shown = lb.get(f"loadbalancers/{balancer['id']}/status")["loadbalancer"]
        return shown["operating_status"], sorted(
            one["operating_status"] for one in shown["pools"][0]["members"]
        )

    assert states() == ("ONLINE", ["OFFLINE", "OFFLINE"])
    found(first=True, second=False)
    assert states() == ("DEGRADED", ["ERROR", "ONLINE"])
    found(first=False)
    assert states() == ("ERROR", ["ERROR", "ERROR"])
    with database.begin() as tx:
        tx.execute(text("UPDATE network_units SET written = wanted WHERE kind = 'load_balancer'"))
    assert lb.get(f"loadbalancers/{balancer['id']}")["provisioning_status"] == "ACTIVE"
    with database.begin() as tx:
        tx.execute(text("UPDATE network_units SET fault = 'refused' WHERE kind = 'load_balancer'"))
    assert lb.get(f"loadbalancers/{balancer['id']}")["provisioning_status"] == "ERROR"
