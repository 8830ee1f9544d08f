"""What single ports are given, with packets through a real OVN: forwarded ports, marks, sets of addresses."""

from dataclasses import replace

import pytest

from tests.network.ovn.lab import Lab
from tests.network.ovn.stack import OUTSIDE, wait_for
from volutus.network.ovn import (
    AddressGroupView,
    Direction,
    Kind,
    OwnDhcpView,
    PortForwardingView,
    QosView,
)

pytestmark = pytest.mark.machine


def test_single_ports_of_an_address_lead_to_different_guests(lab: Lab) -> None:
    inside, outside = lab.network("10.0.1.0/24"), lab.external()
    members = AddressGroupView("outside", (f"{OUTSIDE}/32",))
    lab.put(Kind.ADDRESS_GROUP, members)
    web = {"protocol": "tcp", "port_min": 80, "port_max": 80, "remote_address_group_id": "outside"}
    both = [lab.rule(Direction.EGRESS), lab.rule(Direction.INGRESS, **web)]
    group = lab.group(*both)
    first, second = (lab.guest(inside, f"10.0.1.{n}", group=group) for n in (11, 12))
    forwarded = (
        PortForwardingView("tcp", "172.24.4.50", 8080, "10.0.1.11", 80),
        PortForwardingView("tcp", "172.24.4.50", 8081, "10.0.1.12", 80),
    )
    router = lab.router(inside, outside=outside, port_forwardings=forwarded)
    lab.settle()
    for guest in (first, second):
        guest.configure("10.0.1.1").serve(80)
    host = lab.stack.namespace
    assert lab.fetches(host, "172.24.4.50", 8080)
    assert lab.fetches(host, "172.24.4.50", 8081)
    assert not lab.fetches(host, "172.24.4.50", 80, tries=1)
    # The rule names the group: without the address in it nobody outside is let in.
    lab.put(Kind.ADDRESS_GROUP, replace(members, addresses=()))
    lab.settle()
    assert not lab.fetches(host, "172.24.4.50", 8080, tries=1)
    lab.put(Kind.ADDRESS_GROUP, members)
    lab.put(Kind.ROUTER, replace(router, port_forwardings=forwarded[1:]))
    lab.settle()
    assert lab.fetches(host, "172.24.4.50", 8081)
    assert not lab.fetches(host, "172.24.4.50", 8080, tries=1)


def test_a_port_is_told_more_and_what_it_sends_is_marked(lab: Lab) -> None:
    net = lab.network("10.0.1.0/24")
    group = lab.open_group()
    told = OwnDhcpView(net, (("mtu", "1234"),))
    sender = lab.guest(net, "10.0.1.11", group=group, own_dhcp=told, qos=QosView(dscp_mark=46))
    other = lab.guest(net, "10.0.1.12", group=group).configure()
    lab.settle()
    assert sender.lease()["mtu"] == "1234"
    heard = lab.start(other.namespace, "tcpdump", "-vnni", "eth0", "-l", "icmp")
    wait_for(lambda: "listening" in heard.read_text(), "tcpdump")
    assert sender.reaches("10.0.1.12")
    # 46 (expedited forwarding) is in the upper six bits of the octet.
    wait_for(lambda: "tos 0xb8" in heard.read_text(), "a marked ping")
