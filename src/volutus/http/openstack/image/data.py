"""Image bytes in and out, as streams: memory stays flat whatever the image's size.

Disk and database are used in threads; this module only passes pieces on.
"""

import asyncio
from functools import partial
from pathlib import Path

from starlette.responses import Response

from volutus import image
from volutus.errors import Conflict, Forbidden
from volutus.http.kernel import HttpProblem, StreamRequest, no_content
from volutus.http.receiving import Reception, receive
from volutus.http.sending import RangedResponse, Sendable
from volutus.image import ImageStore
from volutus.rawdisk import PlainFile, opened


async def upload(request: StreamRequest) -> Response:
    """Give a queued image its data; it is active when this is answered."""
    await receive(request, Reception(request.params["image_id"], request.caller))
    return no_content()


async def stage(request: StreamRequest) -> Response:
    """Give a queued image its data, to be imported later."""
    await receive(request, Reception(request.params["image_id"], request.caller, staging=True))
    return no_content()


async def download(request: StreamRequest) -> Response:
    """The data as they came, whole or a range of them; 204 where there are none."""
    found = await asyncio.to_thread(_look, request)
    if not found.has_data or found.is_description:
        return no_content()
    path = await _file(request, found)
    sent = Sendable(found.size_bytes or 0, found.sha256 or found.id, partial(PlainFile, path))
    return RangedResponse(sent, request.headers, {"Content-MD5": found.md5 or ""})


async def download_raw(request: StreamRequest) -> Response:
    """The disk as a guest sees it, whatever the format it came in: an extension of ours. The length is known
    before, and a range of it costs no more than itself."""
    found = await asyncio.to_thread(_look, request)
    if not found.has_data:
        raise Conflict(f"Image {found.id} has no data: it is {found.status}.")
    if found.virtual_size_bytes is None:
        raise Conflict(f"Image {found.id} is not a disk.")
    path = await _file(request, found)
    sent = Sendable(found.virtual_size_bytes, f"{found.sha256}-raw", partial(opened, path, found.driver))
    name = f'attachment; filename="{found.id}.raw"'
    return RangedResponse(sent, request.headers, {"Content-Disposition": name})


async def _file(request: StreamRequest, found: image.Image) -> Path:
    if found.status == "deactivated" and not request.caller.is_admin:
        raise Forbidden("The requested image has been deactivated. Image data download is forbidden.")
    store: ImageStore = request.plane.parts["images"]
    path = store.path(found.id)
    if not await asyncio.to_thread(path.exists):
        raise HttpProblem(404, f"The data of image {found.id} is missing.")
    return path


def _look(request: StreamRequest) -> image.Image:
    with request.plane.database.read(request.request_id) as tx:
        return image.get(tx, request.caller, request.params["image_id"])
