"""Initial RAM file systems in the kernel's own `newc` format, written without `cpio` so that they are the
same whoever builds them."""

import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_FIELDS = 13


@dataclass(frozen=True)
class Member:
    """A file (with `content`) or a directory, owned by root."""

    path: str
    mode: int
    content: bytes = b""


def directories(paths: Sequence[str]) -> list[Member]:
    """Members for plain directories."""
    return [Member(path, stat.S_IFDIR | 0o755) for path in paths]


def file(path: str, content: bytes, mode: int = 0o644) -> Member:
    """A member for a plain file."""
    return Member(path, stat.S_IFREG | mode, content)


def archive(members: Iterable[Member]) -> bytes:
    """The archive, uncompressed: unpacking 2 MB costs an emulated processor more than reading them."""
    parts = [_encode(number, member) for number, member in enumerate(members, 1)]
    return b"".join([*parts, _encode(0, Member("TRAILER!!!", 0))])


def _encode(number: int, member: Member) -> bytes:
    name = member.path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(member.mode) else 1
    values = (number, member.mode, 0, 0, links, 0, len(member.content), 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % value for value in values[:_FIELDS])
    return _padded(header + name) + _padded(member.content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
