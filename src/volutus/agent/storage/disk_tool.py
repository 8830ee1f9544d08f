"""qemu-img and qemu-nbd on disks that may be encrypted: keys go by an unnamed file in memory, never by a
command line, an environment or a file with a name."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from volutus.agent.faults import HostFault
from volutus.agent.storage.qemu_img import Limits, qemu_img

# The keys are random and as long as the cipher's: stretching them, which takes seconds, would add nothing.
LUKS_ITERATION_MS = 100
# But QEMU measures first how fast it stretches, by a clock that counts whole ticks of the processor: where
# others take its turns none may fall to it, and it gives up. These are the words by which it says so; it has
# no other sign. Each try is as good as the one before.
_UNMEASURED = "accurate CPU usage"
_TRIES = 20


@dataclass(frozen=True)
class Disk:
    """A disk's file for the tools; `key` opens an encrypted one."""

    path: Path
    format: str
    key: bytes | None = None

    @property
    def options(self) -> str:
        """As QEMU's tools take it with `--image-opts`."""
        name = str(self.path).replace(",", ",,")
        secret = ",encrypt.key-secret=key" if self.key is not None else ""
        return f"driver={self.format},file.driver=file,file.filename={name}{secret}"


@contextmanager
def key_file(key: bytes | None) -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """Arguments that define the secret `key`, and the descriptors to pass on, while the block lasts."""
    if key is None:
        yield [], ()
        return
    fd = os.memfd_create("key")
    try:
        os.write(fd, key)
        os.lseek(fd, 0, os.SEEK_SET)
        yield ["--object", f"secret,id=key,file=/dev/fd/{fd}"], (fd,)
    finally:
        os.close(fd)


def create(disk: Disk, size_bytes: int, message: str) -> None:
    """Make an empty disk."""
    with key_file(disk.key) as (secret, fds):
        command = [
            "create",
            *secret,
            "-q",
            "-f",
            disk.format,
            *_format(disk),
            str(disk.path),
            str(size_bytes),
        ]
        _make(command, message, Limits(pass_fds=fds))


def copy(source: Disk, target: Disk, message: str, limits: Limits) -> None:
    """Copy a disk whole into a new file. Both have one key, or one of them none."""
    if None not in (source.key, target.key) and source.key != target.key:
        raise HostFault(message, "a copy has its source's key")
    with key_file(target.key or source.key) as (secret, fds):
        bounds = Limits(limits.timeout_s, limits.file_bytes_max, fds)
        command = ["convert", *secret, "-q", "-O", target.format, *_format(target)]
        command += ["--image-opts", source.options, str(target.path)]
        _make(command, message, bounds)


def _format(disk: Disk) -> list[str]:
    """Options for making the disk."""
    if disk.key is None:
        return []
    luks = "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time="
    return ["-o", f"{luks}{LUKS_ITERATION_MS}"]


def _make(command: list[str], message: str, limits: Limits) -> None:
    """Run qemu-img as often as it takes for it to measure."""
    for left in reversed(range(_TRIES)):
        try:
            qemu_img(command, message, limits)
            return
        except HostFault as fault:
            if _UNMEASURED not in fault.detail or not left:
                raise


def resize(disk: Disk, size_bytes: int, message: str) -> None:
    """Grow a disk."""
    with key_file(disk.key) as (secret, fds):
        command = ["resize", *secret, "-q", "--image-opts", disk.options, str(size_bytes)]
        qemu_img(command, message, Limits(pass_fds=fds))
