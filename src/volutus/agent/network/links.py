"""Network interfaces of the kernel: taps, veth pairs, namespaces. Runs `ip`, and asks the kernel.

A run of `ip` takes 3 ms and nothing between; a netlink library would hold 20 MiB in the agent for ever.
"""

import ctypes
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from volutus.agent.faults import HostFault

TIMEOUT_S = 20
NETNS_DIR = Path("/run/netns")

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ATTRIBUTE = struct.Struct("=HH")
_COUNTERS = struct.Struct("=4Q")
_GET_LINK, _NEW_LINK, _DONE, _ERROR = 18, 16, 3, 2
_REQUEST_DUMP = 0x301
_NAME, _ALIAS, _STATS = 3, 20, 23

T = TypeVar("T")


@dataclass(frozen=True)
class Interface:
    """One interface: the note on it, and what the host has received from it and sent into it."""

    alias: str = ""
    received_packets: int = 0
    sent_packets: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0


def ip(arguments: list[str], *, namespace: str | None = None) -> None:
    """Run `ip`; a failure is a HostFault."""
    prefix = ["ip", "-n", namespace] if namespace else ["ip"]
    run([*prefix, *arguments])


def make_tap(name: str, note: str) -> None:
    """Make a tap with its note by one process, which goes on if the agent is killed: nobody would know
    whose a tap without a note is, and so nobody would ever remove it."""
    lines = f"tuntap add dev {name} mode tap\nlink set dev {name} alias '{note}'\n"
    run(["ip", "-batch", "-"], lines)


def run(command: list[str], text: str = "") -> None:
    """Run a network command with this input; a failure is a HostFault."""
    try:
        subprocess.run(command, input=text.encode(), check=True, capture_output=True, timeout=TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        detail = f"{' '.join(command)}: {error.stderr.decode(errors='replace').strip()}"
        raise HostFault("The guest's network could not be set up.", detail) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostFault("The guest's network could not be set up.", str(error)) from error


def interfaces() -> dict[str, Interface]:
    """All interfaces of this process's network namespace by name. Asked by netlink: /sys shows those of the
    namespace in which it was mounted, which need not be ours."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
            kernel.settimeout(TIMEOUT_S)
            length = _HEADER.size + _LINK.size
            header = _HEADER.pack(length, _GET_LINK, _REQUEST_DUMP, 1, 0)
            kernel.sendall(header + bytes(_LINK.size))
            return dict(_answers(kernel))
    except OSError as error:
        raise HostFault("The host's network could not be seen.", str(error)) from error


def set_alias(name: str, text: str) -> None:
    """Write the note on an interface."""
    ip(["link", "set", "dev", name, "alias", text])


def has_ipv6() -> bool:
    """Whether this kernel speaks IPv6."""
    return Path("/proc/net/if_inet6").exists()


def namespaces() -> list[str]:
    """The names of all network namespaces."""
    return sorted(os.listdir(NETNS_DIR)) if NETNS_DIR.is_dir() else []


def within(namespace: str, work: Callable[[], T]) -> T:
    """Run `work` in a network namespace, in a thread of its own: only that thread changes over, and it ends.
    A socket made there belongs to the namespace whichever thread uses it later."""
    outcome: list[T] = []
    failure: list[OSError] = []

    def enter_and_work() -> None:
        try:
            fd = os.open(NETNS_DIR / namespace, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if _libc.setns(fd, _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(fd)
            outcome.append(work())
        except OSError as error:
            failure.append(error)

    thread = threading.Thread(target=enter_and_work, name=f"in-{namespace}")
    thread.start()
    thread.join()
    if failure:
        raise HostFault("The network's metadata could not be served.", str(failure[0]))
    return outcome[0]


def _answers(kernel: socket.socket) -> Iterator[tuple[str, Interface]]:
    while True:
        data = kernel.recv(1 << 17)
        position = 0
        while position < len(data):
            length, kind, _, _, _ = _HEADER.unpack_from(data, position)
            if kind == _DONE:
                return
            if kind == _ERROR:
                raise OSError("the kernel refuses to list interfaces")
            if kind == _NEW_LINK:
                yield _interface(data[position + _HEADER.size + _LINK.size : position + length])
            position += _aligned(length)


def _interface(attributes: bytes) -> tuple[str, Interface]:
    name, alias, counters = "", "", (0, 0, 0, 0)
    position = 0
    while position + _ATTRIBUTE.size <= len(attributes):
        length, kind = _ATTRIBUTE.unpack_from(attributes, position)
        value = attributes[position + _ATTRIBUTE.size : position + length]
        if kind == _NAME:
            name = value.rstrip(b"\0").decode()
        elif kind == _ALIAS:
            alias = value.rstrip(b"\0").decode(errors="replace")
        elif kind == _STATS:
            counters = _COUNTERS.unpack_from(value)
        position += _aligned(length)
    return name, Interface(alias, *counters)


def _aligned(length: int) -> int:
    return (length + 3) & ~3
