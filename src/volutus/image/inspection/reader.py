"""Reading a file of unknown intent: every read says how much, and no more is ever read."""

import os
import struct
from typing import Any, BinaryIO

from volutus.image.faults import ImageRefused

# The largest piece that any header asks for (a VMDK descriptor, a VHDX table).
PIECE_MAX = 1 << 20


class Reader:
    """Random access to the bytes. Reading beyond the end gives fewer bytes, or ImageRefused where a header
    promised them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)

    def at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`."""
        if not 0 <= length <= PIECE_MAX:
            raise ImageRefused("Image header asks for a piece of absurd size.")
        if not 0 <= offset <= self.size:
            return b""
        self._file.seek(offset)
        return self._file.read(length)

    def exactly(self, offset: int, length: int) -> bytes:
        """The bytes a header promised."""
        data = self.at(offset, length)
        if len(data) != length:
            raise ImageRefused("Image is cut short: its header points beyond its end.")
        return data

    def unpack(self, layout: str, offset: int) -> tuple[Any, ...]:
        """Numbers at `offset` by `struct`'s layout."""
        return struct.unpack(layout, self.exactly(offset, struct.calcsize(layout)))

    def number(self, layout: str, offset: int) -> int:
        """One number."""
        value: int = self.unpack(layout, offset)[0]
        return value
