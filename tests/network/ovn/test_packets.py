"""What tenants notice, with packets through a real OVN: one stack for all, guests as namespaces."""

import time
from dataclasses import replace

import pytest

from tests.network.ovn.lab import Lab
from tests.network.ovn.stack import OUTSIDE, PHYSICAL_NETWORK, wait_for
from volutus.agent.network.flows import MarkedFlows
from volutus.network.ovn import (
    AddressPairView,
    CellView,
    Direction,
    FloatingIpView,
    Kind,
    MeterView,
    PortUse,
    ProviderView,
)

pytestmark = pytest.mark.machine
IN, OUT = Direction.INGRESS, Direction.EGRESS


def test_dhcp_gives_all_that_the_subnet_says(lab: Lab) -> None:
    net = lab.network("10.0.1.0/24", mtu=1400)
    lab.put(
        Kind.NETWORK, replace(net, subnets=(replace(net.subnets[0], dns_servers=("9.9.9.9", "8.8.8.8")),))
    )
    # No group at all: even then a guest gets its address.
    guest = lab.guest(net, "10.0.1.11")
    lab.settle()
    lease = guest.lease()
    assert lease["ip"] == "10.0.1.11"
    assert lease["router"] == "10.0.1.1"
    assert lease["mtu"] == "1400"
    assert lease["dns"] == "9.9.9.9 8.8.8.8"
    assert "169.254.169.254/32 10.0.1.2" in lease["staticroutes"]
    assert "0.0.0.0/0 10.0.1.1" in lease["staticroutes"]
    assert int(lease["lease"]) > 3600


def test_networks_with_the_same_addresses_do_not_meet(lab: Lab) -> None:
    group = lab.open_group()
    ours, theirs = lab.network("10.0.1.0/24"), lab.network("10.0.1.0/24")
    mine = lab.guest(ours, "10.0.1.11", group=group)
    friend = lab.guest(ours, "10.0.1.12", group=group)
    stranger = lab.guest(theirs, "10.0.1.12", group=group)
    same = lab.guest(theirs, "10.0.1.13", group=group)
    lab.settle()
    for guest in (mine, friend, stranger, same):
        guest.configure()
    assert mine.reaches("10.0.1.12")
    assert stranger.reaches("10.0.1.13")
    assert not mine.reaches("10.0.1.13", tries=1)
    assert not stranger.reaches("10.0.1.11", tries=1)
    ids = [guest.port.id for guest in (mine, friend)]
    assert lab.plane.northbound.ports_up([*ids, "port-none"]) == set(ids)


def test_groups_admit_what_they_say_and_answers_to_it(lab: Lab) -> None:
    net = lab.network("10.0.1.0/24")
    web = lab.rule(IN, protocol="tcp", port_min=80, port_max=90, remote_prefix="10.0.1.0/24")
    servers, clients = lab.group(web), lab.group(lab.rule(OUT))
    server = lab.guest(net, "10.0.1.11", group=servers)
    client = lab.guest(net, "10.0.1.12", group=clients)
    lab.settle()
    server.configure().serve(80)
    client.configure().serve(80)
    server.serve(8080)
    assert client.fetches("10.0.1.11", 80)
    assert not client.fetches("10.0.1.11", 8080, tries=1)
    assert not client.reaches("10.0.1.11", tries=1)
    # The server's group lets nothing out that is not an answer.
    assert not server.fetches("10.0.1.12", 80, tries=1)
    lab.put(Kind.SECURITY_GROUP, replace(servers, rules=()))
    lab.settle()
    assert not client.fetches("10.0.1.11", 80, tries=1)


def test_group_admits_members_of_another(lab: Lab) -> None:
    net = lab.network("10.0.1.0/24")
    friends, others = lab.group(lab.rule(OUT)), lab.group(lab.rule(OUT), lab.rule(OUT, ip_version=6))
    guarded = lab.group(lab.rule(IN, protocol="icmp", remote_group_id=friends.id))
    target = lab.guest(net, "10.0.1.11", group=guarded)
    friend = lab.guest(net, "10.0.1.12", group=friends)
    other = lab.guest(net, "10.0.1.13", group=others)
    lab.settle()
    for guest in (target, friend, other):
        guest.configure()
    assert friend.reaches("10.0.1.11")
    assert not other.reaches("10.0.1.11", tries=1)
    lab.put(Kind.PORT, replace(other.port, security_group_ids=(friends.id,)))
    lab.settle()
    assert other.reaches("10.0.1.11")


def test_port_sends_only_from_its_own_addresses(lab: Lab) -> None:
    net = lab.network("10.0.1.0/24")
    group = lab.open_group()
    target = lab.guest(net, "10.0.1.11", group=group)
    sender = lab.guest(net, "10.0.1.12", group=group)
    lab.settle()
    target.configure()
    sender.do("ip", "address", "add", "10.0.1.77/24", "dev", "eth0")
    assert not sender.reaches("10.0.1.11", tries=1)
    lab.put(Kind.PORT, replace(sender.port, address_pairs=(AddressPairView("10.0.1.77"),)))
    lab.settle()
    assert sender.reaches("10.0.1.11")
    lab.put(Kind.PORT, replace(sender.port, port_security=False, security_group_ids=()))
    lab.settle()
    assert sender.reaches("10.0.1.11")


def test_disabled_port_is_silent(lab: Lab) -> None:
    net = lab.network("10.0.1.0/24")
    group = lab.open_group()
    first, second = (lab.guest(net, f"10.0.1.{n}", group=group) for n in (11, 12))
    lab.settle()
    first.configure(), second.configure()
    assert first.reaches("10.0.1.12")
    lab.put(Kind.PORT, replace(second.port, enabled=False))
    lab.settle()
    assert not first.reaches("10.0.1.12", tries=1)


def test_router_joins_subnets_and_leads_outside(lab: Lab) -> None:
    group = lab.open_group()
    front, back, outside = lab.network("10.0.1.0/24"), lab.network("10.0.2.0/24"), lab.external()
    one, two = lab.guest(front, "10.0.1.11", group=group), lab.guest(back, "10.0.2.11", group=group)
    lab.router(front, back, outside=outside)
    lab.settle()
    assert one.lease()["ip"] == "10.0.1.11"
    assert two.lease()["ip"] == "10.0.2.11"
    two.serve(80)
    assert one.reaches("10.0.2.11")
    assert one.fetches("10.0.2.11")
    # Outside, all of the network's guests have the router's address.
    heard = lab.start(lab.stack.namespace, "tcpdump", "-nni", "br-ex", "-l", "icmp")
    wait_for(lambda: "listening" in heard.read_text(), "tcpdump")
    assert one.reaches(OUTSIDE)
    wait_for(lambda: f"172.24.4.10 > {OUTSIDE}" in heard.read_text(), "a translated ping")


@pytest.mark.parametrize("distributed", [True, False])
def test_floating_ip_from_the_outside(lab: Lab, distributed: bool) -> None:
    group = lab.open_group()
    inside, outside = lab.network("10.0.1.0/24"), lab.external()
    guest, other = lab.guest(inside, "10.0.1.11", group=group), lab.guest(inside, "10.0.1.12", group=group)
    address = "172.24.4.101" if distributed else "172.24.4.102"
    fip = FloatingIpView("floating", address, "fa:16:3e:ff:01:01", "10.0.1.11", guest.port.id)
    router = lab.router(inside, outside=outside, floating_ips=(fip,), distributed=distributed)
    lab.settle()
    guest.configure("10.0.1.1").serve(80)
    other.configure("10.0.1.1").serve(80)
    host = lab.stack.namespace
    assert lab.pings(host, address)
    assert lab.fetches(host, address)
    assert not lab.fetches(host, address, 81, tries=1)
    # Its guest goes out with it, too.
    heard = lab.start(host, "tcpdump", "-nni", "br-ex", "-l", "icmp")
    wait_for(lambda: "listening" in heard.read_text(), "tcpdump")
    assert guest.reaches(OUTSIDE)
    wait_for(lambda: f"{address} > {OUTSIDE}" in heard.read_text(), "a translated ping")
    # The address moves to the other guest.
    moved = replace(fip, fixed_address="10.0.1.12", fixed_port_id=other.port.id)
    lab.put(Kind.ROUTER, replace(router, floating_ips=(moved,)))
    lab.put(Kind.PORT, replace(guest.port, enabled=False))
    lab.settle()
    assert lab.fetches(host, address)
    lab.put(Kind.ROUTER, replace(router, floating_ips=()))
    lab.settle()
    assert not lab.fetches(host, address, tries=1)


def test_several_gateways_share_what_leaves(lab: Lab) -> None:
    """The second is on a network of its own; a floating IP there is left and entered by that."""
    group, far = lab.open_group(), "198.51.100"
    net, near, other = lab.network("10.0.1.0/24"), lab.external(), lab.external("172.24.5.0/24")
    guest, named = (lab.guest(net, f"10.0.1.{n}", group=group) for n in (11, 12))
    gateways = (*lab.gateways(near, "172.24.4.10"), *lab.gateways(other, "172.24.5.10"))
    ends = "172.24.5.101", "fa:16:3e:ff:01:01", "10.0.1.12", named.port.id, other.id
    fip = FloatingIpView("floating", *ends)
    router = lab.router(net, gateways=gateways, floating_ips=(fip,))
    lab.stack.inside("ip", "address", "replace", "172.24.5.254/24", "dev", "br-ex")
    lab.settle()
    guest.configure("10.0.1.1"), named.configure("10.0.1.1")
    heard = lab.start(lab.stack.namespace, "tcpdump", "-nni", "br-ex", "-l", "udp", "and", "dst", "net", far)
    wait_for(lambda: "listening" in heard.read_text(), "tcpdump")

    def sources() -> set[str]:
        return {f"{octet}.{last}" for octet in ("172.24.4", "172.24.5") for last in (10, 101)
                if f"IP {octet}.{last}." in heard.read_text()}  # fmt: skip

    def send(first_port: int) -> None:
        for port in range(first_port, first_port + 20):
            guest.send_udp(port, f"{far}.{port % 250}", 9), named.send_udp(port, f"{far}.{port % 250}", 9)

    # By the first alone, but for who has an address at the second.
    send(1000)
    wait_for(lambda: len(sources()) > 1, "packets outside")
    assert sources() == {"172.24.4.10", "172.24.5.101"}
    assert lab.pings(lab.stack.namespace, "172.24.5.101")
    lab.put(Kind.ROUTER, replace(router, ecmp=True))
    lab.settle()
    send(2000)
    wait_for(lambda: len(sources()) > 2, "packets by the second gateway")
    assert sources() == {"172.24.4.10", "172.24.5.10", "172.24.5.101"}
    assert lab.pings(lab.stack.namespace, "172.24.5.101")
    assert guest.reaches("172.24.5.254") and guest.reaches(OUTSIDE)
    lab.stack.inside("ip", "address", "del", "172.24.5.254/24", "dev", "br-ex")


def test_metadata_answers_even_without_a_group(lab: Lab) -> None:
    net = lab.network("10.0.1.0/24", "fd01::/64")
    service = lab.guest(net, "10.0.1.2", use=PortUse.METADATA, host_ids=(), port_security=False)
    guest = lab.guest(net, "10.0.1.11", "fd01::11")
    lab.settle()
    service.configure()
    service.do("ip", "address", "add", "169.254.169.254/32", "dev", "eth0")
    service.do("ip", "address", "add", "fe80::a9fe:a9fe/64", "dev", "eth0", "nodad")
    service.serve(80)
    service.serve(8080)
    guest.lease()
    assert guest.fetches("169.254.169.254")
    # From its link-local address, which has to answer who asks for it.
    assert guest.fetches("fe80::a9fe:a9fe%eth0")
    assert not guest.fetches("169.254.169.254", 8080, tries=1)


def test_ipv6_guests_make_their_own_addresses(lab: Lab) -> None:
    group = lab.open_group()
    net, other = lab.network("10.0.1.0/24", "fd01::/64"), lab.network("fd02::/64")
    first = lab.guest(net, group=group)
    second = lab.guest(other, group=group)
    for guest, prefix in ((first, "fd01"), (second, "fd02")):
        octets = guest.port.mac.split(":")
        tail = f"f816:{octets[2]}ff:fe{octets[3]}:{octets[4]}{octets[5]}"
        subnet = next(s for s in (*net.subnets, *other.subnets) if s.cidr.startswith(prefix))
        guest.port = lab.port_with_address(guest.port, f"{prefix}::{tail}", subnet)
    lab.router(net, other)
    lab.settle()

    def has_address(guest, prefix: str) -> bool:
        shown = guest.do("ip", "-6", "-o", "address", "show", "dev", "eth0", "scope", "global")
        return f"inet6 {prefix}:" in shown and "mngtmpaddr" in shown

    wait_for(lambda: has_address(first, "fd01") and has_address(second, "fd02"), "an advertised address")
    second_address = second.port.fixed_ips[-1].address
    assert first.reaches("fd01::1")
    assert first.reaches(second_address)


def test_provider_network_is_tagged_on_the_wire(lab: Lab) -> None:
    # Another segment of the network is elsewhere: hosts that are not there have nothing to do with it.
    provider, elsewhere = ProviderView(PHYSICAL_NETWORK, 123), ProviderView("physnet-elsewhere", 7)
    net = lab.network("10.0.1.0/24", provider=provider, further_providers=(elsewhere,))
    guest = lab.guest(net, "10.0.1.11", group=lab.open_group())
    lab.settle()
    guest.configure()
    heard = lab.start(lab.stack.namespace, "tcpdump", "-nnei", "br-ex", "-l", "vlan", "123")
    wait_for(lambda: "listening" in heard.read_text(), "tcpdump")
    assert not guest.reaches("10.0.1.200", tries=1)
    wait_for(lambda: "who-has 10.0.1.200" in heard.read_text(), "a tagged frame")


def test_guest_is_no_dhcp_server(lab: Lab) -> None:
    net = lab.network("10.0.1.0/24")
    group = lab.group(*(lab.rule(direction) for direction in Direction))
    guest, other = (lab.guest(net, f"10.0.1.{n}", group=group) for n in (11, 12))
    lab.settle()
    guest.configure(), other.configure()
    heard = lab.start(other.namespace, "tcpdump", "-nni", "eth0", "-l", "udp")
    wait_for(lambda: "listening" in heard.read_text(), "tcpdump")
    for source, target in ((67, 68), (69, 70)):
        guest.send_udp(source, "10.0.1.12", target)
    wait_for(lambda: "10.0.1.11.69 > 10.0.1.12.70" in heard.read_text(), "a packet that is allowed")
    assert "10.0.1.11.67" not in heard.read_text()


def test_what_others_broke_is_mended(lab: Lab) -> None:
    net = lab.network("10.0.1.0/24")
    group = lab.open_group()
    first, second = (lab.guest(net, f"10.0.1.{n}", group=group) for n in (11, 12))
    lab.settle()
    first.configure(), second.configure()
    assert first.reaches("10.0.1.12")
    lab.stack.nbctl("lsp-del", second.port.id, "--", "pg-del", f"pg_{group.id.replace('-', '_')}")
    lab.stack.sync()
    assert not first.reaches("10.0.1.12", tries=1)
    lab.settle()
    assert first.reaches("10.0.1.12")


def test_lost_database_is_rebuilt_and_guests_go_on(lab: Lab) -> None:
    net, outside = lab.network("10.0.1.0/24"), lab.external()
    group = lab.open_group()
    guest, late = (lab.guest(net, f"10.0.1.{n}", group=group) for n in (11, 12))
    lab.router(net, outside=outside)
    lab.settle()
    guest.configure("10.0.1.1")
    assert guest.reaches(OUTSIDE)
    lab.stack.northbound.lose_everything()
    started = time.monotonic()
    lab.settle()
    assert time.monotonic() - started < 10
    assert guest.reaches(OUTSIDE)
    assert late.lease()["ip"] == "10.0.1.12"


def test_only_what_leaves_the_cloud_is_counted(lab: Lab) -> None:
    group = lab.open_group()
    front, back, outside = lab.network("10.0.1.0/24"), lab.network("10.0.2.0/24"), lab.external()
    guest, neighbour = lab.guest(front, "10.0.1.11", group=group), lab.guest(back, "10.0.2.11", group=group)
    meters = (MeterView(guest.port.id, 4711, (guest.address, "10.0.1.99")),)
    router = lab.router(front, back, outside=outside, meters=meters)
    lab.settle()
    guest.configure("10.0.1.1")
    neighbour.configure("10.0.2.1")
    assert guest.reaches("10.0.2.11")
    assert guest.reaches(OUTSIDE)
    assert neighbour.reaches(OUTSIDE)
    flows = MarkedFlows(lab.stack.directory / "br-int.mgmt")

    def carried() -> int:
        return sum(one.bytes for one in (flows.carried() or {}).get(4711, {}).values())

    def pinged(count: int, address: str) -> int:
        # The switch tells its counters half a second late.
        before = carried()
        guest.do("ping", "-q", "-c", str(count), "-i", "0.05", "-s", "1000", address)
        time.sleep(1.5)
        return carried() - before

    time.sleep(1.5)
    assert pinged(10, "10.0.2.11") == 0
    frame = 1000 + 8 + 20 + 14
    assert pinged(10, OUTSIDE) == 10 * frame
    # Where labels count, what goes to one place is told apart from the rest of what the port sends, and what
    # comes in, or leaves from elsewhere, from both.
    outside_only, own = f"{OUTSIDE}/32", f"{guest.address}/32"
    cells = (
        CellView(OUT, "0.0.0.0/0", "0.0.0.0/0", 0, 1 << 31),
        CellView(OUT, own, "0.0.0.0/0", 0, 4711, guest.port.id),
        CellView(OUT, own, outside_only, 1, (1 << 31) + 1, guest.port.id),
        CellView(IN, "0.0.0.0/0", own, 1, (1 << 32) - 1),
    )
    before = carried()
    lab.put(Kind.ROUTER, replace(router, cells=cells))
    lab.settle()
    guest.do("ping", "-q", "-c", "10", "-i", "0.05", "-s", "1000", OUTSIDE)
    neighbour.do("ping", "-q", "-c", "3", "-i", "0.05", "-s", "1000", OUTSIDE)
    time.sleep(1.5)
    told = {mark: sum(one.bytes for one in by.values()) for mark, by in (flows.carried() or {}).items()}
    assert told == {
        1 << 31: 3 * frame,
        4711: before,
        (1 << 31) + 1: 10 * frame,
        (1 << 32) - 1: 10 * frame,
    }
    # Whoever has no meter any more is not counted.
    lab.put(Kind.ROUTER, replace(router, meters=()))
    lab.settle()
    wait_for(lambda: not flows.carried(), "the flows to go")
