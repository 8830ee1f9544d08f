"""Opens a file as a raw disk: raw ones as they are, others through a qemu-nbd of their own.

qemu-nbd runs as nobody, without network, bounded in memory, with the format named and without backing file
unless one is wanted; it is handed the file and the listening socket open, and ends with its one client.
"""

import fcntl
import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from volutus.errors import Unavailable
from volutus.rawdisk.nbd import NbdClient, NbdError

ADDRESS_SPACE_BYTES_MAX = 2 << 30
_LOOK_EVERY_S, _LOOKS_MAX = 0.2, 100
_FIRST_NUMBER = 10
# Socket activation: the listening socket, handed as standard input, is to be file 3 of the process named.
_ACTIVATE = 'exec 3<&0 </dev/null && LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
_NOBODY = 65534
_CONFINED = (
    *("unshare", "--net", "--ipc"),
    *("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"),
    *("--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"),
)


class DiskUnreadable(Unavailable):
    """The disk, or a part of it, cannot be read."""

    code = "disk.unreadable"


class RawDisk(Protocol):
    """A disk as a guest sees it. `readinto` may be called from any thread, by one at a time."""

    @property
    def size_bytes(self) -> int: ...

    def readinto(self, at: int, view: memoryview) -> int:
        """Put the bytes there into the view; how many, fewer than it has only at the end of the disk. Raises
        DiskUnreadable."""
        ...

    def close(self) -> None: ...


class PlainFile:
    """A file as it is."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self._size_bytes = os.fstat(self._descriptor).st_size

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def fileno(self) -> int:
        """For who can do something with an open file without reading it."""
        return self._descriptor

    def readinto(self, at: int, view: memoryview) -> int:
        try:
            return os.preadv(self._descriptor, [view], at)
        except OSError as error:
            raise DiskUnreadable("The disk cannot be read.", detail=str(error)) from error

    def close(self) -> None:
        os.close(self._descriptor)


class _Exported:
    """A disk behind a qemu-nbd."""

    def __init__(self, client: NbdClient, server: subprocess.Popen[bytes]) -> None:
        self._client = client
        self._server = server

    @property
    def size_bytes(self) -> int:
        return self._client.size_bytes

    def readinto(self, at: int, view: memoryview) -> int:
        length = max(min(len(view), self.size_bytes - at), 0)
        try:
            self._client.readinto(at, view[:length])
            return length
        except (NbdError, OSError) as error:
            raise DiskUnreadable("The disk cannot be read.", detail=str(error)) from error

    def close(self) -> None:
        self._client.close()
        self._server.kill()
        self._server.wait()


def opened(path: Path, driver: str) -> RawDisk:
    """The disk in the file; `driver` is QEMU's name for its format. Close it afterwards. Raises
    DiskUnreadable."""
    try:
        if driver == "raw":
            return PlainFile(path)
        with _listening() as (listener, address):
            server = _serve(path, driver, listener)
            try:
                return _Exported(NbdClient(_connected(address, server)), server)
            except BaseException:
                server.kill()
                server.wait()
                raise
    except (OSError, NbdError) as error:
        raise DiskUnreadable("The disk cannot be read.", detail=str(error)) from error


def _serve(path: Path, driver: str, listener: socket.socket) -> subprocess.Popen[bytes]:
    with path.open("rb") as file:
        if os.geteuid() == 0:
            # The directory keeps others out; this lets nobody open again what it is handed open.
            os.fchmod(file.fileno(), 0o644)
        # Out of the way of the number that the socket gets.
        handed = fcntl.fcntl(file, fcntl.F_DUPFD, _FIRST_NUMBER)
    try:
        return subprocess.Popen(
            _command(handed, driver),
            stdin=listener.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(handed,),
            env={"PATH": os.defpath, "LC_ALL": "C"},
            cwd="/",
        )
    finally:
        os.close(handed)


def _command(handed: int, driver: str) -> list[str]:
    node: dict[str, object] = {
        "driver": driver,
        "read-only": True,
        "file": {"driver": "file", "filename": f"/proc/self/fd/{handed}", "locking": "off"},
    }
    if driver == "qcow2":
        node["backing"] = None
    return [
        *(_CONFINED if os.geteuid() == 0 else ()),
        *("prlimit", f"--as={ADDRESS_SPACE_BYTES_MAX}", "--core=0"),
        *("sh", "-c", _ACTIVATE, "sh", "qemu-nbd", "--read-only", f"json:{json.dumps(node)}"),
    ]


def _connected(address: str, server: subprocess.Popen[bytes]) -> socket.socket:
    """The socket listens before the server runs: connecting succeeds at once, the first byte comes later."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(address)
        for _ in range(_LOOKS_MAX):
            if _speaks(connection):
                return connection
            if server.poll() is not None:
                raise NbdError(f"qemu-nbd ended with status {server.returncode}")
        raise NbdError("qemu-nbd does not start")
    except BaseException:
        connection.close()
        raise


def _speaks(connection: socket.socket) -> bool:
    connection.settimeout(_LOOK_EVERY_S)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        return False


@contextmanager
def _listening() -> Iterator[tuple[socket.socket, str]]:
    """A socket in a directory that only we may enter; its name is gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="volutus-nbd-") as directory:
        address = f"{directory}/nbd"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(address)
            listener.listen(1)
            yield listener, address
