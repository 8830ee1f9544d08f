"""Starts parts of the program by forking a process that has loaded it: in milliseconds, where loading takes
two seconds, and with what was loaded once in memory for all of them.

The supervisor sends one JSON line and the descriptors that the part inherits, and gets the part's pid back. A
part is forked twice, so that it becomes the supervisor's child (a subreaper) and outlives the fork server.
"""

import json
import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from volutus.errors import Unavailable

# Forking takes milliseconds; a machine that swaps takes longer.
ANSWER_TIMEOUT_S = 10.0
_REQUEST_BYTES_MAX = 64 << 10
_DESCRIPTORS_MAX = 2
_BACKLOG = 16
# What a word of the command becomes: the number of the inherited listening socket.
_DESCRIPTOR = "{fd}"


@dataclass(frozen=True)
class Order:
    """`words` are those of the `volutus` command; the environment replaces the fork server's own."""

    words: tuple[str, ...]
    environment: Mapping[str, str]
    umask: int


def fork(path: Path, order: Order, log: int, descriptor: int | None) -> int:
    """Have a part started that writes to `log`; its pid. Raises Unavailable and what sockets raise."""
    inherited = [log] if descriptor is None else [log, descriptor]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_TIMEOUT_S)
        connection.connect(str(path))
        socket.send_fds(connection, [json.dumps(asdict(order)).encode()], inherited)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(32)
    if not answer:
        raise Unavailable("the fork server gave no answer")
    return int(answer)


def serve(path: Path, run: Callable[[], int]) -> int:
    """Fork a part for each order, until the process is told to end. Returns in the parts alone, with what
    `run` says, which finds the words of the order in `sys.argv`. Nothing may run in threads: they would be
    lost in the parts."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(_BACKLOG)
        while True:
            order, inherited = _part(listener)
            if order is not None:
                break
    _become(order, inherited)
    return run()


def _part(listener: socket.socket) -> tuple[Order | None, list[int]]:
    """Wait for an order and carry it out. There is an order to go on with in the part alone."""
    connection, _ = listener.accept()
    with connection:
        order, inherited = _received(connection)
        if order is None:
            return None, []
        readable, writable = os.pipe()
        first = os.fork()
        if first == 0:
            second = os.fork()
            if second == 0:
                return order, inherited
            os.write(writable, str(second).encode())
            os._exit(0)
        # Once it is buried, the part is the supervisor's.
        os.waitpid(first, 0)
        os.close(writable)
        connection.sendall(os.read(readable, 32))
        for descriptor in (readable, *inherited):
            os.close(descriptor)
    return None, []


def _received(connection: socket.socket) -> tuple[Order | None, list[int]]:
    """What was ordered; nothing by one who only looks whether there is an answer."""
    text, inherited, _, _ = socket.recv_fds(connection, _REQUEST_BYTES_MAX, _DESCRIPTORS_MAX)
    while more := connection.recv(_REQUEST_BYTES_MAX):
        text += more
    return (Order(**json.loads(text)) if text else None), inherited


def _become(order: Order, inherited: list[int]) -> None:
    """Make this process what an order says."""
    # Only here: `status` and `down` work where nothing is installed.
    from setproctitle import setproctitle

    os.setsid()
    log, *listening = inherited
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(log)
    os.umask(order.umask)
    sys.argv[1:] = [word.replace(_DESCRIPTOR, str(*listening)) for word in order.words]
    # Before the environment is another one: the title takes the room of the old.
    setproctitle(" ".join(["volutus", *sys.argv[1:]]))
    os.environ.clear()
    os.environ.update(order.environment)
