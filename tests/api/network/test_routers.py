"""Routers and floating IPs on the wire."""

import pytest

from tests.api.network.conftest import V2


@pytest.fixture
def private(net):
    made = net.make("network", name="private")
    made["subnet"] = net.subnet(made)
    return made


def test_the_way_out_and_in(net, admin, public, private):
    router = net.make("router", name="r", external_gateway_info={"network_id": public["id"]})
    assert router["external_gateway_info"]["enable_snat"] is True
    (outside,) = router["external_gateway_info"]["external_fixed_ips"]
    assert outside["ip_address"].startswith("172.24.4.")
    path = f"routers/{router['id']}"
    added = net.put(f"{path}/add_router_interface", {"subnet_id": private["subnet"]["id"]})
    assert (added["id"], added["subnet_id"]) == (router["id"], private["subnet"]["id"])
    (port,) = net.show(f"ports?device_id={router['id']}")
    assert (port["id"], port["device_owner"]) == (added["port_id"], "network:router_interface")
    server_port = net.make("port", network_id=private["id"])
    floating = net.make("floatingip", floating_network_id=public["id"], port_id=server_port["id"])
    assert (floating["router_id"], floating["status"]) == (router["id"], "ACTIVE")
    assert floating["port_details"]["network_id"] == private["id"]
    net.refused(
        "PUT",
        f"{path}/remove_router_interface",
        409,
        "RouterInterfaceInUseByFloatingIP",
        {"subnet_id": private["subnet"]["id"]},
    )
    parted = net.put(f"floatingips/{floating['id']}", {"floatingip": {"port_id": None}})["floatingip"]
    assert (parted["port_id"], parted["fixed_ip_address"], parted["status"]) == (None, None, "DOWN")
    net.put(f"{path}/remove_router_interface", {"port_id": port["id"]})
    net.delete(path)
    net.delete(f"floatingips/{floating['id']}")
    admin.delete(f"networks/{public['id']}/tags")


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({}, 400, "InvalidInput"),
        ({"subnet_id": "x"}, 404, "SubnetNotFound"),
        ({"port_id": "x"}, 404, "PortNotFound"),
        ({"subnet_id": "x", "port_id": "y"}, 400, "InvalidInput"),
    ],
)
def test_interfaces_that_make_no_sense(net, body, status, kind):
    router = net.make("router")
    net.refused("PUT", f"routers/{router['id']}/add_router_interface", status, kind, body)


def test_gateways_are_changed_and_taken_away(net, admin, public):
    router = net.make("router")
    path = f"routers/{router['id']}"
    gateway = {"network_id": public["id"], "enable_snat": False}
    net.refused("PUT", path, 403, "PolicyNotAuthorized", {"router": {"external_gateway_info": gateway}})
    shown = admin.put(path, {"router": {"external_gateway_info": gateway}})["router"]
    assert shown["external_gateway_info"]["enable_snat"] is False
    assert net.put(path, {"router": {"external_gateway_info": {}}})["router"]["external_gateway_info"] is None
    inside = net.make("network")
    body = {"router": {"external_gateway_info": {"network_id": inside["id"]}}}
    net.refused("PUT", path, 400, "InvalidInput", body)


@pytest.fixture
def transit(admin):
    """Another way outside than `public`."""
    made = admin.make("network", **{"name": "transit", "router:external": True})
    admin.subnet(made, "198.51.100.0/24", enable_dhcp=False)
    return made


def test_several_gateways(net, admin, public, transit, private):
    router = net.make("router", external_gateway_info={"network_id": public["id"]})
    path, (first,) = f"routers/{router['id']}", router["external_gateways"]

    def call(action, *gateways, by=net):
        body = {"router": {"external_gateways": list(gateways)}}
        return by.put(f"{path}/{action}_external_gateways", body)["router"]

    here, there = {"network_id": public["id"]}, {"network_id": transit["id"]}
    shown = call("add", there, here)
    assert shown["external_gateway_info"] == first == shown["external_gateways"][0]
    assert [one["network_id"] for one in shown["external_gateways"]].count(public["id"]) == 2
    assert len(net.show(f"routers/{router['id']}")["external_gateways"]) == 3
    second = next(one for one in shown["external_gateways"] if one["network_id"] == transit["id"])
    net.put(f"{path}/add_router_interface", {"subnet_id": private["subnet"]["id"]})
    server_port = net.make("port", network_id=private["id"])
    floating = net.make("floatingip", floating_network_id=transit["id"], port_id=server_port["id"])
    assert floating["router_id"] == router["id"]
    # What is left is as it was, the first place is taken by the next, and nothing goes that is needed.
    assert call("update", there, here)["external_gateways"][0] == second
    body = {"router": {"external_gateways": [there]}}
    error = "RouterExternalGatewayInUseByFloatingIp"
    net.refused("PUT", f"{path}/remove_external_gateways", 409, error, body)
    shown = call("remove", first)
    assert shown["external_gateways"] == [second]
    net.refused("PUT", f"{path}/remove_external_gateways", 400, "UnableToMatchGateways", {
        "router": {"external_gateways": [here]}
    })  # fmt: skip
    # As the stock client sends it before it unsets anything at all: nothing goes.
    none = {"router": {"external_gateways": {}}}
    assert net.put(f"{path}/remove_external_gateways", none)["router"]["external_gateways"] == [second]
    assert "remove its subnets" in net.refused("DELETE", path, 409, "RouterInUse")
    # One switch for all of them, and whether they share what leaves, are the operator's.
    shown = call("update", there | {"enable_snat": False}, here, by=admin)
    assert {one["enable_snat"] for one in shown["external_gateways"]} == {False}
    ecmp = {"router": {"enable_default_route_ecmp": True}}
    net.refused("PUT", path, 403, "PolicyNotAuthorized", ecmp)
    assert admin.put(path, ecmp)["router"]["enable_default_route_ecmp"] is True
    net.put(f"floatingips/{floating['id']}", {"floatingip": {"port_id": None}})
    body = {"router": {"external_gateway_info": {}}}
    assert net.put(path, body)["router"]["external_gateways"] == []


def test_ports_are_forwarded_at_one_gateway_only(net, public, transit, private):
    gateways = {"router": {"external_gateways": [{"network_id": transit["id"]}]}}
    router = net.make("router", external_gateway_info={"network_id": public["id"]})
    path = f"routers/{router['id']}"
    net.put(f"{path}/add_router_interface", {"subnet_id": private["subnet"]["id"]})
    port = net.make("port", network_id=private["id"])
    floating = net.make("floatingip", floating_network_id=public["id"])
    order = {"internal_port_id": port["id"], "internal_port": 80, "external_port": 8080, "protocol": "tcp"}
    forwardings = f"floatingips/{floating['id']}/port_forwardings"
    made = net.make("port_forwarding", forwardings, **order)
    net.refused("PUT", f"{path}/add_external_gateways", 409, "UnableToAddExtraGateways", gateways)
    net.delete(f"{forwardings}/{made['id']}")
    net.put(f"{path}/add_external_gateways", gateways)
    body = {"port_forwarding": order}
    net.refused("POST", forwardings, 409, "UnableToAddExtraGateways", body)


def test_routes(net, private):
    router = net.make("router")
    path = f"routers/{router['id']}"
    net.put(f"{path}/add_router_interface", {"subnet_id": private["subnet"]["id"]})
    route = {"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}
    assert net.put(path, {"router": {"routes": [route]}})["router"]["routes"] == [route]
    other = {"destination": "10.8.0.0/16", "nexthop": "10.0.0.8"}
    added = net.put(f"{path}/add_extraroutes", {"router": {"routes": [other]}})
    assert added["router"]["routes"] == [route, other]
    net.refused(
        "PUT",
        f"{path}/remove_router_interface",
        409,
        "RouterInterfaceInUseByRoute",
        {"subnet_id": private["subnet"]["id"]},
    )
    removed = net.put(f"{path}/remove_extraroutes", {"router": {"routes": [route]}})
    assert removed["router"]["routes"] == [other]
    bad = {"router": {"routes": [{"destination": "10.7.0.0/16", "nexthop": "1.1.1.1"}]}}
    net.refused("PUT", path, 400, "InvalidRoutes", bad)


def test_floating_ips_by_address_are_the_administrators(net, admin, public):
    body = {"floating_network_id": public["id"], "floating_ip_address": "172.24.4.99"}
    net.refused("POST", "floatingips", 403, "PolicyNotAuthorized", {"floatingip": body})
    made = admin.make("floatingip", **body, project_id="project-a")
    assert net.show(f"floatingips?floating_ip_address={made['floating_ip_address']}")[0]["id"] == made["id"]
    admin.refused("POST", "floatingips", 409, "IpAddressAlreadyAllocated", {"floatingip": body})


def test_tenants_have_no_ports_on_external_networks(net, public):
    body = {"port": {"network_id": public["id"]}}
    net.refused("POST", "ports", 403, "PolicyNotAuthorized", body)
    assert net.show("ports") == []


def test_another_projects_objects_are_not_found(net, stranger, public, private):
    router = net.make("router")
    floating = net.make("floatingip", floating_network_id=public["id"])
    port = net.make("port", network_id=private["id"])
    group = net.make("security_group", "security-groups", name="g")
    rule = group["security_group_rules"][0]
    for path, body in {
        f"networks/{private['id']}": {"network": {"name": "x"}},
        f"subnets/{private['subnet']['id']}": {"subnet": {"name": "x"}},
        f"ports/{port['id']}": {"port": {"name": "x"}},
        f"routers/{router['id']}": {"router": {"name": "x"}},
        f"floatingips/{floating['id']}": {"floatingip": {"description": "x"}},
        f"security-groups/{group['id']}": {"security_group": {"name": "x"}},
        f"security-group-rules/{rule['id']}": None,
    }.items():
        assert stranger.api.get(f"{V2}/{path}").status_code == 404, path
        assert stranger.api.delete(f"{V2}/{path}").status_code == 404, path
        assert stranger.api.get(f"{V2}/{path}/tags").status_code == 404, path
        if body:
            assert stranger.api.put(f"{V2}/{path}", body).status_code == 404, path
