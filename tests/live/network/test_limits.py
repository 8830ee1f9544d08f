"""What a tenant may not do: send faster than the policy says, ask for others' metadata."""

import re
import subprocess
import sys
from base64 import b64encode
from typing import Any

import pytest

from tests.live.network.cloud import NETWORK, Cloud, Guest, Tenant, wait_for
from volutus.wire.addresses import link_local

pytestmark = pytest.mark.live
UDP = {"protocol": "udp"}
SERVERS = "/compute/v2.1/servers"
# How near a limit is kept to, of the rate.
TOLERANCE = 0.1
# Sends 20 Mbit/s in frames of 1,400 bytes for six seconds.
SEND = """
import socket, sys, time
out = socket.socket(type=socket.SOCK_DGRAM)
began, sent = time.monotonic(), 0
while (passed := time.monotonic() - began) < 6:
    if sent < passed * 20e6 / 8:
        out.sendto(bytes(1358), (sys.argv[1], 7000))
        sent += 1400
    else:
        time.sleep(0.002)
"""
# What arrives once the burst is spent, in kbit/s of whole frames.
RECEIVE = """
import socket, time
into = socket.socket(type=socket.SOCK_DGRAM)
into.bind(("", 7000))
into.settimeout(10)
into.recv(2048)
began, got = time.monotonic(), 0
while (passed := time.monotonic() - began) < 4.5:
    size = len(into.recv(2048)) + 42
    got += size if passed > 1.5 else 0
print(got * 8 / 1000 / 3)
"""


def test_a_port_keeps_to_its_limits(cloud: Cloud, demo: Tenant, admin: Tenant) -> None:
    policies = f"{NETWORK}/qos/policies"
    policy = admin.make(policies, "policy", name="slow", shared=True)
    kbps = {"egress": 8000, "ingress": 4000}
    rules = {
        direction: admin.make(
            f"{policies}/{policy['id']}/bandwidth_limit_rules",
            "bandwidth_limit_rule",
            direction=direction,
            max_kbps=limit,
        )
        for direction, limit in kbps.items()
    }
    net = demo.network("10.72.0.0/24")
    group = demo.group(UDP)
    slow, fast = demo.guest(net, group, qos_policy_id=policy["id"]), demo.guest(net, group)
    for guest in (slow, fast):
        guest.lease()

    def assert_kept() -> None:
        programs = {"egress": transfer(cloud, slow, fast), "ingress": transfer(cloud, fast, slow)}
        rates = {direction: float(one.communicate(timeout=20)[0]) for direction, one in programs.items()}
        assert rates == {d: pytest.approx(kbps[d], rel=TOLERANCE) for d in kbps}

    assert_kept()
    # Another limit at once, without the port's being touched.
    kbps["egress"] = 2000
    path = f"{policies}/{policy['id']}/bandwidth_limit_rules/{rules['egress']['id']}"
    admin.put(path, "bandwidth_limit_rule", max_kbps=kbps["egress"])
    assert_kept()


def test_nobody_is_told_anothers_metadata(demo: Tenant, admin: Tenant) -> None:
    address = {"fixed_ips": [{"ip_address": "10.73.0.11"}]}
    ours, theirs = (tenant.network("10.73.0.0/24", "fd73::/64") for tenant in (demo, admin))
    server_port = demo.make(f"{NETWORK}/ports", "port", network_id=ours["id"], **address)
    server = order(demo, server_port)
    # Without a server of its own on this host a network is not served at all.
    other = order(admin, admin.make(f"{NETWORK}/ports", "port", network_id=theirs["id"]))
    for tenant, one in ((demo, server), (admin, other)):
        path = f"{SERVERS}/{one['id']}"
        wait_for(lambda: tenant.get(path)["status"] == "ACTIVE", "a server", timeout_s=60)  # noqa: B023
    neighbour = demo.guest(ours)
    # Says that it is the server, and has its address.
    claimed = {"device_id": server["id"], "device_owner": "compute:nova"}
    impostor = admin.guest(theirs, **address, **claimed)
    for guest in (neighbour, impostor):
        guest.lease()
    headers = f"X-Forwarded-For: 10.73.0.11\\r\\nX-Instance-ID: {server['id']}\\r\\n"
    for guest in (neighbour, impostor):
        for address in ("169.254.169.254", "fe80::a9fe:a9fe%eth0"):
            answer = wait_for(lambda: ask(guest, headers, address), "the metadata service")  # noqa: B023
            assert re.match(r"HTTP/1\.1 404 ", answer)
            assert "treasure" not in answer
    # Nor by taking the address: what a port sends must be from its own.
    neighbour.do("ip", "address", "add", "10.73.0.11/24", "dev", "eth0")
    neighbour.do("ip", "route", "replace", "169.254.169.254", "via", "10.73.0.2", "src", "10.73.0.11")
    assert ask(neighbour, headers) == ""
    stolen = link_local(server_port["mac_address"])
    neighbour.do("ip", "address", "add", f"{stolen}/64", "dev", "eth0", "nodad")
    neighbour.do("ip", "route", "add", "fe80::a9fe:a9fe", "dev", "eth0", "src", stolen, "metric", "1")
    assert ask(neighbour, headers, "fe80::a9fe:a9fe%eth0") == ""
    # What claims to be the server's is not among its cards.
    shown = demo.get(f"{SERVERS}/{server['id']}")["addresses"]
    assert [one["addr"] for cards in shown.values() for one in cards if one["version"] == 4] == ["10.73.0.11"]
    for tenant, one in ((demo, server), (admin, other)):
        assert tenant.call("DELETE", f"{SERVERS}/{one['id']}").status_code == 204


def transfer(cloud: Cloud, source: Guest, target: Guest) -> "subprocess.Popen[str]":
    """Send from one guest to another; what prints the rate at which it arrives."""
    inside = ["nsenter", f"--net=/run/netns/{target.namespace}", sys.executable, "-c", RECEIVE]
    receiver = subprocess.Popen(inside, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: ":7000 " in target.do("ss", "-lnu"), "the receiver")
    words = ["nsenter", f"--net=/run/netns/{source.namespace}", sys.executable, "-c", SEND]
    cloud.start(*words, target.address)
    return receiver


def ask(guest: Guest, headers: str, address: str = "169.254.169.254") -> str:
    """The answer to a question for the user data, head and all; nothing when none comes."""
    request = f"GET /latest/user-data HTTP/1.0\\r\\n{headers}\\r\\n"
    words = f"exec 3<>/dev/tcp/{address}/80; printf '{request}' >&3; cat <&3"
    command = ["nsenter", f"--net=/run/netns/{guest.namespace}", "timeout", "2", "bash", "-c", words]
    return subprocess.run(command, capture_output=True, text=True, timeout=15).stdout


def order(tenant: Tenant, port: dict[str, Any]) -> dict[str, Any]:
    """A server with the port and with user data to be guarded."""
    image = next(one["id"] for one in tenant.get("/image/v2/images") if one["name"] == "micro")
    body = {
        "name": "vault",
        "imageRef": image,
        "flavorRef": "c1",
        "networks": [{"port": port["id"]}],
        "user_data": b64encode(b"treasure").decode(),
    }
    answer = tenant.call("POST", SERVERS, {"server": body})
    assert answer.status_code == 202, answer.text
    return dict(answer.json()["server"])
