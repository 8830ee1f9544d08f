"""From views to rows, without any process."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from tests.network.ovn import views
from volutus.errors import Invalid
from volutus.network.ovn import (
    AddressMode,
    AddressPairView,
    Direction,
    FixedIpView,
    HostRoute,
    OwnDhcpView,
    ParentView,
    PortForwardingView,
    PortUse,
    ProviderView,
    QosView,
    ScopedNetwork,
    compile_view,
)
from volutus.network.ovn.compile import drop_group
from volutus.network.ovn.networks import compile_network
from volutus.network.ovn.routers import GATEWAY_HOSTS_MAX, gateway_hosts
from volutus.network.ovn.rows import Row, Unit
from volutus.network.ovn.security_groups import match_of

PG = "pg_" + views.GROUP.replace("-", "_")
IN, OUT = Direction.INGRESS, Direction.EGRESS


def of(unit: Unit, table: str) -> list[Row]:
    return [row for row in unit.rows if row.table == table]


def column(unit: Unit, table: str, name: str) -> object:
    (row,) = of(unit, table)
    return row.columns[name]


RULES = [
    (IN, 4, {}, f"outport == @{PG} && ip4"),
    (OUT, 4, {}, f"inport == @{PG} && ip4"),
    (OUT, 6, {"remote_prefix": "::/0"}, f"inport == @{PG} && ip6"),
    (IN, 4, {"protocol": "tcp"}, f"outport == @{PG} && ip4 && tcp"),
    (
        IN,
        4,
        {"protocol": "6", "port_min": 22, "port_max": 22},
        f"outport == @{PG} && ip4 && tcp && tcp.dst == 22",
    ),
    (
        IN,
        4,
        {"protocol": "tcp", "port_min": 1, "port_max": 65535, "remote_prefix": "10.0.0.0/8"},
        f"outport == @{PG} && ip4 && ip4.src == 10.0.0.0/8 && tcp && tcp.dst >= 1 && tcp.dst <= 65535",
    ),
    (
        OUT,
        6,
        {"protocol": "UDP", "port_min": 53, "port_max": 53, "remote_prefix": "fd00::/8"},
        f"inport == @{PG} && ip6 && ip6.dst == fd00::/8 && udp && udp.dst == 53",
    ),
    (IN, 4, {"protocol": "icmp"}, f"outport == @{PG} && ip4 && icmp4"),
    (
        IN,
        4,
        {"protocol": "1", "port_min": 8, "port_max": 0},
        f"outport == @{PG} && ip4 && icmp4 && icmp4.type == 8 && icmp4.code == 0",
    ),
    (
        IN,
        6,
        {"protocol": "ipv6-icmp", "port_min": 128},
        f"outport == @{PG} && ip6 && icmp6 && icmp6.type == 128",
    ),
    (IN, 6, {"protocol": "icmp"}, f"outport == @{PG} && ip6 && icmp6"),
    (IN, 4, {"protocol": "vrrp"}, f"outport == @{PG} && ip4 && ip.proto == 112"),
    (IN, 4, {"protocol": "97"}, f"outport == @{PG} && ip4 && ip.proto == 97"),
    (IN, 4, {"protocol": "any"}, f"outport == @{PG} && ip4"),
    (IN, 4, {"remote_group_id": "11-22"}, f"outport == @{PG} && ip4 && ip4.src == $pg_11_22_ip4"),
    (OUT, 6, {"remote_group_id": "11-22"}, f"inport == @{PG} && ip6 && ip6.dst == $pg_11_22_ip6"),
]


@pytest.mark.parametrize(("direction", "version", "more", "match"), RULES)
def test_rule_becomes_match(direction: Direction, version: int, more: dict, match: str) -> None:
    assert match_of(views.GROUP, views.rule(direction=direction, ip_version=version, **more)) == match


def test_unknown_protocol_is_refused() -> None:
    with pytest.raises(Invalid):
        compile_view(views.group(views.rule(protocol="tcp; drop")))


@pytest.mark.parametrize(("stateful", "action"), [(True, "allow-related"), (False, "allow-stateless")])
def test_group_holds_its_rules(stateful: bool, action: str) -> None:
    unit = compile_view(views.group(views.rule(1), views.rule(2, OUT), stateful=stateful))
    acls = of(unit, "ACL")
    assert [acl.columns["action"] for acl in acls] == [(action,)] * 2
    assert [acl.columns["direction"] for acl in acls] == [("to-lport",), ("from-lport",)]
    assert set(column(unit, "Port_Group", "acls")) == {acl.ref for acl in acls}
    assert column(unit, "Port_Group", "name") == (PG,)


def test_drop_group_admits_dhcp_and_metadata_before_it_drops() -> None:
    acls = of(drop_group(), "ACL")
    drops = [acl for acl in acls if acl.columns["match"][0].endswith("&& ip")]
    assert {acl.columns["direction"] for acl in drops} == {("from-lport",), ("to-lport",)}
    lowest = min(acl.columns["priority"] for acl in acls if acl not in drops)
    assert max(acl.columns["priority"] for acl in drops) < lowest


def test_dhcp_v4_options() -> None:
    unit = compile_view(
        views.network(views.subnet4(host_routes=(HostRoute("10.9.0.0/16", "10.0.1.9"),)), mtu=1400)
    )
    options = column(unit, "DHCP_Options", "options")
    mac = options.pop("server_mac")
    assert mac.startswith("fa:16:3e:")
    assert len(mac) == 17
    assert options == {
        "server_id": "10.0.1.1",
        "lease_time": "43200",
        "mtu": "1400",
        "domain_name": '"example.org"',
        "router": "10.0.1.1",
        "dns_server": "{9.9.9.9, 8.8.8.8}",
        "classless_static_route": "{169.254.169.254/32,10.0.1.2, 10.9.0.0/16,10.0.1.9, 0.0.0.0/0,10.0.1.1}",
    }


def test_dhcp_without_gateway_names_no_router() -> None:
    unit = compile_view(views.network(views.subnet4(gateway_address=None, dns_servers=())))
    options = column(unit, "DHCP_Options", "options")
    assert options["server_id"] == "10.0.1.2"
    assert options["classless_static_route"] == "{169.254.169.254/32,10.0.1.2}"
    assert not {"router", "dns_server"} & set(options)


V6_MODES = [
    (AddressMode.SLAAC, None),
    (AddressMode.DHCP_STATEFUL, {"dns_server": "{fd01::53}"}),
    (AddressMode.DHCP_STATELESS, {"dns_server": "{fd01::53}", "dhcpv6_stateless": "true"}),
]


@pytest.mark.parametrize(("mode", "expected"), V6_MODES)
def test_dhcp_v6_options(mode: AddressMode, expected: dict | None) -> None:
    unit = compile_view(views.network(views.subnet6(mode)))
    rows = of(unit, "DHCP_Options")
    assert [{k: v for k, v in row.columns["options"].items() if k != "server_id"} for row in rows] == (
        [] if expected is None else [expected]
    )


def test_dhcp_switched_off_has_no_options() -> None:
    assert of(compile_view(views.network(views.subnet4(enable_dhcp=False))), "DHCP_Options") == []


@pytest.mark.parametrize(("vlan", "tag"), [(None, ()), (123, (123,))])
def test_provider_network_has_a_localnet_port(vlan: int | None, tag: tuple) -> None:
    unit = compile_network(replace(views.external(), provider=ProviderView("physnet1", vlan)))
    (localnet,) = of(unit, "Logical_Switch_Port")
    assert localnet.columns["type"] == ("localnet",)
    assert localnet.columns["tag"] == tag
    assert localnet.columns["options"] == {"network_name": "physnet1"}
    assert localnet.switch_id == views.EXT


def test_guest_port() -> None:
    unit = compile_view(views.port())
    (row,) = of(unit, "Logical_Switch_Port")
    address = f"{views.mac(1)} 10.0.1.11"
    assert row.columns["name"] == (views.port_id(1),)
    assert row.columns["addresses"] == (address,)
    assert row.columns["port_security"] == (address,)
    assert row.columns["options"] == {"requested-chassis": "h0"}
    assert row.columns["enabled"] == (True,)
    options = of(compile_view(views.network()), "DHCP_Options")[0]
    assert row.columns["dhcpv4_options"] == (options.ref,)
    assert row.columns["dhcpv6_options"] == ()
    assert unit.group_ids == ("drop", views.GROUP)
    assert {need.table for need in unit.needs} == {"Logical_Switch", "DHCP_Options", "Port_Group"}


def test_dual_stack_port_takes_the_first_subnet_of_each_version_with_dhcp() -> None:
    ips = (
        FixedIpView("10.0.1.11", "four-off", dhcp=False),
        FixedIpView("10.0.2.11", "four"),
        FixedIpView("fd01::11", "six"),
        FixedIpView("fd02::11", "six-too"),
    )
    unit = compile_view(views.port(fixed_ips=ips))
    needed = {need.what for need in unit.needs if need.table == "DHCP_Options"}
    assert needed == {"DHCP of subnet four", "DHCP of subnet six"}
    assert column(unit, "Logical_Switch_Port", "addresses") == (
        f"{views.mac(1)} 10.0.1.11 10.0.2.11 fd01::11 fd02::11",
    )


def test_port_without_security_is_in_no_group() -> None:
    unit = compile_view(views.port(port_security=False))
    assert unit.group_ids == ()
    assert column(unit, "Logical_Switch_Port", "port_security") == ()
    assert "unknown" in column(unit, "Logical_Switch_Port", "addresses")


def test_port_without_groups_still_drops() -> None:
    assert compile_view(views.port(security_group_ids=())).group_ids == ("drop",)


def test_address_pairs_widen_what_a_port_may_send() -> None:
    pairs = (
        AddressPairView("10.0.1.200"),
        AddressPairView("10.0.5.0/24", "fa:16:3e:99:99:99"),
        AddressPairView("fd05::/64", "fa:16:3e:99:99:99"),
    )
    unit = compile_view(views.port(address_pairs=pairs))
    assert set(column(unit, "Logical_Switch_Port", "port_security")) == {
        f"{views.mac(1)} 10.0.1.11 10.0.1.200",
        "fa:16:3e:99:99:99 10.0.5.0/24 fd05::/64 fe80::f816:3eff:fe99:9999",
    }
    assert set(column(unit, "Logical_Switch_Port", "addresses")) == {
        f"{views.mac(1)} 10.0.1.11",
        "fa:16:3e:99:99:99",
    }


def test_migrating_port_may_be_bound_on_both_hosts() -> None:
    unit = compile_view(views.port(host_ids=("h0", "h1")))
    assert column(unit, "Logical_Switch_Port", "options") == {"requested-chassis": "h0,h1"}


def test_disabled_port() -> None:
    assert column(compile_view(views.port(enabled=False)), "Logical_Switch_Port", "enabled") == (False,)


USES = [(PortUse.METADATA, "localport"), (PortUse.ROUTER, "router"), (PortUse.ROUTER_GATEWAY, "router")]


@pytest.mark.parametrize(("use", "expected"), USES)
def test_ports_of_the_cloud_itself(use: PortUse, expected: str) -> None:
    unit = compile_view(views.port(use=use, security_group_ids=(), host_ids=()))
    assert column(unit, "Logical_Switch_Port", "type") == (expected,)
    assert unit.group_ids == ()


def test_only_the_gateway_announces_the_routers_addresses() -> None:
    inside, outside = (compile_view(views.port(use=use)) for use in (PortUse.ROUTER, PortUse.ROUTER_GATEWAY))
    assert "nat-addresses" not in column(inside, "Logical_Switch_Port", "options")
    assert column(outside, "Logical_Switch_Port", "options")["nat-addresses"] == "router"


def test_floating_ip_port_has_no_row() -> None:
    assert compile_view(views.port(use=PortUse.FLOATING_IP)).rows == ()


def test_router_port_and_switch_port_name_each_other() -> None:
    inside = views.router().ports[0]
    switch_side = compile_view(views.port(2**21, use=PortUse.ROUTER))
    names = {row.columns["name"][0] for row in of(compile_view(views.router()), "Logical_Router_Port")}
    assert switch_side.key.id == inside.port_id
    assert column(switch_side, "Logical_Switch_Port", "options")["router-port"] in names


def test_router() -> None:
    unit = compile_view(views.router())
    routes = {(r.columns["ip_prefix"], r.columns["nexthop"]) for r in of(unit, "Logical_Router_Static_Route")}
    ports = {r.columns["output_port"] for r in of(unit, "Logical_Router_Static_Route")}
    assert ports == {(), (f"lrp-{views.router().gateways[0].port.port_id}",)}
    assert routes == {(("0.0.0.0/0",), ("172.24.4.254",)), (("192.168.7.0/24",), ("10.0.1.77",))}
    nat = {r.columns["type"][0]: r.columns for r in of(unit, "NAT")}
    assert nat["snat"]["external_ip"] == ("172.24.4.10",)
    assert nat["snat"]["logical_ip"] == ("10.0.1.0/24",)
    assert nat["dnat_and_snat"]["external_ip"] == ("172.24.4.101",)
    assert nat["dnat_and_snat"]["external_mac"] == (views.floating_ip().mac,)
    assert nat["dnat_and_snat"]["logical_port"] == (views.port_id(1),)
    inside, outside = of(unit, "Logical_Router_Port")
    assert inside.columns["ipv6_ra_configs"] == {
        "address_mode": "slaac",
        "send_periodic": "true",
        "mtu": "1442",
        "rdnss": "fd01::53",
    }
    assert inside.columns["gateway_chassis"] == ()
    (chassis,) = of(unit, "Gateway_Chassis")
    assert outside.columns["gateway_chassis"] == (chassis.ref,)
    assert chassis.columns["chassis_name"] == ("h0",)
    children = set(column(unit, "Logical_Router", "ports")) | set(column(unit, "Logical_Router", "nat"))
    children |= set(column(unit, "Logical_Router", "static_routes"))
    assert children == {
        row.ref
        for row in unit.rows
        if row.table not in ("Logical_Router", "Gateway_Chassis", "Load_Balancer")
    }


def test_router_without_gateway_translates_nothing() -> None:
    unit = compile_view(views.router(gateways=(), routes=()))
    assert {row.table for row in unit.rows} == {"Logical_Router", "Logical_Router_Port"}


def test_snat_switched_off_keeps_floating_ips() -> None:
    view = views.router()
    unit = compile_view(replace(view, gateways=(replace(view.gateways[0], snat=False),)))
    assert [row.columns["type"] for row in of(unit, "NAT")] == [("dnat_and_snat",)]


def test_centralised_floating_ip_names_no_port() -> None:
    nat = of(compile_view(views.router(distributed=False)), "NAT")
    assert all(row.columns["external_mac"] == row.columns["logical_port"] == () for row in nat)


def test_small_external_mtu_is_told_to_senders() -> None:
    view = views.router()
    small = replace(view.gateways[0], port=replace(view.gateways[0].port, mtu=1300))
    outside = of(compile_view(replace(view, gateways=(small,))), "Logical_Router_Port")[-1]
    assert outside.columns["options"] == {"gateway_mtu": "1300"}


def test_gateways_spread_and_a_new_host_moves_few() -> None:
    routers = [f"router-{number}" for number in range(300)]
    hosts = [f"h{number}" for number in range(6)]
    before = {router: gateway_hosts(router, hosts) for router in routers}
    assert all(len(ranked) == GATEWAY_HOSTS_MAX for ranked in before.values())
    first = [ranked[0] for ranked in before.values()]
    assert min(first.count(host) for host in hosts) > 25
    moved = sum(gateway_hosts(router, [*hosts, "h6"])[0] != before[router][0] for router in routers)
    assert 0 < moved < 300 / 7 * 2


@pytest.mark.parametrize(
    "view",
    [views.network(), views.port(), views.router(), views.group()],
    ids=lambda view: type(view).__name__,
)
def test_equal_views_give_equal_digests(view: object) -> None:
    assert compile_view(view).digest() == compile_view(replace(view)).digest()


def test_membership_is_part_of_the_digest() -> None:
    assert compile_view(views.port()).digest() != compile_view(views.port(security_group_ids=())).digest()


def test_limits_and_marks_of_a_port() -> None:
    qos = QosView(egress_kbps=1000, ingress_kbps=2000, ingress_burst_kbits=500, dscp_mark=26)
    sent, got = of(compile_view(views.port(qos=qos)), "QoS")
    assert (sent.columns["direction"], got.columns["direction"]) == (("from-lport",), ("to-lport",))
    assert sent.columns["match"] == (f'inport == "{views.port_id(1)}"',)
    # Without a burst of its own a limit gets one of a second.
    assert sent.columns["bandwidth"] == {"rate": 1000, "burst": 1000}
    assert sent.columns["action"] == {"dscp": 26}
    assert got.columns["bandwidth"] == {"rate": 2000, "burst": 500} and got.columns["action"] == {}
    assert of(compile_view(views.port(qos=QosView())), "QoS") == []


def test_a_floating_ip_has_limits_where_it_leaves() -> None:
    ip = replace(views.floating_ip(), network_id=views.EXT, qos=QosView(egress_kbps=64))
    (row,) = of(compile_view(views.router(floating_ips=(ip,))), "QoS")
    assert row.switch_id == views.EXT
    assert row.columns["match"] == (f'inport == "{views.port_id(2**21 + 1)}" && ip4.src == 172.24.4.101',)


def test_ports_of_a_floating_ip_are_balancers_of_the_router() -> None:
    web = PortForwardingView("tcp", "172.24.4.50", 8080, "10.0.1.11", 80)
    names = PortForwardingView("udp", "172.24.4.50", 53, "10.0.1.12", 53)
    tcp, udp = of(compile_view(views.router(port_forwardings=(web, names))), "Load_Balancer")
    assert tcp.columns["vips"] == {"172.24.4.50:8080": "10.0.1.11:80"}
    assert udp.columns["vips"] == {"172.24.4.50:53": "10.0.1.12:53"}
    assert of(compile_view(views.router(port_forwardings=(web,), gateways=())), "Load_Balancer") == []


def test_what_one_port_is_told_by_dhcp() -> None:
    network = views.network()
    own = OwnDhcpView(network, (("tftp_server", '"boot"'), ("mtu", "1200")))
    unit = compile_view(views.port(own_dhcp=own))
    (row,) = of(unit, "DHCP_Options")
    assert column(unit, "Logical_Switch_Port", "dhcpv4_options") == (row.ref,)
    options = row.columns["options"]
    assert (options["tftp_server"], options["mtu"], options["router"]) == ('"boot"', "1200", "10.0.1.1")


def test_a_sub_port_is_behind_its_parent() -> None:
    unit = compile_view(views.port(parent=ParentView("parent", 101)))
    assert column(unit, "Logical_Switch_Port", "parent_name") == ("parent",)
    assert column(unit, "Logical_Switch_Port", "tag") == (101,)


def test_names_of_a_network() -> None:
    unit = compile_view(views.network(names=(("Web", ("10.0.1.11", "fd01::11")),), domain="example.org"))
    (row,) = of(unit, "DNS")
    assert column(unit, "Logical_Switch", "dns_records") == (row.ref,)
    assert row.columns["records"] == {
        "web": "10.0.1.11 fd01::11",
        "web.example.org": "10.0.1.11 fd01::11",
        "11.1.0.10.in-addr.arpa": "web.example.org",
        ip_address("fd01::11").reverse_pointer: "web.example.org",
    }


def test_within_a_scope_nothing_is_translated_and_scopes_are_apart() -> None:
    one, other = ScopedNetwork("10.0.1.0/24", "s"), ScopedNetwork("172.24.4.0/24", "s")
    unit = compile_view(views.router(scopes=(one, other)))
    assert [row for row in of(unit, "NAT") if row.columns["type"] == ("snat",)] == []
    inside = views.router().ports[0]
    second = replace(inside, port_id="p2", networks=("10.0.2.1/24",))
    scopes = (one, ScopedNetwork("10.0.2.0/24", None))
    unit = compile_view(views.router(ports=(inside, second), scopes=scopes))
    matches = {row.columns["match"] for row in of(unit, "Logical_Router_Policy")}
    assert matches == {
        ("ip4.src == 10.0.1.0/24 && ip4.dst == 10.0.2.0/24",),
        ("ip4.src == 10.0.2.0/24 && ip4.dst == 10.0.1.0/24",),
    }


def test_an_address_group_is_a_set_for_each_version_that_rules_wait_for() -> None:
    v4, v6 = of(compile_view(views.address_group()), "Address_Set")
    assert v4.columns["addresses"] == ("10.8.0.0/16",) and v6.columns["addresses"] == ("fd08::/64",)
    unit = compile_view(views.group(views.rule(remote_address_group_id=views.ADDRESSES)))
    assert f"ip4.src == ${v4.name}" in column(unit, "ACL", "match")[0]
    assert [need.uuid for need in unit.needs] == [v4.uuid]
