"""Takes an image's bytes off a request's stream, for tenants and for hosts alike: memory stays flat.

Disk and database are used in threads; this module only passes pieces on.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from volutus import image
from volutus.http.direct import ClientGone
from volutus.http.kernel import HttpProblem, StreamRequest, whole_number
from volutus.identity import Caller
from volutus.image import ImageStore
from volutus.image.data import HEARTBEAT_S, Upload
from volutus.image.store import Incoming

# Handing a piece to a thread costs 0.1 ms on an idle machine and much more on a busy one, where whoever is
# woken waits for its turn: so pieces are large. Three of them are in memory.
PIECE_BYTES = 8 << 20
# What comes slowly is handed on after this long.
PIECE_S = 5.0
# From here on a body is worth a connection of its own.
DIRECT_BYTES_MIN = 2 * PIECE_BYTES
# A client that is refused early still sends; reading a little more lets it see the answer.
DRAIN_BYTES_MAX = 64 << 20


@dataclass(frozen=True)
class Reception:
    """Which image is sent, and in whose name; `again` as in `image.data.begin`."""

    image_id: str
    caller: Caller
    staging: bool = False
    again: bool = False


async def receive(request: StreamRequest, wanted: Reception) -> None:
    """Fill the image. It is active, or staged, when this returns."""
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/octet-stream":
        raise HttpProblem(415, "The content type of image data is application/octet-stream.")
    try:
        upload = await asyncio.to_thread(_begin, request, wanted)
        await _fill(request, wanted, upload)
    except Exception:
        await drain(request)
        raise


async def drain(request: StreamRequest) -> None:
    """Read on for a while, though nobody wants the bytes."""
    left = DRAIN_BYTES_MAX
    with contextlib.suppress(HttpProblem):
        async with aclosing(_pieces(request)) as pieces:
            async for piece in pieces:
                left -= len(piece)
                if left < 0:
                    return


async def _fill(request: StreamRequest, wanted: Reception, upload: Upload) -> None:
    store: ImageStore = request.plane.parts["images"]
    incoming: Incoming | None = None
    try:
        incoming = await asyncio.to_thread(store.receive, upload.id, upload.room_bytes)
        await _write_all(request, upload, incoming)
        await asyncio.to_thread(_finish, request, wanted, upload, incoming)
    except BaseException:
        # Also when the server stops: the image is queued again, and no half file is left.
        await asyncio.shield(asyncio.to_thread(_abandon, request, upload, incoming))
        raise


async def _write_all(request: StreamRequest, upload: Upload, incoming: Incoming) -> None:
    """Pieces are written, and hashed, while the next one arrives."""
    seen = time.monotonic()
    writing = asyncio.create_task(asyncio.to_thread(incoming.write, b""))
    try:
        async with aclosing(_pieces(request)) as pieces:
            async for piece in pieces:
                await writing
                writing = asyncio.create_task(asyncio.to_thread(incoming.write, piece))
                if time.monotonic() - seen > HEARTBEAT_S:
                    seen = time.monotonic()
                    await asyncio.to_thread(_alive, request, upload)
    finally:
        # The file is not closed under a write.
        await asyncio.wait([writing])
    await writing


async def _pieces(request: StreamRequest) -> AsyncGenerator[bytes | bytearray, None]:
    """The body, or what is left of it. A piece may be kept until the next but one is asked for."""
    length = whole_number(request.headers.get("content-length", "")) or 0
    connection = request.connection
    if connection is None or length < DIRECT_BYTES_MIN:
        async with aclosing(_gathered(request)) as gathered:
            async for piece in gathered:
                yield piece
        return
    try:
        if connection.left_bytes is None:
            # This also tells a client that waits for our consent to go on.
            first = await anext(request.chunks)
            connection.borrow(length - len(first))
            yield first
        async with aclosing(connection.pieces(PIECE_BYTES)) as rest:
            async for part in rest:
                yield part
    except ClientGone as gone:
        raise HttpProblem(400, "The client went away before its body was complete.") from gone


async def _gathered(request: StreamRequest) -> AsyncGenerator[bytes, None]:
    chunks: list[bytes] = []
    gathered = 0
    since = time.monotonic()
    async for chunk in request.chunks:
        chunks.append(chunk)
        gathered += len(chunk)
        if gathered >= PIECE_BYTES or time.monotonic() - since > PIECE_S:
            yield b"".join(chunks)
            chunks, gathered, since = [], 0, time.monotonic()
    if chunks:
        yield b"".join(chunks)


def _begin(request: StreamRequest, wanted: Reception) -> Upload:
    with request.plane.database.begin(request.request_id) as tx:
        return image.data.begin(
            tx, wanted.caller, wanted.image_id, staging=wanted.staging, again=wanted.again
        )


def _alive(request: StreamRequest, upload: Upload) -> None:
    with request.plane.database.begin(request.request_id) as tx:
        image.data.alive(tx, upload)


def _finish(request: StreamRequest, wanted: Reception, upload: Upload, incoming: Incoming) -> None:
    """The file gets its name under the row's lock and before the commit: an active image's file is always
    there, and a file whose commit failed is overwritten by the next upload or deleted with the image."""
    store: ImageStore = request.plane.parts["images"]
    sums = incoming.complete()
    virtual_size_bytes = image.data.check(upload, incoming)
    with request.plane.database.begin(request.request_id) as tx:
        image.data.finish(tx, wanted.caller, upload, sums, virtual_size_bytes)
        store.keep(incoming.path, upload.image_id)


def _abandon(request: StreamRequest, upload: Upload, incoming: Incoming | None) -> None:
    if incoming is not None:
        incoming.discard()
    with request.plane.database.begin(request.request_id) as tx:
        image.data.abandon(tx, upload)
