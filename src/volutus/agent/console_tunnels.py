"""Brings guests' screens and serial ports to who looks at them: a guest's unix socket joined with two calls
of the control plane, one for each direction, so that the host needs no open port.

A session is two threads that end with it. What is sent waits for nobody else: not for looks, not for reports.
"""

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from volutus.agent.config import AgentConfig
from volutus.agent.connection import CONSOLE_PIECE_BYTES, Channel, ConnectionTrouble
from volutus.agent.hypervisor import Hypervisor
from volutus.wire import ConsoleKind, ConsoleRequest

log = logging.getLogger(__name__)

# Each costs two threads and two connections; more people do not look at the guests of one host at once.
SESSIONS_MAX = 64
CONNECT_TIMEOUT_S = 5.0


class ConsoleTunnels:
    """See the module. `open` may be called from one thread, and returns at once."""

    def __init__(self, config: AgentConfig, hypervisor: Hypervisor) -> None:
        self._config = config
        self._hypervisor = hypervisor
        self._lock = threading.Lock()
        self._sessions: dict[str, socket.socket] = {}
        # A serial port talks to one at a time: the newest session takes it from the one before.
        self._serial: dict[str, str] = {}

    def open(self, requests: Sequence[ConsoleRequest]) -> None:
        """Begin sessions."""
        for request in requests:
            with self._lock:
                full = len(self._sessions) >= SESSIONS_MAX
            if full:
                log.warning("console session %s refused: there are %d", request.session_id, SESSIONS_MAX)
            else:
                threading.Thread(target=self._run, args=(request,), name="tunnel", daemon=True).start()

    def _run(self, request: ConsoleRequest) -> None:
        session_id = request.session_id
        try:
            with self._joined(request) as guest:
                upwards = threading.Thread(target=self._send, args=(session_id, guest), daemon=True)
                upwards.start()
                Channel(self._config, None).console_input(session_id, guest.sendall)
                _end(guest)
                upwards.join()
        except (OSError, ConnectionTrouble) as error:
            log.info("console session %s: %s", session_id, error)

    def _send(self, session_id: str, guest: socket.socket) -> None:
        try:
            Channel(self._config, None).console_output(session_id, _said(guest))
        except (OSError, ConnectionTrouble) as error:
            log.info("console session %s: %s", session_id, error)
        finally:
            _end(guest)

    @contextlib.contextmanager
    def _joined(self, request: ConsoleRequest) -> Iterator[socket.socket]:
        """The guest's socket, known to us while it is open."""
        serial = request.kind is ConsoleKind.SERIAL
        sockets = self._hypervisor.serial_socket if serial else self._hypervisor.vnc_socket
        path = sockets(request.guest_id)
        if path is None:
            raise ConnectionTrouble("the guest has no such console")
        if serial:
            self._take_over(request)
        guest = _connected(Path(path))
        try:
            with self._lock:
                self._sessions[request.session_id] = guest
            yield guest
        finally:
            with self._lock:
                self._sessions.pop(request.session_id, None)
                if self._serial.get(request.guest_id) == request.session_id:
                    del self._serial[request.guest_id]
            guest.close()

    def _take_over(self, request: ConsoleRequest) -> None:
        with self._lock:
            before = self._serial.get(request.guest_id, "")
            self._serial[request.guest_id] = request.session_id
            other = self._sessions.get(before)
        if other is not None:
            _end(other)


def _connected(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.settimeout(CONNECT_TIMEOUT_S)
    # By its directory: a unix socket's whole path has 107 characters at most.
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        made.connect(f"/proc/self/fd/{directory}/{path.name}")
        made.settimeout(None)
    except OSError:
        made.close()
        raise
    finally:
        os.close(directory)
    return made


def _said(guest: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(OSError):
        while data := guest.recv(CONSOLE_PIECE_BYTES):
            yield data


def _end(guest: socket.socket) -> None:
    """From any thread: whoever reads or writes there hears of it."""
    with contextlib.suppress(OSError):
        guest.shutdown(socket.SHUT_RDWR)
