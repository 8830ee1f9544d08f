"""A host's connection that stops being HTTP: after `101 Switching Protocols`, which the host asked for, all
that comes on it goes on as it is into a local socket.

For the content of disks. As the body of a request each byte would be copied five times, in small pieces.
"""

import asyncio
import contextlib
import socket
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from volutus.http.agent.trust import CertificateProtocol, connection
from volutus.http.kernel import HttpProblem

# The name of what is spoken afterwards: a host's bytes, and nothing back.
UPGRADE = "volutus-disk"
# What TLS has read from the network at once fits in.
_BUFFER_BYTES = 256 << 10
_SWITCHING = f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {UPGRADE}\r\n\r\n".encode()


def require_upgrade(headers: Headers) -> None:
    """Raises HttpProblem unless the request asks for the upgrade."""
    if headers.get("upgrade", "").lower() != UPGRADE:
        told = {"Upgrade": UPGRADE, "Connection": "Upgrade"}
        raise HttpProblem(HTTPStatus.UPGRADE_REQUIRED, f"The header Upgrade must be {UPGRADE}.", told)


class Onward(Response):
    """The answer to a request that asked for the upgrade. It lasts until either end closes, and then closes
    both. Who sends must wait for that end after the last byte: what is on its way when the sender closes may
    be lost."""

    def __init__(self, target: socket.socket) -> None:
        super().__init__(None, HTTPStatus.SWITCHING_PROTOCOLS)
        self._target = target

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        with contextlib.closing(self._target):
            self._target.setblocking(False)
            await _hand_on(connection(scope), self._target)


async def _hand_on(protocol: CertificateProtocol, target: socket.socket) -> None:
    # uvicorn is to leave this connection alone from now on, as it does for a WebSocket.
    protocol.connections.discard(protocol)
    protocol.cycle.disconnected = True
    transport = protocol.transport
    taking = _Taking(transport, target)
    transport.write(_SWITCHING)
    transport.set_protocol(taking)
    try:
        await taking.over
    finally:
        taking.stop()
        transport.abort()


class _Taking(asyncio.BufferedProtocol):
    """What comes goes into the target before more is taken."""

    def __init__(self, transport: asyncio.Transport, target: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._target = target
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._left = self._buffer[:0]
        self._waits = False
        self.over: asyncio.Future[None] = self._loop.create_future()
        # Nothing is ever said there: readable, it is closed.
        self._loop.add_reader(target, self._end)

    def get_buffer(self, sizehint: int) -> Any:  # noqa: ARG002
        """Empty each time: nothing is taken while something is left."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._left = self._buffer[:nbytes]
        self._push()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """What is left goes before the end."""
        if not self._left:
            self._end()

    def stop(self) -> None:
        """Leave the target alone."""
        self._loop.remove_reader(self._target)
        self._loop.remove_writer(self._target)

    def _push(self) -> None:
        try:
            while self._left:
                self._left = self._left[self._target.send(self._left) :]
        except BlockingIOError:
            if not self._waits:
                self._waits = True
                self._transport.pause_reading()
                self._loop.add_writer(self._target, self._push)
            return
        except OSError:
            # Whoever took it went away.
            self._end()
            return
        if self._waits:
            self._waits = False
            self._loop.remove_writer(self._target)
            self._transport.resume_reading()
        if self._transport.is_closing():
            self._end()

    def _end(self) -> None:
        if not self.over.done():
            self.over.set_result(None)
