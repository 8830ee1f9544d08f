"""Copies of disks on their way to become images: made once, kept until they are sent, then only noted.

`ID.image` is a whole copy in the image's own format, `ID.sent` the note that it was sent, both named by the
image; anything else is work in progress. A copy outlives the agent, so that an upload begun anew sends the
disk as it was at the first instant, not at a later one.
"""

import os
from collections.abc import Callable
from pathlib import Path

from volutus.agent.faults import HostFault
from volutus.agent.state import CaptureState
from volutus.agent.storage.images import FORMATS
from volutus.agent.storage.qemu_img import CONVERT_TIMEOUT_S, Limits, qemu_img
from volutus.wire import UploadSpec

MADE_SUFFIX, SENT_SUFFIX = ".image", ".sent"
_STATES = {MADE_SUFFIX: CaptureState.MADE, SENT_SUFFIX: CaptureState.SENT}
_MESSAGE = "The disk could not be copied for the image."


class Captures:
    """The copies in `directory`, which QEMU can enter."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o711)

    def all(self) -> dict[str, CaptureState]:
        """What there is, by image."""
        found = {}
        # Sorted, so that of a copy just sent and not yet dropped the note wins.
        for path in sorted(self._directory.iterdir()):
            if path.suffix in _STATES:
                found[path.stem] = _STATES[path.suffix]
        return found

    def make(self, spec: UploadSpec, copy: Callable[[Path], None]) -> None:
        """Make a copy: `copy` writes a flat qcow2 into the path it is given."""
        if spec.id in self.all():
            return
        name = FORMATS.get(spec.format)
        if name is None:
            raise HostFault(f"No disk can be made an image of the format {spec.format}.")
        flat, converted = self._path(spec.id, ".flat"), self._path(spec.id, ".part")
        try:
            copy(flat)
            if name == "qcow2":
                os.rename(flat, converted)
            else:
                command = ["convert", "-q", "-f", "qcow2", "-O", name, str(flat), str(converted)]
                qemu_img(command, _MESSAGE, Limits(CONVERT_TIMEOUT_S))
            with converted.open("rb") as file:
                os.fsync(file.fileno())
            os.rename(converted, self.path(spec.id))
        except OSError as error:
            raise HostFault(_MESSAGE, str(error)) from error
        finally:
            flat.unlink(missing_ok=True)
            converted.unlink(missing_ok=True)

    def path(self, image_id: str) -> Path:
        """The whole copy."""
        return self._path(image_id, MADE_SUFFIX)

    def sent(self, image_id: str) -> None:
        """Only a note is kept: without it, the copy would be made again until the order ends."""
        self._path(image_id, SENT_SUFFIX).touch()
        self.path(image_id).unlink(missing_ok=True)

    def drop(self, image_id: str) -> None:
        """Nothing is left of it."""
        self.path(image_id).unlink(missing_ok=True)
        self._path(image_id, SENT_SUFFIX).unlink(missing_ok=True)

    def _path(self, image_id: str, suffix: str) -> Path:
        return self._directory / f"{image_id}{suffix}"
