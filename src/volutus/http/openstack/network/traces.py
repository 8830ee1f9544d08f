"""`/v2.0/ports/{id}/trace?to=ADDRESS[&protocol=tcp&port=80]`: where a packet of the port would go.

The one call of this service that waits for OVN: it asks and changes nothing, holds no transaction meanwhile,
and has a time limit.
"""

import asyncio
from typing import Any

from starlette.responses import Response

from volutus.http.kernel import StreamRequest, document
from volutus.network import trace
from volutus.network.trace import Stopped, Trace, Tracer


async def show(request: StreamRequest) -> Response:
    """The trace."""
    return document({"trace": _view(await asyncio.to_thread(_trace, request))})


def _trace(request: StreamRequest) -> Trace:
    plane = request.plane
    with plane.database.read(request.request_id) as tx:
        asked = trace.packet(tx, request.caller, request.params["id"], dict(request.query))
    if isinstance(asked, Stopped):
        return trace.stopped(asked)
    tracer: Tracer = plane.parts["tracer"]
    events = trace.read(tracer.run(asked.network_id, asked.flow))
    with plane.database.read(request.request_id) as tx:
        return trace.tell(tx, request.caller, asked, events)


def _view(it: Trace) -> dict[str, Any]:
    return {
        "port_id": it.port_id,
        "to": it.to,
        "protocol": it.protocol,
        "port": it.port,
        "verdict": it.verdict.value,
        "reason": it.reason,
        "steps": [{"kind": s.kind, "id": s.id, "name": s.name, "text": s.text} for s in it.steps],
        "notes": list(it.notes),
    }
