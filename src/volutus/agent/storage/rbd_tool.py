"""The `rbd` and `ceph` commands, bounded in time, with answers in JSON.

The commands and not Ceph's Python modules: those are built for the system's Python alone. A call takes 0.05
to 0.1 s. What a command says of a failure is its number, the errno of the cluster's answer.

Each changes several objects one after another, and may be cut off in between: what was half removed is
listed still, what was half renamed has its new name but is not listed by it, and what was half moved to the
trash does not leave it.
"""

import errno
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from volutus.agent.faults import HostFault
from volutus.agent.storage import RbdImage
from volutus.agent.storage.tools import NOT_FOUND, tied

# A monitor that does not answer within this is away: see `client mount timeout` in what `RbdPools` writes.
MOUNT_TIMEOUT_S = 10
QUICK_TIMEOUT_S = 60
# Removing takes a request for each 4 MiB that were written, filling what was cloned a copy of it.
LONG_TIMEOUT_S = 3600

ABSENT, NOT_EMPTY, EXISTS, HALF_MOVED = errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST, errno.EUCLEAN


class ClusterAway(HostFault):
    """The cluster does not answer; nothing is known of what is in it."""


class ImageTrouble(HostFault):
    """The cluster refuses something about an image; `number` says why, one of those above."""

    def __init__(self, message: str, detail: str, number: int) -> None:
        super().__init__(message, detail)
        self.number = number


class Parent(msgspec.Struct, frozen=True):
    """What an image was cloned from; `trash` tells that it is to go with its last clone."""

    image: str
    id: str = ""
    trash: bool = False


class Info(msgspec.Struct, frozen=True):
    """An image as `rbd info` has it."""

    name: str
    id: str
    size: int
    snapshot_count: int = 0
    parent: Parent | None = None


@dataclass(frozen=True)
class Pool:
    """One pool of the cluster that `conf` names, seen as `user`."""

    name: str
    conf: Path
    user: str

    def image(self, name: str) -> RbdImage:
        """An image of this pool, for QEMU's tools."""
        return RbdImage(self.name, name, self.conf, self.user)

    def names(self) -> list[str]:
        """All images, not only ours. Raises HostFault."""
        found: list[str] = self._json("ls")
        return found

    def info(self, name: str) -> Info:
        """Raises ImageTrouble where there is none."""
        return msgspec.convert(self._json("info", name), Info)

    def info_by_id(self, image_id: str) -> Info:
        """Also of one in the trash."""
        return msgspec.convert(self._json("info", "--image-id", image_id), Info)

    def used_bytes(self, name: str) -> int:
        """What the image holds by itself, without what it was cloned from."""
        return sum(one["used_size"] for one in self._json("du", name)["images"])

    def rename(self, name: str, to: str) -> None:
        try:
            self._run("rename", name, to)
        except ImageTrouble as trouble:
            if trouble.number != EXISTS or to in self.names():
                raise
            # Removing an image of that name would remove what is to have it.
            self._run("rm", f"rbd_id.{to}", command="rados")
            self._run("rename", name, to)

    def clone(self, name: str, to: str, *, shared: bool) -> None:
        """A copy that takes no room at first, of the image as it is at this instant. The snapshot in between
        has no name afterwards, and goes by itself with its last clone."""
        instant = f"{name}@to-{to}"
        self._run("snap", "create", "--no-progress", instant)
        try:
            features = ("--image-feature", "layering") if shared else ()
            self._run("clone", *features, instant, f"{self.name}/{to}")
        finally:
            self._run("snap", "rm", "--no-progress", instant)

    def snapshots(self, name: str) -> list[str]:
        """Those that have a name."""
        return [one["name"] for one in self._json("snap", "ls", name)]

    def has_clones(self, name: str) -> bool:
        """Whether an image stands on this one."""
        return bool(self._json("children", "--all", name))

    def snapshot(self, name: str, snapshot: str) -> None:
        self._run("snap", "create", "--no-progress", f"{name}@{snapshot}")

    def drop_snapshots(self, name: str) -> None:
        """All that have a name."""
        self._run("snap", "purge", "--no-progress", name, timeout_s=LONG_TIMEOUT_S)

    def drop_snapshot(self, name: str, snapshot: str) -> None:
        self._run("snap", "rm", "--no-progress", f"{name}@{snapshot}", timeout_s=LONG_TIMEOUT_S)

    def flatten(self, name: str) -> None:
        """Make a clone stand by itself."""
        self._run("flatten", "--no-progress", name, timeout_s=LONG_TIMEOUT_S)

    def remove(self, name: str) -> None:
        """Nothing is left of it, at last when the last clone goes; nothing happens where there is none."""
        parent = self._parent("info", name)
        try:
            try:
                self._run("rm", "--no-progress", name, timeout_s=LONG_TIMEOUT_S)
            except ImageTrouble as trouble:
                if trouble.number != NOT_EMPTY:
                    raise
                self.drop_snapshots(name)
                self._remove_or_keep(name)
        except ImageTrouble as trouble:
            if trouble.number != ABSENT:
                raise
            return
        self._remove_childless(parent)

    def trash(self) -> dict[str, str]:
        """What is to go with its last clone: id to name."""
        return {one["id"]: one["name"] for one in self._json("trash", "ls")}

    def remove_from_trash(self, image_id: str, name: str) -> None:
        """Unless clones still need it."""
        parent = self._parent("info", "--image-id", image_id)
        try:
            try:
                self._run("trash", "rm", "--no-progress", image_id, timeout_s=LONG_TIMEOUT_S)
            except ImageTrouble as trouble:
                if trouble.number != HALF_MOVED or name in self.names():
                    raise
                self._run("trash", "mv", name)
                self._run("trash", "rm", "--no-progress", image_id, timeout_s=LONG_TIMEOUT_S)
        except ImageTrouble as trouble:
            if trouble.number not in (NOT_EMPTY, ABSENT):
                raise
            return
        self._remove_childless(parent)

    def room_bytes(self) -> tuple[int, int]:
        """(what the pool can hold altogether, how much more)."""
        for one in self._json(command="ceph", words=("df",))["pools"]:
            if one["name"] == self.name:
                stats = one["stats"]
                return stats["stored"] + stats["max_avail"], stats["max_avail"]
        raise HostFault("The pool is not in the Ceph cluster.", self.name)

    def _parent(self, *info: str) -> Parent | None:
        """What an image was cloned from, if that is still known of it."""
        try:
            return msgspec.convert(self._json(*info), Info).parent
        except ImageTrouble as trouble:
            if trouble.number != ABSENT:
                raise
            return None

    def _remove_or_keep(self, name: str) -> None:
        """Remove an image whose snapshots have no names; or, while there are clones, its name alone."""
        try:
            self._run("rm", "--no-progress", name, timeout_s=LONG_TIMEOUT_S)
        except ImageTrouble as trouble:
            if trouble.number != NOT_EMPTY:
                raise
            self._run("trash", "mv", name)

    def _remove_childless(self, parent: Parent | None) -> None:
        if parent is not None and parent.trash:
            self.remove_from_trash(parent.id, parent.image)

    def _json(self, *arguments: str, command: str = "rbd", words: tuple[str, ...] = ()) -> Any:
        return msgspec.json.decode(self._run(*arguments, *words, "--format", "json", command=command))

    def _run(self, *arguments: str, command: str = "rbd", timeout_s: float = QUICK_TIMEOUT_S) -> bytes:
        access = ["--conf", str(self.conf), "--id", self.user]
        place = ["--connect-timeout", str(MOUNT_TIMEOUT_S)] if command == "ceph" else ["--pool", self.name]
        try:
            done = subprocess.run(
                tied([command, *access, *place, *arguments]), capture_output=True, timeout=timeout_s
            )
        except subprocess.TimeoutExpired as error:
            raise ClusterAway("The Ceph cluster does not answer.", str(error)) from error
        if done.returncode == 0:
            return done.stdout
        detail = done.stderr.decode(errors="replace").strip()
        if done.returncode == NOT_FOUND:
            raise HostFault("The host has no tools for Ceph.", detail)
        if done.returncode == errno.ETIMEDOUT or detail == "timed out":
            raise ClusterAway("The Ceph cluster does not answer.", detail)
        raise ImageTrouble("The Ceph cluster refused.", detail, done.returncode)


def pool_of(image: RbdImage) -> Pool:
    """The pool of an image."""
    return Pool(image.pool, image.conf, image.user)


def at(image: RbdImage, snapshot: str) -> RbdImage:
    """The image as it was at the snapshot."""
    return replace(image, snapshot=snapshot)
