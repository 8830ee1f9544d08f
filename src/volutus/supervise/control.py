"""How other commands talk to a running supervisor: one JSON line to its unix socket, one JSON line back."""

import json
import socket
from pathlib import Path
from typing import Any

SOCKET_NAME = "supervisor.sock"
# The supervisor answers between two of its steps; a hook of a child may hold it up for some seconds.
ANSWER_TIMEOUT_S = 30.0
REQUEST_TIMEOUT_S = 1.0
LINE_BYTES_MAX = 1024 * 1024


def ask(run_dir: Path, request: dict[str, Any]) -> dict[str, Any] | None:
    """The supervisor's answer, or None if none is running here."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_TIMEOUT_S)
        try:
            connection.connect(str(run_dir / SOCKET_NAME))
            connection.sendall(json.dumps(request).encode() + b"\n")
            line = _read_line(connection)
        except (FileNotFoundError, ConnectionRefusedError, ConnectionResetError, BrokenPipeError):
            return None  # None runs, or it ended just now.
    return dict(json.loads(line)) if line else None


def listen(run_dir: Path) -> socket.socket:
    """The supervisor's end. The caller holds the lock, so a socket file that exists is a dead one's."""
    path = run_dir / SOCKET_NAME
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(16)
    listener.setblocking(False)
    return listener


def receive(listener: socket.socket) -> tuple[socket.socket, dict[str, Any]] | None:
    """One request and the connection to answer on; None if whoever called said nothing sensible in time."""
    connection, _ = listener.accept()
    connection.settimeout(REQUEST_TIMEOUT_S)
    try:
        return connection, dict(json.loads(_read_line(connection)))
    except (OSError, ValueError):
        connection.close()
        return None


def answer(connection: socket.socket, reply: dict[str, Any]) -> None:
    """Send the reply and hang up; a caller that went away is no concern."""
    with connection:
        try:
            connection.sendall(json.dumps(reply).encode() + b"\n")
        except OSError:
            return


def _read_line(connection: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n") and len(line) < LINE_BYTES_MAX:
        more = connection.recv(65536)
        if not more:
            break
        line += more
    return line
