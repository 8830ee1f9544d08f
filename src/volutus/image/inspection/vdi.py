"""VirtualBox's format, in its kinds that do not build on another image."""

from volutus.image.faults import ImageRefused
from volutus.image.inspection.reader import Reader

# At byte 64, behind a line of text.
MAGIC = b"\x7f\x10\xda\xbe"
_DYNAMIC, _FIXED = 1, 2
_VERSION = 0x0001_0001
_UUID_LINK_AT, _UUID_PARENT_AT = 0x1A8, 0x1B8
_BLOCK_BYTES = 1 << 20


def inspect(reader: Reader) -> int:
    """The disk's size. Raises ImageRefused for differencing images and block maps that do not fit."""
    version, _, kind = reader.unpack("<III", 0x44)
    if version != _VERSION:
        raise ImageRefused("Image is VDI of a version that is not known.")
    if kind not in (_DYNAMIC, _FIXED):
        raise ImageRefused("Image is a VDI that builds on another.")
    if any(reader.exactly(_UUID_LINK_AT, 16)) or any(reader.exactly(_UUID_PARENT_AT, 16)):
        raise ImageRefused("Image names a parent.")
    map_at, data_at = reader.unpack("<II", 0x154)
    disk_bytes, block_bytes, _, blocks, allocated = reader.unpack("<QIIII", 0x170)
    if block_bytes != _BLOCK_BYTES or blocks < -(-disk_bytes // block_bytes) or allocated > blocks:
        raise ImageRefused("Image has a VDI block map that does not fit the size it claims.")
    if map_at + blocks * 4 > reader.size or data_at > reader.size:
        raise ImageRefused("Image is cut short: its header points beyond its end.")
    return int(disk_bytes)
