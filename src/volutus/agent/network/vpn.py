"""VPN gateways of this host: for each a network namespace with a port of the switch, and WireGuard in it.

WireGuard runs in userspace, so that it needs nothing of the kernel but a tun device; it goes on when the
agent ends, and is found again by its socket.
"""

import subprocess
import threading
from pathlib import Path

from volutus.agent.faults import HostFault
from volutus.agent.network import links, wireguard
from volutus.agent.network.ovsdb import SwitchDatabase
from volutus.wire import VpnSpec

INNER = "eth0"
PROGRAM = "wireguard-go"
START_TIMEOUT_S = 10
_OWNER = "volutus-vpn"


class VpnGateways:
    """The gateways of one cloud, in namespaces `vpn-INSTANCE-GATEWAY`."""

    def __init__(self, instance: str, switch: SwitchDatabase) -> None:
        self._prefix = f"vpn-{instance}-"
        self._switch = switch
        self._lock = threading.Lock()
        self._served: dict[str, VpnSpec] = {}

    def served(self) -> dict[str, VpnSpec | None]:
        """What is here: as ordered while WireGuard lives, else None, so that it is asked for again."""
        with self._lock:
            served = dict(self._served)
        here = [n.removeprefix(self._prefix) for n in links.namespaces() if n.startswith(self._prefix)]
        return {one: served.get(one) if wireguard.lives(_device(one)) else None for one in here}

    def serve(self, spec: VpnSpec) -> None:
        """Have the namespace and the device, and the device as ordered."""
        name = self._prefix + spec.id
        if name not in links.namespaces():
            links.ip(["netns", "add", name])
        _prepare(name)
        self._plug(name, spec)
        device = _device(spec.id)
        if not wireguard.lives(device):
            _start(name, device)
        wireguard.configure(device, spec)
        _address(name, device, spec)
        with self._lock:
            self._served[spec.id] = spec

    def drop(self, gateway_id: str) -> None:
        """End WireGuard and take the namespace away, and the port with it."""
        with self._lock:
            self._served.pop(gateway_id, None)
        wireguard.control(_device(gateway_id)).unlink(missing_ok=True)
        note = f"{self._prefix}{gateway_id}"
        for outer, interface in links.interfaces().items():
            if interface.alias == note:
                self._switch.remove_port(outer)
                links.ip(["link", "del", "dev", outer])
        if note in links.namespaces():
            links.ip(["netns", "del", note])

    def handshakes(self) -> dict[str, dict[str, int]]:
        """When the peers of each gateway were last heard."""
        found = {}
        with self._lock:
            served = list(self._served)
        for gateway_id in served:
            try:
                found[gateway_id] = wireguard.handshakes(_device(gateway_id))
            except HostFault:
                continue  # It died just now; the next look starts it again.
        return found

    def _plug(self, name: str, spec: VpnSpec) -> None:
        outer = f"vpn{spec.port_id[:11]}"
        if outer not in links.interfaces():
            peer = ["peer", "name", INNER, "address", spec.mac, "netns", name]
            links.ip(["link", "add", "name", outer, "type", "veth", *peer])
            links.set_alias(outer, name)
        offloads = ["tx", "off", "tso", "off", "gso", "off"]
        links.run(["nsenter", f"--net={links.NETNS_DIR / name}", "ethtool", "-K", INNER, *offloads])
        links.ip(["addr", "replace", spec.address, "dev", INNER], namespace=name)
        links.ip(["link", "set", "dev", INNER, "mtu", str(spec.mtu + 60), "up"], namespace=name)
        if spec.gateway:
            links.ip(["route", "replace", "default", "via", spec.gateway, "dev", INNER], namespace=name)
        links.ip(["link", "set", "dev", outer, "up"])
        ids = {"iface-id": spec.port_id, "attached-mac": spec.mac, _OWNER: name}
        self._switch.add_port(outer, ids)


def _device(gateway_id: str) -> str:
    """The name of the WireGuard device, and of its socket, which all namespaces share."""
    return f"wg{gateway_id[:12]}"


def _prepare(name: str) -> None:
    links.ip(["link", "set", "dev", "lo", "up"], namespace=name)
    links.within(name, lambda: Path("/proc/sys/net/ipv4/ip_forward").write_text("1"))


def _start(name: str, device: str) -> None:
    """Start the program, which returns when its device and its socket are there."""
    wireguard.control(device).unlink(missing_ok=True)
    command = ["nsenter", f"--net={links.NETNS_DIR / name}", PROGRAM, device]
    try:
        subprocess.run(
            command,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=START_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise HostFault("The VPN gateway could not be started.", str(error)) from error


def _address(name: str, device: str, spec: VpnSpec) -> None:
    links.ip(["addr", "replace", spec.tunnel_address, "dev", device], namespace=name)
    links.ip(["link", "set", "dev", device, "mtu", str(spec.mtu), "up"], namespace=name)
    links.ip(["route", "flush", "dev", device, "proto", "static"], namespace=name)
    for peer in spec.peers:
        # The first is the peer's address in the tunnel, which is on the device's own network.
        for network in peer.allowed[1:]:
            links.ip(["route", "replace", network, "dev", device, "proto", "static"], namespace=name)
