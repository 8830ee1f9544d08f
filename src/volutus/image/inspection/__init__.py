"""Looks into an image's bytes before anything else does: are they what they are said to be, and do they stay
within themselves?

QEMU believes headers. A header can name a file of the host as its backing store or its data, or claim more
exabytes than exist; so a hostile image reads a host's files or fills its disk. This package reads headers
alone, a bounded part of them, and refuses what it does not fully understand. It never decodes data.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, cast

from volutus.image.faults import ImageRefused
from volutus.image.inspection import ova, plain, qcow2, vdi, vhd, vhdx, vmdk
from volutus.image.inspection.reader import Reader

__all__ = ["ArchivedDisk", "archived_disks", "detect", "inspect"]

# What is in these is not a disk that a host opens, so there is no header to believe.
_OPAQUE_CONTAINERS = ("docker", "compressed")
# What a machine's description may bring along.
_ARCHIVED = ("vmdk", "vhd", "vhdx", "vdi", "qcow2")
# No disk is larger than this, whatever its header says: eight times the largest file that ext4 holds.
VIRTUAL_BYTES_MAX = 128 << 40

_Inspector = Callable[[Reader], int | None]
_INSPECTORS: Mapping[str, _Inspector] = {
    "raw": plain.disk,
    "ami": plain.disk,
    "aki": plain.file,
    "ari": plain.file,
    "iso": plain.iso,
    "qcow2": qcow2.inspect,
    "vdi": vdi.inspect,
    "vhd": vhd.inspect,
    "vhdx": vhdx.inspect,
    "vmdk": vmdk.inspect,
}


@dataclass(frozen=True)
class ArchivedDisk:
    """A disk within an OVA: a range of the file, and what was found there."""

    at: int
    size: int
    disk_format: str
    virtual_bytes: int


def archived_disks(file: BinaryIO) -> list[ArchivedDisk]:
    """The disks in an OVA, each inspected like an image of its own. Raises ImageRefused."""
    return [_archived_disk(file, member) for member in ova.disks(Reader(file))]


def inspect(file: BinaryIO, disk_format: str, container_format: str = "bare") -> int | None:
    """The size of the disk as a guest sees it, None where there is no disk. Raises ImageRefused."""
    if container_format in _OPAQUE_CONTAINERS:
        return None
    if container_format == "ova":
        archived_disks(file)
        return None
    reader = Reader(file)
    found = detect(reader)
    if disk_format not in _allowed(found):
        raise ImageRefused(
            f"Image content does not match disk_format {disk_format}: it looks like {found or 'raw data'}."
        )
    virtual_bytes = _INSPECTORS[disk_format](reader)
    if virtual_bytes is not None and not 0 <= virtual_bytes <= VIRTUAL_BYTES_MAX:
        raise ImageRefused(f"Image claims to hold a disk of {virtual_bytes} bytes.")
    return virtual_bytes


def _archived_disk(file: BinaryIO, member: ova.Member) -> ArchivedDisk:
    part = cast(BinaryIO, ova.Window(file, member.at, member.size))
    found = detect(Reader(part))
    if found not in _ARCHIVED:
        raise ImageRefused(f"Image is an OVA whose disk {member.name!r} looks like {found or 'raw data'}.")
    return ArchivedDisk(member.at, member.size, found, inspect(part, found) or 0)


def detect(reader: Reader) -> str | None:
    """The format by its magic bytes, None for raw data."""
    head = reader.at(0, 512)
    for magic, name in _MAGICS.items():
        if head.startswith(magic):
            return name
    if head[64:68] == vdi.MAGIC:
        return "vdi"
    if head.lstrip()[:21].lower() == b"# disk descriptorfile":
        return "vmdk"
    if reader.at(plain.ISO_MAGIC_AT, 5) == plain.ISO_MAGIC:
        return "iso"
    if reader.at(max(reader.size - 512, 0), 8) == vhd.MAGIC:
        return "vhd"
    return None


_MAGICS = {
    b"QFI\xfb": "qcow2",
    b"KDMV": "vmdk",
    b"COWD": "vmdk",
    b"vhdxfile": "vhdx",
    b"conectix": "vhd",
    b"QED\0": "qed",
    b"LUKS\xba\xbe": "luks",
    b"WithoutFreeSpace": "parallels",
    b"WithouFreSpacExt": "parallels",
    b"OOOO SCSI": "dmg",
}


def _allowed(found: str | None) -> tuple[str, ...]:
    """The formats that bytes with this magic may be said to have. A CD image and a fixed VHD are also good
    raw disks: nothing in them leads anywhere when they are opened as raw."""
    if found is None:
        return ("raw", "ami", "aki", "ari")
    if found == "iso":
        return ("iso", "raw", "ami")
    return (found,)
