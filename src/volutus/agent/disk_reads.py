"""Brings the bytes of disks to who downloads them: a call of the control plane for each download, so that the
host needs no open port.

A download is a thread that ends with it, and waits for nobody else. Zeros are told, not sent.
"""

import logging
import struct
import threading
from collections.abc import Callable, Iterator, Sequence

from volutus.agent.config import AgentConfig
from volutus.agent.connection import Channel, ConnectionTrouble
from volutus.agent.faults import HostFault
from volutus.agent.storage import Span
from volutus.wire import DiskRead

log = logging.getLogger(__name__)

# Each costs a qemu-nbd and a thread; more at once would only share the same disk.
READS_MAX = 16
# The other side may stop taking for as long as its client does; a dead one is noticed by the kernel.
_NO_TIMEOUT = None


class DiskReads:
    """See the module. `begin` may be called from one thread, and returns at once."""

    def __init__(self, config: AgentConfig, read: Callable[[str, int], Iterator[Span]]) -> None:
        self._config = config
        self._read = read
        self._turns = threading.Semaphore(READS_MAX)

    def begin(self, requests: Sequence[DiskRead]) -> None:
        """Begin to send. Of one too many nothing is sent: its client hears of it and may come again."""
        for request in requests:
            threading.Thread(target=self._run, args=(request,), name="read", daemon=True).start()

    def _run(self, request: DiskRead) -> None:
        free = self._turns.acquire(blocking=False)
        try:
            spans = self._read(request.disk_id, request.begin) if free else _refused()
            Channel(self._config, _NO_TIMEOUT).disk_content(request.session_id, encoded(spans))
        except ConnectionTrouble as trouble:
            log.info("disk %s: %s", request.disk_id, trouble)
        except HostFault as fault:
            log.warning("disk %s is not sent: %s", request.disk_id, fault)
        finally:
            if free:
                self._turns.release()


def _refused() -> Iterator[Span]:
    raise HostFault("Too many disks are being sent.")
    yield 0


def encoded(spans: Iterator[Span]) -> Iterator[bytes | memoryview]:
    """As `wire.DiskRead` has them."""
    for span in spans:
        if isinstance(span, int):
            yield struct.pack(">q", -span)
        else:
            yield struct.pack(">q", len(span))
            yield span
