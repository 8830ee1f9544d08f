"""A laboratory on a real OVN: networks are ordered as views, reconciled, and tried by guests with packets.

A guest is a network namespace with a veth pair, offloads off (Open vSwitch's userspace datapath does not
finish checksums that a sender left to its hardware).
"""

import itertools
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from tests.network.ovn.plane import Plane, TableOfViews
from tests.network.ovn.stack import HOST_ID, PHYSICAL_NETWORK, OvnStack, Process, run, wait_for
from volutus.network.ovn import (
    AddressMode,
    AdvertisementView,
    Direction,
    FixedIpView,
    GatewayView,
    Kind,
    NetworkView,
    Northbound,
    PortUse,
    PortView,
    ProviderView,
    RouterPortView,
    RouterView,
    SecurityGroupRuleView,
    SecurityGroupView,
    SubnetView,
    View,
)

# What udhcpc runs when it has a lease: take the address, and show all that was offered.
LEASE_SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip address add "$ip/$mask" dev "$interface"
[ -n "$mtu" ] && ip link set "$interface" mtu "$mtu"
[ -n "$router" ] && ip route add default via "$router"
set -- $staticroutes
while [ $# -ge 2 ]; do
    [ "$1" = 0.0.0.0/0 ] || ip route add "$1" via "$2"
    shift 2
done
env
"""
ANY = "0.0.0.0/0"


@dataclass
class Guest:
    """One network card of a would-be server."""

    port: PortView
    namespace: str
    tap: str
    lab: "Lab"

    @property
    def address(self) -> str:
        return self.port.fixed_ips[0].address

    def do(self, *arguments: str, timeout_s: float = 15) -> str:
        return run("ip", "netns", "exec", self.namespace, *arguments, timeout_s=timeout_s)

    def lease(self) -> dict[str, str]:
        """Ask for an address by DHCP, take it, and answer what was offered."""
        output = self.do(
            "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "5", "-T", "1",
            "-O", "staticroutes", "-O", "mtu", "-s", str(self.lab.lease_script),
        )  # fmt: skip
        return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)

    def configure(self, gateway: str | None = None) -> "Guest":
        """Take the port's addresses without asking."""
        for ip in self.port.fixed_ips:
            self.do(
                "ip", "address", "add", ip.address + ("/64" if ":" in ip.address else "/24"), "dev", "eth0"
            )
        if gateway:
            self.do("ip", "route", "add", "default", "via", gateway)
        return self

    def reaches(self, address: str, tries: int = 3) -> bool:
        return self.lab.pings(self.namespace, address, tries)

    def fetches(self, address: str, port: int = 80, tries: int = 3) -> bool:
        return self.lab.fetches(self.namespace, address, port, tries)

    def send_udp(self, source_port: int, address: str, port: int) -> None:
        send = "s=socket.socket(type=socket.SOCK_DGRAM); s.bind(('', {})); s.sendto(b'x', ('{}', {}))"
        self.do(sys.executable, "-c", "import socket; " + send.format(source_port, address, port))

    def serve(self, port: int = 80) -> None:
        self.lab.serve(self.namespace, port)


class Lab:
    """What one test orders; `close` takes it all away again."""

    _numbers = itertools.count(1)

    def __init__(self, stack: OvnStack, northbound: Northbound) -> None:
        self.stack = stack
        self.topology = TableOfViews()
        self.plane = Plane(northbound, self.topology)
        self.lease_script = stack.directory / "lease.sh"
        self.lease_script.write_text(LEASE_SCRIPT)
        self.lease_script.chmod(0o755)
        self.pages = stack.directory / "pages"
        self.pages.mkdir(exist_ok=True)
        (self.pages / "index.html").write_text("here\n")
        self._guests: list[Guest] = []
        self._processes: list[Process] = []

    def settle(self) -> None:
        """Bring OVN to what was ordered, by the reconcilers' scan alone, and the host after it."""
        self.plane.settle()
        self.plane.assert_right()
        self.stack.sync()

    def close(self) -> None:
        for process in self._processes:
            process.stop()
        for guest in self._guests:
            self.stack.vsctl("--if-exists", "del-port", guest.tap)
            subprocess.run(["ip", "netns", "delete", guest.namespace], timeout=10)
        self.topology.shown.clear()
        self.settle()

    def put(self, kind: Kind, view: View) -> None:
        self.topology.put(kind, view)

    def network(self, *cidrs: str, **more: object) -> NetworkView:
        """A network with a subnet per CIDR; gateways are the first address, metadata the second."""
        number = self._number()
        subnets = []
        for cidr in cidrs:
            base = cidr.split("/")[0]
            is_v6 = ":" in cidr
            stem = base if is_v6 else base.rsplit(".", 1)[0] + "."
            subnet = SubnetView(
                f"subnet-{self._number()}", cidr, f"{stem}1", metadata_address=None if is_v6 else f"{stem}2"
            )
            subnets.append(replace(subnet, address_mode=AddressMode.SLAAC if is_v6 else None))
        view = NetworkView(f"network-{number}", subnets=tuple(subnets), **more)
        self.put(Kind.NETWORK, view)
        return view

    def external(self, cidr: str = "172.24.4.0/24") -> NetworkView:
        last = cidr.replace(".0/24", ".254")
        subnet = SubnetView(f"subnet-{self._number()}", cidr, last, enable_dhcp=False)
        view = NetworkView(f"network-{self._number()}", 1500, (subnet,), ProviderView(PHYSICAL_NETWORK))
        self.put(Kind.NETWORK, view)
        return view

    def group(self, *rules: SecurityGroupRuleView) -> SecurityGroupView:
        view = SecurityGroupView(f"group-{self._number()}", rules)
        self.put(Kind.SECURITY_GROUP, view)
        return view

    def rule(self, direction: Direction, **more: object) -> SecurityGroupRuleView:
        return SecurityGroupRuleView(f"rule-{self._number()}", direction, **more)

    def open_group(self) -> SecurityGroupView:
        """All out, and in what is needed to see that packets come: ping and HTTP."""
        both = [self.rule(Direction.EGRESS, ip_version=version) for version in (4, 6)]
        both += [self.rule(Direction.INGRESS, ip_version=version, protocol="icmp") for version in (4, 6)]
        web = self.rule(Direction.INGRESS, protocol="tcp", port_min=80, port_max=80)
        return self.group(*both, web)

    def guest(
        self, network: NetworkView, *addresses: str, group: SecurityGroupView | None = None, **more: object
    ) -> Guest:
        """A port and a namespace plugged into it. Addresses go to the network's subnets."""
        by_version = {subnet.ip_version: subnet for subnet in network.subnets}
        port = self.port(network, addresses, by_version, group, **more)
        number = self._number()
        namespace, tap = f"{self.stack.prefix}-g{number}", f"tap{number}"
        run("ip", "netns", "add", namespace)
        # A guest: no duplicate address detection to wait for, and no addresses of its own making.
        settings = "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad; ip link set lo up"
        run("ip", "netns", "exec", namespace, "sh", "-c", settings)
        inside = f"eth0 netns {namespace} address {port.mac}"
        self.stack.inside("ip", "link", "add", tap, "type", "veth", "peer", "name", *inside.split())
        guest = Guest(port, namespace, tap, self)
        self._guests.append(guest)
        for feature in ("tx", "tso", "gso"):
            guest.do("ethtool", "-K", "eth0", feature, "off")
        guest.do("ip", "link", "set", "eth0", "up")
        self.stack.inside("ip", "link", "set", tap, "up")
        iface = f"external_ids:iface-id={port.id}"
        self.stack.vsctl("add-port", "br-int", tap, "--", "set", "interface", tap, iface)
        return guest

    def port(
        self,
        network: NetworkView,
        addresses: tuple[str, ...],
        subnets: dict[int, SubnetView],
        group: SecurityGroupView | None = None,
        **more: object,
    ) -> PortView:
        number = self._number()
        fixed = tuple(
            FixedIpView(address, subnet.id, subnet.offers_dhcp)
            for address in addresses
            for subnet in [subnets[6 if ":" in address else 4]]
        )
        options: dict[str, object] = {
            "fixed_ips": fixed,
            "security_group_ids": (group.id,) if group else (),
            "host_ids": (HOST_ID,),
        }
        mac = f"fa:16:3e:00:{number >> 8:02x}:{number & 255:02x}"
        view = PortView(f"port-{number}", network.id, mac, **(options | more))
        self.put(Kind.PORT, view)
        return view

    def port_with_address(self, port: PortView, address: str, subnet: SubnetView) -> PortView:
        """The port with one more fixed address, ordered anew."""
        ips = (*port.fixed_ips, FixedIpView(address, subnet.id, subnet.offers_dhcp))
        view = replace(port, fixed_ips=ips)
        self.put(Kind.PORT, view)
        return view

    def router(
        self, *networks: NetworkView, outside: NetworkView | None = None, **more: object
    ) -> RouterView:
        """A router with the gateway addresses of the networks; `outside` gives it a way out at .10."""
        ways = {"gateways": self.gateways(outside, "172.24.4.10")} if outside else {}
        ports = tuple(
            self._router_port(
                network, tuple(f"{s.gateway_address}/{s.cidr.split('/')[1]}" for s in network.subnets)
            )
            for network in networks
        )
        options = {"gateway_host_ids": (HOST_ID,), **ways, **more}
        view = RouterView(f"router-{self._number()}", True, ports, **options)
        self.put(Kind.ROUTER, view)
        return view

    def gateways(self, outside: NetworkView, *addresses: str) -> tuple[GatewayView, ...]:
        """Ways out by these addresses of the external network."""
        last = str(outside.subnets[0].gateway_address)
        ports = [self._router_port(outside, (f"{address}/24",)) for address in addresses]
        return tuple(GatewayView(replace(port, mtu=1500), (last,), network_id=outside.id) for port in ports)

    def pings(self, namespace: str, address: str, tries: int = 3) -> bool:
        """Whether one of a few pings is answered: the first may be lost while addresses are resolved."""
        return any(
            self._succeeds(namespace, "busybox", "ping", "-c", "1", "-W", "1", address) for _ in range(tries)
        )

    def fetches(self, namespace: str, address: str, port: int = 80, tries: int = 3) -> bool:
        """Whether a page comes. By the shell: a static busybox's wget may crash."""
        get = f"exec 3<>/dev/tcp/{address}/{port}; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; grep -q here <&3"
        return any(self._succeeds(namespace, "timeout", "1.5", "bash", "-c", get) for _ in range(tries))

    def serve(self, namespace: str, port: int = 80) -> None:
        """Answer HTTP in a namespace until the test ends."""
        self.start(namespace, "busybox", "httpd", "-f", "-p", str(port), "-h", str(self.pages))
        wait_for(lambda: f":{port} " in run("ip", "netns", "exec", namespace, "ss", "-lnt"), "the web server")

    def start(self, namespace: str, *arguments: str) -> Path:
        """Run a program in a namespace until the test ends; the file its output goes to."""
        name = f"program-{self._number()}"
        command = ["ip", "netns", "exec", namespace, *arguments]
        process = Process(name, command, self.stack.directory, {})
        self._processes.append(process)
        return process.log

    def _router_port(self, network: NetworkView, networks: tuple[str, ...]) -> RouterPortView:
        use = PortUse.ROUTER_GATEWAY if network.provider else PortUse.ROUTER
        port = self.port(network, (), {}, use=use, host_ids=())
        is_v6 = any(":" in address for address in networks)
        advertisement = AdvertisementView(AddressMode.SLAAC) if is_v6 else None
        return RouterPortView(port.id, port.mac, networks, network.mtu, advertisement)

    def _succeeds(self, namespace: str, *arguments: str) -> bool:
        command = ["ip", "netns", "exec", namespace, *arguments]
        return subprocess.run(command, capture_output=True, timeout=15).returncode == 0

    def _number(self) -> int:
        return next(self._numbers)
