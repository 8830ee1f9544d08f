"""How long a real cloud's switch takes to have what the API was told: `python bench/switch.py STATE_DIR`.

The cloud must run, on this machine and in this network namespace, as `./volutus up` made it. A network gets a
thousand ports in one group by two orders of five hundred each; then the group gets a rule and loses it. Each
line says when the API answered, when OVN's northbound database had it, and when the host's switch had carried
it out, in seconds since the order. One port is plugged in, or the switch would have nothing to do with the
network. Everything is deleted afterwards.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from bench.client import Client
from volutus.clock import SystemClock
from volutus.network.ovn import OvsdbClient
from volutus.settings import Settings
from volutus.supervise import names

PORTS, AT_ONCE = 1000, 500
V2 = "/network/v2.0"
TIMEOUT_S = 120


@dataclass
class Site:
    """The cloud as its API and as its switch."""

    settings: Settings
    api: Client
    northbound: OvsdbClient

    def make(self, path: str, noun: str, **body: object) -> dict:
        return self.api.call("POST", f"{V2}/{path}", {noun: body}).json()[noun]

    def count(self, table: str, column: str, value: str) -> int:
        """Rows of the northbound database with a mark of ours, or a word in their match."""
        where = {"op": "select", "table": table, "where": [], "columns": [column]}
        return sum(value in str(row[column]) for row in self.northbound.transact([where])[0]["rows"])

    def nbctl(self, *words: str) -> str:
        command = ["ovn-nbctl", f"--db=unix:{self.settings.run_dir}/ovn/ovnnb_db.sock", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT_S).stdout

    def plug(self, port: dict) -> None:
        bridge = names.integration_bridge(self.settings)
        words = f"--may-exist add-port {bridge} vbench -- set interface vbench type=internal"
        self._vsctl(*words.split(), f"external_ids:iface-id={port['id']}", f'mac="{port["mac_address"]}"')

    def unplug(self) -> None:
        self._vsctl("--if-exists", "del-port", "vbench")

    def _vsctl(self, *words: str) -> None:
        database = f"--db=unix:{self.settings.run_dir}/ovs/db.sock"
        subprocess.run(["ovs-vsctl", database, *words], check=True, timeout=TIMEOUT_S)

    def timed(self, what: str, order: Callable[[], object], arrived: Callable[[], bool]) -> None:
        """Print how long an order took to get to each place."""
        began = time.monotonic()
        order()
        answered = time.monotonic() - began
        while not arrived():
            assert time.monotonic() - began < TIMEOUT_S, what
            time.sleep(0.02)
        written = time.monotonic() - began
        self.nbctl("--wait=hv", "sync")
        done = time.monotonic() - began
        print(f"{what:44} answered {answered:6.2f}   northbound {written:6.2f}   switch {done:6.2f}")


def opened(state_dir: Path) -> Site:
    """Signed in as the administrator."""
    settings = Settings(state_dir=state_dir)
    text = (state_dir / "clouds.yaml").read_text()
    password = dict(re.findall(r'username: (\w+)\n +password: "([^"]*)"', text))["admin"]
    api = Client(f"http://{settings.listen}").sign_in("admin", password, "admin")
    return Site(settings, api, OvsdbClient(settings.northbound, SystemClock()))


def measure(site: Site, network: dict, group: dict) -> None:
    """All lines, from a network without ports to a network without ports."""
    order = {"network_id": network["id"], "security_groups": [group["id"]]}
    made: list[dict] = []

    def create() -> None:
        for _ in range(PORTS // AT_ONCE):
            body = {"ports": [order] * AT_ONCE}
            made.extend(site.api.call("POST", f"{V2}/ports", body).json()["ports"])

    def ports() -> int:
        return site.count("Logical_Switch_Port", "external_ids", network["id"])

    first = site.make("ports", "port", **order)
    site.plug(first)
    site.timed("one port", lambda: None, lambda: ports() > 0)
    have = ports()
    site.timed(f"{PORTS} ports in orders of {AT_ONCE}", create, lambda: ports() >= have + PORTS)
    site.timed(
        "one port more",
        lambda: made.append(site.make("ports", "port", **order)),
        lambda: ports() > have + PORTS,
    )
    rule: dict = {}
    web = {"direction": "ingress", "protocol": "tcp", "port_range_min": 4711, "port_range_max": 4711}

    def add() -> None:
        rule.update(
            site.make("security-group-rules", "security_group_rule", security_group_id=group["id"], **web)
        )

    def rules() -> int:
        return site.count("ACL", "match", "4711")

    site.timed(f"a rule for a group of {PORTS} ports", add, lambda: rules() == 1)
    remove = f"{V2}/security-group-rules"
    site.timed(
        "the rule taken away", lambda: site.api.call("DELETE", f"{remove}/{rule['id']}"), lambda: rules() == 0
    )
    site.unplug()

    def clear() -> None:
        for port in [first, *made]:
            site.api.call("DELETE", f"{V2}/ports/{port['id']}")

    site.timed(f"{PORTS} ports deleted one by one", clear, lambda: ports() <= have - 1)


def main() -> None:
    """Make a network and a group without limits, measure, take them away."""
    site = opened(Path(sys.argv[1]))
    project = site.make("security-groups", "security_group", name="bench-switch")
    quota = {"quota": {"port": -1}}
    site.api.call("PUT", f"{V2}/quotas/{project['project_id']}", quota).json()
    network = site.make("networks", "network", name="bench-switch")
    site.make("subnets", "subnet", network_id=network["id"], ip_version=4, cidr="10.0.0.0/16")
    try:
        measure(site, network, project)
    finally:
        site.unplug()
        site.api.call("DELETE", f"{V2}/networks/{network['id']}")
        site.api.call("DELETE", f"{V2}/security-groups/{project['id']}")
        site.api.call("DELETE", f"{V2}/quotas/{project['project_id']}")
        site.northbound.close()


if __name__ == "__main__":
    main()
