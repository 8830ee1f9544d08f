"""Hyper-V's format, after Microsoft's MS-VHDX."""

import uuid

from volutus.image.faults import ImageRefused
from volutus.image.inspection.reader import Reader

_REGION_TABLES_AT = (192 << 10, 256 << 10)
_REGIONS_MAX = 2047
_METADATA_MAX = 2047
_METADATA_REGION = uuid.UUID("8B7CA206-4790-4B9A-B8FE-575F050F886E").bytes_le
_FILE_PARAMETERS = uuid.UUID("CAA16737-FA36-4D43-B3B6-33F0AA44E76B").bytes_le
_DISK_SIZE = uuid.UUID("2FA54224-CD1B-4876-B211-5DBED83BF4B8").bytes_le
_PARENT_LOCATOR = uuid.UUID("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C").bytes_le
_HAS_PARENT = 1 << 1


def inspect(reader: Reader) -> int:
    """The disk's size. Raises ImageRefused for differencing disks."""
    regions = {_region(reader, at) for at in _REGION_TABLES_AT if reader.at(at, 4) == b"regi"}
    if len(regions) != 1:
        raise ImageRefused("Image has no VHDX region table, or two that differ.")
    items = _items(reader, regions.pop())
    if _PARENT_LOCATOR in items:
        raise ImageRefused("Image names a parent.")
    if _FILE_PARAMETERS not in items or _DISK_SIZE not in items:
        raise ImageRefused("Image lacks VHDX metadata.")
    if reader.number("<I", items[_FILE_PARAMETERS] + 4) & _HAS_PARENT:
        raise ImageRefused("Image is a VHDX that builds on another.")
    return reader.number("<Q", items[_DISK_SIZE])


def _region(reader: Reader, at: int) -> int:
    """Where the metadata are."""
    count = reader.number("<I", at + 8)
    if count > _REGIONS_MAX:
        raise ImageRefused("Image has too many VHDX regions.")
    for entry in range(at + 16, at + 16 + count * 32, 32):
        if reader.exactly(entry, 16) == _METADATA_REGION:
            return reader.number("<Q", entry + 16)
    raise ImageRefused("Image lacks VHDX metadata.")


def _items(reader: Reader, region_at: int) -> dict[bytes, int]:
    """Id of each item of metadata to where it is."""
    if reader.exactly(region_at, 8) != b"metadata":
        raise ImageRefused("Image lacks VHDX metadata.")
    count = reader.number("<H", region_at + 10)
    if count > _METADATA_MAX:
        raise ImageRefused("Image has too much VHDX metadata.")
    items: dict[bytes, int] = {}
    for entry in range(region_at + 32, region_at + 32 + count * 32, 32):
        name = reader.exactly(entry, 16)
        if name in items:
            raise ImageRefused("Image has VHDX metadata twice.")
        items[name] = region_at + reader.number("<I", entry + 16)
    return items
