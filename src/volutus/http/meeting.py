"""Where a client's connection and a host's meet, though they reach different processes of this machine: a
browser's console, or a download of a disk.

Whoever holds the client's listens on a unix socket named after the session; the process that a host's call
reached connects to it, once for each direction. The first byte says which.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from volutus.errors import NotFound

# What the guest says, on its way to the browser; and what it is told.
UP, DOWN = b"U", b"D"
PIECE_BYTES = 64 << 10

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Meeting:
    """Two connections to wait for: `up` to read from, `down` to write to."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._ends: dict[bytes, asyncio.Future[Ends]] = {way: loop.create_future() for way in (UP, DOWN)}

    async def complete(self, timeout_s: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """What to read from and what to write to. Raises TimeoutError when the host does not come."""
        async with asyncio.timeout(timeout_s):
            up, down = await self._ends[UP], await self._ends[DOWN]
        return up[0], down[1]

    async def arrived(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Somebody connected; of two for the same direction the second is sent away."""
        end = self._ends.get(await reader.read(1))
        if end is None or end.done():
            writer.close()
        else:
            end.set_result((reader, writer))

    def close(self) -> None:
        """End both."""
        for end in self._ends.values():
            if end.done() and not end.cancelled():
                end.result()[1].close()


@asynccontextmanager
async def meeting(run_dir: Path, session_id: str) -> AsyncIterator[Meeting]:
    """Listen for the host of a session until the block ends."""
    directory = _directory(run_dir)
    held = Meeting()
    with _short(directory) as base:
        server = await asyncio.start_unix_server(held.arrived, base / session_id, limit=PIECE_BYTES)
    try:
        yield held
    finally:
        server.close()
        held.close()
        (directory / session_id).unlink(missing_ok=True)


@contextmanager
def awaited(run_dir: Path, session_id: str) -> Iterator[socket.socket]:
    """The same for a thread, that waits for one direction: a socket that listens until the block ends."""
    directory = _directory(run_dir)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        with _short(directory) as base:
            listener.bind(str(base / session_id))
        listener.listen(1)
        try:
            yield listener
        finally:
            (directory / session_id).unlink(missing_ok=True)


@asynccontextmanager
async def joined(run_dir: Path, session_id: str, way: bytes) -> AsyncIterator[Ends]:
    """One direction of a session, for the process that the host's call reached. Raises NotFound when nobody
    waits for it any more."""
    try:
        with _short(run_dir / "consoles") as base:
            reader, writer = await asyncio.open_unix_connection(base / session_id, limit=PIECE_BYTES)
    except OSError as error:
        raise NotFound("Nobody waits for this any more.") from error
    try:
        writer.write(way)
        await writer.drain()
        yield reader, writer
    finally:
        writer.close()


def connected(run_dir: Path, session_id: str, way: bytes) -> socket.socket:
    """The same as a bare socket, to be closed. Raises NotFound."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(run_dir / "consoles") as base:
            connection.connect(str(base / session_id))
        connection.sendall(way)
    except OSError as error:
        connection.close()
        raise NotFound("Nobody waits for this any more.") from error
    return connection


def _directory(run_dir: Path) -> Path:
    directory = run_dir / "consoles"
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory


@contextmanager
def _short(directory: Path) -> Iterator[Path]:
    """A name of the directory that leaves room in the 107 characters of a unix socket's path."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
