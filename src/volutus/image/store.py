"""Where the bytes are: one file for each image in a directory of the control plane.

Bytes come into `incoming/` under the upload's own name and are moved to the image's name once they are
complete and on disk: a file under an image's name is always whole. Which images those names belong to, and
whether their bytes may be used, is for the database to say.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from volutus.errors import NotFound, Unavailable
from volutus.image.faults import ImageTooLarge, StoreFull
from volutus.image.models import IMAGE_BYTES_MAX
from volutus.image.sums import Summing, Sums

# Room that an upload must leave, so that the control plane itself can still write.
FREE_BYTES_MIN = 256 << 20
# How often an upload looks at the free room.
_LOOK_EVERY_BYTES = 64 << 20
_COPY_BYTES = 4 << 20
_MARKER = ".now"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Incoming:
    """One upload under way. Used by one thread at a time."""

    def __init__(self, path: Path, room_bytes: int) -> None:
        self.path = path
        self._room_bytes = room_bytes
        self._file = path.open("xb", buffering=0)
        self._sums = Summing()
        self._looked_at = -_LOOK_EVERY_BYTES

    def write(self, data: bytes | bytearray) -> None:
        """Take further bytes. Raises StoreFull or ImageTooLarge. Zeros become holes: a raw disk takes up
        what it holds."""
        size = self._sums.size_bytes + len(data)
        if size > self._room_bytes:
            raise ImageTooLarge(f"There is room for {self._room_bytes} bytes and the image has more.")
        if size - self._looked_at >= _LOOK_EVERY_BYTES:
            self._looked_at = size
            if shutil.disk_usage(self.path.parent).free < FREE_BYTES_MIN + len(data):
                raise StoreFull("Image storage media is full.")
        self._sums.begin(data)
        try:
            with _told_when_full():
                self._put(data)
        finally:
            self._sums.end(data)

    def complete(self) -> Sums:
        """All bytes came: have them on disk, whatever happens next."""
        with _told_when_full():
            self._file.truncate(self._sums.size_bytes)
            os.fsync(self._file.fileno())
        self._file.close()
        return self._sums.finish()

    def discard(self) -> None:
        """Give up: nothing is left."""
        self._sums.stop()
        with contextlib.suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)

    def _put(self, data: bytes | bytearray) -> None:
        if _is_hole(data):
            self._file.seek(len(data), os.SEEK_CUR)
            return
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]


class ImageStore:
    """The directory. Its methods are safe to call from many processes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._incoming = directory / "incoming"

    def receive(self, upload_id: str, room_bytes: int = IMAGE_BYTES_MAX) -> Incoming:
        """Begin to take bytes, `room_bytes` at most."""
        try:
            return Incoming(self.incoming(upload_id), room_bytes)
        except OSError as error:
            raise Unavailable("The image store cannot be written.", detail=str(error)) from error

    def incoming(self, name: str) -> Path:
        """Where bytes on their way in are, under their upload's name."""
        self._incoming.mkdir(parents=True, exist_ok=True)
        return self._incoming / name

    def measure(self, path: Path, proceed: Callable[[], None]) -> Sums:
        """The sums of a file that did not come as a stream, which is on disk afterwards. `proceed` is called
        for each piece and raises to end it."""
        sums = Summing()
        try:
            with path.open("rb", buffering=0) as file:
                while data := file.read(_COPY_BYTES):
                    proceed()
                    sums.begin(data)
                    sums.end(data)
                os.fsync(file.fileno())
            return sums.finish()
        finally:
            sums.stop()

    def keep(self, path: Path, image_id: str) -> None:
        """Give complete bytes the image's name."""
        os.replace(path, self.path(image_id))
        for directory in (self._directory, self._incoming):
            descriptor = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def take_in(self, source: Path, upload_id: str, image_id: str) -> Sums:
        """Copy a file that is already on this machine."""
        incoming = self.receive(upload_id)
        try:
            with source.open("rb") as file:
                while data := file.read(_COPY_BYTES):
                    incoming.write(data)
            sums = incoming.complete()
            self.keep(incoming.path, image_id)
        except BaseException:
            incoming.discard()
            raise
        return sums

    def path(self, image_id: str) -> Path:
        """Where the image's bytes are, when it has any."""
        return self._directory / image_id

    def open(self, image_id: str) -> BinaryIO:
        """The image's bytes. Raises NotFound when the file is not there."""
        try:
            return self.path(image_id).open("rb")
        except FileNotFoundError as error:
            raise NotFound(f"The data of image {image_id} is missing.") from error

    def remove(self, image_id: str) -> None:
        """Delete the image's bytes; nothing happens when there are none."""
        self.path(image_id).unlink(missing_ok=True)

    def names(self, older_than_s: float) -> Iterator[str]:
        """Images that have bytes, leaving out what came just now."""
        return (path.name for path in _files(self._directory, older_than_s))

    def discard_abandoned(self, older_than_s: float) -> int:
        """Delete uploads that nobody has written to for so long; how many there were."""
        abandoned = list(_files(self._incoming, older_than_s))
        for path in abandoned:
            path.unlink(missing_ok=True)
        return len(abandoned)


def _is_hole(data: bytes | bytearray) -> bool:
    # The first byte tells for most that hold anything; the rest is a comparison at memory speed.
    return data.startswith(b"\0") and data.count(0) == len(data)


def _files(directory: Path, older_than_s: float) -> Iterator[Path]:
    if not directory.is_dir():
        return
    # Ages are told by the file system's own clock, which need not be this process's.
    marker = directory / _MARKER
    marker.touch()
    before = marker.stat().st_mtime - older_than_s
    for entry in os.scandir(directory):
        with contextlib.suppress(FileNotFoundError):
            if (
                entry.name != _MARKER
                and entry.is_file(follow_symlinks=False)
                and entry.stat().st_mtime < before
            ):
                yield Path(entry.path)


@contextlib.contextmanager
def _told_when_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StoreFull("Image storage media is full.", detail=str(error)) from error
        raise Unavailable("The image store cannot be written.", detail=str(error)) from error
