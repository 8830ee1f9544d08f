"""Files that an order carries for its server, as Nova took them before 2.57.

They are on the config drive, and named in its metadata: what reads the drive in the guest, as cloud-init
does, writes them to their places. Later clients say the same in user data.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from volutus import quota
from volutus.compute.faults import TooMany
from volutus.db import Tx
from volutus.errors import Invalid


@dataclass(frozen=True)
class InjectedFile:
    """`contents` is base64 of text; `path` is below the root of the guest's disk, with a slash or without."""

    path: str
    contents: str


def checked(tx: Tx, project_id: str, files: Sequence[InjectedFile]) -> list[dict[str, str]]:
    """The files as a server's row keeps them: decoded, by absolute path. Raises Invalid for what is no text,
    TooMany for what is over the project's limits."""
    if not files:
        return []
    limits = quota.limits(tx, project_id)
    _bound(limits, "injected_files", len(files))
    kept = []
    for file in files:
        text = _text(file)
        _bound(limits, "injected_file_path_bytes", len(file.path.encode()))
        _bound(limits, "injected_file_content_bytes", len(text.encode()))
        kept.append({"path": f"/{file.path.lstrip('/')}", "text": text})
    return kept


def tree(files: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Path in the config drive to content."""
    return {f"openstack{_content_path(number)}": file["text"] for number, file in enumerate(files)}


def listing(files: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Where each file is on the drive, and where it belongs."""
    return [
        {"content_path": _content_path(number), "path": file["path"]} for number, file in enumerate(files)
    ]


def _content_path(number: int) -> str:
    return f"/content/{number:04}"


def _text(file: InjectedFile) -> str:
    if not file.path.strip("/") or ".." in file.path.split("/"):
        raise Invalid(f"{file.path!r} is no path of a file.", field="personality.path")
    try:
        return base64.b64decode(file.contents, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise Invalid(
            f"Personality content for {file.path} cannot be decoded: it is base64 of text.",
            field="personality.contents",
        ) from error


def _bound(limits: Mapping[str, int], name: str, number: int) -> None:
    if limits[name] != quota.UNLIMITED and number > limits[name]:
        raise TooMany(f"Quota exceeded, {name}: at most {limits[name]} are allowed, not {number}.")
