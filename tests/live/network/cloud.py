"""One running cloud as the packet tests use it: its API, and guests that are network namespaces.

A guest is a veth pair whose outer end is a port of the cloud's switch, as a server's tap would be: everything
but the emulator is real.
"""

import ctypes
import itertools
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from volutus.settings import Settings
from volutus.supervise import names

API = "http://127.0.0.1:8780"
NETWORK = "/network/v2.0"
BALANCING = "/load-balancer/v2.0/lbaas"
WAIT_S = 30.0
_libc = ctypes.CDLL(None, use_errno=True)
# What udhcpc runs when it has a lease, or has it renewed.
LEASE_SCRIPT = """#!/bin/sh
case "$1" in bound|renew) ;; *) exit 0 ;; esac
ip address replace "$ip/$mask" dev "$interface"
[ -n "$mtu" ] && ip link set "$interface" mtu "$mtu"
[ -n "$router" ] && ip route replace default via "$router"
set -- $staticroutes
while [ $# -ge 2 ]; do
    [ "$1" = 0.0.0.0/0 ] || ip route replace "$1" via "$2"
    shift 2
done
echo "$ip $lease"
"""


def wait_for(condition: Callable[[], Any], what: str, timeout_s: float = WAIT_S) -> Any:
    """The condition's first true value."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(0.1)
    return found


@dataclass
class Tenant:
    """A project's view of the API; verbs answer the object within the answer."""

    cloud: "Cloud"
    headers: dict[str, str]

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        """The answer as it is."""
        return self.cloud.request(method, path, body, self.headers, query)

    def make(self, path: str, noun: str, /, **body: Any) -> dict[str, Any]:
        answer = self.call("POST", path, {noun: body})
        assert answer.status_code == 201, answer.text
        return dict(answer.json()[noun])

    def get(self, path: str, **query: Any) -> Any:
        answer = self.call("GET", path, **query)
        assert answer.status_code == 200, answer.text
        return next(iter(answer.json().values()))

    def put(self, path: str, noun: str, /, **body: Any) -> dict[str, Any]:
        answer = self.call("PUT", path, {noun: body} if noun else body)
        assert answer.status_code < 300, answer.text
        return dict(answer.json().get(noun, {}))

    def delete(self, path: str, **query: Any) -> None:
        answer = self.call("DELETE", path, **query)
        assert answer.status_code in (200, 204), answer.text

    def network(self, *cidrs: str, **more: Any) -> dict[str, Any]:
        """A network with subnets; its `subnets` are whole objects."""
        made = self.make(f"{NETWORK}/networks", "network", **more)
        made["subnets"] = [
            self.make(
                f"{NETWORK}/subnets",
                "subnet",
                network_id=made["id"],
                cidr=cidr,
                ip_version=6 if ":" in cidr else 4,
                **({"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"} if ":" in cidr else {}),
            )
            for cidr in cidrs
        ]
        return made

    def router(self, *networks: dict[str, Any], external: bool = True) -> dict[str, Any]:
        """A router between the networks, and to the outside."""
        body: dict[str, Any] = {}
        if external:
            body["external_gateway_info"] = {"network_id": self.cloud.public_id}
        made = self.make(f"{NETWORK}/routers", "router", **body)
        for network in networks:
            for subnet in network["subnets"]:
                self.put(f"{NETWORK}/routers/{made['id']}/add_router_interface", "", subnet_id=subnet["id"])
        return made

    def group(self, *rules: dict[str, Any]) -> str:
        """A security group that lets everything out, and in what the rules say."""
        made = self.make(f"{NETWORK}/security-groups", "security_group", name="test")
        for rule in rules:
            self.rule(made["id"], **rule)
        return str(made["id"])

    def rule(self, group_id: str, **rule: Any) -> dict[str, Any]:
        body = {"direction": "ingress", "ethertype": "IPv4", "security_group_id": group_id, **rule}
        return self.make(f"{NETWORK}/security-group-rules", "security_group_rule", **body)

    def guest(self, network: dict[str, Any], group_id: str | None = None, **port: Any) -> "Guest":
        """A port, and a namespace plugged into it."""
        if group_id is not None:
            port["security_groups"] = [group_id]
        made = self.make(f"{NETWORK}/ports", "port", network_id=network["id"], **port)
        return self.cloud.plug(made)


@dataclass
class Cloud:
    """`namespace` is a path of the network namespace that the cloud lives in."""

    state_dir: Path
    namespace: str
    name: str
    directory: Path
    public_id: str = ""
    guests: list["Guest"] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    sockets: list[Path] = field(default_factory=list)
    programs: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._inside = ThreadPoolExecutor(1, initializer=self._enter)
        self._http = httpx.Client(timeout=30, trust_env=False)
        self._numbers = itertools.count(1)
        self.settings = Settings(state_dir=self.state_dir)
        self.lease_script = self.directory / "lease.sh"
        self.lease_script.write_text(LEASE_SCRIPT)
        self.lease_script.chmod(0o755)

    def sign_in(self) -> tuple[Tenant, Tenant]:
        """The project demo, and the administrator's project, as tenants."""
        text = (self.state_dir / "clouds.yaml").read_text()
        passwords = dict(re.findall(r'username: (\w+)\n +password: "([^"]*)"', text))
        admin, demo = (self._sign_in(user, passwords[user]) for user in ("admin", "demo"))
        found = demo.get(f"{NETWORK}/networks", name="public")
        self.public_id = found[0]["id"]
        own = demo.get(f"{NETWORK}/networks", name="private")[0]["project_id"]
        admin.put(f"{NETWORK}/quotas/{own}", "quota", security_group=50)
        return demo, admin

    def request(
        self, method: str, path: str, body: Any, headers: dict[str, str], query: dict[str, Any]
    ) -> httpx.Response:
        work = self._inside.submit(
            self._http.request, method, f"{API}{path}", json=body, headers=headers, params=query
        )
        return work.result(60)

    def run(self, *argv: str, timeout_s: float = 30) -> str:
        """A command on the cloud's own machine."""
        return run("nsenter", f"--net={self.namespace}", *argv, timeout_s=timeout_s)

    def ovs(self, *words: str) -> str:
        return self.run("ovs-vsctl", f"--db=unix:{self.settings.run_dir}/ovs/db.sock", "--timeout=10", *words)

    def nbctl(self, *words: str) -> str:
        return self.run("ovn-nbctl", f"--db=unix:{self.settings.run_dir}/ovn/ovnnb_db.sock", *words)

    def plug(self, port: dict[str, Any]) -> "Guest":
        """A namespace with the port's card, not yet with an address."""
        number = next(self._numbers)
        guest = Guest(self, port, f"{self.name}-g{number}", f"vtg{number}{self.name[-4:]}")
        run("ip", "netns", "add", guest.namespace)
        self.guests.append(guest)
        guest.do("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad; ip link set lo up")
        peer = f"eth0 netns {guest.namespace} address {port['mac_address']}"
        self.run("ip", "link", "add", guest.tap, "type", "veth", "peer", "name", *peer.split())
        guest.do("ethtool", "-K", "eth0", "tx", "off", "tso", "off", "gso", "off")
        guest.do("ip", "link", "set", "eth0", "mtu", "1442", "up")
        self.run("ip", "link", "set", guest.tap, "up")
        iface = f"external_ids:iface-id={port['id']}"
        bridge = names.integration_bridge(self.settings)
        self.ovs("add-port", bridge, guest.tap, "--", "set", "interface", guest.tap, iface)
        return guest

    def plug_outside(self, namespace: str) -> Callable[..., str]:
        """A namespace beyond the cloud's machine, reached through it; what runs commands there."""
        run("ip", "netns", "add", namespace)
        self.outside.append(namespace)
        peer = f"uplink netns {namespace}"
        self.run("ip", "link", "add", "vtsite", "type", "veth", "peer", "name", *peer.split())
        self.run("ip", "address", "add", "192.0.2.1/30", "dev", "vtsite")
        self.run("ip", "link", "set", "vtsite", "up")

        def inside(*argv: str) -> str:
            return run("nsenter", f"--net=/run/netns/{namespace}", *argv)

        inside("ip", "address", "add", "192.0.2.2/30", "dev", "uplink")
        inside("ip", "link", "set", "lo", "up")
        inside("ip", "link", "set", "uplink", "up")
        inside("ethtool", "-K", "uplink", "tx", "off", "tso", "off", "gso", "off")
        inside("ip", "route", "add", "default", "via", "192.0.2.1")
        return inside

    def uapi(self, device: str, lines: list[str]) -> str:
        """Tell a WireGuard device of the test's own what it should be; what it answers."""
        path = Path(f"/var/run/wireguard/{device}.sock")
        self.sockets.append(path)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(path))
            connection.sendall(("\n".join(lines) + "\n\n").encode())
            return connection.recv(1 << 16).decode().strip()

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        """A program that runs until the cloud ends; its output is in `program.log`."""
        with (self.directory / "program.log").open("ab") as log:
            program = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.programs.append(program)
        return program

    def close(self) -> None:
        """Take the guests away."""
        for program in self.programs:
            program.kill()
            program.wait()
        for path in self.sockets:
            # WireGuard ends itself when its socket goes.
            path.unlink(missing_ok=True)
        for guest in self.guests:
            # A port without its device is looked for each time the switch starts.
            self.ovs("--if-exists", "del-port", guest.tap)
        for namespace in [*(guest.namespace for guest in self.guests), *self.outside]:
            subprocess.run(["ip", "netns", "delete", namespace], check=False, capture_output=True)
        self._inside.shutdown()

    def _enter(self) -> None:
        fd = os.open(self.namespace, os.O_RDONLY)
        assert _libc.setns(fd, 0x40000000) == 0
        os.close(fd)

    def _sign_in(self, user: str, password: str) -> Tenant:
        domain = {"name": "Default"}
        who = {
            "methods": ["password"],
            "password": {"user": {"name": user, "password": password, "domain": domain}},
        }
        body = {"auth": {"identity": who, "scope": {"project": {"name": user, "domain": domain}}}}
        answer = self.request("POST", "/identity/v3/auth/tokens", body, {}, {})
        assert answer.status_code == 201, answer.text
        return Tenant(self, {"X-Auth-Token": answer.headers["X-Subject-Token"]})


@dataclass
class Guest:
    """One card of a would-be server."""

    cloud: Cloud
    port: dict[str, Any]
    namespace: str
    tap: str

    @property
    def id(self) -> str:
        return str(self.port["id"])

    @property
    def address(self) -> str:
        return next(str(f["ip_address"]) for f in self.port["fixed_ips"] if ":" not in f["ip_address"])

    @property
    def address6(self) -> str:
        return next(str(f["ip_address"]) for f in self.port["fixed_ips"] if ":" in f["ip_address"])

    def do(self, *argv: str, timeout_s: float = 30) -> str:
        return run("nsenter", f"--net=/run/netns/{self.namespace}", *argv, timeout_s=timeout_s)

    def can(self, *argv: str, timeout_s: float = 30) -> bool:
        command = ["nsenter", f"--net=/run/netns/{self.namespace}", *argv]
        return subprocess.run(command, capture_output=True, timeout=timeout_s).returncode == 0

    def lease(self) -> str:
        """Ask for an address by DHCP and take it; what was offered."""
        return wait_for(lambda: self._lease(), f"an address for {self.address}")

    def _lease(self) -> str:
        words = ["busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "2", "-T", "1"]
        words += ["-O", "staticroutes", "-O", "mtu"]
        done = subprocess.run(
            ["nsenter", f"--net=/run/netns/{self.namespace}", *words, "-s", str(self.cloud.lease_script)],
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done.stdout if done.returncode == 0 else ""

    def pings(self, address: str, tries: int = 5) -> bool:
        return any(self.can("ping", "-c1", "-W1", address) for _ in range(tries))

    def serve(self, port: int, text: str) -> subprocess.Popen[bytes]:
        """Answer every connection with the text, as an HTTP page."""
        return serve(self.cloud, f"/run/netns/{self.namespace}", port, text)

    def fetch(self, address: str, port: int, tries: int = 5) -> str:
        """The page, or nothing."""
        for _ in range(tries):
            if page := fetch(f"/run/netns/{self.namespace}", address, port):
                return page
        return ""


def serve(cloud: Cloud, namespace: str, port: int, text: str) -> subprocess.Popen[bytes]:
    pages = cloud.directory / f"pages-{next(cloud._numbers)}"
    pages.mkdir()
    (pages / "index.html").write_text(text)
    words = ["busybox", "httpd", "-f", "-p", f"[::]:{port}", "-h", str(pages)]
    program = cloud.start("nsenter", f"--net={namespace}", *words)
    wait_for(lambda: f":{port} " in run("nsenter", f"--net={namespace}", "ss", "-lnt"), "the web server")
    return program


def fetch(namespace: str, address: str, port: int) -> str:
    """By the shell: a static busybox's wget may crash."""
    get = f"exec 3<>/dev/tcp/{address}/{port}; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
    command = ["nsenter", f"--net={namespace}", "timeout", "1.5", "bash", "-c", get]
    done = subprocess.run(command, capture_output=True, text=True, timeout=15)
    return done.stdout.rpartition("\n\n")[2].strip()


def run(*argv: str, timeout_s: float = 30) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stdout}{done.stderr}"
    return done.stdout
