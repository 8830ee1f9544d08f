"""Reports that say nothing but that the host is there: noted together, so that thousands of hosts cost one
statement a second and not a transaction each."""

import asyncio
import logging

from volutus import placement
from volutus.db import Database
from volutus.errors import Unavailable
from volutus.wire import Observed

log = logging.getLogger(__name__)

FLUSH_S = 1.0


class Heartbeats:
    """Use it from one event loop. What is noted is written within `FLUSH_S`; a process that dies before it
    forgets beats that come again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._heard: set[str] = set()
        self._flushing: asyncio.Task[None] | None = None

    def note(self, host_id: str) -> None:
        """The host was heard just now."""
        self._heard.add(host_id)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())

    async def _flush(self) -> None:
        await asyncio.sleep(FLUSH_S)
        heard, self._heard = self._heard, set()
        try:
            await asyncio.to_thread(self._write, heard)
        except Unavailable as error:
            log.warning("%d heartbeats were not noted: %s", len(heard), error)

    def _write(self, heard: set[str]) -> None:
        with self._database.begin() as tx:
            placement.hosts.seen_many(tx, heard)


def says_nothing(report: Observed) -> bool:
    """Whether a report is only a sign of life."""
    return not (report.items or report.facts or report.strangers or report.answers or report.full)
