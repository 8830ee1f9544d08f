"""A disk on a host as one that can be read here: the host is asked to send it, as `wire.DiskRead` says, to
the process that holds the download.

For downloads: what is read in order comes in one connection; reading elsewhere asks anew from there.
"""

import contextlib
import socket
import struct

from volutus import volume
from volutus.http.kernel.plane import Plane
from volutus.http.meeting import awaited
from volutus.rawdisk import DiskUnreadable

# The host hears of it at once; a host that is silent does not come at all.
HOST_COMES_WITHIN_S = 10.0
# A disk that does not answer for so long is broken, and a thread waits for it.
SILENCE_MAX_S = 60.0


class HostedDisk:
    """See the module. `readinto` is for one thread at a time, as in `RawDisk`."""

    def __init__(self, plane: Plane, disk_id: str, size_bytes: int) -> None:
        self._plane = plane
        self._disk_id = disk_id
        self._size_bytes = size_bytes
        self._connection: socket.socket | None = None
        self._at = 0
        # What is left of the span that is being read; negative of zeros.
        self._left = 0

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def readinto(self, at: int, view: memoryview) -> int:
        """The bytes there. Raises DiskUnreadable."""
        view = view[: max(self._size_bytes - at, 0)]
        try:
            if self._connection is None or at != self._at:
                self.close()
                self._connection = self._called(at)
                self._at, self._left = at, 0
            self._take(self._connection, view)
        except OSError as error:
            raise DiskUnreadable("The disk's host does not send it.", detail=repr(error)) from error
        self._at += len(view)
        return len(view)

    def close(self) -> None:
        """The host hears of it, and stops."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _called(self, at: int) -> socket.socket:
        """The connection on which the host sends, from its first byte on."""
        with contextlib.ExitStack() as listening:
            with self._plane.database.begin() as tx:
                session_id = volume.reads.begin(tx, self._disk_id, at)
                # The host hears of it when this is committed: by then somebody must listen.
                listener = listening.enter_context(awaited(self._plane.settings.run_dir, session_id))
            listener.settimeout(HOST_COMES_WITHIN_S)
            connection = listener.accept()[0]
        # Not `settimeout`: with that a socket never waits for all of a piece in one call.
        connection.settimeout(None)
        silence = struct.pack("ll", int(SILENCE_MAX_S), 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, silence)
        # Which direction it is for.
        connection.recv(1)
        return connection

    def _take(self, connection: socket.socket, view: memoryview) -> None:
        while view:
            if not self._left:
                (self._left,) = struct.unpack(">q", _filled(connection, memoryview(bytearray(8))))
            count = min(abs(self._left), len(view))
            if self._left > 0:
                _filled(connection, view[:count])
                self._left -= count
            else:
                view[:count] = bytes(count)
                self._left += count
            view = view[count:]


def _filled(connection: socket.socket, view: memoryview) -> memoryview:
    """Raises OSError when the host stops before."""
    rest = view
    while rest:
        count = connection.recv_into(rest, 0, socket.MSG_WAITALL)
        if not count:
            raise ConnectionError("the host stopped sending")
        rest = rest[count:]
    return view
