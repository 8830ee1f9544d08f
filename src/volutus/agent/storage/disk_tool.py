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
# Less than 100 ms cannot be measured by QEMU on a busy machine.
LUKS_ITERATION_MS = 100
KEY_OPTIONS = f"encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time={LUKS_ITERATION_MS}"


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
        options = ["-o", KEY_OPTIONS] if disk.key is not None else []
        command = ["create", *secret, "-q", "-f", disk.format, *options, str(disk.path), str(size_bytes)]
        qemu_img(command, message, Limits(pass_fds=fds))


def copy(source: Disk, target: Disk, message: str, limits: Limits) -> None:
    """Copy a disk whole into a new file. Both have one key, or one of them none."""
    if None not in (source.key, target.key) and source.key != target.key:
        raise HostFault(message, "a copy has its source's key")
    with key_file(target.key or source.key) as (secret, fds):
        options = ["-o", KEY_OPTIONS] if target.key is not None else []
        command = ["convert", *secret, "-q", "-O", target.format, *options]
        command += ["--image-opts", source.options, str(target.path)]
        bounds = Limits(limits.timeout_s, limits.file_bytes_max, fds)
        qemu_img(command, message, bounds)


def resize(disk: Disk, size_bytes: int, message: str) -> None:
    """Grow a disk."""
    with key_file(disk.key) as (secret, fds):
        command = ["resize", *secret, "-q", "--image-opts", disk.options, str(size_bytes)]
        qemu_img(command, message, Limits(pass_fds=fds))
