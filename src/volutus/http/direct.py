"""Large bodies past the event loop, on connections without TLS: the operating system sends a file by itself,
and what arrives is put straight where it is wanted.

uvicorn hands bodies on 64 KiB at a time, each copied thrice under the interpreter's lock: with large ones
that takes longer than the disk does. Heads of requests and answers, and small bodies, go uvicorn's way.
"""

import asyncio
import contextlib
import os
import select
import socket
import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

P = ParamSpec("P")
T = TypeVar("T")

_SCOPE_KEY = "volutus.direct"
# Sent in one go in a thread, so that many downloads have their turns.
_SEND_BYTES = 32 << 20
# So long a thread waits for the other end; then the event loop does, where waiting costs nothing.
_LINGER_MS = 20
# What came is handed on after this long, though it does not fill a piece.
_PIECE_S = 5.0
_FLUSH_EVERY_S = 0.001


class ClientGone(Exception):
    """The other end closed the connection before the body was complete."""


class DirectProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which also lends its connection out for one large body. Not for TLS."""

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        # None, or another's, where the connection is to become something else than HTTP.
        if self.cycle is not None and self.cycle.scope is self.scope:
            scope: dict[str, Any] = self.scope  # type: ignore[assignment]
            # Weak, for what uvicorn knows of a request has its scope: none is to wait for the collector.
            scope[_SCOPE_KEY] = self, weakref.ref(self.cycle)


class Lendable:
    """The connection of one request. A client may send the next request on it as soon as it has all of this
    one's answer, or before: of what uvicorn knows of requests, this has its own. `left_bytes` is what the
    body that `borrow` was called for still has."""

    def __init__(self, protocol: DirectProtocol, cycle: RequestResponseCycle) -> None:
        self._transport, self._flow, self._cycle = protocol.transport, protocol.flow, cycle
        self.left_bytes: int | None = None

    @property
    def closing(self) -> bool:
        """Whether the other end is gone, or is to go."""
        return self._transport.is_closing()

    async def send_file(self, descriptor: int, at: int, end: int) -> None:
        """Send that part of an open file as a part of the body; the head of the answer was sent before. Who
        goes away is noticed by uvicorn."""
        await self._flushed()
        with self._borrowed() as connection:
            while at < end and not self.closing:
                sent = await _finished(_send, connection, descriptor, at, end)
                if sent is None:
                    self._transport.close()
                    return
                at += sent
                self._cycle.expected_content_length -= sent
                if not sent:
                    await _ready(connection, writing=True)

    async def send_views(self, views: AsyncIterator[memoryview]) -> None:
        """Send these as a part of the body, as `send_file` does; each is sent when the next is asked for."""
        await self._flushed()
        with self._borrowed() as connection:
            async for view in views:
                left = view
                while left and not self.closing:
                    sent = await _finished(_write, connection, left)
                    if sent is None:
                        self._transport.close()
                        return
                    left = left[sent:]
                    if not sent:
                        await _ready(connection, writing=True)
                if left:
                    return
                self._cycle.expected_content_length -= len(view)

    def borrow(self, left_bytes: int) -> None:
        """From now on the rest of the request's body, so many bytes, comes by `pieces` alone. The connection
        ends with the answer: uvicorn's parser does not see where the next request would begin."""
        self._flow.pause_reading()
        self.left_bytes = left_bytes
        self._cycle.keep_alive, self._cycle.more_body = False, False

    async def pieces(self, piece_bytes: int) -> AsyncGenerator[bytes | bytearray, None]:
        """The body that was borrowed, or what is left of it. A piece may be kept until the next but one is
        asked for. Raises ClientGone."""
        assert self.left_bytes is not None
        if begun := bytes(self._cycle.body):
            self._cycle.body = bytearray()
            self.left_bytes -= len(begun)
            yield begun
        buffers = (bytearray(piece_bytes), bytearray(piece_bytes))
        turn = 0
        with self._borrowed() as connection:
            while self.left_bytes:
                buffer = buffers[turn]
                got = await _fill(connection, memoryview(buffer)[: min(self.left_bytes, piece_bytes)])
                self.left_bytes -= got
                if got:
                    yield buffer if got == piece_bytes else bytes(memoryview(buffer)[:got])
                turn = 1 - turn

    async def _flushed(self) -> None:
        while self._transport.get_write_buffer_size() and not self.closing:
            await asyncio.sleep(_FLUSH_EVERY_S)

    @contextmanager
    def _borrowed(self) -> Iterator[socket.socket]:
        """The connection under a descriptor of its own: it stays valid when uvicorn closes its one."""
        lent = self._transport.get_extra_info("socket")
        with socket.socket(fileno=os.dup(lent.fileno())) as connection:
            connection.setblocking(False)
            yield connection


def direct(scope: MutableMapping[str, Any]) -> Lendable | None:
    """The connection of a request, where it can be borrowed."""
    protocol, cycle = scope.get(_SCOPE_KEY, (None, None))
    # Who asks is called by it, so it is there.
    return Lendable(protocol, cycle()) if protocol is not None else None


async def _finished(act: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """As `to_thread`; cancelled, it waits for the thread: descriptors are not closed, and their numbers given
    to others, under a thread that uses them."""
    acting = asyncio.ensure_future(asyncio.to_thread(act, *args, **named))
    try:
        return await asyncio.shield(acting)
    except asyncio.CancelledError:
        await asyncio.wait([acting])
        raise


def _send(connection: socket.socket, descriptor: int, at: int, end: int) -> int | None:
    """Bytes sent until the other end had enough for now; None when it is gone, or the file is too short."""
    began = at
    end = min(end, at + _SEND_BYTES)
    while at < end:
        try:
            sent = os.sendfile(connection.fileno(), descriptor, at, end - at)
        except BlockingIOError:
            if not _lingered(connection, select.POLLOUT):
                break
        except OSError:
            return None
        else:
            if not sent:
                return None
            at += sent
    return at - began


def _write(connection: socket.socket, view: memoryview) -> int | None:
    """The same for what is in memory."""
    sent = 0
    while sent < len(view):
        try:
            sent += connection.send(view[sent:])
        except BlockingIOError:
            if not _lingered(connection, select.POLLOUT):
                break
        except OSError:
            return None
    return sent


async def _fill(connection: socket.socket, view: memoryview) -> int:
    """Bytes received: as many as there is room for, or as came in a while."""
    got = 0
    until = time.monotonic() + _PIECE_S
    while got < len(view) and not (got and time.monotonic() > until):
        came = await _finished(_receive, connection, view[got:])
        got += came
        if not came:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PIECE_S):
                    await _ready(connection, writing=False)
    return got


def _receive(connection: socket.socket, view: memoryview) -> int:
    got = 0
    while got < len(view):
        try:
            came = connection.recv_into(view[got:])
        except BlockingIOError:
            if not _lingered(connection, select.POLLIN):
                break
        except OSError as error:
            raise ClientGone from error
        else:
            if not came:
                raise ClientGone
            got += came
    return got


def _lingered(connection: socket.socket, event: int) -> bool:
    poll = select.poll()
    poll.register(connection, event)
    return bool(poll.poll(_LINGER_MS))


async def _ready(connection: socket.socket, *, writing: bool) -> None:
    """Returns when the connection can be used, or is broken."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    add: Callable[..., None] = loop.add_writer if writing else loop.add_reader
    remove: Callable[[int], bool] = loop.remove_writer if writing else loop.remove_reader
    add(connection.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        remove(connection.fileno())
