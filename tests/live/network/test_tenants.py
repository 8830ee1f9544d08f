"""What two tenants may and may not do: isolation, groups, translation, IPv6, an address that moves."""

import signal
import sys
import time
from pathlib import Path

import pytest

from tests.live.network.cloud import NETWORK, Cloud, Guest, Tenant, fetch, wait_for

pytestmark = pytest.mark.live
PING = {"protocol": "icmp"}
PING6 = {"protocol": "ipv6-icmp", "ethertype": "IPv6"}
# Sends a line ten times a second to whoever connects.
TICKER = """
import socket, time
server = socket.create_server(("", 9000))
while True:
    connection = server.accept()[0]
    try:
        while True:
            connection.sendall(b"tick\\n")
            time.sleep(0.1)
    except OSError:
        pass
"""
# Tells whoever connects the address that he seems to have.
MIRROR = """
import socket
server = socket.create_server(("", 9001))
while True:
    connection, peer = server.accept()
    connection.recv(1024)
    connection.sendall(b"HTTP/1.0 200 OK\\n\\n" + peer[0].encode())
    connection.close()
"""
KEEPALIVED = """
vrrp_instance web {{
    interface eth0
    state BACKUP
    virtual_router_id 51
    priority {priority}
    advert_int 1
    virtual_ipaddress {{ {vip}/24 }}
}}
"""


def test_tenants_with_the_same_addresses_do_not_meet(cloud: Cloud, demo: Tenant, admin: Tenant) -> None:
    ours, theirs = (tenant.network("10.64.0.0/24") for tenant in (demo, admin))
    groups = [tenant.group(PING, {"protocol": "tcp"}) for tenant in (demo, admin)]
    mine, friend = (demo.guest(ours, groups[0], fixed_ips=[{"ip_address": f"10.64.0.{n}"}]) for n in (11, 12))
    stranger = admin.guest(theirs, groups[1], fixed_ips=[{"ip_address": "10.64.0.13"}])
    namesake = admin.guest(theirs, groups[1], fixed_ips=[{"ip_address": "10.64.0.11"}])
    routers = [tenant.router(network) for tenant, network in ((demo, ours), (admin, theirs))]
    for guest in (mine, friend, stranger, namesake):
        guest.lease()
    assert mine.pings(friend.address)
    assert not mine.pings(stranger.address, tries=1)
    assert not stranger.pings(friend.address, tries=1)
    # Both reach the outside, each behind its own router's address.
    cloud.start("nsenter", f"--net={cloud.namespace}", sys.executable, "-c", MIRROR)
    seen = [wait_for(lambda: guest.fetch("172.24.4.1", 9001), "the outside") for guest in (mine, namesake)]  # noqa: B023
    gateways = [router["external_gateway_info"]["external_fixed_ips"] for router in routers]
    assert seen == [ips[0]["ip_address"] for ips in gateways]
    body = {"floating_network_id": cloud.public_id, "port_id": mine.id}
    address = demo.make(f"{NETWORK}/floatingips", "floatingip", **body)["floating_ip_address"]
    mine.serve(80, "mine")
    namesake.serve(80, "theirs")
    assert wait_for(lambda: fetch(cloud.namespace, address, 80), "the floating IP") == "mine"
    # A single port of another address leads to the neighbour.
    forwarding = demo.make(f"{NETWORK}/floatingips", "floatingip", floating_network_id=cloud.public_id)
    place = f"{NETWORK}/floatingips/{forwarding['id']}/port_forwardings"
    inner = {"internal_port_id": friend.id, "internal_ip_address": friend.address, "internal_port": 80}
    demo.make(place, "port_forwarding", protocol="tcp", external_port=8080, **inner)
    friend.serve(80, "friend")
    shared = forwarding["floating_ip_address"]
    assert wait_for(lambda: fetch(cloud.namespace, shared, 8080), "the forwarded port") == "friend"
    assert not fetch(cloud.namespace, shared, 80)
    trace = demo.call("GET", f"{NETWORK}/ports/{mine.id}/trace", to=friend.address, port=80).json()["trace"]
    assert (trace["verdict"], trace["steps"][-1]["id"]) == ("delivered", friend.id)
    trace = demo.call("GET", f"{NETWORK}/ports/{mine.id}/trace", to="10.64.0.13").json()["trace"]
    assert trace["verdict"] == "dropped"
    assert admin.call("GET", f"{NETWORK}/ports/{mine.id}/trace", to="10.64.0.12").status_code in (200, 404)


def test_a_rule_that_goes_cuts_what_it_let_in(cloud: Cloud, demo: Tenant) -> None:
    net = demo.network("10.65.0.0/24")
    group = demo.group()
    rule = demo.rule(group, protocol="tcp", port_range_min=9000, port_range_max=9000)
    server, client = demo.guest(net, group), demo.guest(net, demo.group())
    server.lease()
    client.lease()
    cloud.start("nsenter", f"--net=/run/netns/{server.namespace}", sys.executable, "-c", TICKER)
    heard = Path(cloud.directory / "heard")
    listen = f"exec 3<>/dev/tcp/{server.address}/9000; exec cat <&3 > {heard}"
    wait_for(
        lambda: client.can("timeout", "1", "bash", "-c", f"exec 3<>/dev/tcp/{server.address}/9000"), "it"
    )
    cloud.start("nsenter", f"--net=/run/netns/{client.namespace}", "bash", "-c", listen)
    wait_for(lambda: heard.exists() and heard.stat().st_size > 20, "an established connection")
    trace = demo.call("GET", f"{NETWORK}/ports/{client.id}/trace", to=server.address, port=9000)
    assert rule["id"] in trace.text
    demo.delete(f"{NETWORK}/security-group-rules/{rule['id']}")

    def still() -> bool:
        before = heard.stat().st_size
        time.sleep(1)
        return heard.stat().st_size == before

    wait_for(still, "the connection to be cut")
    trace = demo.call("GET", f"{NETWORK}/ports/{client.id}/trace", to=server.address, port=9000)
    assert trace.json()["trace"]["reason"].startswith("No ingress rule")
    # What nothing admits does not come in, but what the guest asks for does.
    assert not client.pings(server.address, tries=1)
    demo.rule(group, **PING)
    assert client.pings(server.address)
    # And nothing goes out that no rule lets out, answers apart.
    for rule in demo.get(f"{NETWORK}/security-group-rules", security_group_id=group, direction="egress"):
        demo.delete(f"{NETWORK}/security-group-rules/{rule['id']}")
    demo.rule(client.port["security_groups"][0], **PING)
    wait_for(lambda: not server.pings(client.address, tries=1), "the way out to be shut")
    assert client.pings(server.address)


def test_ipv6_from_end_to_end(demo: Tenant) -> None:
    front, back = demo.network("10.66.0.0/24", "fd66::/64"), demo.network("fd67::/64")
    demo.router(front, back, external=False)
    group = demo.group(PING6)
    one, two = demo.guest(front, group), demo.guest(back, group)
    for guest in (one, two):
        wait_for(lambda: guest.address6 in guest.do("ip", "-6", "address"), "an address")  # noqa: B023
    assert one.pings(two.address6)
    assert two.pings(one.address6)


def test_an_address_moves_between_guests(cloud: Cloud, demo: Tenant) -> None:
    net = demo.network("10.68.0.0/24")
    vip = "10.68.0.100"
    group = demo.group(PING, {"protocol": "112"})
    pair = {"allowed_address_pairs": [{"ip_address": vip}]}
    keepers = [demo.guest(net, group, **pair) for _ in range(2)]
    client = demo.guest(net, group)
    for guest in (*keepers, client):
        guest.lease()
    programs = [
        keep(cloud, guest, priority, vip) for guest, priority in zip(keepers, (150, 100), strict=True)
    ]

    def holder() -> list[bool]:
        return [vip in guest.do("ip", "-4", "address") for guest in keepers]

    wait_for(lambda: holder() == [True, False], "the first to hold the address")
    assert client.pings(vip)
    programs[0].kill()
    keepers[0].do("ip", "link", "set", "eth0", "down")
    wait_for(lambda: holder()[1], "the second to take the address")
    assert client.pings(vip, tries=10)


def test_a_lease_is_renewed(cloud: Cloud, demo: Tenant) -> None:
    guest = demo.guest(demo.network("10.69.0.0/24"))
    words = ["busybox", "udhcpc", "-i", "eth0", "-f", "-s", str(cloud.lease_script)]
    log = cloud.directory / "program.log"
    before = log.read_text().count(f"{guest.address} ") if log.exists() else 0
    client = cloud.start("nsenter", f"--net=/run/netns/{guest.namespace}", *words)
    wait_for(lambda: log.read_text().count(f"{guest.address} ") > before, "a lease")
    held = log.read_text().count(f"{guest.address} ")
    client.send_signal(signal.SIGUSR1)
    wait_for(lambda: log.read_text().count(f"{guest.address} ") > held, "a renewal")


def keep(cloud: Cloud, guest: Guest, priority: int, vip: str):  # type: ignore[no-untyped-def]
    """VRRP in a guest."""
    stem = cloud.directory / guest.namespace
    config = stem.with_suffix(".conf")
    config.write_text(KEEPALIVED.format(priority=priority, vip=vip))
    words = ["keepalived", "-n", "-l", "-P", "-f", str(config), "-p", f"{stem}.pid", "-r", f"{stem}.vrrp"]
    return cloud.start("nsenter", f"--net=/run/netns/{guest.namespace}", *words)
