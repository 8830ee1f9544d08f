"""What a stream of bytes hashes to: MD5, as Glance's `checksum`, and SHA-256, which hosts check and clients
are shown. SHA-512, Glance's own choice, takes twice as long on processors of today.

MD5 takes longest of all, as long as writing the bytes and hashing them to SHA-256 together. So it has a
thread of its own: two cores are used evenly, with one hand-over for each piece.
"""

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass


@dataclass(frozen=True)
class Sums:
    """How many bytes came and what they hash to, in hex."""

    size_bytes: int
    md5: str
    sha256: str


class Summing:
    """One stream. `stop` it when it is given up. Used by one thread at a time."""

    def __init__(self) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sums")
        self._slow: Future[None] | None = None
        self.size_bytes = 0

    def begin(self, data: bytes | bytearray) -> None:
        """Take the next piece; `end` waits for it. The caller does something else meanwhile."""
        self._slow = self._thread.submit(self._md5.update, data)
        self.size_bytes += len(data)

    def end(self, data: bytes | bytearray) -> None:
        """Be done with the piece that was begun."""
        self._sha256.update(data)
        if self._slow is not None:
            self._slow.result()

    def finish(self) -> Sums:
        """The sums of all pieces."""
        self.stop()
        return Sums(self.size_bytes, self._md5.hexdigest(), self._sha256.hexdigest())

    def stop(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False)
