"""Metering labels count what passes a router's gateway, to the byte, both ways, over an agent's restart."""

import json
import os
import re
import signal

import pytest

from tests.live.network.cloud import NETWORK, Cloud, Tenant, wait_for
from volutus.supervise import names

pytestmark = pytest.mark.live
LABELS, RULES = f"{NETWORK}/metering/metering-labels", f"{NETWORK}/metering/metering-label-rules"
# Ethernet, IP and ICMP around what a ping carries.
HEADERS = 14 + 20 + 8


def test_labels_count_what_their_rules_say(cloud: Cloud, demo: Tenant, admin: Tenant) -> None:
    net = demo.network("10.85.0.0/24")
    router = demo.router(net)
    front, back = (demo.guest(net) for _ in range(2))
    for guest in (front, back):
        guest.lease()
    label = admin.make(LABELS, "metering_label", name="some", project_id=net["project_id"])
    for direction, end in (("egress", "source"), ("ingress", "destination")):
        for cidr, excluded in (("10.85.0.0/24", False), (f"{back.address}/32", True)):
            rule = {"direction": direction, f"{end}_ip_prefix": cidr, "excluded": excluded}
            admin.make(RULES, "metering_label_rule", metering_label_id=label["id"], **rule)
    everything = admin.make(LABELS, "metering_label", name="all", shared=True)
    rule = {"direction": "egress", "destination_ip_prefix": "0.0.0.0/0"}
    admin.make(RULES, "metering_label_rule", metering_label_id=everything["id"], **rule)
    (subnet_id,) = admin.get(f"{NETWORK}/networks/{cloud.public_id}")["subnets"]
    outside = admin.get(f"{NETWORK}/subnets/{subnet_id}")["gateway_ip"]
    # All parts of what is sent and what comes are told apart before anything passes: what a flow carried
    # between its last reading and its end is lost.
    policies = "lr-policy-list", router["id"]
    wait_for(lambda: cloud.nbctl(*policies).count("pkt_mark=") == 4, "the rules to be written")
    cloud.nbctl("--wait=hv", "sync")

    def sent(count: int, size: int) -> int:
        for guest in (front, back):
            guest.do("ping", "-q", "-c", str(count), "-i", "0.02", "-s", str(size), outside)
        # What stays inside counts for nobody.
        front.do("ping", "-q", "-c", "3", "-i", "0.02", "-s", "900", back.address)
        return count * (size + HEADERS)

    def usage(one: dict[str, str]) -> dict[str, int]:
        found = demo if one is label else admin
        return dict(found.get(f"{LABELS}/{one['id']}/usage"))

    passed = sent(50, 1000)
    # Known by the records alone; and an agent that starts reports at once.
    restart_agent(cloud)
    wait_for(lambda: usage(label)["ingress_bytes"] == passed, f"{passed} bytes counted")
    counted = usage(label)
    assert [counted[f"{way}_packets"] for way in ("egress", "ingress")] == [50, 50]
    assert counted["egress_bytes"] == passed
    passed += sent(20, 500)
    restart_agent(cloud)
    wait_for(lambda: usage(label)["ingress_bytes"] >= passed, f"{passed} bytes counted")
    assert [usage(label)[f"{way}_bytes"] for way in ("egress", "ingress")] == [passed, passed]
    # Both guests count for everybody's label, which nobody else may read.
    assert usage(everything)["egress_bytes"] >= 2 * passed
    assert demo.call("GET", f"{LABELS}/{everything['id']}/usage").status_code == 404
    for one in (label, everything):
        admin.delete(f"{LABELS}/{one['id']}")
    wait_for(lambda: not marked(cloud), "the flows to go")


def marked(cloud: Cloud) -> int:
    """How many of the switch's flows set a mark of labels: one with the highest of 32 bits."""
    bridge = cloud.settings.run_dir / "ovs" / f"{names.integration_bridge(cloud.settings)}.mgmt"
    flows = cloud.run("ovs-ofctl", "dump-flows", f"unix:{bridge}")
    return len(re.findall(r"load:0x[89a-f][0-9a-f]{7}->NXM_NX_PKT_MARK", flows))


def restart_agent(cloud: Cloud) -> None:
    """Killed, as by a crash: it is started again, and reads its records."""

    def pid() -> int:
        parts = json.loads((cloud.settings.run_dir / "supervisor.json").read_text())
        return next((int(part["pid"]) for part in parts if part["name"] == "agent"), 0)

    before = pid()
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: pid() not in (0, before), "the agent")
