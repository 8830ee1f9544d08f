"""Tells waiting long polls that a host's document was raised, in whichever process that happened."""

import asyncio
import logging
from collections import defaultdict

import psycopg
from sqlalchemy import make_url

from volutus.placement import HOSTS_CHANNEL

log = logging.getLogger(__name__)

# How long to wait before listening again after the database went away. A poll that misses a ring meanwhile
# is answered at its own end.
RECONNECT_S = 1.0


class HostBell:
    """One connection listening for all hosts of this process. Use it from one event loop."""

    def __init__(self, database_url: str) -> None:
        self._url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._listening: asyncio.Task[None] | None = None

    def subscribe(self, host_id: str) -> asyncio.Event:
        """An event that is set at the next ring for this host. Subscribe first and look at the document
        then, so that no change falls between. `unsubscribe` it afterwards."""
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._listen())
        event = asyncio.Event()
        self._waiting[host_id].add(event)
        return event

    def unsubscribe(self, host_id: str, event: asyncio.Event) -> None:
        """Forget an event."""
        self._waiting[host_id].discard(event)
        if not self._waiting[host_id]:
            del self._waiting[host_id]

    def ring(self, host_id: str) -> None:
        """Wake who waits for this host."""
        for event in self._waiting.get(host_id, ()):
            event.set()

    async def _listen(self) -> None:
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
                async with connection:
                    await connection.execute(f"LISTEN {HOSTS_CHANNEL}")
                    # What was raised before we listened was not heard: let everyone look.
                    for host_id in list(self._waiting):
                        self.ring(host_id)
                    async for notification in connection.notifies():
                        self.ring(notification.payload)
            except psycopg.OperationalError as error:
                log.warning("not hearing of raised documents: %s", error)
                await asyncio.sleep(RECONNECT_S)
