"""qemu-img and qemu-nbd on disks that may be encrypted: keys go by an unnamed file in memory, never by a
command line, an environment or a file with a name."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from volutus.agent.faults import HostFault
from volutus.agent.storage import RbdImage, rbd_tool
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
    """A disk for the tools, there or to be made; `key` opens an encrypted one. `shared` images in Ceph are
    made such that several may write to them without passing a lock around."""

    place: Path | RbdImage
    format: str
    key: bytes | None = None
    shared: bool = False

    @property
    def driver(self) -> str:
        """What QEMU calls the format: a raw disk with a key is LUKS."""
        return "luks" if self.format == "raw" and self.key is not None else self.format

    @property
    def options(self) -> str:
        """As QEMU's tools take it with `--image-opts`."""
        secret = f",{self.secret_option}=key" if self.key is not None else ""
        return f"driver={self.driver},{_file_options(self.place)}{secret}"

    @property
    def name(self) -> str:
        """As QEMU's tools take it where they make the disk."""
        if isinstance(self.place, Path):
            return str(self.place)
        words = {"conf": str(self.place.conf), "id": self.place.user}
        if self.shared:
            words["rbd_default_features"] = str(_LAYERING)
        told = "".join(f":{name}={_colons_escaped(value)}" for name, value in words.items())
        return f"rbd:{self.place.pool}/{self.place.name}{told}"

    @property
    def begins_as_zeros(self) -> bool:
        """Whether all of it reads as zeros when it is made: what was never written to LUKS reads as noise."""
        return self.driver != "luks"

    @property
    def secret_option(self) -> str:
        """The option that names the secret."""
        return "key-secret" if self.driver == "luks" else "encrypt.key-secret"


# Without the lock of one writer, which other features build on.
_LAYERING = 1
# The shells that tools are started by use the numbers below for themselves.
_FIRST_NUMBER = 10


@contextmanager
def key_file(key: bytes | None) -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """Arguments that define the secret `key`, and the descriptors to pass on, while the block lasts."""
    if key is None:
        yield [], ()
        return
    with os.fdopen(os.memfd_create("key"), "wb") as file:
        fd = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, _FIRST_NUMBER)
    try:
        os.write(fd, key)
        os.lseek(fd, 0, os.SEEK_SET)
        yield ["--object", f"secret,id=key,file=/dev/fd/{fd}"], (fd,)
    finally:
        os.close(fd)


def create(disk: Disk, size_bytes: int, message: str) -> None:
    """Make an empty disk."""
    with key_file(disk.key) as (secret, fds):
        command = ["create", *secret, "-q", "-f", disk.driver, *_format(disk), disk.name, str(size_bytes)]
        _make(disk, command, message, Limits(pass_fds=fds))


def copy(source: Disk, target: Disk, message: str, limits: Limits) -> None:
    """Copy a disk whole into a new one. Both have one key, or one of them none."""
    if None not in (source.key, target.key) and source.key != target.key:
        raise HostFault(message, "a copy has its source's key")
    with key_file(target.key or source.key) as (secret, fds):
        bounds = Limits(limits.timeout_s, limits.file_bytes_max, fds)
        command = ["convert", *secret, "-q", "-O", target.driver, *_format(target)]
        command += ["--image-opts", source.options, target.name]
        _make(target, command, message, bounds)


def resize(disk: Disk, size_bytes: int, message: str) -> None:
    """Grow a disk."""
    with key_file(disk.key) as (secret, fds):
        command = ["resize", *secret, "-q", "--image-opts", disk.options, str(size_bytes)]
        qemu_img(command, message, Limits(pass_fds=fds))


def _format(disk: Disk) -> list[str]:
    """Options for making the disk."""
    if disk.key is None:
        return []
    if disk.driver == "luks":
        return ["-o", f"key-secret=key,iter-time={LUKS_ITERATION_MS}"]
    return ["-o", f"encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time={LUKS_ITERATION_MS}"]


def _make(disk: Disk, command: list[str], message: str, limits: Limits) -> None:
    """Run qemu-img as often as it takes for it to measure."""
    for left in reversed(range(_TRIES)):
        try:
            qemu_img(command, message, limits)
            return
        except HostFault as fault:
            if _UNMEASURED not in fault.detail or not left:
                raise
            if isinstance(disk.place, RbdImage):
                # There it is made before it is given its format.
                rbd_tool.pool_of(disk.place).remove(disk.place.name)


def _file_options(place: Path | RbdImage) -> str:
    if isinstance(place, Path):
        return f"file.driver=file,file.filename={_commas_doubled(str(place))}"
    words = {"pool": place.pool, "image": place.name, "conf": str(place.conf), "user": place.user}
    if place.snapshot:
        words["snapshot"] = place.snapshot
    told = "".join(f",file.{name}={_commas_doubled(value)}" for name, value in words.items())
    return f"file.driver=rbd{told}"


def _commas_doubled(text: str) -> str:
    return text.replace(",", ",,")


def _colons_escaped(text: str) -> str:
    return "".join(f"\\{one}" if one in ":=@\\" else one for one in text)
