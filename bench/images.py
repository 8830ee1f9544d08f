"""Image data up and down, beside what `cp` takes for the same file on the same disk in the same minute.

The other end costs as little as can be: it sends by `sendfile` and writes what it gets in large pieces.
"""

import hashlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measures import Bench, Figure, cpu

GIB, MIB = 1 << 30, 1 << 20
TIMEOUT_S = 600.0
# Twice the copy would still be fine for an operator; half as much again is the goal.
RATIO_GOAL = 1.5
# What an API worker may need above what it had before, whatever the image's size.
RSS_GOAL_MIB = 64.0


def images(bench: Bench) -> None:
    """Two GiB (quick: a quarter) up, down and down as RAW."""
    size = bench.scaled(2 * GIB, GIB // 4)
    with _scratch(bench) as directory:
        source = directory / "source"
        _fill(source, size)
        before = _peaks(bench)
        copying_s = min(_copied(source, directory / "copy") for _ in range(2))
        image_id = _queued(bench)
        with cpu(bench.cloud) as spent:
            up_s = _upload(bench, image_id, source)
        bench.told(_ratio("image up", up_s / copying_s, spent.seconds))
        bench.told(Figure("image up, MiB/s", size / MIB / up_s, "MiB/s", more_is_better=True))
        for name, part in (("image down", "file"), ("image down as RAW", "raw")):
            with cpu(bench.cloud) as spent:
                down_s = _download(bench, f"/image/v2/images/{image_id}/{part}", directory / "down", size)
            bench.told(_ratio(name, down_s / copying_s, spent.seconds))
        assert _digest(directory / "down") == _digest(source), "what came down is not what went up"
        bench.told(Figure("cp, MiB/s", size / MIB / copying_s, "MiB/s", more_is_better=True))
        grown = max(_peaks(bench)[name] - before[name] for name in before)
        bench.told(Figure("image: growth of a worker's peak", grown, "MiB", goal=RSS_GOAL_MIB))


def _ratio(name: str, ratio: float, cpu_seconds: float) -> Figure:
    return Figure(f"{name}, times cp", ratio, "×", goal=RATIO_GOAL, cpu_ms=cpu_seconds * 1000)


@contextmanager
def _scratch(bench: Bench) -> Iterator[Path]:
    """A directory on the disk that has the images."""
    directory = bench.cloud.settings.state_dir / "bench-images"
    directory.mkdir()
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def _fill(path: Path, size: int) -> None:
    block = os.urandom(MIB)
    with path.open("wb") as file:
        for number in range(size // MIB):
            # Different in every block, so that no layer below can share them.
            file.write(number.to_bytes(8, "big") + block[8:])
        os.fsync(file.fileno())


def _copied(source: Path, target: Path) -> float:
    """Seconds until a copy is on the disk: an upload is, when it is answered."""
    began = time.monotonic()
    subprocess.run(["cp", "--sparse=never", "--reflink=never", source, target], check=True)
    with target.open("rb") as file:
        os.fsync(file.fileno())
    taken = time.monotonic() - began
    target.unlink()
    return taken


def _queued(bench: Bench) -> str:
    order = {"name": "bench-data", "disk_format": "raw", "container_format": "bare"}
    return str(bench.tenant.client.call("POST", "/image/v2/images", order).json()["id"])


def _connect(bench: Bench) -> socket.socket:
    return socket.create_connection(bench.tenant.client.address, TIMEOUT_S)


def _upload(bench: Bench, image_id: str, source: Path) -> float:
    head = _head(bench, "PUT", f"/image/v2/images/{image_id}/file", source.stat().st_size)
    with _connect(bench) as connection, source.open("rb") as file:
        began = time.monotonic()
        connection.sendall(head)
        connection.sendfile(file)
        answer = connection.recv(65536)
        taken = time.monotonic() - began
    assert b" 204 " in answer[:20], answer[:500]
    return taken


def _download(bench: Bench, path: str, target: Path, size: int) -> float:
    buffer = bytearray(MIB)
    with _connect(bench) as connection, target.open("wb", buffering=0) as file:
        began = time.monotonic()
        connection.sendall(_head(bench, "GET", path, 0))
        got, data = b"", b""
        while b"\r\n\r\n" not in got:
            got += connection.recv(4096)
        head, _, data = got.partition(b"\r\n\r\n")
        assert b" 200 " in head[:20], head
        file.write(data)
        left = size - len(data)
        while left:
            read = connection.recv_into(buffer)
            assert read, "the download was cut short"
            file.write(memoryview(buffer)[:read])
            left -= read
        os.fsync(file.fileno())
        return time.monotonic() - began


def _head(bench: Bench, method: str, path: str, length: int) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: bench",
        f"X-Auth-Token: {bench.tenant.client.token}",
        "Content-Type: application/octet-stream",
        f"Content-Length: {length}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def _peaks(bench: Bench) -> dict[str, float]:
    """Peak memory of each API worker, in MiB."""
    found = {}
    for name, pid in bench.cloud.pids().items():
        if name.startswith("api-"):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            (peak,) = (line for line in lines if line.startswith("VmHWM"))
            found[name] = int(peak.split()[1]) / 1024
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
