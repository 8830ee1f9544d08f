"""OVA, a tar archive of a description (OVF) and the disks of a machine, after DMTF's DSP0243.

The archive is never unpacked: a disk in it is a range of the very file, which is looked into like a file of
its own.
"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.parsers import expat

from volutus.image.faults import ImageRefused
from volutus.image.inspection.reader import Reader

_BLOCK = 512
_MEMBERS_MAX = 64
_DESCRIPTION_BYTES_MAX = 1 << 20
_EXTENSION_BYTES_MAX = 64 << 10
_PLAIN, _PAX = (b"0", b"\0"), (b"x", b"g")
# What an extended header could say otherwise than the header that was checked.
_TELLING = (b" path=", b" size=", b" linkpath=", b" GNU.sparse")


@dataclass(frozen=True)
class Member:
    """One file of the archive and where its bytes are."""

    name: str
    at: int
    size: int


@dataclass
class _Description:
    """What the OVF names: files by id, and which of them are disks."""

    files: dict[str, str] = field(default_factory=dict)
    disks: list[str] = field(default_factory=list)


class Window(io.RawIOBase):
    """A part of a file as a file of its own."""

    def __init__(self, file: BinaryIO, at: int, size: int) -> None:
        self._file = file
        self._start = at
        self._size = size
        self._at = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(self._size - self._at, 0)
        wanted = left if size < 0 else min(size, left)
        self._file.seek(self._start + self._at)
        data = self._file.read(wanted)
        self._at += len(data)
        return data


def disks(reader: Reader) -> list[Member]:
    """The disks that the archive holds, in the order of its description. Raises ImageRefused."""
    members: dict[str, Member] = {}
    for member in _members(reader):
        if member.name in members:
            raise ImageRefused(f"Image is an OVA that has {member.name!r} twice.")
        members[member.name] = member
    first = next(iter(members.values()), None)
    if first is None or not first.name.lower().endswith(".ovf"):
        raise ImageRefused("Image is an OVA that does not begin with its description.")
    if first.size > _DESCRIPTION_BYTES_MAX:
        raise ImageRefused("Image is an OVA with a description of absurd size.")
    described = _described(reader.exactly(first.at, first.size))
    return [_found(members, described.files, disk) for disk in described.disks]


def _found(members: Mapping[str, Member], files: Mapping[str, str], disk: str) -> Member:
    name = files.get(disk)
    if name is None or name not in members:
        raise ImageRefused(f"Image is an OVA whose disk {name or disk!r} is not in it.")
    return members[name]


def _members(reader: Reader) -> Iterator[Member]:
    at = 0
    for _ in range(_MEMBERS_MAX):
        header = reader.at(at, _BLOCK)
        if not header.strip(b"\0"):
            return
        if len(header) < _BLOCK or header[257:262] != b"ustar" or not _sum_fits(header):
            raise ImageRefused("Image is no OVA, or a broken one.")
        kind, size = header[156:157], _number(header[124:136])
        begin = at + _BLOCK
        if begin + size > reader.size:
            raise ImageRefused("Image is cut short: its header points beyond its end.")
        if kind in _PLAIN:
            yield Member(_plain_name(header), begin, size)
        elif kind in _PAX:
            _check_extension(reader, begin, size)
        else:
            raise ImageRefused("Image is an OVA with something else than plain files in it.")
        at = begin + -(-size // _BLOCK) * _BLOCK
    raise ImageRefused(f"Image is an OVA of more than {_MEMBERS_MAX} files.")


def _check_extension(reader: Reader, at: int, size: int) -> None:
    if size > _EXTENSION_BYTES_MAX:
        raise ImageRefused("Image is an OVA with a header of absurd size.")
    content = b" " + reader.exactly(at, size)
    if any(word in content for word in _TELLING):
        raise ImageRefused("Image is an OVA whose headers contradict each other.")


def _plain_name(header: bytes) -> str:
    """A name of a file, without any directory."""
    name = header[:100].partition(b"\0")[0].decode("utf-8", "replace")
    if header[345:500].strip(b"\0") or not name or "/" in name or "\\" in name or name in (".", ".."):
        raise ImageRefused("Image is an OVA with directories in it.")
    return name


def _number(digits: bytes) -> int:
    """An octal number, or where that is too short for a large disk, one in base 256."""
    if digits[0] & 0x80:
        return int.from_bytes(bytes([digits[0] & 0x7F]) + digits[1:], "big")
    try:
        return int(digits.strip(b" \0") or b"0", 8)
    except ValueError as error:
        raise ImageRefused("Image is no OVA, or a broken one.") from error


def _sum_fits(header: bytes) -> bool:
    blank = header[:148] + b" " * 8 + header[156:]
    return _number(header[148:156]) == sum(blank)


def _described(content: bytes) -> _Description:
    """Reads the OVF. A document type is refused: with it come entities, that grow or name other files."""
    found = _Description()
    parser = expat.ParserCreate(namespace_separator=" ")

    def begin(name: str, attributes: dict[str, str]) -> None:
        element = name.rpartition(" ")[2]
        values = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        if element == "File":
            if values.get("compression"):
                raise ImageRefused("Image is an OVA with compressed disks.")
            found.files[values.get("id", "")] = values.get("href", "")
        elif element == "Disk" and "fileRef" in values:
            found.disks.append(values["fileRef"])

    def refuse(*_: object) -> None:
        raise ImageRefused("Image is an OVA whose description has a document type.")

    parser.StartElementHandler = begin
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ImageRefused("Image is an OVA whose description is no XML.") from error
    if not found.disks:
        raise ImageRefused("Image is an OVA without disks.")
    return found
