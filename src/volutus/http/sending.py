"""Sends large things as streams: whole, or the range that was asked for, so that a download cut off goes on
where it stopped. Memory stays flat.

The next piece is read while the one before is sent. Disks and files are read in threads. A file that is sent
as it is does not come by here where the connection allows it: the operating system sends it.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from volutus.http.direct import Lendable, direct
from volutus.rawdisk import PlainFile, RawDisk

# Reading in a thread costs a hand-over, on a busy machine a wait: pieces are large. Two are in memory.
PIECE_BYTES = 4 << 20
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True)
class Sendable:
    """What is sent: `size_bytes` of it, the same as long as `etag` is. `open` is called in a thread when the
    first byte is needed; what it answers may be larger, or smaller: then zeros follow."""

    size_bytes: int
    etag: str
    open: Callable[[], RawDisk]


class RangedResponse(Response):
    """The answer to a GET or HEAD of a `Sendable`, after RFC 9110: `Range` with one range, `If-Range`,
    `If-None-Match`. What is not understood in these is as if it was not there."""

    def __init__(
        self,
        sent: Sendable,
        asked: Headers,
        headers: Mapping[str, str] | None = None,
        media_type: str = "application/octet-stream",
    ) -> None:
        self._sent = sent
        status, self._begin, self._end = _part(sent, asked)
        own = {"Accept-Ranges": "bytes", "ETag": f'"{sent.etag}"'}
        if status == 206:
            own["Content-Range"] = f"bytes {self._begin}-{self._end - 1}/{sent.size_bytes}"
        elif status == 416:
            own["Content-Range"] = f"bytes */{sent.size_bytes}"
        own["Content-Length"] = str(self._end - self._begin)
        super().__init__(None, status, {**own, **(headers or {})}, media_type)
        self._opened: RawDisk | None = None
        self._begun: bytes | bytearray = b""

    async def begin(self) -> None:
        """Open what is sent and read its first piece. Before the answer is given a failure can be told as an
        error; later the connection can only be cut."""
        if self._opened is None and self._begin < self._end:
            await asyncio.to_thread(self._open)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        if scope["method"] == "HEAD" or self._begin == self._end:
            await send(start)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await self.begin()
        gone = asyncio.create_task(_disconnected(receive))
        try:
            await send(start)
            borrowed, file = direct(scope), self._opened
            if borrowed is None:
                await self._send_pieces(send, gone)
            else:
                await self._send_direct(borrowed, file, send)
        finally:
            gone.cancel()
            await asyncio.to_thread(self._close)

    async def _send_direct(self, borrowed: Lendable, file: RawDisk | None, send: Send) -> None:
        at = self._begin + len(self._begun)
        await send({"type": "http.response.body", "body": self._begun, "more_body": at < self._end})
        if at < self._end:
            if isinstance(file, PlainFile) and file.size_bytes >= self._end:
                await borrowed.send_file(file.fileno(), at, self._end)
            else:
                async with aclosing(self._views(at)) as views:
                    await borrowed.send_views(views)
            if not borrowed.closing:
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_pieces(self, send: Send, gone: asyncio.Task[None]) -> None:
        at = self._begin
        reading = asyncio.create_task(self._first())
        try:
            while at < self._end and not gone.done():
                piece = await reading
                at += len(piece)
                if at < self._end:
                    reading = asyncio.create_task(self._read(at))
                await send({"type": "http.response.body", "body": piece, "more_body": at < self._end})
        finally:
            # The disk is not closed under a read.
            await asyncio.wait([reading])

    async def _views(self, at: int) -> AsyncGenerator[memoryview, None]:
        """The pieces from there on, in two buffers by turns: each is there until the next is asked for."""
        buffers = [memoryview(bytearray(min(PIECE_BYTES, self._end - at))) for _ in range(2)]
        reading = asyncio.create_task(asyncio.to_thread(self._fill, buffers[0], at))
        try:
            while at < self._end:
                piece = await reading
                at += len(piece)
                buffers.reverse()
                if at < self._end:
                    reading = asyncio.create_task(asyncio.to_thread(self._fill, buffers[0], at))
                yield piece
        finally:
            # The disk is not closed under a read.
            await asyncio.wait([reading])

    async def _first(self) -> bytes | bytearray:
        return self._begun

    async def _read(self, at: int) -> bytes | bytearray:
        return await asyncio.to_thread(self._piece, at)

    def _open(self) -> None:
        self._opened = self._sent.open()
        try:
            self._begun = self._piece(self._begin)
        except BaseException:
            self._close()
            raise

    def _piece(self, at: int) -> bytearray:
        piece = bytearray(min(PIECE_BYTES, self._end - at))
        self._fill(memoryview(piece), at)
        return piece

    def _fill(self, buffer: memoryview, at: int) -> memoryview:
        """What is left of the buffer's length; zeros where the disk has ended."""
        assert self._opened is not None
        view = buffer[: self._end - at]
        found = self._opened.readinto(at, view)
        if found < len(view):
            view[found:] = bytes(len(view) - found)
        return view

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()


def _part(sent: Sendable, asked: Headers) -> tuple[int, int, int]:
    """The status, and where the bytes to send begin and end."""
    size = sent.size_bytes
    if any(one.strip() in (f'"{sent.etag}"', "*") for one in asked.get("if-none-match", "").split(",")):
        return 304, 0, 0
    match = _RANGE.fullmatch(asked.get("range", "").replace(" ", ""))
    if match is None or asked.get("if-range", f'"{sent.etag}"') != f'"{sent.etag}"':
        return 200, 0, size
    first, last = match[1], match[2]
    if not first:
        if not last:
            return 200, 0, size
        begin, end = max(size - int(last), 0), size
    else:
        begin, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < begin:
            return 200, 0, size
    return (206, begin, end) if begin < end else (416, 0, 0)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
