"""Small questions to listening sockets, by which a child is known to be ready."""

import socket
from pathlib import Path

from volutus.errors import Invalid

_TIMEOUT_S = 2.0


def accepts(path: Path) -> bool:
    """Whether something takes connections at this unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT_S)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


def answers_http(address: str) -> bool:
    """Whether any HTTP answer comes from ADDR:PORT: the first letters of one are enough."""
    host, port = reachable(address)
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT_S) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return connection.recv(5) == b"HTTP/"
    except OSError:
        return False


def reachable(address: str) -> tuple[str, int]:
    """Host and port by which this machine reaches its own ADDR:PORT."""
    host, port = host_and_port(address)
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 compared with, not bound to
    return anywhere.get(host, host), port


def host_and_port(address: str) -> tuple[str, int]:
    """The two halves of ADDR:PORT or [ADDR]:PORT."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise Invalid(f"{address!r} is not of the form ADDR:PORT", field="listen")
    return host.strip("[]"), int(port)
