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
# But QEMU measures how much it can stretch in this time, and cannot on a busy machine if it is short.
LUKS_ITERATION_MS = (100, 500, 2000)
# The words by which QEMU says so; it has no other sign.
_UNMEASURED = "accurate CPU usage"


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
        for options in _formats(disk):
            command = ["create", *secret, "-q", "-f", disk.format, *options, str(disk.path), str(size_bytes)]
            if _measured(command, message, Limits(pass_fds=fds)):
                return
    raise HostFault(message, "the machine is too busy")


def copy(source: Disk, target: Disk, message: str, limits: Limits) -> None:
    """Copy a disk whole into a new file. Both have one key, or one of them none."""
    if None not in (source.key, target.key) and source.key != target.key:
        raise HostFault(message, "a copy has its source's key")
    with key_file(target.key or source.key) as (secret, fds):
        bounds = Limits(limits.timeout_s, limits.file_bytes_max, fds)
        for options in _formats(target):
            command = ["convert", *secret, "-q", "-O", target.format, *options]
            command += ["--image-opts", source.options, str(target.path)]
            if _measured(command, message, bounds):
                return
    raise HostFault(message, "the machine is too busy")


def _formats(disk: Disk) -> list[list[str]]:
    """Options for making the disk, to be tried in turn."""
    if disk.key is None:
        return [[]]
    luks = "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time="
    return [["-o", f"{luks}{time_ms}"] for time_ms in LUKS_ITERATION_MS]


def _measured(command: list[str], message: str, limits: Limits) -> bool:
    """Run qemu-img; False when it should be tried with more time."""
    try:
        qemu_img(command, message, limits)
    except HostFault as fault:
        if _UNMEASURED in fault.detail:
            return False
        raise
    return True


def resize(disk: Disk, size_bytes: int, message: str) -> None:
    """Grow a disk."""
    with key_file(disk.key) as (secret, fds):
        command = ["resize", *secret, "-q", "--image-opts", disk.options, str(size_bytes)]
        qemu_img(command, message, Limits(pass_fds=fds))
