"""How fast a real cloud makes, copies and sends disks: `python bench/disks.py --state-dir DIR`, for a cloud
that runs on this machine with its hosts.

Times are from the order to what the API shows, at looks of 50 ms. An export is told as a ratio to `cp` of
the same bytes in the same minute, and a disk's I/O as a ratio to a raw file's, by `qemu-img bench` on files
like the agent's. What it made is removed.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from bench.client import Client
from volutus.settings import current

MIB = 1 << 20
DATA_MIB = 512
WITHIN_S = 300.0
# Name to arguments of `qemu-img bench`.
LOADS = {
    "4 KiB reads, 16 at once": ["-s", "4096", "-d", "16", "-c", "40000", "-S", "1003520"],
    "4 KiB writes, 16 at once": ["-w", "-s", "4096", "-d", "16", "-c", "20000", "-S", "1003520"],
    "1 MiB reads, 4 at once": ["-s", "1048576", "-d", "4", "-c", "500"],
    "1 MiB writes, 4 at once": ["-w", "-s", "1048576", "-d", "4", "-c", "500"],
}


class Volumes:
    """The demo project's."""

    def __init__(self, state_dir: Path) -> None:
        settings = current(state_dir)
        clouds = (settings.state_dir / "clouds.yaml").read_text()
        password = re.search(r'username: demo\s+password: "?([^"\n]+)', clouds)
        assert password is not None, "clouds.yaml has no demo user"
        self.client = Client(settings.url).sign_in("demo", password[1], "demo")
        asked = {"X-Subject-Token": self.client.token}
        found = self.client.call("GET", "/identity/v3/auth/tokens", headers=asked).json()
        self.root = f"/volume/v3/{found['token']['project']['id']}"
        self.made: list[str] = []

    def make(self, noun: str, **fields: Any) -> tuple[str, float]:
        """Order one; its path, and the seconds until it was available."""
        began = time.monotonic()
        answer = self.client.call("POST", f"{self.root}/{noun}s", {noun: fields})
        assert answer.status == 202, answer
        path = f"{self.root}/{noun}s/{answer.json()[noun]['id']}"
        self.made.append(path)
        self.wait(lambda: self.client.call("GET", path).json()[noun]["status"], "available")
        return path, time.monotonic() - began

    def wait(self, look: Callable[[], str], wanted: str) -> None:
        deadline = time.monotonic() + WITHIN_S
        while (seen := look()) != wanted:
            assert "error" not in seen.lower() and time.monotonic() < deadline, f"it is {seen}"
            time.sleep(0.05)

    def clear(self) -> None:
        """Remove what was made, the last first."""
        for path in reversed(self.made):
            self.client.call("DELETE", path)
            self.wait(lambda path=path: str(self.client.call("GET", path).status), "404")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--state-dir", type=Path, required=True)
    state_dir = parser.parse_args().state_dir
    volumes = Volumes(state_dir)
    with tempfile.TemporaryDirectory(dir=state_dir) as directory:
        scratch = Path(directory)
        try:
            with _image(volumes, scratch / "data") as image_id:
                _lives(volumes, image_id, scratch)
        finally:
            volumes.clear()
        _io(scratch)


def _lives(volumes: Volumes, image_id: str, scratch: Path) -> None:
    times = sorted(volumes.make("volume", size=1)[1] for _ in range(5))
    _say("empty volume to available", times[2], "s")
    full, taken = volumes.make("volume", size=1, imageRef=image_id)
    _say(f"volume from an image of {DATA_MIB} MiB", taken, "s")
    snapshot, taken = volumes.make("snapshot", volume_id=full.rsplit("/", 1)[1])
    _say(f"snapshot of it, {DATA_MIB} MiB copied", taken, "s")
    _say("clone of it", volumes.make("volume", size=1, source_volid=full.rsplit("/", 1)[1])[1], "s")
    _export(volumes, snapshot, scratch)


def _export(volumes: Volumes, snapshot: str, scratch: Path) -> None:
    """By curl, as a tenant would; all of the gibibyte's data, and zeros for the rest."""
    url = f"http://{volumes.client.address[0]}:{volumes.client.address[1]}{snapshot}/raw"
    header = scratch / "header"
    header.write_text(f"X-Auth-Token: {volumes.client.token}\n")
    out = scratch / "out"
    down_s = _timed(["curl", "-sf", "-H", f"@{header}", "-o", str(out), url])
    assert out.stat().st_size == 1024 * MIB
    with out.open("rb") as got, (scratch / "data").open("rb") as sent:
        assert all(got.read(MIB) == sent.read(MIB) for _ in range(DATA_MIB)), "what came is not what went"
    copied_s = _timed(["cp", "--sparse=never", "--reflink=never", str(out), str(scratch / "copy")])
    _say("export of a snapshot as RAW", 1024 / down_s, "MiB/s")
    _say("the same, times cp", down_s / copied_s, "×")


def _io(scratch: Path) -> None:
    """Files as the agent makes them, whole, beside a raw file."""
    raw, disk = scratch / "raw", scratch / "disk.qcow2"
    _timed(["qemu-img", "create", "-q", "-f", "raw", "-o", "preallocation=full", str(raw), f"{DATA_MIB}M"])
    _timed(["qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", "-S", "0", str(raw), str(disk)])
    for name, arguments in LOADS.items():
        takes = {}
        for path, form in ((raw, "raw"), (disk, "qcow2")):
            command = ["qemu-img", "bench", "-q", "-t", "none", "-n", "-f", form, *arguments, str(path)]
            takes[form] = min(_timed(command) for _ in range(2))
        _say(f"disk {name}, of a raw file's", takes["raw"] / takes["qcow2"], "×")


@contextmanager
def _image(volumes: Volumes, path: Path) -> Iterator[str]:
    block = bytes(range(1, 256)) * (MIB // 255 + 1)
    with path.open("wb") as file:
        for number in range(DATA_MIB):
            file.write(number.to_bytes(8, "big") + block[: MIB - 8])
    order = {"name": "bench", "disk_format": "raw", "container_format": "bare"}
    image_id = volumes.client.call("POST", "/image/v2/images", order).json()["id"]
    octets = {"Content-Type": "application/octet-stream"}
    volumes.client.call("PUT", f"/image/v2/images/{image_id}/file", path.read_bytes(), octets)
    try:
        yield image_id
    finally:
        volumes.client.call("DELETE", f"/image/v2/images/{image_id}")


def _timed(command: list[str]) -> float:
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def _say(name: str, value: float, unit: str) -> None:
    sys.stdout.write(f"{name:50} {value:8.2f} {unit}\n")


if __name__ == "__main__":
    main()
