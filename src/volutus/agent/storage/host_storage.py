"""The storage of a host: its disks in pools of several kinds, and what all of them share, which is the cache
of images, the copies to be sent, and the backup target.

A disk made anew in another pool is in both for a moment: the higher revision is the disk, the lower one is
dropped by whoever sees both.
"""

import pwd
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from volutus.agent.faults import HostFault
from volutus.agent.state import BackupSeen, CaptureState, DiskSeen, ImageSeen
from volutus.agent.storage import DiskLocation, Fetch, Holder, Keys, Span, disk_tool, filesystems
from volutus.agent.storage.backups import Backups
from volutus.agent.storage.captures import Captures
from volutus.agent.storage.ceph import Ceph
from volutus.agent.storage.directory import DirectoryPools
from volutus.agent.storage.disk_pools import DiskPools
from volutus.agent.storage.disk_tool import Disk
from volutus.agent.storage.images import ImageCache, Owner
from volutus.agent.storage.nbd import opened
from volutus.agent.storage.qemu_img import CONVERT_TIMEOUT_S, Limits
from volutus.agent.storage.rbd import RbdPools
from volutus.wire import BackupSpec, DiskSource, DiskSpec, ImageSpec, UploadSpec


def no_key(disk_id: str) -> bytes:
    """The keys of a host that has no encrypted disks."""
    raise HostFault("The disk's key is not to be had.", disk_id)


@dataclass(frozen=True)
class Options:
    """`pools` are directories named besides the first; `keys` gives the key of an encrypted disk; `backups`
    is the backup target, by default in the agent's directory; `ceph` has further pools."""

    pools: tuple[str, ...] = ()
    keys: Callable[[str], bytes] = no_key
    backups: Path | None = None
    ceph: Ceph | None = None


class HostStorage:
    """Disks, images, copies and backups of the host whose agent has `agent_dir`; QEMU runs as that user."""

    def __init__(self, agent_dir: Path, qemu_user: str, options: Options = Options()) -> None:
        account = pwd.getpwnam(qemu_user)
        owner = Owner(account.pw_uid, account.pw_gid)
        self._keys = options.keys
        self._directories = DirectoryPools(agent_dir, options.pools, owner, options.keys)
        self._all: list[DiskPools] = [self._directories]
        if options.ceph is not None:
            self._all.append(RbdPools(options.ceph, agent_dir / "ceph", options.keys))
        self._images = ImageCache(agent_dir / "images", owner)
        self._captures = Captures(agent_dir / "captures")
        self._backups = Backups(options.backups or agent_dir / "backups")
        self._making = 0
        self._lock = threading.Lock()

    def disks(self) -> dict[str, DiskSeen]:
        seen: dict[str, DiskSeen] = {}
        for pools in self._all:
            for disk_id, disk in pools.disks().items():
                known = seen.get(disk_id)
                if known is None or known.revision < disk.revision:
                    seen[disk_id] = disk
        return seen

    def create(self, spec: DiskSpec, fetch: Fetch, holder: Holder | None = None) -> None:
        pools = self._with(spec.pool)
        # Whoever was filling a place for it is gone: nobody has the disk open.
        self._directories.drop_move(spec.id)
        if not pools.has(spec):
            adopted_id = spec.source.adopted_id if spec.source else None
            if adopted_id is not None:
                pools.adopt(adopted_id, spec)
                return
            with self._busy():
                with pools.making(spec) as target:
                    self._make(spec, pools, target, fetch, holder)
        self._drop_outdated(spec.id)

    def grow(self, disk_id: str, size_bytes: int) -> None:
        pools, disk = self._find(disk_id)
        if disk.size_bytes < size_bytes:
            pools.grow(disk_id, size_bytes)

    def grown(self, disk_id: str, size_bytes: int) -> None:
        self._find(disk_id)[0].grown(disk_id, size_bytes)

    def prepare_move(self, spec: DiskSpec) -> DiskLocation:
        if {self._with(spec.pool), self._find(spec.id)[0]} != {self._directories}:
            raise HostFault("A disk moves to Ceph, or from it, only while no server has it.")
        return self._directories.prepare_move(spec)

    def moved(self, disk_id: str) -> None:
        self._directories.moved(disk_id)
        self._drop_outdated(disk_id)

    def drop_move(self, disk_id: str) -> None:
        self._directories.drop_move(disk_id)

    def destroy(self, disk_id: str) -> None:
        self._directories.drop_move(disk_id)
        for pools in self._all:
            pools.destroy(disk_id)

    def release(self, disk_id: str) -> None:
        self._directories.drop_move(disk_id)
        self._drop_outdated(disk_id)
        for pools in self._all:
            pools.release(disk_id)

    def captures(self) -> dict[str, CaptureState]:
        return self._captures.all()

    def capture(self, spec: UploadSpec, holder: Holder | None = None) -> None:
        # An image is for other disks to be made of, with keys of their own: it is not encrypted.
        pools, _ = self._find(spec.disk_id)
        self._captures.make(spec, lambda path: pools.copy(spec.disk_id, Disk(path, "qcow2"), holder))

    def captured(self, image_id: str) -> Path:
        return self._captures.path(image_id)

    def sent(self, image_id: str) -> None:
        self._captures.sent(image_id)

    def drop_capture(self, image_id: str) -> None:
        self._captures.drop(image_id)

    def backups(self) -> dict[str, BackupSeen]:
        return self._backups.all()

    def back_up(self, spec: BackupSpec, holder: Holder | None = None) -> None:
        pools, _ = self._find(spec.disk_id)
        with pools.still(spec.disk_id, holder) as disk:
            self._backups.make(spec, disk)

    def drop_backup(self, backup_id: str) -> None:
        self._backups.drop(backup_id)

    def location(self, disk_id: str) -> DiskLocation:
        return self._find(disk_id)[0].location(disk_id)

    def keys(self, disk_id: str) -> Keys:
        pools, _ = self._find(disk_id)
        encrypted = pools.location(disk_id).encrypted
        return Keys(self._keys(disk_id) if encrypted else None, pools.cluster_key())

    def read(self, disk_id: str, begin: int) -> Iterator[Span]:
        pools, _ = self._find(disk_id)
        with pools.still(disk_id, None) as disk, opened(disk) as content:
            yield from content.spans(begin)

    def boot_file(self, source: DiskSource, fetch: Fetch) -> Path:
        return self._images.boot_file(source, fetch)

    def images(self) -> dict[str, ImageSeen]:
        return self._images.images(self._directories.backing_images())

    def cache(self, spec: ImageSpec, fetch: Fetch) -> None:
        if spec.boots:
            self._images.boot_file(spec.source, fetch)
        else:
            self._images.flat(spec.source, fetch)

    def drop_image(self, image_id: str) -> None:
        with self._lock:
            # While a disk is being made its image is not yet in any file's header.
            if self._making:
                raise HostFault("The image may be in use: a disk is being made.")
            if image_id not in self._directories.backing_images():
                self._images.drop(image_id)

    def capacity_gib(self) -> int:
        return next(iter(self.pools().values()))

    def pools(self) -> dict[str, int]:
        return {name: size for pools in self._all for name, size in pools.sizes().items()}

    def own_rooms(self) -> frozenset[str]:
        return frozenset[str]().union(*(pools.own_rooms() for pools in self._all))

    def tidy(self, needed: frozenset[str]) -> None:
        with self._lock:
            busy = self._making
        # While a disk is being made its image is not yet in any file's header.
        if not busy:
            backing = self._directories.backing_images()
            self._images.drop_except(needed | backing.keys())
        kept = needed | self.images().keys()
        for pools in self._all:
            pools.tidy(kept)
        if not busy and len(self._all) > 1:
            for disk_id in self.disks():
                self._drop_outdated(disk_id)

    def _make(
        self, spec: DiskSpec, pools: DiskPools, target: Disk, fetch: Fetch, holder: Holder | None
    ) -> None:
        source = spec.source
        if source is None and spec.filesystem:
            with self._directories.scratch(spec.id) as raw:
                filesystems.make(raw, spec.size_bytes, spec.filesystem, spec.label)
                formatted = Disk(raw, "raw")
                disk_tool.copy(formatted, target, "The disk could not be made.", Limits(CONVERT_TIMEOUT_S))
        elif source is None:
            disk_tool.create(target, spec.size_bytes, "No disk could be made.")
        elif source.disk_id is not None:
            origin, disk = self._find(source.disk_id)
            origin.copy(source.disk_id, target, holder)
            if disk.size_bytes < spec.size_bytes:
                disk_tool.resize(target, spec.size_bytes, "The disk could not be copied.")
        elif source.backup_id is not None:
            disk_tool.create(target, spec.size_bytes, "The backup could not be restored.")
            self._backups.restore(source.backup_id, target)
        elif source.image_id is not None:
            pools.on_image(source.image_id, self._images.flat(source, fetch), target, spec.size_bytes)
        else:
            raise HostFault("The disk's source names no image.")

    def _with(self, pool: str) -> DiskPools:
        """Who has that pool; who has directories says that there is none of that name."""
        return next((pools for pools in self._all if pool in pools.names()), self._directories)

    def _find(self, disk_id: str) -> tuple[DiskPools, DiskSeen]:
        """Who has the disk in its highest revision."""
        found = [(pools, disk) for pools in self._all if (disk := pools.find(disk_id)) is not None]
        if not found:
            raise HostFault("The disk is not on the host.", disk_id)
        return max(found, key=lambda one: one[1].revision)

    def _drop_outdated(self, disk_id: str) -> None:
        highest = max((disk.revision for pools in self._all if (disk := pools.find(disk_id))), default=0)
        for pools in self._all:
            pools.destroy(disk_id, below=highest)

    @contextmanager
    def _busy(self) -> Iterator[None]:
        with self._lock:
            self._making += 1
        try:
            yield
        finally:
            with self._lock:
                self._making -= 1
