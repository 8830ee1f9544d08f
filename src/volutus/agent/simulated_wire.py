"""The simulated hosts' way to the control plane: a small HTTP/1.1 client for asyncio.

Thousands of hosts in one process each wait on a poll, and report every few seconds: a general client would
take most of the CPU for itself. This one knows just what the agent protocol uses: bodies with a stated
length.
"""

import asyncio
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from volutus.agent.connection import ConnectionTrouble

ANSWER_BYTES_MAX = 64 << 20
HEAD_BYTES_MAX = 64 << 10


@dataclass(frozen=True)
class Identity:
    """Who a simulated host is: by certificate, or, without a context, by its bare word in a header."""

    host_id: str
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True)
class Origin:
    """Where the control plane is. `unix_socket` replaces address and port."""

    url: str
    unix_socket: str = ""


class Connection:
    """One kept connection. Not for two calls at once."""

    def __init__(self, origin: Origin, tls: ssl.SSLContext | None) -> None:
        self._origin = origin
        self._tls = tls
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, head: str, body: bytes, timeout_s: float) -> bytes:
        """Send a request of which `head` lacks only the length, and the blank line; its whole answer."""
        try:
            # Not wait_for, which in Python 3.11 may lose a cancellation that comes with the answer.
            async with asyncio.timeout(timeout_s):
                return await self._call(head, body)
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            self.close()
            raise ConnectionTrouble(repr(error)) from error
        except asyncio.CancelledError:
            self.close()
            raise

    async def hand_over(self, head: str, upgrade: str, content: bytes) -> None:
        """Change to another protocol, in which only this is said, and wait for the other side's end."""
        try:
            reader, writer = await self._open()
            writer.write(f"{head}Connection: Upgrade\r\nUpgrade: {upgrade}\r\n\r\n".encode())
            answer = await reader.readuntil(b"\r\n\r\n")
            if b" 101 " not in answer[:20]:
                raise ConnectionTrouble(f"{head.splitlines()[0]}: {answer[:300]!r}")
            writer.write(content)
            if content:
                await reader.read()
        except (OSError, asyncio.IncompleteReadError) as error:
            raise ConnectionTrouble(repr(error)) from error
        finally:
            self.close()

    def close(self) -> None:
        """Drop the connection; the next call opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _call(self, head: str, body: bytes) -> bytes:
        fresh = self._streams is None
        try:
            return await self._exchange(head, body)
        except (ConnectionResetError, BrokenPipeError, asyncio.IncompleteReadError):
            # A kept connection that the other side closed in the meantime.
            self.close()
            if fresh:
                raise
            return await self._exchange(head, body)

    async def _exchange(self, head: str, body: bytes) -> bytes:
        reader, writer = await self._open()
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in answer[1:])
        }
        length = int(headers.get("content-length", "0"))
        if length > ANSWER_BYTES_MAX:
            raise ValueError("the answer is too long")
        content = await reader.readexactly(length)
        if headers.get("connection", "").lower() == "close":
            self.close()
        status = int(answer[0].split(" ")[1])
        if status != HTTPStatus.OK:
            raise ValueError(f"{head.splitlines()[0]}: {status} {content[:300].decode(errors='replace')}")
        return content

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            if self._origin.unix_socket:
                opened = await asyncio.open_unix_connection(self._origin.unix_socket, limit=HEAD_BYTES_MAX)
            else:
                parts = urlsplit(self._origin.url)
                tls = self._tls if parts.scheme == "https" else None
                opened = await asyncio.open_connection(
                    parts.hostname, parts.port, ssl=tls, limit=HEAD_BYTES_MAX
                )
            self._streams = opened
        return self._streams


class Pool:
    """Connections for reports. Hosts that are known by a header share them; `size` bounds reports at once."""

    def __init__(self, origin: Origin, size: int) -> None:
        self._origin = origin
        self._turns = asyncio.Semaphore(size)
        self._idle: list[Connection] = []

    async def call(self, identity: Identity, head: str, body: bytes, timeout_s: float) -> bytes:
        """One call in the name of a host."""
        async with self._turns:
            shared = identity.tls is None
            connection = self._idle.pop() if shared and self._idle else Connection(self._origin, identity.tls)
            try:
                return await connection.call(head, body, timeout_s)
            finally:
                if shared:
                    self._idle.append(connection)
                else:
                    connection.close()

    def close(self) -> None:
        """Close what is idle."""
        for connection in self._idle:
            connection.close()


def head(method: str, path: str, identity: Identity, content_type: str = "application/json") -> str:
    """The beginning of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: control-plane", f"Content-Type: {content_type}"]
    if identity.tls is None:
        lines.append(f"X-Volutus-Host: {identity.host_id}")
    return "\r\n".join(lines) + "\r\n"
