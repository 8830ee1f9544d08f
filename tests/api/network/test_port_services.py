"""What ports can have beside addresses: DHCP options, names, trunks, and forwarded ports."""

import pytest


@pytest.fixture
def network(net):
    made = net.make("network", dns_domain="example.org.")
    net.subnet(made)
    return made


def test_dhcp_options_of_one_port(net, network):
    options = [
        {"opt_name": "tftp-server", "opt_value": "boot.example.org"},
        {"opt_name": "67", "opt_value": "pxe.0"},
        # Of no version named, and with an address of the other: kept as it is.
        {"opt_name": "server-ip-address", "opt_value": "fd00::1"},
    ]
    port = net.make("port", network_id=network["id"], extra_dhcp_opts=options)
    assert {one["opt_name"] for one in port["extra_dhcp_opts"]} == {"tftp-server", "67", "server-ip-address"}
    path = f"ports/{port['id']}"
    more = [{"opt_name": "67", "opt_value": None}, {"opt_name": "mtu", "opt_value": "1300"}]
    changed = net.put(path, {"port": {"extra_dhcp_opts": more}})["port"]["extra_dhcp_opts"]
    assert {one["opt_name"]: one["opt_value"] for one in changed} == {
        "tftp-server": "boot.example.org",
        "server-ip-address": "fd00::1",
        "mtu": "1300",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("no-such-option", "1"),
        ("mtu", "many"),
        ("router", "10.0.0.1.9"),
        ("dns-server", "10.0.0.1,fd00::1"),
        # What would end the string that OVN reads, and go on as an expression.
        ("bootfile-name", 'x"); drop; ("'),
        ("tftp-server", "a\\b"),
        ("domain-name", "x" * 300),
    ],
)
def test_dhcp_options_that_cannot_be_told(net, network, name, value):
    body = {"network_id": network["id"], "extra_dhcp_opts": [{"opt_name": name, "opt_value": value}]}
    net.refused("POST", "ports", 400, "InvalidInput", {"port": body})


def test_names_of_ports(net, network):
    port = net.make("port", network_id=network["id"], dns_name="web")
    (assigned,) = port["dns_assignment"]
    assert (assigned["hostname"], assigned["fqdn"]) == ("web", "web.example.org.")
    path = f"ports/{port['id']}"
    changed = net.put(path, {"port": {"dns_name": "", "dns_domain": "other.org."}})["port"]
    address = changed["fixed_ips"][0]["ip_address"].replace(".", "-")
    assert changed["dns_assignment"][0]["fqdn"] == f"host-{address}.other.org."
    for bad in ("-x", "a_b", "a..b", "x" * 300):
        net.refused("PUT", path, 400, "InvalidInput", {"port": {"dns_name": bad}})


def test_a_trunk_and_its_sub_ports(net, network):
    parent, first, second = (net.make("port", network_id=network["id"]) for _ in range(3))
    inside = [{"port_id": first["id"], "segmentation_type": "vlan", "segmentation_id": 100}]
    trunk = net.make("trunk", port_id=parent["id"], name="t", sub_ports=inside)
    assert (trunk["sub_ports"], trunk["status"]) == (inside, "DOWN")
    assert net.show(f"ports/{parent['id']}")["trunk_details"] == {
        "trunk_id": trunk["id"],
        "sub_ports": inside,
    }
    shown = net.show(f"ports/{first['id']}")
    assert (shown["device_owner"], shown["device_id"]) == ("trunk:subport", trunk["id"])
    path = f"trunks/{trunk['id']}"
    taken = {"sub_ports": [{"port_id": second["id"], "segmentation_id": 100, "segmentation_type": "vlan"}]}
    net.refused("PUT", f"{path}/add_subports", 409, "DuplicateSubPort", taken)
    taken["sub_ports"][0]["segmentation_id"] = 101
    assert len(net.put(f"{path}/add_subports", taken)["sub_ports"]) == 2
    net.refused("PUT", f"{path}/add_subports", 409, "PortInUseAsSubPort", taken)
    net.refused("POST", "trunks", 409, "TrunkPortInUse", {"trunk": {"port_id": parent["id"]}})
    net.refused("DELETE", f"ports/{parent['id']}", 409, "TrunkPortInUse")
    net.refused("DELETE", f"ports/{first['id']}", 409, "TrunkPortInUse")
    gone = {"sub_ports": [{"port_id": second["id"]}]}
    assert net.put(f"{path}/remove_subports", gone)["sub_ports"] == inside
    net.refused("PUT", f"{path}/remove_subports", 404, "SubPortNotFound", gone)
    net.delete(path)
    assert net.show(f"ports/{first['id']}")["device_owner"] == ""
    net.delete(f"ports/{parent['id']}")


@pytest.fixture
def floating(net, network, public):
    """A floating IP, and the network reached through a router."""
    router = net.make("router", external_gateway_info={"network_id": public["id"]})
    (subnet,) = net.show(f"subnets?network_id={network['id']}")
    net.put(f"routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
    return net.make("floatingip", floating_network_id=public["id"])


def test_ports_of_a_floating_ip(net, network, floating):
    port, other = (net.make("port", network_id=network["id"]) for _ in range(2))
    path = f"floatingips/{floating['id']}"
    order = {"internal_port_id": port["id"], "internal_port": 80, "external_port": 8080, "protocol": "tcp"}
    made = net.make("port_forwarding", f"{path}/port_forwardings", **order)
    assert made["internal_ip_address"] == port["fixed_ips"][0]["ip_address"]
    shown = net.show(path)
    assert (shown["status"], shown["port_id"], shown["port_forwardings"]) == ("ACTIVE", None, [made])
    below = f"{path}/port_forwardings"
    again = {"port_forwarding": order | {"internal_port_id": other["id"]}}
    net.refused("POST", below, 409, "PortForwardingExists", again)
    for change in ({"external_port": 0}, {"protocol": "icmp"}, {"internal_port": 70000}):
        net.refused("POST", below, 400, "InvalidInput", {"port_forwarding": order | change})
    net.refused("PUT", path, 409, "FipInUseByPortForwarding", {"floatingip": {"port_id": other["id"]}})
    net.refused("DELETE", path, 409, "FipInUseByPortForwarding")
    body = {"port_forwarding": {"external_port": 8081, "internal_port_id": other["id"]}}
    moved = net.put(f"{below}/{made['id']}", body)["port_forwarding"]
    assert moved["external_port"] == 8081
    assert moved["internal_ip_address"] == other["fixed_ips"][0]["ip_address"]
    assert net.show(f"{below}?external_port=8081") == [moved]
    net.delete(f"ports/{other['id']}")
    assert net.show(path)["status"] == "DOWN" and net.show(below) == []
    net.put(path, {"floatingip": {"port_id": port["id"]}})
    net.refused("POST", below, 409, "FipInUseByPortForwarding", {"port_forwarding": order})


def test_an_interface_stays_while_a_port_behind_it_is_forwarded(net, network, floating):
    port = net.make("port", network_id=network["id"])
    order = {"internal_port_id": port["id"], "internal_port": 53, "external_port": 53, "protocol": "udp"}
    net.make("port_forwarding", f"floatingips/{floating['id']}/port_forwardings", **order)
    (router,) = net.show("routers")
    interface = {"subnet_id": port["fixed_ips"][0]["subnet_id"]}
    path = f"routers/{router['id']}"
    net.refused("PUT", f"{path}/remove_router_interface", 409, "RouterInterfaceInUseByFloatingIP", interface)
    body = {"router": {"external_gateway_info": None}}
    net.refused("PUT", path, 409, "RouterExternalGatewayInUseByFloatingIp", body)
