"""`/console/ws?token=…`: the browser's end of a guest's screen or serial port, as a WebSocket.

The token is all that is asked for, and opens once. The guest's host brings the other end: see `meeting`.
"""

import asyncio
import contextlib
import logging

from starlette.websockets import WebSocket, WebSocketDisconnect

from volutus import compute
from volutus.compute.faults import ConsoleTokenInvalid
from volutus.compute.remote_consoles import Session
from volutus.http.kernel import SocketRoute
from volutus.http.kernel.plane import Plane
from volutus.http.meeting import PIECE_BYTES, meeting

log = logging.getLogger(__name__)

SOCKET_PATH = "/console/ws"
# The host hears of it at once, and connects twice; a host that is silent does not come at all.
HOST_COMES_WITHIN_S = 10.0
# noVNC asks for it by name, others do not.
_SUBPROTOCOL = "binary"
# A session left open over a night is forgotten by its user, not by whoever sits down there next.
SESSION_MAX_S = 12 * 3600.0


def routes() -> tuple[SocketRoute, ...]:
    """All WebSockets of the public port."""
    return (SocketRoute(SOCKET_PATH, console),)


async def console(plane: Plane, socket: WebSocket) -> None:
    """Relay bytes until either end closes."""
    token = socket.query_params.get("token", "")
    try:
        session = await asyncio.to_thread(_open, plane, token)
    except ConsoleTokenInvalid:
        await socket.close()
        return
    log.info("console session %s of server %s", session.id, session.server_id)
    async with meeting(plane.settings.run_dir, session.id) as met:
        await asyncio.to_thread(_ask, plane, session)
        await socket.accept(_SUBPROTOCOL if _SUBPROTOCOL in socket.scope.get("subprotocols", ()) else None)
        try:
            reader, writer = await met.complete(HOST_COMES_WITHIN_S)
        except TimeoutError:
            log.warning("no host came for console session %s", session.id)
        else:
            await _relay(socket, reader, writer)
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await socket.close()


async def _relay(socket: WebSocket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Both directions, until one of them ends."""
    ways = {asyncio.create_task(_to_browser(socket, reader)), asyncio.create_task(_to_guest(socket, writer))}
    _, others = await asyncio.wait(ways, timeout=SESSION_MAX_S, return_when=asyncio.FIRST_COMPLETED)
    for way in others:
        way.cancel()
    await asyncio.gather(*ways, return_exceptions=True)


async def _to_browser(socket: WebSocket, reader: asyncio.StreamReader) -> None:
    while data := await reader.read(PIECE_BYTES):
        await socket.send_bytes(data)


async def _to_guest(socket: WebSocket, writer: asyncio.StreamWriter) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        data = message.get("bytes") or (message.get("text") or "").encode()
        writer.write(data)
        await writer.drain()


def _open(plane: Plane, token: str) -> Session:
    with plane.database.begin() as tx:
        return compute.remote_consoles.open_(tx, token)


def _ask(plane: Plane, session: Session) -> None:
    with plane.database.begin() as tx:
        compute.remote_consoles.ask(tx, session)
