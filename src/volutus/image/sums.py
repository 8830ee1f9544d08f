"""What a stream of bytes hashes to: MD5 and SHA-512 as Glance shows them, SHA-256 as hosts check it.

One after the other they bound an upload to a third of what a disk takes. So each has a thread of its own,
and a piece is hashed while it is written and the next one arrives.
"""

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass


@dataclass(frozen=True)
class Sums:
    """How many bytes came and what they hash to, in hex."""

    size_bytes: int
    md5: str
    sha256: str
    sha512: str


class Summing:
    """One stream. `stop` it when it is given up. Used by one thread at a time."""

    def __init__(self) -> None:
        self._hashes = [hashlib.md5(usedforsecurity=False), hashlib.sha256(), hashlib.sha512()]
        self._threads = ThreadPoolExecutor(len(self._hashes), thread_name_prefix="sums")
        self._under_way: list[Future[None]] = []
        self.size_bytes = 0

    def add(self, data: bytes) -> None:
        """Take the next piece. Returns when the one before is done: no more than one waits in memory."""
        wait(self._under_way)
        self._under_way = [self._threads.submit(one.update, data) for one in self._hashes]
        self.size_bytes += len(data)

    def finish(self) -> Sums:
        """The sums of all pieces."""
        wait(self._under_way)
        self.stop()
        md5, sha256, sha512 = (one.hexdigest() for one in self._hashes)
        return Sums(self.size_bytes, md5, sha256, sha512)

    def stop(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False)
