"""How connections reach one of several workers that share a listening socket: evenly.

The event loop would accept all that wait at once, so that whichever worker wakes first gets every client of
a burst and, with kept connections, keeps them. This takes one at a time and lets the others have a turn.
"""

import asyncio
import socket
import ssl

import uvicorn

# While this worker is busy the others, woken by the same connection, are faster than it. This long it also
# stays away after each connection, more than they take to wake up.
_OTHERS_TURN_S = 0.001


class SharingServer(uvicorn.Server):
    """uvicorn's server on one inherited socket."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take connections from the sockets from now on."""
        await super().startup(sockets=[])
        self._listening = [asyncio.create_task(self._listen(one)) for one in sockets or []]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more, and end those there are."""
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, return_exceptions=True)
        await super().shutdown(sockets)

    async def _listen(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        openings: set[asyncio.Task[None]] = set()
        while True:
            connection, _ = await loop.sock_accept(listener)
            # A handshake may take long and must not keep others waiting.
            opening = asyncio.create_task(self._open(connection))
            openings.add(opening)
            opening.add_done_callback(openings.discard)
            await asyncio.sleep(_OTHERS_TURN_S)

    async def _open(self, connection: socket.socket) -> None:
        config = self.config
        loop = asyncio.get_running_loop()

        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=self.server_state, app_state=self.lifespan.state, _loop=loop
            )
            return made

        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.connect_accepted_socket(protocol, connection, ssl=config.ssl)
        except (OSError, ssl.SSLError):
            # The client went away, or did not agree on TLS.
            connection.close()
