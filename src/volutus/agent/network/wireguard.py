"""Speaks to one WireGuard device by the protocol that all its implementations share: lines on a unix socket.

Nothing of a key is ever in the arguments of a program or in a file.
"""

import base64
import socket
from pathlib import Path

from volutus.agent.faults import HostFault
from volutus.wire import VpnSpec

# Where WireGuard in userspace puts its sockets, whatever the network namespace.
SOCKETS = Path("/var/run/wireguard")
TIMEOUT_S = 5.0
ANSWER_BYTES_MAX = 1 << 20
_OK = "0"


def control(device: str) -> Path:
    """The device's socket. WireGuard ends itself when this file goes."""
    return SOCKETS / f"{device}.sock"


def lives(device: str) -> bool:
    """Whether a process answers for the device."""
    try:
        _talk(device, "get=1\n\n")
    except HostFault:
        return False
    return True


def configure(device: str, spec: VpnSpec) -> None:
    """Make keys, port and peers what the order says. Sessions of peers that stay go on."""
    lines = ["set=1", f"private_key={_hex(spec.private_key)}", f"listen_port={spec.listen_port}"]
    known = {peer["public_key"] for peer in _peers(device)}
    wanted = {_hex(peer.public_key) for peer in spec.peers}
    for key in sorted(known - wanted):
        lines += [f"public_key={key}", "remove=true"]
    for peer in spec.peers:
        lines.append(f"public_key={_hex(peer.public_key)}")
        lines.append(f"preshared_key={_hex(peer.preshared_key) if peer.preshared_key else '0' * 64}")
        if peer.endpoint:
            lines.append(f"endpoint={peer.endpoint}")
        lines += [f"persistent_keepalive_interval={peer.keepalive_s}", "replace_allowed_ips=true"]
        lines += [f"allowed_ip={network}" for network in peer.allowed]
    answer = _talk(device, "\n".join(lines) + "\n\n")
    if answer.get("errno") != _OK:
        raise HostFault(
            "The VPN gateway could not be set up.", f"WireGuard refuses: errno {answer.get('errno')}"
        )


def handshakes(device: str) -> dict[str, int]:
    """Public key, in base64, to when the peer was last heard; those never heard are left out."""
    found = {}
    for peer in _peers(device):
        seconds = int(peer.get("last_handshake_time_sec", "0"))
        if seconds:
            found[base64.b64encode(bytes.fromhex(peer["public_key"])).decode()] = seconds
    return found


def _peers(device: str) -> list[dict[str, str]]:
    peers: list[dict[str, str]] = []
    for line in _ask(device, "get=1\n\n").splitlines():
        name, _, value = line.partition("=")
        if name == "public_key":
            peers.append({})
        if peers:
            peers[-1][name] = value
    return peers


def _talk(device: str, request: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in _ask(device, request).splitlines() if "=" in line)


def _ask(device: str, request: str) -> str:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.connect(str(control(device)))
            connection.sendall(request.encode())
            received = b""
            # An answer ends with an empty line.
            while not received.endswith(b"\n\n") and len(received) < ANSWER_BYTES_MAX:
                piece = connection.recv(1 << 16)
                if not piece:
                    break
                received += piece
            return received.decode()
    except OSError as error:
        raise HostFault("The VPN gateway does not answer.", f"{device}: {error}") from error


def _hex(key: str) -> str:
    return base64.b64decode(key).hex()
