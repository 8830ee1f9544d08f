# ruff: noqa: ARG002  (the library gives all arguments of a file system, and a flat one needs few)
"""One directory with a file for each volume, as pyftpdlib wants a file system: what can be listed and read,
and where new ones can be written."""

import contextlib
import errno
import http.client
import os
import re
import stat
import time
from typing import Any, Never

from pyftpdlib.filesystems import AbstractedFS, FilesystemError

from volutus.ftp.cloud import Cloud, CloudProblem, Drive

# A listing is asked about file by file: within one command it is the same.
LISTING_FOR_S = 2.0
# By the end of an uploaded file's name: what the image service calls its format.
FORMATS = {"raw": "raw", "img": "raw", "qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhdx": "vhdx"}
_NAMED = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.raw$")
_UNSAFE = re.compile(r"[^\w.+ -]+")
_OWNER = "cloud"


class Download:
    """A volume's bytes of one instant, in order. Read whole, it is forgotten; cut off, it can be resumed."""

    closed = False

    def __init__(self, cloud: Cloud, drive: Drive, snapshot_id: str, name: str) -> None:
        self.name = name
        self._cloud = cloud
        self._size_bytes = drive.size_bytes
        self._snapshot_id = snapshot_id
        self._at = 0
        self._content: http.client.HTTPResponse | None = None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Before the first read only: where to begin."""
        if whence != os.SEEK_SET or self._content is not None:
            raise OSError(errno.ESPIPE, "Illegal seek")
        self._at = offset
        return offset

    def read(self, length: int) -> bytes:
        """The next bytes. Raises OSError when they do not come: what ends early must not look whole."""
        if self._at >= self._size_bytes:
            return b""
        try:
            if self._content is None:
                self._content = self._cloud.content(self._snapshot_id, self._at)
            piece = self._content.read(length)
        except (CloudProblem, http.client.HTTPException) as error:
            raise OSError(errno.EIO, os.strerror(errno.EIO)) from error
        if not piece:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._at += len(piece)
        return piece

    def close(self) -> None:
        """Let go."""
        self.closed = True
        if self._content is not None:
            self._content.close()
        # Of what was not begun nothing can go on.
        if self._at in (0, self._size_bytes):
            with contextlib.suppress(CloudProblem):
                self._cloud.forget(self._snapshot_id)


class Upload:
    """A file on its way to become a volume. Nothing is left of one that is closed before `finish`."""

    closed = False

    def __init__(self, cloud: Cloud, path: str) -> None:
        self.name = path
        self._title, _, suffix = os.path.basename(path).rpartition(".")
        if suffix.lower() not in FORMATS or not self._title:
            known = ", ".join(FORMATS)
            raise FilesystemError(f"The name of a drive ends with its format: {known}")
        self._cloud = cloud
        self._image_id = cloud.new_image(self._title, FORMATS[suffix.lower()])
        self._connection = cloud.filling(self._image_id)

    def write(self, data: bytes) -> None:
        """Send on."""
        if data:
            self._connection.send(b"%x\r\n%b\r\n" % (len(data), data))

    def finish(self) -> None:
        """All is there: make the volume. Raises CloudProblem."""
        try:
            self._connection.send(b"0\r\n\r\n")
            answer = self._connection.getresponse()
            if answer.status >= http.HTTPStatus.BAD_REQUEST:
                raise CloudProblem("The drive was refused: is it of the format that its name says?")
            self._cloud.drive_of(self._image_id, self._title)
        except http.client.HTTPException as error:
            raise CloudProblem("The cloud does not answer") from error
        finally:
            self.close()

    def close(self) -> None:
        """Let go."""
        if not self.closed:
            self.closed = True
            self._connection.close()
            # Already refused, or out of reach: the image is the tenant's to see and to remove.
            with contextlib.suppress(CloudProblem):
                self._cloud.drop_image(self._image_id)


class VolumeFiles(AbstractedFS):  # type: ignore[misc]
    """The file system of one session. `resuming` is said by the session before a file is opened."""

    resuming = False

    def __init__(self, root: str, cmd_channel: Any) -> None:
        super().__init__(root, cmd_channel)
        self._cloud: Cloud = cmd_channel.cloud
        self._drives: dict[str, Drive] = {}
        self._listed_at = 0.0

    def open(self, filename: str, mode: str) -> Download | Upload:
        """For reading, an instant of a volume; for writing, a volume to be."""
        if self.cmd_channel._current_type == "a":
            raise FilesystemError("Drives are binary: say TYPE I first")
        if mode not in ("rb", "wb"):
            raise FilesystemError("An upload cannot be resumed")
        try:
            return self._downloaded(filename) if mode == "rb" else self._uploaded(filename)
        except CloudProblem as problem:
            raise FilesystemError(str(problem)) from problem

    def _downloaded(self, filename: str) -> Download:
        drive = self._drive(filename)
        wanted = self._cloud.interrupted if self.resuming else self._cloud.instant
        return Download(self._cloud, drive, wanted(drive.id), filename)

    def _uploaded(self, filename: str) -> Upload:
        self._listed_at = 0.0
        return Upload(self._cloud, filename)

    def listdir(self, path: str) -> list[str]:
        self._list()
        return sorted(self._drives)

    def stat(self, path: str) -> os.stat_result:
        if path == self.root:
            return _status(stat.S_IFDIR | 0o755, 0, self._cloud.clock.now().timestamp())
        drive = self._drive(path)
        return _status(stat.S_IFREG | 0o644, drive.size_bytes, drive.changed_at)

    lstat = stat

    def isdir(self, path: str) -> bool:
        return bool(path == self.root)

    def isfile(self, path: str) -> bool:
        return self.lexists(path) and not self.isdir(path)

    def islink(self, path: str) -> bool:
        return False

    def lexists(self, path: str) -> bool:
        try:
            self.stat(path)
        except FileNotFoundError:
            return False
        return True

    def getsize(self, path: str) -> int:
        return self.stat(path).st_size

    def getmtime(self, path: str) -> float:
        return self.stat(path).st_mtime

    def realpath(self, path: str) -> str:
        return path

    def validpath(self, path: str) -> bool:
        """There are no others to be led to."""
        return True

    def chdir(self, path: str) -> None:
        if not self.isdir(path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        self.cwd = "/"

    def get_user_by_uid(self, uid: int) -> str:
        return _OWNER

    def get_group_by_gid(self, gid: int) -> str:
        return _OWNER

    def _refuse(self, *_: object) -> Never:
        raise FilesystemError("Drives are only listed, downloaded and uploaded here")

    mkdir = rmdir = remove = rename = chmod = utime = mkstemp = _refuse

    def _drive(self, path: str) -> Drive:
        self._list()
        name = os.path.basename(path)
        found = self._drives.get(name)
        if found is None and (match := _NAMED.search(name)):
            found = next((one for one in self._drives.values() if one.id == match[1]), None)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return found

    def _list(self) -> None:
        now = time.monotonic()
        if now - self._listed_at > LISTING_FOR_S:
            try:
                self._drives = {_file_name(one): one for one in self._cloud.drives()}
            except CloudProblem as problem:
                raise FilesystemError(str(problem)) from problem
            self._listed_at = now


def _file_name(drive: Drive) -> str:
    """What it is called, and what makes that unique."""
    return f"{_UNSAFE.sub('_', drive.name)[:60]}-{drive.id}.raw"


def _status(mode: int, size_bytes: int, changed_at: float) -> os.stat_result:
    return os.stat_result((mode, 0, 0, 1, 0, 0, size_bytes, changed_at, changed_at, changed_at))
