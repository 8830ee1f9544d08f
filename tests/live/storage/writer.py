"""A writer in a guest, and what it must have left on a disk.

Each volume that is plugged into the guest gets blocks numbered from 0, one after the other, each written out
before its number is told on the serial port. A block says which volume it is of and its number, all over, so
that one of another volume, an older one or half of one is told apart. Blocks are spread over the disk: each
comes to clusters of their own, of which the file's tables must know.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = 4096
# A prime, and less than a disk of 1 GiB has blocks; the step visits all places before it comes to one again.
PLACES, STEP = 262_139, 7919

USER_DATA = f"""#!/bin/sh
write() {{
    volume=$(cut -c1-8 /sys/block/vdb/serial)
    exec 3<>/dev/vdb || return
    n=0
    while :; do
        piece=$(printf '%s %06d;' $volume $n)
        block=$piece$piece$piece$piece
        block=$block$block$block$block
        block=$block$block$block$block
        block=$block$block$block$block
        printf %s "$block" | dd of=/proc/self/fd/3 bs={BLOCK} seek=$((n * {STEP} % {PLACES})) \\
            iflag=fullblock conv=fsync,notrunc 2>/dev/null || break
        echo "durable $volume $n" >/dev/console
        n=$((n + 1))
    done
    exec 3>&-
}}
(
    echo writer-waits >/dev/console
    while :; do
        if [ -b /dev/vdb ]; then write; else sleep 0.1; fi
    done
) </dev/null >/dev/null 2>&1 &
"""


def block(volume_id: str, number: int) -> bytes:
    """What the writer writes."""
    piece = f"{volume_id[:8]} {number:06d};".encode()
    return piece * (BLOCK // len(piece))


@dataclass(frozen=True)
class Console:
    """What the guest said, as its QEMU wrote it down."""

    log: Path

    def durable(self, volume_id: str) -> int:
        """How many blocks the writer told of that are surely on the volume."""
        said = self.log.read_bytes().decode(errors="replace")
        told = re.findall(rf"durable {volume_id[:8]} (\d+)\s", said)
        return int(told[-1]) + 1 if told else 0

    def waits(self) -> bool:
        """Whether the writer is there."""
        return b"writer-waits" in self.log.read_bytes()


def count(disk: Path, volume_id: str, work: Path) -> int:
    """How many blocks a disk has that nobody has open. Fails unless they are the first ones the writer wrote,
    each whole, and nothing else is on it."""
    raw = work / "raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", str(disk), str(raw)], check=True)
    found = count_raw(raw, volume_id)
    raw.unlink()
    return found


def count_raw(raw: Path, volume_id: str) -> int:
    """The same of the bytes themselves."""
    with raw.open("rb") as file:
        number = 0
        while os.pread(file.fileno(), BLOCK, number * STEP % PLACES * BLOCK) == block(volume_id, number):
            number += 1
        there = sum(1 for _ in _written(file.fileno()))
    assert there == number, f"{there} blocks on {volume_id}, of which {number} follow one another"
    return number


def _written(fd: int) -> Iterator[int]:
    """The blocks that are not zero."""
    end, offset = os.fstat(fd).st_size, 0
    while offset < end:
        try:
            offset = os.lseek(fd, offset, os.SEEK_DATA)
        except OSError:
            return
        hole = os.lseek(fd, offset, os.SEEK_HOLE)
        for at in range(offset // BLOCK * BLOCK, hole, BLOCK):
            if any(os.pread(fd, BLOCK, at)):
                yield at
        offset = hole
