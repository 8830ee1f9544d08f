"""Which shared libraries an ELF file names, read from its dynamic section. 64-bit little-endian only."""

import struct
from pathlib import Path

from volutus.imagebuild.built import BuildFailed

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NULL, _DT_NEEDED, _DT_STRTAB = 0, 1, 5


def needed(path: Path) -> list[str]:
    """The `DT_NEEDED` names of the file, in its order; none when it is static."""
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        raise BuildFailed(f"{path.name} is not a 64-bit ELF file")
    try:
        return _needed(data)
    except (struct.error, ValueError, StopIteration) as error:
        raise BuildFailed(f"{path.name} is a damaged ELF file") from error


def _needed(data: bytes) -> list[str]:
    table, size, count = *struct.unpack_from("<Q", data, 32), *struct.unpack_from("<HH", data, 54)
    headers = [struct.unpack_from("<IIQQQQQQ", data, table + i * size) for i in range(count)]
    loads = [
        (address, offset, length) for kind, _, offset, address, _, length, *_ in headers if kind == _PT_LOAD
    ]
    dynamic = [(offset, length) for kind, _, offset, _, _, length, *_ in headers if kind == _PT_DYNAMIC]
    if not dynamic:
        return []
    offset, length = dynamic[0]
    entries = [struct.unpack_from("<qQ", data, at) for at in range(offset, offset + length, 16)]
    strings = next(value for tag, value in entries if tag == _DT_STRTAB)
    base = next(strings - address + at for address, at, size in loads if address <= strings < address + size)
    names = [value for tag, value in entries if tag == _DT_NEEDED]
    return [data[base + name : data.index(b"\0", base + name)].decode() for name in names]
