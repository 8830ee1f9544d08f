"""Disks as images in pools of a Ceph cluster, which QEMU opens over the network: the distributed storage.

`HOST.ID.REVISION.raw` is a disk, `.luks` an encrypted one; `HOST.ID.released.raw` was put aside;
`HOST.ID.image` is what disks made from an image are clones of. Work in progress ends with `.part`. The
images of other hosts, and of others altogether, may be in the same pools: they are not looked at.

- A copy within a pool is a clone: made at once, taking room only for what changes. What it was cloned from
  can be removed at any time; its data then stays, without a name, until the last clone is gone.
- Reading through many clones of clones is slow, so one that would stand on too many becomes a full copy.
- What is in the pools is listed now and then, in the background, and remembered in a file: a cluster that is
  away stops work on its own disks alone, and no disk is taken for gone because it could not be seen.
"""

import contextlib
import logging
import math
import re
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from volutus.agent.faults import HostFault
from volutus.agent.state import DiskSeen
from volutus.agent.storage import DiskLocation, Holder, RbdImage, disk_tool
from volutus.agent.storage.ceph import Ceph
from volutus.agent.storage.directory import image_size
from volutus.agent.storage.disk_tool import Disk
from volutus.agent.storage.images import RESERVE_BYTES
from volutus.agent.storage.qemu_img import CONVERT_TIMEOUT_S, DISK_FULL, Limits
from volutus.agent.storage.rbd_tool import ABSENT, ClusterAway, ImageTrouble, Pool, at
from volutus.wire import DiskSpec

log = logging.getLogger(__name__)

PART, BASE = ".part", "image"
# More images one on another than this would be felt in every read.
DEPTH_MAX = 5
# QEMU's LUKS with its default cipher and eight places for keys; `qemu-img info` calls it payload offset.
LUKS_HEADER_BYTES = 2_068_480
# Only this agent changes its images, so listing is for what an earlier one left, and for humans.
LIST_S = 60.0
# For half a minute a cluster believes that a killed client goes on, and drops nothing that it had open.
DROP_AGAIN_S = 40.0
_MESSAGE = "The disk could not be copied."
_CONVERT = Limits(CONVERT_TIMEOUT_S)


class Kept(msgspec.Struct, frozen=True):
    """One image that is a disk, in the storage class `pool`. `size_bytes` is what a guest sees."""

    pool: str
    name: str
    disk_id: str
    revision: int
    encrypted: bool
    size_bytes: int
    allocated_bytes: int


class _Saved(msgspec.Struct):
    disks: list[Kept]
    sizes: dict[str, int]


class RbdPools:
    """See the module. `directory` is for what must be known while the cluster is away."""

    def __init__(self, ceph: Ceph, directory: Path, keys: Callable[[str], bytes]) -> None:
        self._ceph = ceph
        self._keys = keys
        self._directory = directory
        self._ceph.write_configuration(self._directory)
        own = directory / "agent.conf"
        self._pools = {name: Pool(pool, own, ceph.user) for name, pool in ceph.pools.items()}
        self._pattern = re.compile(rf"{re.escape(ceph.host_id)}\.([^.]+)\.(\d+)\.(raw|luks)")
        self._known: dict[tuple[str, str], Kept] | None = None
        self._sizes: dict[str, int] = {}
        self._changes = 0
        self._listed_at = 0.0
        self._refused: list[tuple[str, str]] = []
        self._drop_at = math.inf
        self._busy: set[str] = set()
        self._lock = threading.Lock()
        self._background = threading.Lock()
        self._bases = threading.Lock()

    def names(self) -> Collection[str]:
        return self._pools.keys()

    def sizes(self) -> Mapping[str, int]:
        self._all()
        try:
            self._sizes = {name: pool.room_bytes()[0] >> 30 for name, pool in self._pools.items()}
            self._save()
        except HostFault as fault:
            log.warning("the size of Ceph's pools is not known: %s", fault)
        return {name: self._sizes.get(name, 0) for name in self._pools}

    def own_rooms(self) -> frozenset[str]:
        return frozenset(self._pools)

    def disks(self) -> dict[str, DiskSeen]:
        found: dict[str, DiskSeen] = {}
        for kept in self._all():
            known = found.get(kept.disk_id)
            if known is None or known.revision < kept.revision:
                found[kept.disk_id] = _seen(kept)
        return found

    def find(self, disk_id: str) -> DiskSeen | None:
        found = self._of(disk_id)
        return _seen(found[0]) if found else None

    def has(self, spec: DiskSpec) -> bool:
        name = self._name(spec)
        if name not in self._pools[spec.pool].names():
            return False
        self._note(spec.pool, name)
        return True

    @contextmanager
    def making(self, spec: DiskSpec) -> Iterator[Disk]:
        pool, name = self._pools[spec.pool], self._name(spec)
        # A name of its own: of a killed try the cluster believes for half a minute that it goes on.
        part = f"{name}.{secrets.token_hex(4)}{PART}"
        if pool.room_bytes()[1] < RESERVE_BYTES:
            raise HostFault(DISK_FULL, f"pool {pool.name} of Ceph")
        with self._at_work_on(part):
            try:
                # Disks that guests share are raw ones.
                key = self._keys(spec.id) if spec.encrypted else None
                yield Disk(pool.image(part), "raw", key, shared=spec.format == "raw")
                pool.rename(part, name)
            except BaseException:
                with contextlib.suppress(HostFault):
                    pool.remove(part)
                raise
            self._note(spec.pool, name)

    def copy(self, disk_id: str, target: Disk, holder: Holder | None) -> None:
        kept = self._get(disk_id)
        pool, source = self._pools[kept.pool], self._disk(kept)
        into = target.place
        if isinstance(into, RbdImage) and into.pool == pool.name and target.key == source.key:
            with holder.at_rest() if holder else contextlib.nullcontext():
                pool.clone(kept.name, into.name, shared=target.shared)
            if _depth(pool, into.name) > DEPTH_MAX:
                pool.flatten(into.name)
            return
        with self._frozen(kept, holder) as still:
            disk_tool.copy(still, target, _MESSAGE, _CONVERT)

    def on_image(self, image_id: str, image: Path, target: Disk, size_bytes: int) -> None:
        image_bytes = image_size(image, size_bytes)
        if not isinstance(target.place, RbdImage):
            raise HostFault("The disk could not be made.", f"{target.place} is not in Ceph")
        if target.key is not None:
            disk_tool.copy(Disk(image, "qcow2"), target, "The disk could not be made.", _CONVERT)
        else:
            pool = next(pool for pool in self._pools.values() if pool.name == target.place.pool)
            # Held until the clone is there: a base without clones may be dropped.
            with self._bases:
                base = self._base(pool, image_id, image)
                pool.clone(base, target.place.name, shared=target.shared)
        if image_bytes < size_bytes:
            disk_tool.resize(target, size_bytes, "The disk could not be made.")

    @contextmanager
    def still(self, disk_id: str, holder: Holder | None) -> Iterator[Disk]:
        with self._frozen(self._get(disk_id), holder) as disk:
            yield disk

    def adopt(self, released_id: str, spec: DiskSpec) -> None:
        kind = "luks" if spec.encrypted else "raw"
        for name, pool in self._pools.items():
            for image in pool.names():
                if image.startswith(f"{self._ceph.host_id}.{released_id}.released."):
                    if name != spec.pool or not image.endswith(kind):
                        raise HostFault("The disk was put aside in another storage class.")
                    pool.rename(image, self._name(spec))
                    self._note(spec.pool, self._name(spec))
                    return
        raise HostFault("No such disk was put aside on the host.", released_id)

    def grow(self, disk_id: str, size_bytes: int) -> None:
        kept = self._get(disk_id)
        disk_tool.resize(self._disk(kept), size_bytes, "The disk could not be grown.")
        self._note(kept.pool, kept.name)

    def grown(self, disk_id: str, size_bytes: int) -> None:  # noqa: ARG002
        kept = self._get(disk_id)
        self._note(kept.pool, kept.name)

    def destroy(self, disk_id: str, below: int | None = None) -> None:
        for kept in self._of(disk_id):
            if below is None or kept.revision < below:
                self._pools[kept.pool].remove(kept.name)
                self._forget(kept)

    def release(self, disk_id: str) -> None:
        for kept in self._of(disk_id)[:1]:
            kind = "luks" if kept.encrypted else "raw"
            to = f"{self._ceph.host_id}.{disk_id}.released.{kind}"
            self._pools[kept.pool].rename(kept.name, to)
            self._forget(kept)

    def location(self, disk_id: str) -> DiskLocation:
        kept = self._get(disk_id)
        place = RbdImage(
            self._pools[kept.pool].name, kept.name, self._directory / "ceph.conf", self._ceph.user
        )
        return DiskLocation(place, "raw", kept.encrypted)

    def cluster_key(self) -> bytes | None:
        return self._ceph.key()

    def tidy(self, image_ids: frozenset[str]) -> None:
        self._ceph.write_configuration(self._directory)
        self._in_background(lambda: self._clean(image_ids))

    # What there is

    def _all(self) -> list[Kept]:
        """The disks as last seen, seen anew in the background when that was long ago."""
        if self._known is None:
            self._load()
        elif time.monotonic() > self._drop_at:
            self._in_background(self._drop_refused)
        elif time.monotonic() - self._listed_at > LIST_S:
            self._in_background(self._list)
        with self._lock:
            return list((self._known or {}).values())

    def _of(self, disk_id: str) -> list[Kept]:
        found = [kept for kept in self._all() if kept.disk_id == disk_id]
        return sorted(found, key=lambda kept: kept.revision, reverse=True)

    def _get(self, disk_id: str) -> Kept:
        found = self._of(disk_id)
        if not found:
            raise HostFault("The disk is not on the host.", disk_id)
        return found[0]

    def _load(self) -> None:
        """For the first time: from the cluster, or as it was when it was last there."""
        try:
            self._list()
        except ClusterAway as away:
            log.warning("disks in Ceph are taken to be as they were: %s", away)
            saved = self._saved()
            self._known = {(kept.pool, kept.name): kept for kept in saved.disks}
            self._sizes = saved.sizes
            self._listed_at = time.monotonic()

    def _list(self) -> None:
        with self._lock:
            known, changes = dict(self._known or {}), self._changes
            self._listed_at = time.monotonic()
        found: dict[tuple[str, str], Kept] = {}
        for name, pool in self._pools.items():
            for image in pool.names():
                if self._pattern.fullmatch(image):
                    kept = known.get((name, image)) or self._look_or_remember(name, image)
                    if kept is not None:
                        found[(name, image)] = kept
        with self._lock:
            # What an action brought meanwhile, the list may not have.
            if changes == self._changes:
                self._known = found
        self._save()

    def _look(self, name: str, image: str) -> Kept:
        """An image as the cluster knows it now."""
        match = self._pattern.fullmatch(image)
        assert match is not None
        pool, encrypted = self._pools[name], match[3] == "luks"
        size_bytes = pool.info(image).size - (LUKS_HEADER_BYTES if encrypted else 0)
        return Kept(name, image, match[1], int(match[2]), encrypted, size_bytes, pool.used_bytes(image))

    def _look_or_remember(self, name: str, image: str) -> Kept | None:
        """Of one that is listed and cannot be opened, what is remembered: half removed, it is a disk until
        the removal is done."""
        try:
            return self._look(name, image)
        except ImageTrouble as trouble:
            if trouble.number != ABSENT:
                raise
            return next(
                (kept for kept in self._saved().disks if (kept.pool, kept.name) == (name, image)), None
            )

    def _note(self, name: str, image: str) -> None:
        """Remember an image as it is now."""
        kept = self._look(name, image)
        with self._lock:
            self._known = {**(self._known or {}), (name, image): kept}
            self._changes += 1
        self._save()

    def _forget(self, kept: Kept) -> None:
        with self._lock:
            self._known = dict(self._known or {})
            self._known.pop((kept.pool, kept.name), None)
            self._changes += 1
        self._save()

    @property
    def _memory(self) -> Path:
        return self._directory / "known.json"

    def _saved(self) -> _Saved:
        try:
            return msgspec.json.decode(self._memory.read_bytes(), type=_Saved)
        except (OSError, msgspec.DecodeError):
            return _Saved([], {})

    def _save(self) -> None:
        with self._lock:
            fresh = self._memory.with_suffix(".new")
            fresh.write_bytes(
                msgspec.json.encode(_Saved(list((self._known or {}).values()), dict(self._sizes)))
            )
            fresh.replace(self._memory)

    def _in_background(self, work: Callable[[], None]) -> None:
        """Do it in a thread of its own, unless there is one already."""
        if not self._background.acquire(blocking=False):
            return

        def run() -> None:
            try:
                work()
            except HostFault as fault:
                log.warning("Ceph's pools were not looked after: %s", fault)
            finally:
                self._background.release()

        threading.Thread(target=run, name="ceph", daemon=True).start()

    # What is done to it

    def _name(self, spec: DiskSpec) -> str:
        kind = "luks" if spec.encrypted else "raw"
        return f"{self._ceph.host_id}.{spec.id}.{spec.revision}.{kind}"

    def _disk(self, kept: Kept) -> Disk:
        key = self._keys(kept.disk_id) if kept.encrypted else None
        return Disk(self._pools[kept.pool].image(kept.name), "raw", key)

    @contextmanager
    def _frozen(self, kept: Kept, holder: Holder | None) -> Iterator[Disk]:
        """The disk as it is at one instant; as it is, where nobody has it open."""
        disk, pool = self._disk(kept), self._pools[kept.pool]
        if holder is None or not isinstance(disk.place, RbdImage):
            yield disk
            return
        name = f"instant-{secrets.token_hex(8)}"
        with self._at_work_on(name):
            try:
                with holder.at_rest():
                    pool.snapshot(kept.name, name)
                yield Disk(at(disk.place, name), disk.format, disk.key)
            finally:
                with contextlib.suppress(HostFault):
                    pool.drop_snapshot(kept.name, name)

    @contextmanager
    def _at_work_on(self, name: str) -> Iterator[None]:
        """While it lasts, that name is not what interrupted work left."""
        with self._lock:
            self._busy.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(name)

    def _base(self, pool: Pool, image_id: str, image: Path) -> str:
        """What disks made from the image are clones of, made with the first."""
        name = f"{self._ceph.host_id}.{image_id}.{BASE}"
        if name not in pool.names():
            part = f"{name}.{secrets.token_hex(4)}{PART}"
            target = Disk(pool.image(part), "raw")
            with self._at_work_on(part):
                disk_tool.copy(Disk(image, "qcow2"), target, "The disk could not be made.", _CONVERT)
                pool.rename(part, name)
        return name

    def _clean(self, image_ids: frozenset[str]) -> None:
        """Drop what interrupted work left, and bases that no disk stands on."""
        self._list()
        self._refused = []
        for name, pool in self._pools.items():
            for image in pool.names():
                if image.startswith(f"{self._ceph.host_id}."):
                    try:
                        self._drop_leavings(name, image, image_ids)
                    except ImageTrouble as trouble:
                        log.info("%s stays for a while: %s", image, trouble)
                        self._refused.append((name, image))
            for image_id, image in pool.trash().items():
                if image.startswith(f"{self._ceph.host_id}."):
                    with contextlib.suppress(ImageTrouble):
                        pool.remove_from_trash(image_id, image)
        self._drop_at = time.monotonic() + DROP_AGAIN_S if self._refused else math.inf

    def _drop_refused(self) -> None:
        """Once more; what is still refused waits for the next cleaning."""
        self._drop_at = math.inf
        for name, image in self._refused:
            with contextlib.suppress(ImageTrouble):
                self._drop_leavings(name, image, None)

    def _drop_leavings(self, name: str, image: str, image_ids: frozenset[str] | None) -> None:
        """What interrupted work left of or in the image; with `image_ids`, also a base besides theirs."""
        pool = self._pools[name]
        if self._pattern.fullmatch(image):
            self._drop_instants(pool, image)
            self._note(name, image)
        elif image.endswith(PART):
            self._drop_part(pool, image)
        elif image.endswith(f".{BASE}") and image_ids is not None:
            self._drop_base(pool, image, image_ids)

    def _drop_instants(self, pool: Pool, image: str) -> None:
        """Snapshots have names only while something is made of them."""
        for snapshot in pool.snapshots(image):
            with self._lock:
                busy = snapshot in self._busy or snapshot.removeprefix("to-") in self._busy
            if not busy:
                pool.drop_snapshot(image, snapshot)

    def _drop_part(self, pool: Pool, image: str) -> None:
        with self._lock:
            busy = image in self._busy
        if not busy:
            pool.remove(image)

    def _drop_base(self, pool: Pool, image: str, image_ids: frozenset[str]) -> None:
        image_id = image.split(".")[1]
        with self._bases:
            if image_id not in image_ids and not pool.has_clones(image):
                pool.remove(image)


def _seen(kept: Kept) -> DiskSeen:
    return DiskSeen(kept.size_bytes, kept.allocated_bytes, kept.revision)


def _depth(pool: Pool, name: str) -> int:
    """How many images this one stands on."""
    depth, info = 0, pool.info(name)
    while info.parent is not None and depth <= DEPTH_MAX:
        depth += 1
        info = pool.info_by_id(info.parent.id)
    return depth
