"""The root file system of a guest while it is gathered: files on this machine, owners and modes beside them.

The files lie here under the builder's own user, readable; `attributes` holds what they shall be in the
guest. So a builder who is not root makes the same image as root.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from volutus.imagebuild import elf
from volutus.imagebuild.built import BuildFailed

LIBRARY_DIRECTORIES = (
    "usr/lib/x86_64-linux-gnu",
    "lib/x86_64-linux-gnu",
    "usr/libexec/sudo",
    "usr/lib/sudo",
)


@dataclass(frozen=True)
class Attributes:
    """Owner, group and permission bits of one file in the guest."""

    mode: int
    uid: int = 0
    gid: int = 0


class GuestTree:
    """A directory that becomes a guest's root. Paths are absolute ones of the guest."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.attributes: dict[str, Attributes] = {}
        root.mkdir(parents=True)
        self.attributes["/"] = Attributes(0o755)

    def directory(self, path: str, mode: int = 0o755) -> None:
        """Make the directory and those above it."""
        here = self._local(path)
        if here.is_dir():
            return
        self.directory(str(Path(path).parent))
        here.mkdir()
        self.attributes[self.canonical(path)] = Attributes(mode)

    def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a file; an older one or a link of that name gives way."""
        here = self._place(path)
        here.write_bytes(content)
        self.attributes[self.canonical(path)] = Attributes(mode)

    def copy(self, source: Path, path: str, mode: int | None = None) -> None:
        """Copy a file of this machine; its mode is kept unless another is given."""
        here = self._place(path)
        shutil.copyfile(source, here)
        kept = stat.S_IMODE(source.stat().st_mode)
        here.chmod(0o644)
        self.attributes[self.canonical(path)] = Attributes(kept if mode is None else mode)

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link; an older file of that name gives way."""
        self._place(path).symlink_to(target)
        self.attributes[self.canonical(path)] = Attributes(0o777)

    def hard_link(self, path: str, existing: str) -> None:
        """Make another name for a file that is already in the tree."""
        self._place(path).hardlink_to(self._local(existing))
        self.attributes[self.canonical(path)] = self.attributes[self.canonical(existing)]

    def has(self, path: str) -> bool:
        return os.path.lexists(self._local(path))

    def has_file(self, path: str) -> bool:
        """Whether a plain file is there, not a link to one."""
        here = self._local(path)
        return here.is_file() and not here.is_symlink()

    def change(self, path: str, mode: int | None = None, owner: int | None = None) -> None:
        """Give what is already there another mode, or another owner and group."""
        path = self.canonical(path)
        now = self.attributes[path]
        if mode is not None:
            now = replace(now, mode=mode)
        if owner is not None:
            now = replace(now, uid=owner, gid=owner)
        self.attributes[path] = now

    def canonical(self, path: str) -> str:
        """The path with symbolic links in its directories followed: `/usr/bin/ip` for `/sbin/ip`."""
        parent = self._local(str(Path(path).parent)).resolve()
        if not parent.is_relative_to(self.root):
            raise BuildFailed(f"{path} lies outside the guest's root")
        return str(Path("/") / parent.relative_to(self.root) / Path(path).name)

    def entries(self) -> Iterator[tuple[str, int, Attributes]]:
        """Path, full mode with the file type, and attributes of everything in the tree, sorted by path."""
        for path, attributes in sorted(self.attributes.items()):
            kind = stat.S_IFMT(self._local(path).lstat().st_mode)
            yield path, kind | attributes.mode, attributes

    def _place(self, path: str) -> Path:
        self.directory(str(Path(path).parent))
        here = self._local(path)
        here.unlink(missing_ok=True)
        return here

    def _local(self, path: str) -> Path:
        return self.root / path.lstrip("/")


class Programs:
    """Copies programs from unpacked packages into a tree, each with the libraries it names."""

    def __init__(self, stage: Path, tree: GuestTree) -> None:
        self._stage = stage
        self._tree = tree

    def add(self, path: str) -> None:
        """Copy the program at `path` (with or without `/usr`) to its place below `/usr`."""
        self.add_file(self.find(path), "/usr/" + path.lstrip("/").removeprefix("usr/"))

    def add_file(self, source: Path, destination: str) -> None:
        """Copy a program from elsewhere, with the libraries it names."""
        if self._tree.has_file(destination):
            return
        self._tree.copy(source, destination)
        for name in elf.needed(source):
            if not name.startswith("ld-linux"):
                self.add_file(self._library(name), f"/usr/lib/x86_64-linux-gnu/{name}")

    def find(self, path: str) -> Path:
        """The file in the packages, symbolic links followed inside them."""
        plain = path.lstrip("/")
        for candidate in (plain, plain.removeprefix("usr/"), "usr/" + plain):
            if os.path.lexists(self._stage / candidate):
                return self._follow(self._stage / candidate)
        raise BuildFailed(f"no package holds {path}")

    def _library(self, name: str) -> Path:
        for directory in LIBRARY_DIRECTORIES:
            if os.path.lexists(self._stage / directory / name):
                return self._follow(self._stage / directory / name)
        raise BuildFailed(f"no package holds the library {name}")

    def _follow(self, path: Path) -> Path:
        while path.is_symlink():
            target = path.readlink()
            path = self._stage / target.relative_to("/") if target.is_absolute() else path.parent / target
        return path
