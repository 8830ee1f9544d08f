"""VMware's format, in the two kinds that are one file: `monolithicSparse` and `streamOptimized`.

The descriptor inside is text that lists extents by file name; QEMU opens them. So the text is read whole,
and only the one extent that is this very file is let through.
"""

import re

from volutus.image.faults import ImageRefused
from volutus.image.inspection.reader import Reader

_SECTOR = 512
_DESCRIPTOR_BYTES_MAX = 1 << 20
_GRAIN_DIRECTORY_AT_END = 0xFFFF_FFFF_FFFF_FFFF
_KINDS = ("monolithicsparse", "streamoptimized")
_NO_PARENT = "ffffffff"
_FOOTER_AT = 2 * _SECTOR
_EXTENT = re.compile(r'(rw|rdonly|noaccess)\s+(\d+)\s+(\w+)(?:\s+"([^"]*)")?(?:\s+\d+)?')


def inspect(reader: Reader) -> int:
    """The disk's size. Raises ImageRefused for every kind that is made of other files."""
    if reader.at(0, 4) != b"KDMV":
        raise ImageRefused("Image is a VMDK made of several files.")
    version, _, capacity, _, descriptor_at, descriptor_sectors, _, _, directory_at = reader.unpack(
        "<IIQQQQIQQ", 4
    )
    if version not in (1, 2, 3):
        raise ImageRefused(f"Image is VMDK of version {version}; 1 to 3 are known.")
    if directory_at == _GRAIN_DIRECTORY_AT_END:
        _check_footer(reader, capacity)
    _check_descriptor(_descriptor(reader, descriptor_at, descriptor_sectors), capacity)
    return int(capacity) * _SECTOR


def _check_footer(reader: Reader, capacity: int) -> None:
    """A stream's second header, written when its end was known, must say the same as the first."""
    footer_at = reader.size - _FOOTER_AT
    if footer_at < _SECTOR or reader.at(footer_at, 4) != b"KDMV":
        raise ImageRefused("Image is a VMDK stream without its end.")
    if reader.number("<Q", footer_at + 12) != capacity:
        raise ImageRefused("Image has two VMDK headers that differ.")
    second_at, second_sectors = reader.unpack("<QQ", footer_at + 28)
    if (second_at, second_sectors) not in (reader.unpack("<QQ", 28), (0, 0)):
        raise ImageRefused("Image has two VMDK descriptors.")


def _descriptor(reader: Reader, at: int, sectors: int) -> str:
    if not at or not 0 < sectors * _SECTOR <= _DESCRIPTOR_BYTES_MAX:
        raise ImageRefused("Image has no VMDK descriptor, or one of absurd size.")
    raw = reader.exactly(at * _SECTOR, sectors * _SECTOR)
    text, _, rest = raw.partition(b"\0")
    if rest.strip(b"\0"):
        raise ImageRefused("Image hides something behind its VMDK descriptor.")
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ImageRefused("Image has a VMDK descriptor that is not text.") from error


def _check_descriptor(text: str, capacity: int) -> None:
    extents: list[tuple[str, str]] = []
    settings: dict[str, str] = {}
    for line in (line.strip() for line in text.splitlines()):
        if not line or line.startswith("#"):
            continue
        if extent := _EXTENT.fullmatch(line.lower()):
            extents.append((extent[2], extent[3]))
        elif "=" in line:
            name, _, value = (part.strip().strip('"').lower() for part in line.partition("="))
            if settings.setdefault(name, value) != value:
                raise ImageRefused(f"Image has a VMDK descriptor that sets {name!r} twice.")
        else:
            raise ImageRefused("Image has a VMDK descriptor with a line that is not known.")
    if settings.get("createtype") not in _KINDS:
        raise ImageRefused(f"Image is a VMDK of kind {settings.get('createtype')!r}, which is not one file.")
    if settings.get("parentcid", _NO_PARENT) != _NO_PARENT or "parentfilenamehint" in settings:
        raise ImageRefused("Image names a parent.")
    if extents != [(str(capacity), "sparse")]:
        raise ImageRefused("Image has VMDK extents that are not itself.")
