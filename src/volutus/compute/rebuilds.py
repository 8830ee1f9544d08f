"""Rebuilding: the server keeps its name, place and addresses, and gets a new root disk made from an image.

The order is a count, as reboots are: `rebuilds` is what was asked, `rebuilt` what the root disk is. The
reconciler has the guest removed, the disk replaced, and a new guest made on the same host. A volume that
the server boots from is written over by its host as soon as no guest has it open; so are ephemeral disks and
swap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, update

from volutus import image, volume
from volutus.compute import (
    actions,
    console,
    guest_passwords,
    hardware,
    history,
    local_disks,
    orders,
    personality,
    reports,
    server_disks,
    servers,
)
from volutus.compute.hardware import Shape
from volutus.compute.personality import InjectedFile
from volutus.compute.servers import Server
from volutus.compute.tables import guests
from volutus.compute.tables import servers as rows
from volutus.db import Tx
from volutus.errors import Conflict, Invalid, NotFound
from volutus.identity import Caller
from volutus.reconcile import wake
from volutus.volume import Role, RootDisk

_STATES = frozenset({"active", "stopped", "error"})


@dataclass(frozen=True)
class Rebuild:
    """The new image, and what else changes with it; None keeps what there is. `changes` are columns that a
    rebuild may set anew as they are: key, description, user data, addresses, disk configuration. With
    `reimages` a volume that the server boots from gets the image too; with `preserve_ephemeral` the ephemeral
    disks keep what is on them."""

    image_id: str
    name: str | None = None
    metadata: Mapping[str, str] | None = None
    admin_pass: str | None = None
    changes: Mapping[str, Any] | None = None
    reimages: bool = False
    preserve_ephemeral: bool = False
    files: Sequence[InjectedFile] = ()


def rebuild(tx: Tx, caller: Caller, server_id: str, wanted: Rebuild) -> Server:
    """Order a rebuild. Raises WrongState, Invalid for an image that does not fit."""
    server = actions.changeable(tx, caller, server_id, "rebuild", _STATES)
    if server.first_launched_at is None:
        raise Conflict("Only a server that ran can be rebuilt.")
    try:
        found = image.get_usable(
            tx, caller, wanted.image_id, disk_gib=server.root_volume_gib, memory_mib=server.memory_mib
        )
        boot = image.boot_parts(tx, caller, found)
        if not server.root_volume_gib:
            _write_over_volume(tx, caller, server, wanted)
    except (NotFound, Conflict) as error:
        raise Invalid(error.message, field="imageRef") from error
    hardware.of(Shape(found.properties, server.extra_specs, server.cores, server.memory_mib))
    if wanted.metadata is not None:
        orders.check_metadata(tx, server.project_id, wanted.metadata)
    values: dict[str, Any] = {
        **(wanted.changes or {}),
        "image_properties": dict(found.properties),
        "kernel_image": server_disks.source_of(boot.kernel),
        "ramdisk_image": server_disks.source_of(boot.ramdisk),
        "rebuilds": server.rebuilds + 1,
        "preserve_ephemeral": wanted.preserve_ephemeral,
        "admin_pass": wanted.admin_pass,
        "files": personality.checked(tx, server.project_id, wanted.files),
        **actions.NO_FAULT,
    }
    if server.root_volume_gib:
        values |= {"image_id": found.id, "image_format": found.disk_format}
    values |= {"name": wanted.name} if wanted.name is not None else {}
    values |= {"metadata": dict(wanted.metadata)} if wanted.metadata is not None else {}
    servers.write(tx, server.id, **values)
    history.began(tx, caller, server.id, "rebuild")
    wake(tx, reports.SERVER, server.id)
    return servers.get(tx, caller, server.id)


def _write_over_volume(tx: Tx, caller: Caller, server: Server, wanted: Rebuild) -> None:
    """Order the image for the volume that the server boots from. Before `reimages` was asked for, only a
    rebuild from the image that is in it was possible, which leaves it as it is."""
    held = volume.attachments_of(tx, [server.id])[server.id]
    root = volume.get_volume(tx, caller, next(one.volume_id for one in held if one.boot_index == 0))
    if wanted.reimages:
        volume.reworks.reimage(tx, caller, root.id, wanted.image_id, in_use=True)
    elif (root.image_metadata or {}).get("image_id") != wanted.image_id:
        raise Invalid(
            "Unable to rebuild with a different image for a volume-backed server.", field="imageRef"
        )


def replace_disks(tx: Tx, server: Server) -> None:
    """The guest is gone: put a disk of the new image in the old one's place, have what is beside it made
    anew, and forget the guest."""
    if server.root_volume_gib:
        owner = Caller(user_id=server.user_id, project_id=server.project_id)
        found = image.get(tx, _as_admin(owner), server.image_id or "")
        made = volume.order_root(tx, owner, RootDisk(server.id, found, server.root_volume_gib))
        volume.discard(tx, server.id, Role.ROOT, keep=[made])
    local_disks.remake(tx, server)
    tx.execute(delete(guests).where(guests.c.server_id == server.id))
    console.forget(tx, server.id)
    guest_passwords.drop(tx, server.id)
    # Nobody may have looked since the guest first ran, and its own row, which tells of that, is gone.
    done = {"rebuilt": server.rebuilds, "launched_at": server.first_launched_at}
    tx.execute(update(rows).where(rows.c.id == server.id).values(**done))


def _as_admin(owner: Caller) -> Caller:
    """The image was the tenant's to use when it was ordered; whether it still is does not matter now."""
    return Caller(
        user_id=owner.user_id, project_id=owner.project_id, roles=frozenset({"admin", "member", "reader"})
    )
