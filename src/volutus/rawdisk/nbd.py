"""The part of the NBD protocol that reading a disk takes, after `doc/proto.md` of the NBD project.

Structured replies are asked for: with them the server tells zeros instead of sending them.
"""

import socket
import struct

_INIT, _OPTION_MAGIC, _REPLY_MAGIC = b"NBDMAGIC", b"IHAVEOPT", 0x3E889045565A9
_REQUEST_MAGIC, _CHUNK_MAGIC = 0x25609513, 0x668E33EF
_FIXED_NEWSTYLE, _NO_ZEROES = 1, 2
_OPT_GO, _OPT_STRUCTURED = 7, 8
_REP_ACK, _REP_INFO, _REP_ERROR = 1, 3, 1 << 31
_INFO_EXPORT = 0
_READ, _DISCONNECT = 0, 2
_DONE = 1
_NONE, _DATA, _HOLE = 0, 1, 2
# What servers answer in one go at most.
READ_BYTES_MAX = 32 << 20
# A read of a healthy disk takes milliseconds; a stuck one must not hold its thread for ever.
_TIMEOUT_S = 60.0


class NbdError(Exception):
    """The server broke off, refused, or did not keep to the protocol."""


class NbdClient:
    """One connection to a server's default export. Used by one thread at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        connection.settimeout(_TIMEOUT_S)
        self.size_bytes = self._negotiate()

    def readinto(self, at: int, view: memoryview) -> None:
        """Fill the view with exactly these bytes of the disk. Raises NbdError."""
        length = len(view)
        if not 0 <= at <= at + length <= self.size_bytes or length > READ_BYTES_MAX:
            raise NbdError(f"no such range: {length} bytes at {at} of {self.size_bytes}")
        self._connection.sendall(struct.pack(">IHHQQI", _REQUEST_MAGIC, 0, _READ, 1, at, length))
        done = False
        while not done:
            magic, flags, kind, _, size = struct.unpack(">IHHQI", self._take(20))
            if magic != _CHUNK_MAGIC or size > length + 8:
                raise NbdError("the server does not answer in structured replies")
            if kind == _DATA:
                (offset,) = struct.unpack(">Q", self._take(8))
                self._fill(_part(view, offset - at, size - 8))
            elif kind == _HOLE:
                offset, count = struct.unpack(">QI", self._take(12))
                _part(view, offset - at, count)[:] = bytes(count)
            elif (payload := self._take(size)) and kind != _NONE:
                raise NbdError(f"the disk cannot be read at {at}: {bytes(payload[6:200])!r}")
            done = bool(flags & _DONE)

    def close(self) -> None:
        """Leave; the server ends with its last client."""
        try:
            self._connection.sendall(struct.pack(">IHHQQI", _REQUEST_MAGIC, 0, _DISCONNECT, 2, 0, 0))
        except OSError:
            pass
        finally:
            self._connection.close()

    def _negotiate(self) -> int:
        """Ask for structured replies and the default export; the size of the disk."""
        head = self._take(18)
        (flags,) = struct.unpack(">H", head[16:])
        if bytes(head[:16]) != _INIT + _OPTION_MAGIC or not flags & _FIXED_NEWSTYLE:
            raise NbdError("this is no NBD server that can be talked to")
        self._connection.sendall(struct.pack(">I", _FIXED_NEWSTYLE | (flags & _NO_ZEROES)))
        self._option(_OPT_STRUCTURED, b"")
        size = self._option(_OPT_GO, struct.pack(">IH", 0, 0))
        if size is None:
            raise NbdError("the server does not tell the disk's size")
        return size

    def _option(self, option: int, data: bytes) -> int | None:
        """Settle one option; the disk's size if the answer has it."""
        self._connection.sendall(_OPTION_MAGIC + struct.pack(">II", option, len(data)) + data)
        size = None
        while True:
            magic, _, kind, length = struct.unpack(">QIII", self._take(20))
            payload = self._take(min(length, 4096))
            if magic != _REPLY_MAGIC or kind & _REP_ERROR or length > 4096:
                raise NbdError(f"the server refuses option {option}: {bytes(payload)!r}")
            if kind == _REP_INFO and struct.unpack_from(">H", payload)[0] == _INFO_EXPORT:
                (size,) = struct.unpack_from(">Q", payload, 2)
            if kind == _REP_ACK:
                return size

    def _take(self, length: int) -> bytearray:
        found = bytearray(length)
        self._fill(memoryview(found))
        return found

    def _fill(self, view: memoryview) -> None:
        while view:
            got = self._connection.recv_into(view)
            if not got:
                raise NbdError("the server broke off")
            view = view[got:]


def _part(view: memoryview, begin: int, length: int) -> memoryview:
    if not 0 <= begin <= begin + length <= len(view):
        raise NbdError("the server sends what was not asked for")
    return view[begin : begin + length]
