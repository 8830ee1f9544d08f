"""Image bytes in and out, as streams: memory stays flat whatever the image's size.

Disk and database are used in threads; this module only passes pieces on.
"""

import asyncio

from starlette.responses import FileResponse, Response

from volutus import image
from volutus.errors import Forbidden
from volutus.http.kernel import HttpProblem, StreamRequest, no_content
from volutus.http.receiving import Reception, receive
from volutus.image import ImageStore


async def upload(request: StreamRequest) -> Response:
    """Give a queued image its data; it is active when this is answered."""
    await receive(request, Reception(request.params["image_id"], request.caller))
    return no_content()


async def stage(request: StreamRequest) -> Response:
    """Give a queued image its data, to be imported later."""
    await receive(request, Reception(request.params["image_id"], request.caller, staging=True))
    return no_content()


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


def _look(request: StreamRequest) -> image.Image:
    with request.plane.database.read(request.request_id) as tx:
        return image.get(tx, request.caller, request.params["image_id"])
