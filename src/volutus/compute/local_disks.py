"""The disks of a server besides its root that live and die with it: ephemeral ones, made with a file system,
and swap.

A flavor says how much of either a server has; its order may divide the ephemeral room into several disks, or
take less. They are in the server's own claim of its host. What is on them is on them alone: no image, no
backup and no shelf has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from volutus import volume
from volutus.compute.flavors import Flavor
from volutus.compute.servers import Server
from volutus.db import Tx
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.volume import LocalDisk, OwnDisk, Role

DEFAULT_FILESYSTEM = "ext4"
FILESYSTEMS = ("ext2", "ext3", "ext4")
SWAP = "swap"
MIB_PER_GIB = 1024


@dataclass(frozen=True)
class Ephemeral:
    """One ephemeral disk; `filesystem` is what it is made with."""

    size_gib: int
    filesystem: str = DEFAULT_FILESYSTEM


@dataclass(frozen=True)
class LocalDisks:
    """What a server has of them. The first ephemeral disk is labelled `ephemeral0`, and so on."""

    ephemerals: tuple[Ephemeral, ...] = ()
    swap_mib: int = 0

    @property
    def ephemeral_gib(self) -> int:
        """Of all ephemeral disks together."""
        return sum(disk.size_gib for disk in self.ephemerals)

    @property
    def gib(self) -> int:
        """What they take of their host; swap is counted in whole GiB."""
        return self.ephemeral_gib + -(-self.swap_mib // MIB_PER_GIB)


@dataclass(frozen=True)
class Wanted:
    """An ephemeral disk or swap as an order asks for it; without a size it is as large as the flavor's."""

    swap: bool
    size: int | None = None
    filesystem: str | None = None


def of_order(wanted: Sequence[Wanted], flavor: Flavor) -> LocalDisks:
    """What an order has: what it says, else what its flavor says. Raises Invalid beyond the flavor."""
    ephemerals = tuple(_ephemeral(one, flavor) for one in wanted if not one.swap)
    swaps = [_swap_mib(one, flavor) for one in wanted if one.swap]
    if sum(disk.size_gib for disk in ephemerals) > flavor.ephemeral_gib:
        raise _invalid(
            "Ephemeral disks requested are larger than the instance type allows: together they have at most "
            f"{flavor.ephemeral_gib} GiB. One without a size is as large as that."
        )
    if len(swaps) > 1:
        raise _invalid("More than one swap drive requested.")
    if swaps and swaps[0] > flavor.swap_mib:
        raise _invalid(
            f"Swap drive requested is larger than instance type allows: it has at most {flavor.swap_mib} MiB."
        )
    given = LocalDisks(ephemerals, swaps[0] if swaps else flavor.swap_mib)
    return given if ephemerals else LocalDisks(_default(flavor.ephemeral_gib), given.swap_mib)


def _ephemeral(wanted: Wanted, flavor: Flavor) -> Ephemeral:
    filesystem = wanted.filesystem or DEFAULT_FILESYSTEM
    if filesystem not in FILESYSTEMS:
        raise _invalid(f"guest_format {filesystem} is not one of {', '.join(FILESYSTEMS)}, {SWAP}.")
    size_gib = wanted.size or flavor.ephemeral_gib
    if not size_gib:
        raise _invalid(f"Flavor {flavor.id} has no ephemeral disk.")
    return Ephemeral(size_gib, filesystem)


def _swap_mib(wanted: Wanted, flavor: Flavor) -> int:
    size_mib = wanted.size or flavor.swap_mib
    if not size_mib:
        raise _invalid(f"Flavor {flavor.id} has no swap.")
    return size_mib


def _default(ephemeral_gib: int) -> tuple[Ephemeral, ...]:
    return (Ephemeral(ephemeral_gib),) if ephemeral_gib else ()


def _invalid(message: str) -> Invalid:
    return Invalid(message, field="block_device_mapping_v2")


def order(tx: Tx, caller: Caller, server_id: str, disks: LocalDisks) -> None:
    """Order all of a server that has none yet; they are made once `volume.place` says where."""
    for number, disk in enumerate(disks.ephemerals):
        _order_ephemeral(tx, caller, server_id, number, disk)
    if disks.swap_mib:
        volume.order_local(tx, caller, LocalDisk(server_id, Role.SWAP, disks.swap_mib, SWAP))


def _order_ephemeral(tx: Tx, caller: Caller, server_id: str, number: int, disk: Ephemeral) -> None:
    size_mib, label = disk.size_gib * MIB_PER_GIB, f"ephemeral{number}"
    volume.order_local(tx, caller, LocalDisk(server_id, Role.EPHEMERAL, size_mib, disk.filesystem, label))


def present(tx: Tx, server_id: str) -> LocalDisks:
    """What a server has now."""
    return among(volume.own_disks(tx, [server_id])[server_id])


def among(own: Sequence[OwnDisk]) -> LocalDisks:
    """Those of a server's own disks that are ephemeral or swap."""
    ephemerals = [Ephemeral(disk.size_gib, disk.filesystem) for disk in own if disk.role is Role.EPHEMERAL]
    return LocalDisks(tuple(ephemerals), sum(disk.size_mib for disk in own if disk.role is Role.SWAP))


def after_resize(now: LocalDisks, server: Server, flavor: Flavor) -> LocalDisks:
    """What a server will have with another flavor. The one disk that its flavor gave it grows; disks that its
    order divided the room into stay. Swap is as the new flavor says if that says otherwise than the old.
    Raises Invalid where a disk would have to shrink."""
    if flavor.ephemeral_gib < now.ephemeral_gib:
        raise Invalid(
            f"The ephemeral disks have {now.ephemeral_gib} GiB and a disk cannot shrink: flavor {flavor.id} "
            f"has {flavor.ephemeral_gib}.",
            field="flavorRef",
        )
    swap_mib = now.swap_mib if flavor.swap_mib == server.swap_mib else flavor.swap_mib
    divided = len(now.ephemerals) > 1 or (
        len(now.ephemerals) == 1 and now.ephemeral_gib < server.ephemeral_gib
    )
    if divided:
        return LocalDisks(now.ephemerals, swap_mib)
    if now.ephemerals:
        return LocalDisks((Ephemeral(flavor.ephemeral_gib, now.ephemerals[0].filesystem),), swap_mib)
    return LocalDisks(_default(flavor.ephemeral_gib), swap_mib)


def change(tx: Tx, server: Server, wanted: LocalDisks) -> None:
    """Have these instead of those there are, in a guest that is off: ephemeral disks grow, come and go, but
    never shrink; swap of another size is made anew."""
    caller, own = _owner(server), volume.own_disks(tx, [server.id])[server.id]
    ephemerals = [disk for disk in own if disk.role is Role.EPHEMERAL]
    for number, disk in enumerate(wanted.ephemerals):
        if number < len(ephemerals):
            volume.grow_own(tx, ephemerals[number].id, disk.size_gib)
        else:
            _order_ephemeral(tx, caller, server.id, number, disk)
    kept = [disk.id for disk in ephemerals[: len(wanted.ephemerals)]]
    if len(ephemerals) > len(kept):
        volume.discard(tx, server.id, Role.EPHEMERAL, keep=kept)
    if among(own).swap_mib != wanted.swap_mib:
        volume.discard(tx, server.id, Role.SWAP)
        order(tx, caller, server.id, LocalDisks(swap_mib=wanted.swap_mib))


def remake(tx: Tx, server: Server) -> None:
    """Have all made anew for a rebuild, or swap alone where the ephemeral disks are to be preserved."""
    roles = (Role.SWAP,) if server.preserve_ephemeral else (Role.EPHEMERAL, Role.SWAP)
    own = volume.own_disks(tx, [server.id])[server.id]
    volume.remake(tx, [disk.id for disk in own if disk.role in roles])


def discard(tx: Tx, server_id: str) -> None:
    """Remove all; nothing of what is on them is kept."""
    volume.discard(tx, server_id, Role.EPHEMERAL)
    volume.discard(tx, server_id, Role.SWAP)


def largest(one: LocalDisks, other: LocalDisks) -> int:
    """GiB of the host that are enough for both."""
    swap_gib = -(-max(one.swap_mib, other.swap_mib) // MIB_PER_GIB)
    return max(one.ephemeral_gib, other.ephemeral_gib) + swap_gib


def noted(disks: LocalDisks) -> Any:
    """As it is remembered while a server is on its way to another shape."""
    return msgspec.to_builtins(disks)


def recalled(note: Any) -> LocalDisks:
    """What was noted."""
    return msgspec.convert(note, LocalDisks)


def _owner(server: Server) -> Caller:
    return Caller(user_id=server.user_id, project_id=server.project_id)
