"""Ports on the wire."""

import pytest

from tests.api.network.conftest import V2


@pytest.fixture
def network(net):
    made = net.make("network", name="n")
    made["subnet"] = net.subnet(made)
    return made


def test_a_port_gets_what_it_does_not_ask_for(net, admin, network):
    port = net.make("port", network_id=network["id"], name="p")
    assert port["mac_address"].startswith("fa:16:3e:")
    assert [one["subnet_id"] for one in port["fixed_ips"]] == [network["subnet"]["id"]]
    (group,) = net.show("security-groups")
    assert port["security_groups"] == [group["id"]]
    assert (port["status"], port["device_id"], port["port_security_enabled"]) == ("DOWN", "", True)
    assert "binding:host_id" not in port
    seen = admin.show(f"ports/{port['id']}")
    assert (seen["binding:host_id"], seen["binding:vif_type"]) == ("", "unbound")


def test_a_port_gets_what_it_asks_for(net, network):
    port = net.make(
        "port",
        network_id=network["id"],
        mac_address="FA-16-3E-00-00-01",
        fixed_ips=[{"ip_address": "10.0.0.77"}, {"subnet_id": network["subnet"]["id"]}],
        security_groups=[],
        allowed_address_pairs=[{"ip_address": "10.0.0.200"}],
    )
    assert port["mac_address"] == "fa:16:3e:00:00:01"
    assert port["fixed_ips"][0]["ip_address"] == "10.0.0.77"
    assert port["allowed_address_pairs"] == [{"ip_address": "10.0.0.200", "mac_address": "fa:16:3e:00:00:01"}]
    body = {"network_id": network["id"]}
    net.refused(
        "POST", "ports", 409, "MacAddressInUse", {"port": body | {"mac_address": "fa:16:3e:00:00:01"}}
    )
    taken = {"port": body | {"fixed_ips": [{"ip_address": "10.0.0.77"}]}}
    net.refused("POST", "ports", 409, "IpAddressAlreadyAllocated", taken)


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"fixed_ips": [{"ip_address": "10.9.0.1"}]}, 400, "InvalidIpForNetwork"),
        ({"fixed_ips": [{"ip_address": "10.0.0.255"}]}, 400, "InvalidIpForSubnet"),
        ({"fixed_ips": [{"subnet_id": "x"}]}, 400, "InvalidInput"),
        ({"fixed_ips": [{"ip_address": "x"}]}, 400, "InvalidInput"),
        ({"mac_address": "x"}, 400, "InvalidInput"),
        ({"security_groups": ["x"]}, 404, "SecurityGroupNotFound"),
        ({"binding:host_id": "h"}, 403, "PolicyNotAuthorized"),
        ({"network_id": "x"}, 404, "NetworkNotFound"),
        (
            {"port_security_enabled": False, "allowed_address_pairs": [{"ip_address": "10.0.0.9"}]},
            409,
            "AddressPairAndPortSecurityRequired",
        ),
    ],
)
def test_ports_that_make_no_sense(net, network, body, status, kind):
    net.refused("POST", "ports", status, kind, {"port": {"network_id": network["id"], **body}})


def test_an_exhausted_subnet(net):
    network = net.make("network")
    net.subnet(network, "10.0.0.0/29", enable_dhcp=False)
    made = [net.make("port", network_id=network["id"]) for _ in range(5)]
    body = {"port": {"network_id": network["id"]}}
    net.refused("POST", "ports", 409, "IpAddressGenerationFailure", body)
    addresses = sorted(port["fixed_ips"][0]["ip_address"] for port in made)
    assert addresses == [f"10.0.0.{number}" for number in range(2, 7)]
    net.delete(f"ports/{made[0]['id']}")
    assert net.make("port", network_id=network["id"])["fixed_ips"] == made[0]["fixed_ips"]


def test_automatic_addresses_follow_the_mac(net, network):
    early = net.make("port", network_id=network["id"], mac_address="fa:16:3e:00:00:02")
    six = net.subnet(network, "fd00::/64", ipv6_address_mode="slaac", ipv6_ra_mode="slaac")
    expected = {"subnet_id": six["id"], "ip_address": "fd00::f816:3eff:fe00:2"}
    assert expected in net.show(f"ports/{early['id']}")["fixed_ips"]
    late = net.make("port", network_id=network["id"])
    assert len(late["fixed_ips"]) == 2
    only = net.make("port", network_id=network["id"], fixed_ips=[{"subnet_id": six["id"]}])
    assert len(only["fixed_ips"]) == 1
    net.delete(f"ports/{early['id']}")
    net.delete(f"subnets/{six['id']}")
    assert len(net.show(f"ports/{late['id']}")["fixed_ips"]) == 1


def test_a_port_is_changed(net, network):
    port = net.make("port", network_id=network["id"])
    group = net.make("security_group", "security-groups", name="g")
    changes = {
        "name": "x",
        "admin_state_up": False,
        "fixed_ips": [{"ip_address": "10.0.0.99", "subnet_id": network["subnet"]["id"]}],
        "security_groups": [group["id"]],
        "device_id": "d",
        "device_owner": "me",
    }
    changed = net.put(f"ports/{port['id']}", {"port": changes})["port"]
    assert {name: changed[name] for name in changes} == changes
    error = "PortSecurityPortHasSecurityGroup"
    body = {"port": {"port_security_enabled": False}}
    net.refused("PUT", f"ports/{port['id']}", 409, error, body)
    bare = {"port": {"port_security_enabled": False, "security_groups": []}}
    assert net.put(f"ports/{port['id']}", bare)["port"]["security_groups"] == []


def test_ports_are_found_by_what_they_have(net, network):
    one = net.make("port", network_id=network["id"], name="one", device_id="d1")
    net.make("port", network_id=network["id"], name="two")
    address = one["fixed_ips"][0]["ip_address"]
    queries = [
        "device_id=d1",
        f"fixed_ips=ip_address={address}",
        f"fixed_ips=subnet_id={network['subnet']['id']}&fixed_ips=ip_address={address}",
        f"mac_address={one['mac_address'].upper()}",
        f"security_groups={one['security_groups'][0]}&name=one",
        "status=DOWN&name=one",
    ]
    for query in queries:
        assert [port["name"] for port in net.show(f"ports?{query}")] == ["one"], query


def test_owners_of_shared_networks_decide_over_addresses(admin, stranger):
    shared = admin.make("network", shared=True)
    admin.subnet(shared)
    for body in (
        {"mac_address": "fa:16:3e:00:00:03"},
        {"fixed_ips": [{"ip_address": "10.0.0.5"}]},
        {"port_security_enabled": False},
        {"device_owner": "network:router_interface"},
    ):
        full = {"port": {"network_id": shared["id"], **body}}
        stranger.refused("POST", "ports", 403, "PolicyNotAuthorized", full)
    port = stranger.make("port", network_id=shared["id"])
    admin.show(f"ports/{port['id']}")


def test_lists_take_one_number_of_statements_however_long(net, kernel, network):
    def count():
        seen = []
        database = kernel.plane.database
        original = database.read

        def counting(request_id=""):
            context = original(request_id)

            class Counted:
                def __enter__(self):
                    self.tx = context.__enter__()
                    return self.tx

                def __exit__(self, *error):
                    seen.append(self.tx.statements)
                    return context.__exit__(*error)

            return Counted()

        object.__setattr__(database, "read", counting)
        try:
            for path in ("networks", "subnets", "ports", "routers", "floatingips"):
                net.show(path)
        finally:
            del database.__dict__["read"]
        return seen

    net.make("port", network_id=network["id"])
    before = count()
    answer = net.api.post(f"{V2}/ports", {"ports": [{"network_id": network["id"]}] * 20})
    assert answer.status_code == 201
    for number in range(5):
        net.subnet(net.make("network"), f"10.{number}.0.0/24")
        net.make("router")
    # Ports and floating IPs come with their trunks and forwarded ports.
    assert count() == before == [1, 1, 2, 1, 1]
