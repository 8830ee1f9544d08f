"""Brings an image into the format that hosts make disks from, with qemu-img under limits.

What qemu-img is given was inspected first. Should the inspection have missed something, qemu-img runs as
nobody, without network, bounded in memory, time and file size, with the format named and, where a format
knows backing files, told that there is none. It is given open files, not paths.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from volutus.image import faults
from volutus.image.models import DRIVERS

ADDRESS_SPACE_BYTES_MAX = 2 << 30
CPU_S_MAX = 1800
TIMEOUT_S = 3600.0
# What qcow2's own tables add to the data, of which there is at most a disk's full.
_OVERHEAD_BYTES = 64 << 20
_LOOK_EVERY_S = 0.2
_NOBODY = 65534
# Formats whose headers could name a file below.
_BACKED = ("qcow2",)
# Formats that every backend takes as they are: a raw disk is a raw disk, and the others are no disks.
_KEPT = ("raw", "iso", "ami", "aki", "ari")


@dataclass(frozen=True)
class Conversion:
    """From Glance's format to `to` (`qcow2` or `raw`). `virtual_bytes` is what the inspection found;
    `room_bytes` is what the result may take up at most."""

    disk_format: str
    to: str
    virtual_bytes: int
    room_bytes: int


def is_needed(disk_format: str, to: str) -> bool:
    """Whether images of this format are converted in a cloud whose backend wants `to` (empty: whatever
    comes)."""
    return bool(to) and disk_format not in (*_KEPT, to)


def convert(source: Path, target: Path, wanted: Conversion, proceed: Callable[[], None]) -> None:
    """Write the disk in `source` into `target`, which must not exist. `proceed` is called several times a
    second and raises to end it. Raises ConversionFailed."""
    with source.open("rb") as read, target.open("xb") as written:
        if os.geteuid() == 0:
            os.fchown(written.fileno(), _NOBODY, _NOBODY)
            # The directory keeps others out; this lets nobody open again what it is handed open.
            os.fchmod(read.fileno(), 0o644)
        command = _command(wanted, read.fileno(), written.fileno())
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(read.fileno(), written.fileno()),
            env={"PATH": os.defpath, "LC_ALL": "C"},
            cwd="/",
        )
        try:
            _wait(process, target, wanted.room_bytes, proceed)
            failure = process.stderr.read(4096).decode(errors="replace") if process.stderr else ""
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stderr:
                process.stderr.close()
        os.fsync(written.fileno())
        if os.geteuid() == 0:
            os.fchown(written.fileno(), 0, 0)
    if process.returncode != 0:
        raise faults.ConversionFailed(
            f"The image could not be converted from {wanted.disk_format} to {wanted.to}.", detail=failure
        )


def _command(wanted: Conversion, read: int, written: int) -> list[str]:
    driver = DRIVERS.get(wanted.disk_format, wanted.disk_format)
    node: dict[str, object] = {
        "driver": driver,
        "file": {"driver": "file", "filename": f"/proc/self/fd/{read}"},
    }
    if driver in _BACKED:
        node["backing"] = None
    # A file of zeros is as long as the disk, whatever it takes up.
    file_bytes_max = wanted.virtual_bytes + _OVERHEAD_BYTES + wanted.virtual_bytes // 512
    confine = [
        *("unshare", "--net", "--ipc"),
        *("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"),
        *("--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"),
    ]
    return [
        *(confine if os.geteuid() == 0 else []),
        *("prlimit", f"--as={ADDRESS_SPACE_BYTES_MAX}", f"--cpu={CPU_S_MAX}", "--core=0"),
        f"--fsize={file_bytes_max}",
        *("qemu-img", "convert", "-q", "-O", wanted.to),
        f"json:{json.dumps(node)}",
        f"/proc/self/fd/{written}",
    ]


def _wait(
    process: subprocess.Popen[bytes], target: Path, room_bytes: int, proceed: Callable[[], None]
) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            process.wait(_LOOK_EVERY_S)
            return
        except subprocess.TimeoutExpired:
            proceed()
            if target.stat().st_blocks * 512 > room_bytes:
                raise faults.ImageTooLarge("The image grows over what the project may store.") from None
            if time.monotonic() > deadline:
                raise faults.ConversionFailed("Converting the image took too long.") from None
