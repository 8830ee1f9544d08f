"""Reads and writes the content of a disk, whatever its format, through a private qemu-nbd: the protocol's
client.

Only what backups and downloads need of the protocol: one connection, one request at a time, structured
replies, and which parts of a disk are surely zero. (Flag 1 of `base:allocation` alone does not say so: a hole
in an overlay may have data beneath it.)
"""

import socket
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from volutus.agent.faults import HostFault
from volutus.agent.storage.disk_tool import Disk, key_file
from volutus.agent.storage.tools import tied

START_TIMEOUT_S = 30.0
# One request that takes longer is a disk that does not answer.
REQUEST_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0

# What is read at once of a disk that is read whole: fewer calls than less would take, and still in the cache
# of the processor when it is sent.
PIECE_BYTES = 1 << 20

_OPTION_MAGIC = 0x49484156454F5054
_OPTION_REPLY_MAGIC = 0x3E889045565A9
_REQUEST_MAGIC, _SIMPLE_MAGIC, _STRUCTURED_MAGIC = 0x25609513, 0x67446698, 0x668E33EF
_GO, _STRUCTURED, _SET_CONTEXT = 7, 8, 10
_ACK, _INFO, _CONTEXT = 1, 3, 4
_READ, _WRITE, _DISCONNECT, _FLUSH, _STATUS = 0, 1, 2, 3, 7
_DATA, _HOLE, _EXTENTS = 1, 2, 5
_ZERO = 2
# What the protocol lets a server send about one request.
_STATUS_SPAN_MAX = 1 << 30

# Socket activation: the listening socket, handed as standard input, is to be file 3 of the process named.
_ACTIVATE = 'exec 3<&0 </dev/null && LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'


class Content:
    """The bytes of one disk."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._cookie = 0
        self.size_bytes = 0
        self._negotiate()

    def read(self, offset: int, length: int) -> bytes:
        """These bytes. Raises HostFault."""
        buffer = bytearray(length)
        list(self._ask(_READ, offset, length, into=memoryview(buffer)))
        return bytes(buffer)

    def write(self, offset: int, data: bytes) -> None:
        """Write these bytes; durable only after `flush`."""
        list(self._ask(_WRITE, offset, len(data), data))

    def flush(self) -> None:
        """All that was written is on the disk."""
        list(self._ask(_FLUSH, 0, 0))

    def spans(self, begin: int) -> Iterator[memoryview | int]:
        """Everything from `begin` on: bytes, there until the next span is asked for, or how many zeros."""
        buffer = memoryview(bytearray(PIECE_BYTES))
        at = begin
        for offset, length in self.data(begin):
            if offset > at:
                yield offset - at
            yield from self.pieces(offset, length, buffer)
            at = offset + length
        if at < self.size_bytes:
            yield self.size_bytes - at

    def pieces(self, begin: int, length: int, buffer: memoryview) -> Iterator[memoryview]:
        """A part of the disk in pieces of `PIECE_BYTES`, in the buffer until the next is asked for. The
        server reads each while what was before it is used."""
        end = begin + length
        self._send_request(_READ, begin, min(PIECE_BYTES, length))
        for at in range(begin, end, PIECE_BYTES):
            piece = buffer[: min(PIECE_BYTES, end - at)]
            list(self._replies(at, piece))
            if (following := at + PIECE_BYTES) < end:
                self._send_request(_READ, following, min(PIECE_BYTES, end - following))
            yield piece

    def data(self, begin: int = 0) -> Iterator[tuple[int, int]]:
        """(offset, length) of all parts from `begin` on that may hold something else than zeros, in order."""
        offset = begin
        while offset < self.size_bytes:
            parts: list[tuple[int, int]] = []
            span = min(_STATUS_SPAN_MAX, self.size_bytes - offset)
            for kind, payload in self._ask(_STATUS, offset, span):
                if kind == _EXTENTS:
                    for length, flags in struct.iter_unpack(">II", payload[4:]):
                        if not flags & _ZERO:
                            _join(parts, offset, length)
                        offset += length
            yield from parts

    def close(self) -> None:
        """Let the server end."""
        with suppress(OSError):
            self._send_request(_DISCONNECT, 0, 0)
        self._sock.close()

    def _negotiate(self) -> None:
        self._take(18)
        self._sock.sendall(struct.pack(">I", 3))
        self._option(_STRUCTURED, b"")
        name, context = b"disk", b"base:allocation"
        query = struct.pack(">I", len(name)) + name + struct.pack(">II", 1, len(context)) + context
        self._option(_SET_CONTEXT, query)
        for payload in self._option(_GO, struct.pack(">I", len(name)) + name + struct.pack(">H", 0)):
            if payload[:2] == b"\0\0":
                self.size_bytes = int.from_bytes(payload[2:10], "big")

    def _option(self, option: int, data: bytes) -> list[bytes]:
        self._sock.sendall(struct.pack(">QII", _OPTION_MAGIC, option, len(data)) + data)
        payloads: list[bytes] = []
        while True:
            magic, _, kind, length = struct.unpack(">QIII", self._take(20))
            payload = self._take(length)
            if magic != _OPTION_REPLY_MAGIC or kind not in (_ACK, _INFO, _CONTEXT):
                raise HostFault("The disk could not be opened.", f"option {option} answered {kind:#x}")
            if kind == _ACK:
                return payloads
            payloads.append(payload)

    def _send_request(self, kind: int, offset: int, length: int, data: bytes = b"") -> None:
        self._cookie += 1
        header = struct.pack(">IHHQQI", _REQUEST_MAGIC, 0, kind, self._cookie, offset, length)
        self._sock.sendall(header + data)

    def _ask(
        self, kind: int, offset: int, length: int, data: bytes = b"", into: memoryview | None = None
    ) -> Iterator[tuple[int, bytes]]:
        """The replies, as `_replies`."""
        self._send_request(kind, offset, length, data)
        yield from self._replies(offset, into)

    def _replies(self, offset: int, into: memoryview | None) -> Iterator[tuple[int, bytes]]:
        """The replies to the request at that offset; the bytes of a disk go `into` that, and are in none."""
        done = False
        while not done:
            magic = int.from_bytes(self._take(4), "big")
            if magic == _SIMPLE_MAGIC:
                error, _ = struct.unpack(">IQ", self._take(12))
                self._check(error)
                return
            if magic != _STRUCTURED_MAGIC:
                raise HostFault("The disk's content could not be read.", f"magic {magic:#x}")
            flags, reply, _, size = struct.unpack(">HHQI", self._take(16))
            if reply == _DATA and into is not None:
                at = int.from_bytes(self._take(8), "big") - offset
                self._fill(into[at : at + size - 8])
                payload = b""
            elif reply == _HOLE and into is not None:
                at, count = struct.unpack(">QI", self._take(12))
                into[at - offset : at - offset + count] = bytes(count)
                payload = b""
            else:
                payload = self._take(size)
            if reply & 0x8000:
                self._check(int.from_bytes(payload[:4], "big") or 5)
            done = bool(flags & 1)
            yield reply, payload

    def _check(self, error: int) -> None:
        if error:
            raise HostFault("The disk's content could not be read or written.", f"errno {error}")

    def _take(self, length: int) -> bytes:
        buffer = bytearray(length)
        self._fill(memoryview(buffer))
        return bytes(buffer)

    def _fill(self, view: memoryview) -> None:
        while view:
            count = self._sock.recv_into(view)
            if not count:
                raise HostFault("The disk's content could not be read.", "qemu-nbd closed the connection")
            view = view[count:]


@contextmanager
def opened(disk: Disk, *, writable: bool = False) -> Iterator[Content]:
    """The disk's content while the block lasts. Nobody else may write to the disk meanwhile. Raises
    HostFault."""
    with key_file(disk.key) as (secret, fds):
        modes = ["--discard=unmap", "--detect-zeroes=unmap"] if writable else ["-r"]
        command = ["qemu-nbd", *secret, *modes, "-x", "disk", "--image-opts", disk.options]
        try:
            client, server = _started(command, fds)
            try:
                content = _greeted(client, server)
                try:
                    yield content
                finally:
                    content.close()
            finally:
                _end(server)
        except OSError as error:
            raise HostFault("The disk's content could not be read or written.", str(error)) from error


def _join(parts: list[tuple[int, int]], offset: int, length: int) -> None:
    """Add a part; one with the last where it follows on it."""
    if parts and sum(parts[-1]) == offset:
        offset, before = parts.pop()
        length += before
    parts.append((offset, length))


def _started(command: list[str], fds: tuple[int, ...]) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """A connection, and the server that finds it waiting: nobody else can have one, no name is left of it,
    and a server whose client is gone ends at once."""
    with socket.socket(socket.AF_UNIX) as listener:
        client = socket.socket(socket.AF_UNIX)
        try:
            with tempfile.TemporaryDirectory(prefix="volutus-nbd-") as directory:
                listener.bind(f"{directory}/s")
                listener.listen(1)
                client.connect(f"{directory}/s")
            server = subprocess.Popen(
                tied(["sh", "-c", _ACTIVATE, "sh", *command]),
                stdin=listener.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=fds,
            )
        except BaseException:
            client.close()
            raise
        return client, server


def _greeted(client: socket.socket, server: subprocess.Popen[bytes]) -> Content:
    client.settimeout(START_TIMEOUT_S)
    try:
        content = Content(client)
    except (OSError, HostFault) as error:
        client.close()
        server.kill()
        said = server.stderr.read().decode(errors="replace") if server.stderr else ""
        raise HostFault("The disk could not be opened.", said.strip() or str(error)) from error
    client.settimeout(REQUEST_TIMEOUT_S)
    return content


def _end(server: subprocess.Popen[bytes]) -> None:
    try:
        server.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    if server.stderr:
        server.stderr.close()
