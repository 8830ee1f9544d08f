"""`/snapshots/ID/raw`: a snapshot's bytes as its guest would see them. An extension of ours."""

import asyncio
from functools import partial

from starlette.responses import Response

from volutus import volume
from volutus.http.hosted import HostedDisk
from volutus.http.kernel import StreamRequest
from volutus.http.sending import RangedResponse, Sendable
from volutus.volume import Snapshot
from volutus.volume.status import GIB


async def raw(request: StreamRequest) -> Response:
    """The whole disk, or a range of it, straight from its host. The length is known before, and a download
    that was cut off goes on where it stopped: a snapshot does not change."""
    found = await asyncio.to_thread(_admit, request)
    size_bytes = found.size_gib * GIB
    sent = Sendable(size_bytes, found.id, partial(HostedDisk, request.plane, found.id, size_bytes))
    name = f'attachment; filename="{found.id}.raw"'
    response = RangedResponse(sent, request.headers, {"Content-Disposition": name})
    if request.method != "HEAD":
        await response.begin()
    return response


def _admit(request: StreamRequest) -> Snapshot:
    with request.plane.database.begin(request.request_id) as tx:
        return volume.reads.admit(tx, request.caller, request.params["snapshot_id"])
