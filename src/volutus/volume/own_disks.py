"""Disks that belong to a server and live and die with it: root, ephemeral, swap, rescue.

They are volumes with `server_id` set: made, placed and removed like any other, but charged to no quota of
volumes, within the server's own claim of a host, and shown by no API of volumes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from sqlalchemy import insert, select

from volutus.db import Tx
from volutus.identity import Caller
from volutus.image import Image
from volutus.placement.inventory import FIRST_POOL
from volutus.volume import disks as disk_orders
from volutus.volume import keys
from volutus.volume.disks import DiskOrder, Rework
from volutus.volume.sources import image_metadata, image_source
from volutus.volume.tables import attachments, disks, volumes
from volutus.volume.types import DEFAULT_TYPE_ID
from volutus.wire import DiskSource

# `vda` to `vdz`: what one guest can have.
LETTERS = "abcdefghijklmnopqrstuvwxyz"
DISKS_PER_SERVER_MAX = len(LETTERS)
MIB_PER_GIB = 1024


class Role(Enum):
    """What a server's own disk is to it, in the order in which the guest sees them: a rescued server boots
    from the rescue disk and finds its root behind it."""

    RESCUE = "rescue"
    ROOT = "root"
    EPHEMERAL = "ephemeral"
    SWAP = "swap"


@dataclass(frozen=True)
class OwnDisk:
    """A disk that belongs to a server, and is no volume of its tenant's. `size_gib` is rounded up."""

    id: str
    role: Role
    read_only: bool
    size_gib: int
    size_mib: int
    filesystem: str
    label: str


@dataclass(frozen=True)
class RootDisk:
    """A server's own disk to be made of an image, empty without `image`."""

    server_id: str
    image: Image | None
    size_gib: int
    role: Role = Role.ROOT


@dataclass(frozen=True)
class LocalDisk:
    """An ephemeral disk or swap to be made. Guests know ephemeral disks by their labels."""

    server_id: str
    role: Role
    size_mib: int
    filesystem: str
    label: str = ""


def order_root(tx: Tx, caller: Caller, wanted: RootDisk) -> str:
    """Order a server's own disk; its id. It is made once `place` says where."""
    disk = DiskOrder(
        id=tx.ids.uuid(),
        project_id=caller.own_project(),
        user_id=caller.user_id or "",
        size_gib=wanted.size_gib,
        source=image_source(wanted.image) if wanted.image else None,
        claims_room=False,
    )
    _order(tx, disk, wanted.server_id, wanted.role, wanted.image)
    return disk.id


def order_local(tx: Tx, caller: Caller, wanted: LocalDisk) -> str:
    """Order an ephemeral disk or swap; its id. It is encrypted where the server boots from a volume that is:
    what a guest swaps out is as secret as what it has."""
    encrypted = _boots_encrypted(tx, wanted.server_id)
    size_gib = -(-wanted.size_mib // MIB_PER_GIB)
    disk = DiskOrder(
        id=tx.ids.uuid(),
        project_id=caller.own_project(),
        user_id=caller.user_id or "",
        size_gib=size_gib,
        claims_room=False,
        key_id=keys.order(tx) if encrypted else None,
        encrypted=encrypted,
        size_mib=wanted.size_mib if wanted.size_mib != size_gib * MIB_PER_GIB else None,
        filesystem=wanted.filesystem,
        label=wanted.label or None,
    )
    _order(tx, disk, wanted.server_id, wanted.role, None)
    return disk.id


def _order(tx: Tx, disk: DiskOrder, server_id: str, role: Role, image: Image | None) -> None:
    disk_orders.order(tx, disk)
    tx.execute(
        insert(volumes),
        {
            "id": disk.id,
            "project_id": disk.project_id,
            "user_id": disk.user_id,
            "created_at": tx.now,
            "type_id": DEFAULT_TYPE_ID,
            "server_id": server_id,
            "role": role.value,
            "bootable": image is not None,
            "image_metadata": image_metadata(image) if image else None,
        },
    )


def _boots_encrypted(tx: Tx, server_id: str) -> bool:
    mine = (attachments.c.server_id == server_id) & attachments.c.by_compute
    statement = select(disks.c.encrypted).join(attachments, attachments.c.volume_id == disks.c.id)
    return bool(tx.value(statement.where(mine, attachments.c.boot_index == 0).limit(1)))


def discard(tx: Tx, server_id: str, role: Role, keep: Sequence[str] = ()) -> None:
    """Remove a server's own disks of a role but those: after a rebuild the old root, after a rescue its disk.
    The guest must not use them any more."""
    statement = select(volumes.c.id).where(volumes.c.server_id == server_id, volumes.c.role == role.value)
    found = [row.id for row in tx.rows(statement.limit(DISKS_PER_SERVER_MAX)) if row.id not in keep]
    disk_orders.remove(tx, found)


def grow_own(tx: Tx, disk_id: str, size_gib: int) -> None:
    """A resize gave the server a larger disk; a smaller size changes nothing."""
    disk_orders.grow(tx, disk_id, size_gib)


def remake(tx: Tx, disk_ids: Sequence[str]) -> None:
    """Have these made anew, empty as they first were, in the places of those there are, which no guest may
    have open then."""
    statement = select(disks.c.id, disks.c.format, disks.c.key_id, disks.c.encrypted)
    for row in tx.rows(statement.where(disks.c.id.in_(disk_ids)).limit(DISKS_PER_SERVER_MAX)):
        wanted = Rework("rebuilding", DiskSource(), FIRST_POOL, row.format, row.key_id, row.encrypted)
        disk_orders.rework(tx, row.id, wanted)


def own_disks(tx: Tx, server_ids: Sequence[str]) -> dict[str, list[OwnDisk]]:
    """The servers' own disks that are not being removed, as their guests see them, in one statement."""
    found: dict[str, list[OwnDisk]] = {server_id: [] for server_id in server_ids}
    if server_ids:
        statement = (
            select(volumes.c.id, volumes.c.server_id, volumes.c.role, volumes.c.read_only, *_SIZES)
            .join(disks, disks.c.id == volumes.c.id)
            .where(volumes.c.server_id.in_(server_ids), disks.c.removed_at.is_(None))
            .limit(len(server_ids) * DISKS_PER_SERVER_MAX)
        )
        for row in tx.rows(statement):
            found[row.server_id].append(
                OwnDisk(
                    id=row.id,
                    role=Role(row.role),
                    read_only=bool(row.read_only),
                    size_gib=row.size_gib,
                    size_mib=row.size_mib or row.size_gib * MIB_PER_GIB,
                    filesystem=row.filesystem or "",
                    label=row.label or "",
                )
            )
    return {server_id: sorted(own, key=_order_of) for server_id, own in found.items()}


_SIZES = (disks.c.size_gib, disks.c.size_mib, disks.c.filesystem, disks.c.label)


def _order_of(disk: OwnDisk) -> tuple[int, int, str, str]:
    # Labels end in numbers: of two the shorter is the lower.
    return list(Role).index(disk.role), len(disk.label), disk.label, disk.id
