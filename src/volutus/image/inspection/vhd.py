"""Virtual PC's format: a footer of 512 bytes at the end, for dynamic disks also at the start."""

from volutus.image.faults import ImageRefused
from volutus.image.inspection.reader import Reader

MAGIC = b"conectix"
_FOOTER_BYTES = 512
_FIXED, _DYNAMIC = 2, 3
_DYNAMIC_MAGIC = b"cxsparse"
# A unique id and a name, then eight locators of 24 bytes, all of them zero where there is no parent.
_PARENT_ID_AT, _LOCATORS_AT, _LOCATORS_BYTES = 40, 576, 8 * 24
_TABLE_ENTRIES_MAX = 1 << 22


def inspect(reader: Reader) -> int:
    """The disk's size. Raises ImageRefused for differencing disks."""
    footer_at = reader.size - _FOOTER_BYTES
    if footer_at < 0 or reader.at(footer_at, 8) != MAGIC:
        raise ImageRefused("Image is a VHD without its footer.")
    size, kind, header_at = _footer(reader, footer_at)
    if kind == _FIXED:
        if reader.at(0, 8) == MAGIC or size > footer_at:
            raise ImageRefused("Image is a fixed VHD that does not hold the size it claims.")
        return size
    if kind != _DYNAMIC:
        raise ImageRefused("Image is a VHD that builds on another.")
    if reader.at(0, 8) != MAGIC or _footer(reader, 0) != (size, kind, header_at):
        raise ImageRefused("Image has two VHD headers that differ.")
    _check_dynamic(reader, header_at, size)
    return size


def _footer(reader: Reader, at: int) -> tuple[int, int, int]:
    header_at = reader.number(">Q", at + 16)
    size = reader.number(">Q", at + 48)
    kind = reader.number(">I", at + 60)
    return size, kind, header_at


def _check_dynamic(reader: Reader, at: int, size: int) -> None:
    if reader.exactly(at, 8) != _DYNAMIC_MAGIC:
        raise ImageRefused("Image is a VHD without its second header.")
    table_at, _, entries, block_bytes = reader.unpack(">QIII", at + 16)
    if any(reader.exactly(at + _PARENT_ID_AT, 16)) or any(reader.exactly(at + _LOCATORS_AT, _LOCATORS_BYTES)):
        raise ImageRefused("Image names a parent.")
    if block_bytes < _FOOTER_BYTES or block_bytes & (block_bytes - 1):
        raise ImageRefused("Image has VHD blocks of absurd size.")
    if entries > _TABLE_ENTRIES_MAX or entries * block_bytes < size or table_at + entries * 4 > reader.size:
        raise ImageRefused("Image has a VHD block table that does not fit the size it claims.")
