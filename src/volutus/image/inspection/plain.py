"""Bytes without a header that anything believes: raw disks, kernels, CD images."""

from volutus.image.faults import ImageRefused
from volutus.image.inspection.reader import Reader

ISO_MAGIC = b"CD001"
# The first volume descriptor of ISO 9660 is in the 17th sector of 2 KiB, its magic behind a type byte.
ISO_MAGIC_AT = 16 * 2048 + 1


def disk(reader: Reader) -> int:
    """A raw disk is as large as its bytes. Clients that are given no file send none, and mean a disk that
    is empty."""
    return reader.size


def file(reader: Reader) -> None:
    """A kernel or an initial RAM file system is no disk."""
    if reader.size == 0:
        raise ImageRefused("Image is empty.")


def iso(reader: Reader) -> int:
    """A CD image is a raw disk to QEMU."""
    return disk(reader)
