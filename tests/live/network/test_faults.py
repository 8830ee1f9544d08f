"""Rows deleted behind our back, and network processes killed, while guests talk."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live.network.cloud import Cloud, Guest, Tenant, wait_for

pytestmark = pytest.mark.live
PING = {"protocol": "icmp"}
# Found by the scan of every half minute, and mended at once.
MENDED_WITHIN_S = 60.0
INTERVAL_S = 0.1
# What a kill may cost a ping between guests of one host, in seconds. The switch is away for about one, for
# the controller takes so long to come back to it, and when its database comes back the controller writes its
# flows anew; more here for a busy machine.
LOSSES_S = {
    "ovn-northbound": 0.2,
    "ovn-southbound": 0.2,
    "ovn-northd": 0.2,
    "ovn-controller": 0.3,
    "ovsdb-server": 3.0,
    "ovs-vswitchd": 3.0,
}
# How long the ping goes on after each is back.
GOES_ON_S = 5.0 if os.environ.get("VOLUTUS_TEST_COSTLY") else 1.0
SINK = """
import socket, sys
connection = socket.create_server(("", 5001)).accept()[0]
with open(sys.argv[1], "wb", buffering=0) as file:
    while piece := connection.recv(65536):
        file.write(piece)
"""
UPLOAD = """
import socket, sys, time
connection = socket.create_connection((sys.argv[1], 5001))
while True:
    connection.sendall(bytes(16384))
    time.sleep(0.02)
"""


@dataclass
class Lost:
    """What a ping that ran meanwhile did not get back."""

    packets: int = 0
    sent: int = 0

    @property
    def seconds(self) -> float:
        return self.packets * INTERVAL_S


@contextmanager
def pinging(guest: Guest, address: str) -> Iterator[Lost]:
    """A ping from the guest to the address while the block runs."""
    words = ["nsenter", f"--net=/run/netns/{guest.namespace}", "ping", "-q", "-i", str(INTERVAL_S), address]
    program = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    lost = Lost()
    try:
        time.sleep(1)
        yield lost
        time.sleep(1)
    finally:
        program.send_signal(signal.SIGINT)
        said, _ = program.communicate(timeout=10)
    found = re.search(r"(\d+) packets transmitted, (\d+) received", said)
    assert found, said
    lost.sent = int(found.group(1))
    lost.packets = max(0, lost.sent - int(found.group(2)) - 1)


def test_deleted_rows_come_back_under_traffic(cloud: Cloud, demo: Tenant) -> None:
    net = demo.network("10.70.0.0/24")
    group = demo.group(PING)
    first, second, victim = (demo.guest(net, group) for _ in range(3))
    for guest in (first, second, victim):
        guest.lease()
    assert first.pings(victim.address)
    with pinging(first, second.address) as lost:
        cloud.nbctl("lsp-del", victim.id)
        wait_for(lambda: not first.pings(victim.address, tries=1), "the port to be cut off")
        wait_for(lambda: first.pings(victim.address, tries=1), "the port to be mended", MENDED_WITHIN_S)
    assert lost.seconds <= LOSSES_S["ovn-northd"]


def test_network_processes_may_be_killed(cloud: Cloud, demo: Tenant) -> None:
    net = demo.network("10.71.0.0/24")
    group = demo.group(PING, {"protocol": "tcp"})
    first, second = demo.guest(net, group), demo.guest(net, group)
    for guest in (first, second):
        guest.lease()
    found = {}
    received = Path(cloud.directory / "received")
    python(cloud, second, SINK, str(received))
    wait_for(lambda: ":5001 " in second.do("ss", "-lnt"), "the sink")
    python(cloud, first, UPLOAD, second.address)
    wait_for(lambda: received.exists() and received.stat().st_size > 1 << 20, "the upload")
    for name in LOSSES_S:
        before = pid_of(cloud, name)
        with pinging(first, second.address) as lost:
            size = received.stat().st_size
            os.kill(before, signal.SIGKILL)
            wait_for(lambda: pid_of(cloud, name) not in (0, before), f"{name} to be started again")  # noqa: B023
            time.sleep(GOES_ON_S)
        # The connection goes on, after an outage when TCP tries again.
        wait_for(lambda: received.stat().st_size - size > 1 << 20, f"the upload after {name}")  # noqa: B023
        found[name] = (lost.seconds, lost.sent)
    print(found)  # noqa: T201 - the figures of docs/operate/datapaths.md
    for name, (seconds, _) in found.items():
        assert seconds <= LOSSES_S[name], found


def python(cloud: Cloud, guest: Guest, program: str, argument: str) -> None:
    """Run a small program in a guest until the cloud ends."""
    cloud.start("nsenter", f"--net=/run/netns/{guest.namespace}", sys.executable, "-c", program, argument)


def pid_of(cloud: Cloud, name: str) -> int:
    """The process of a part, 0 while there is none; from the pid files that the daemons write."""
    places = {
        "ovn-northbound": "ovn/ovnnb_db.pid",
        "ovn-southbound": "ovn/ovnsb_db.pid",
        "ovn-northd": "ovn/ovn-northd.pid",
        "ovn-controller": "ovn/ovn-controller.pid",
        "ovsdb-server": "ovs/ovsdb-server.pid",
        "ovs-vswitchd": "ovs/ovs-vswitchd.pid",
    }
    path = cloud.settings.run_dir / places[name]
    number = path.read_text().strip() if path.exists() else ""
    return int(number) if number and Path(f"/proc/{number}").exists() else 0
