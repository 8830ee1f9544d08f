"""Image bytes in and out, as streams: memory stays flat whatever the image's size.

Disk and database are used in threads; this module only passes pieces on.
"""

import asyncio
import contextlib
import time

import msgspec
from starlette.responses import FileResponse, Response

from volutus import image
from volutus.errors import Forbidden, Invalid
from volutus.http.kernel import HttpProblem, Request, StreamRequest, accepted, no_content
from volutus.http.openstack.image.discovery import IMPORT_METHODS, STORE
from volutus.image import ImageStore
from volutus.image.data import HEARTBEAT_S, Upload
from volutus.image.store import Incoming

# Handing a piece to a thread costs 0.1 ms, as much as hashing 100 KiB: so pieces are gathered first.
PIECE_BYTES = 1 << 20
# A client that is refused early still sends; reading a little more lets it see the answer.
DRAIN_BYTES_MAX = 16 << 20


class ImportMethod(msgspec.Struct):
    """How to import; further keys belong to methods that are not offered."""

    name: str


class Import(msgspec.Struct):
    """The body of an import."""

    method: ImportMethod
    stores: list[str] | None = None
    all_stores: bool = False
    all_stores_must_succeed: bool = True


async def upload(request: StreamRequest) -> Response:
    """Give a queued image its data; it is active when this is answered."""
    await _receive(request, staging=False)
    return no_content()


async def stage(request: StreamRequest) -> Response:
    """Give a queued image its data, to be imported later."""
    await _receive(request, staging=True)
    return no_content()


def import_staged(request: Request) -> Response:
    """Make the staged data the image's own."""
    body = request.read(Import)
    if body.method.name not in IMPORT_METHODS:
        raise Invalid(f"Unknown import method name '{body.method.name}'.", field="method.name")
    if set(body.stores or ()) - {STORE}:
        raise Invalid(f"The only store is {STORE!r}.", field="stores")
    image.data.activate_staged(request.tx, request.caller, request.params["image_id"])
    return accepted({})


async def download(request: StreamRequest) -> Response:
    """The data, whole or a range of it; 204 while there is none."""
    store: ImageStore = request.plane.parts["images"]
    found = await asyncio.to_thread(_look, request)
    if not found.has_data:
        return no_content()
    if found.status == "deactivated" and not request.caller.is_admin:
        raise Forbidden("The requested image has been deactivated. Image data download is forbidden.")
    path = store.path(found.id)
    if not await asyncio.to_thread(path.exists):
        raise HttpProblem(404, f"The data of image {found.id} is missing.")
    headers = {"Content-MD5": found.md5 or ""}
    return FileResponse(path, media_type="application/octet-stream", headers=headers)


async def _receive(request: StreamRequest, *, staging: bool) -> None:
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/octet-stream":
        raise HttpProblem(415, "The content type of image data is application/octet-stream.")
    try:
        upload = await asyncio.to_thread(_begin, request, staging)
        await _fill(request, upload)
    except Exception:
        await _drain(request)
        raise


async def _fill(request: StreamRequest, upload: Upload) -> None:
    store: ImageStore = request.plane.parts["images"]
    incoming: Incoming | None = None
    try:
        incoming = await asyncio.to_thread(store.receive, upload.id)
        await _write_all(request, upload, incoming)
        await asyncio.to_thread(_finish, request, upload, incoming)
    except BaseException:
        # Also when the server stops: the image is queued again, and no half file is left.
        await asyncio.shield(asyncio.to_thread(_abandon, request, upload, incoming))
        raise


async def _write_all(request: StreamRequest, upload: Upload, incoming: Incoming) -> None:
    piece = bytearray()
    seen = time.monotonic()
    async for chunk in request.chunks:
        piece += chunk
        if len(piece) >= PIECE_BYTES:
            await asyncio.to_thread(incoming.write, bytes(piece))
            piece.clear()
        if time.monotonic() - seen > HEARTBEAT_S:
            seen = time.monotonic()
            await asyncio.to_thread(_alive, request, upload)
    if piece:
        await asyncio.to_thread(incoming.write, bytes(piece))


async def _drain(request: StreamRequest) -> None:
    left = DRAIN_BYTES_MAX
    with contextlib.suppress(HttpProblem):
        async for chunk in request.chunks:
            left -= len(chunk)
            if left < 0:
                return


def _begin(request: StreamRequest, staging: bool) -> Upload:
    with request.plane.database.begin(request.request_id) as tx:
        return image.data.begin(tx, request.caller, request.params["image_id"], staging=staging)


def _alive(request: StreamRequest, upload: Upload) -> None:
    with request.plane.database.begin(request.request_id) as tx:
        image.data.alive(tx, upload)


def _finish(request: StreamRequest, upload: Upload, incoming: Incoming) -> None:
    """The file gets its name under the row's lock and before the commit: an active image's file is always
    there, and a file whose commit failed is overwritten by the next upload or deleted with the image."""
    store: ImageStore = request.plane.parts["images"]
    sums = incoming.complete()
    virtual_size_bytes = image.data.check(upload, incoming)
    with request.plane.database.begin(request.request_id) as tx:
        image.data.finish(tx, request.caller, upload, sums, virtual_size_bytes)
        store.keep(incoming, upload.image_id)


def _abandon(request: StreamRequest, upload: Upload, incoming: Incoming | None) -> None:
    if incoming is not None:
        incoming.discard()
    with request.plane.database.begin(request.request_id) as tx:
        image.data.abandon(tx, upload)


def _look(request: StreamRequest) -> image.Image:
    with request.plane.database.read(request.request_id) as tx:
        return image.get(tx, request.caller, request.params["image_id"])
