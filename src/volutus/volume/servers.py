"""What the compute service asks of volumes: volumes plugged into servers, and all disks of a guest.

The disks that are a server's own are ordered by `own_disks`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, delete, insert, or_, select, update

from volutus import audit
from volutus.db import Tx
from volutus.identity import Caller
from volutus.volume import disks as disk_orders
from volutus.volume import qos
from volutus.volume import volumes as tenants_volumes
from volutus.volume.faults import OtherHost, VolumeNotFound, WrongStatus
from volutus.volume.own_disks import DISKS_PER_SERVER_MAX, LETTERS, OwnDisk, Role, own_disks
from volutus.volume.records import Attachment, Volume, attachment_of, lock_volume
from volutus.volume.status import SHAREABLE, Status
from volutus.volume.tables import attachments, disks, qos_specs, types, volumes
from volutus.volume.volumes import VolumeOrder
from volutus.wire import DiskObserved, GuestDisk


@dataclass(frozen=True)
class AttachOptions:
    """`host_id` and `host_name` are where the server is, if anywhere yet; `boot_index` 0 boots from it.
    `at_once`: the server has no guest now, so the volume is in use from this moment, as in Nova."""

    host_id: str | None = None
    host_name: str | None = None
    delete_on_termination: bool = False
    boot_index: int | None = None
    tag: str | None = None
    read_only: bool = False
    bus: str | None = None
    device_type: str | None = None
    at_once: bool = False


@dataclass(frozen=True)
class Readiness:
    """Whether all disks of a server can be opened on its host, else for which `waiting`, or why never."""

    ready: bool
    fault: str | None = None
    waiting: Sequence[str] = field(default_factory=tuple)


def order_boot_volume(
    tx: Tx, caller: Caller, order: VolumeOrder, server_id: str, options: AttachOptions | None = None
) -> Volume:
    """Order a tenant's volume and keep it for a server that is being built: boot from volume, or a blank
    volume with the server. It is found, paid and kept like any volume."""
    volume = tenants_volumes.create(tx, caller, order)
    reserve(tx, caller, volume.id, server_id, None, options)
    return volume


def place(tx: Tx, volume_ids: Sequence[str], host_id: str) -> None:
    """Have these made on the host: a server's own disks go where the server goes. A volume that already has
    a host stays there."""
    for volume_id in volume_ids:
        disk_orders.place(tx, volume_id, host_id)


def hosts_of(tx: Tx, volume_ids: Sequence[str]) -> set[str]:
    """Where these volumes are stored: a server that uses them must go there. A volume that has no host yet
    adds none; more than one host in the answer means no server can use them all."""
    if not volume_ids:
        return set()
    placed = select(disks.c.host_id).where(disks.c.id.in_(volume_ids), disks.c.host_id.isnot(None))
    return {row.host_id for row in tx.rows(placed.distinct().limit(len(volume_ids)))}


def attachments_of(tx: Tx, server_ids: Sequence[str]) -> dict[str, list[Attachment]]:
    """Volumes plugged, or to be plugged, into these servers, by device; in one statement."""
    found: dict[str, list[Attachment]] = {server_id: [] for server_id in server_ids}
    if server_ids:
        statement = (
            select(attachments)
            .where(attachments.c.server_id.in_(server_ids), attachments.c.by_compute)
            .order_by(attachments.c.device)
            .limit(len(server_ids) * DISKS_PER_SERVER_MAX)
        )
        for row in tx.rows(statement):
            found[row.server_id].append(attachment_of(row))
    return found


def reserve(
    tx: Tx,
    caller: Caller,
    volume_id: str,
    server_id: str,
    device: str | None = None,
    options: AttachOptions | None = None,
) -> Attachment:
    """Keep a volume for a server that is still being built. It is plugged in when that first starts."""
    return _tie(tx, caller, lock_volume(tx, caller, volume_id), _Tie(server_id, device, "reserved", options))


def begin_attach(
    tx: Tx,
    caller: Caller,
    volume_id: str,
    server_id: str,
    device: str | None = None,
    options: AttachOptions | None = None,
) -> Attachment:
    """Plug a volume into a server; what is reserved for that server already is taken further. The device is
    the one asked for where it is free, else the next. Raises WrongStatus, OtherHost."""
    volume = lock_volume(tx, caller, volume_id)
    held = _tie_of(volume, server_id)
    if held is not None and held.wanted == "reserved":
        tx.execute(update(attachments).where(attachments.c.id == held.id).values(wanted="attached"))
        return held
    return _tie(tx, caller, volume, _Tie(server_id, device, "attached", options))


def begin_detach(tx: Tx, caller: Caller, volume_id: str, server_id: str) -> None:
    """Have a volume unplugged: it leaves `guest_disks` now, and becomes available once the guest is seen
    without it. Raises VolumeNotFound when it is not that server's."""
    volume = lock_volume(tx, caller, volume_id)
    held = _tie_of(volume, server_id)
    if held is None:
        raise VolumeNotFound(f"Volume {volume_id} is not attached to server {server_id}.")
    tx.execute(update(attachments).where(attachments.c.id == held.id).values(wanted="detached"))
    _touch(tx, [volume_id])
    audit.record(tx, caller, "detach", "volume.volume", volume_id, {"server_id": server_id})


def guest_disks(tx: Tx, server_id: str, *, rescue_first: bool = False) -> list[GuestDisk]:
    """The disks of the server's guest: its own first, then volumes by device, or the volume it boots from
    first. A rescue disk is before all others or behind them. Serials start with the volume's id, by which a
    guest finds them. A bus that nobody named is empty: the server's machine decides."""
    every = own_disks(tx, [server_id])[server_id]
    own = [disk for disk in every if disk.role is not Role.RESCUE]
    rescue = [_own(disk) for disk in every if disk.role is Role.RESCUE]
    tied = [a for a in attachments_of(tx, [server_id])[server_id] if a.wanted != "detached"]
    tied.sort(key=lambda a: (a.boot_index is None, a.boot_index or 0, a.device or ""))
    if not any(disk.role is Role.ROOT for disk in own):
        # Booting from a volume: it comes before disks that hold no system.
        boots = [a for a in tied if a.boot_index == 0]
        entries = [*map(_tied, boots), *map(_own, own), *(_tied(a) for a in tied if a not in boots)]
    else:
        entries = [*map(_own, own), *map(_tied, tied)]
    return _as_typed(tx, _with_targets([*rescue, *entries] if rescue_first else [*entries, *rescue]))


def _as_typed(tx: Tx, placed: Sequence[GuestDisk]) -> list[GuestDisk]:
    """The same, shared and limited as the volumes' types say."""
    statement = (
        select(volumes.c.id, volumes.c.multiattach, disks.c.size_gib, qos_specs.c.specs)
        .join(disks, disks.c.id == volumes.c.id)
        .join(types, types.c.id == volumes.c.type_id)
        .outerjoin(qos_specs, qos_specs.c.id == types.c.qos_specs_id)
        .where(volumes.c.id.in_([disk.disk_id for disk in placed]))
        .limit(len(placed))
    )
    typed = []
    rows = {row.id: row for row in tx.rows(statement)} if placed else {}
    for disk in placed:
        row = rows[disk.disk_id]
        bounds = qos.limits(row.specs or {}, row.size_gib)
        typed.append(msgspec.structs.replace(disk, shared=row.multiattach, limits=bounds))
    return typed


def ready(tx: Tx, server_id: str) -> Readiness:
    """Whether the server's disks are all there, so that its guest may start."""
    condition = (
        select(disks.c.id, disks.c.ready, disks.c.fault, disks.c.failure, disks.c.before)
        .select_from(disks.join(volumes, volumes.c.id == disks.c.id))
        .outerjoin(attachments, attachments.c.volume_id == volumes.c.id)
        .where(
            disks.c.removed_at.is_(None),
            or_(
                volumes.c.server_id == server_id,
                (attachments.c.server_id == server_id) & (attachments.c.wanted != "detached"),
            ),
        )
        .limit(DISKS_PER_SERVER_MAX * 2)
    )
    rows = tx.rows(condition)
    waiting = tuple(row.id for row in rows if not row.ready)
    away = [row for row in rows if not row.ready and row.before is None]
    faults = [row.fault or row.failure for row in away if row.fault or row.failure]
    return Readiness(not waiting, faults[0] if faults else None, waiting)


def record_observed(tx: Tx, host_id: str, observed: Sequence[DiskObserved], gone: Sequence[str]) -> list[str]:
    """Store what a host says of its disks; ids of the servers that may wait for what changed. For its first
    root disk a guest waits on its host."""
    changed = disk_orders.record_observed(tx, host_id, observed, gone)
    if not changed:
        return []
    concerns = or_(
        volumes.c.role != Role.ROOT.value,
        disks.c.made_at != tx.now,
        disks.c.fault.isnot(None),
        ~disks.c.ready,
    )
    own = (
        select(volumes.c.server_id)
        .join(disks, disks.c.id == volumes.c.id)
        .where(volumes.c.id.in_(changed), volumes.c.server_id.isnot(None), concerns)
    )
    tied = select(attachments.c.server_id).where(
        attachments.c.volume_id.in_(changed), attachments.c.by_compute
    )
    rows = tx.rows(own.union(tied).limit(len(changed)))
    return [row.server_id for row in rows]


def record_plugged(tx: Tx, server_id: str, disk_ids: Sequence[str]) -> None:
    """The guest was seen with exactly these disks, having applied its newest document. (From a report on an
    older one, a volume about to be plugged in could be taken for one already unplugged.)"""
    plugged = attachments.c.volume_id.in_(disk_ids)
    arriving = plugged & (attachments.c.wanted != "detached") & attachments.c.attached_at.is_(None)
    leaving = ~plugged & (attachments.c.wanted == "detached")
    mine = _mine(server_id) & _held_volume(_mine(server_id) & (arriving | leaving))
    arrived = (
        update(attachments)
        .where(mine, arriving)
        .values(wanted="attached", attached_at=tx.now)
        .returning(attachments.c.volume_id)
        .cte("arrived")
    )
    left = delete(attachments).where(mine, leaving).returning(attachments.c.volume_id)
    both = left.cte("left").select().union_all(arrived.select())
    _touch(tx, [row.volume_id for row in tx.rows(both.limit(DISKS_PER_SERVER_MAX * 2))])


def release_server(tx: Tx, server_id: str) -> None:
    """The server is gone: its own disks go too, volumes are free again or go with it as was agreed."""
    own = select(volumes.c.id).where(volumes.c.server_id == server_id).limit(DISKS_PER_SERVER_MAX * 2)
    freed = tx.rows(
        delete(attachments)
        .where(_mine(server_id), _held_volume(_mine(server_id)))
        .returning(attachments.c.volume_id, attachments.c.delete_on_termination)
    )
    doomed = [row.volume_id for row in freed if row.delete_on_termination]
    _touch(tx, [row.volume_id for row in freed])
    disk_orders.remove(tx, [*(row.id for row in tx.rows(own)), *doomed])


def set_delete_on_termination(tx: Tx, volume_id: str, server_id: str, delete_with_server: bool) -> None:
    """Whether the volume goes with the server. Raises VolumeNotFound when it is not that server's."""
    statement = update(attachments).where(
        attachments.c.volume_id == volume_id, attachments.c.server_id == server_id, attachments.c.by_compute
    )
    if not tx.changed(statement.values(delete_on_termination=delete_with_server)):
        raise VolumeNotFound(f"Volume {volume_id} is not attached to server {server_id}.")


@dataclass(frozen=True)
class _Tie:
    server_id: str
    device: str | None
    wanted: str
    options: AttachOptions | None


def _tie(tx: Tx, caller: Caller, volume: Volume, tie: _Tie) -> Attachment:
    options = tie.options or AttachOptions()
    # A volume that is still being made may be reserved: a server that boots from it waits for it.
    allowed = [Status.AVAILABLE] + [Status.CREATING] * (tie.wanted == "reserved")
    allowed += SHAREABLE if volume.multiattach else ()
    if volume.status not in allowed or tie.server_id in {one.server_id for one in volume.attachments}:
        raise WrongStatus(
            f"Volume {volume.id} is {volume.status}: it must be available to be attached to a server."
        )
    if options.host_id and volume.host_id and options.host_id != volume.host_id:
        raise OtherHost(f"Volume {volume.id} is stored on another host than server {tie.server_id} runs on.")
    values: dict[str, Any] = {
        "id": tx.ids.uuid(),
        "volume_id": volume.id,
        "server_id": tie.server_id,
        "by_compute": True,
        "wanted": tie.wanted,
        "mode": "ro" if volume.read_only or options.read_only else "rw",
        "device": f"/dev/{_free_target(tx, tie)}",
        "host_name": options.host_name,
        "connector": None,
        "delete_on_termination": options.delete_on_termination,
        "boot_index": options.boot_index,
        "tag": options.tag,
        "bus": options.bus,
        "device_type": options.device_type,
        "created_at": tx.now,
        "attached_at": tx.now if options.at_once else None,
    }
    tx.execute(insert(attachments), {**values, "shared": volume.multiattach})
    _touch(tx, [volume.id])
    audit.record(tx, caller, "attach", "volume.volume", volume.id, {"server_id": tie.server_id})
    return Attachment(**values)


def _tie_of(volume: Volume, server_id: str) -> Attachment | None:
    mine = [one for one in volume.attachments if one.by_compute and one.server_id == server_id]
    return mine[0] if mine else None


def _free_target(tx: Tx, tie: _Tie) -> str:
    own = own_disks(tx, [tie.server_id])[tie.server_id]
    tied = attachments_of(tx, [tie.server_id])[tie.server_id]
    # A server that boots from a volume has that before its own disks.
    first = 0 if any(disk.role is Role.ROOT for disk in own) else 1
    taken = {f"vd{letter}" for letter in LETTERS[first : first + len(own)]} if own else set()
    taken |= {str(attachment.device).removeprefix("/dev/") for attachment in tied}
    asked = (tie.device or "").removeprefix("/dev/")
    if len(asked) == 3 and asked.startswith("vd") and asked[2] in LETTERS and asked not in taken:
        return asked
    free = [f"vd{letter}" for letter in LETTERS if f"vd{letter}" not in taken]
    if not free:
        raise WrongStatus(f"Server {tie.server_id} has {DISKS_PER_SERVER_MAX} disks: it can have no more.")
    return free[0]


def _mine(server_id: str) -> ColumnElement[bool]:
    return (attachments.c.server_id == server_id) & attachments.c.by_compute


def _held_volume(concerned: ColumnElement[bool]) -> ColumnElement[bool]:
    """True of the attachments of volumes that are locked by asking: whoever changes an attachment has its
    volume first, so that no two wait for each other."""
    tied = select(attachments.c.volume_id).where(concerned)
    held = select(volumes.c.id).where(volumes.c.id.in_(tied)).order_by(volumes.c.id).with_for_update()
    return attachments.c.volume_id.in_(select(held.cte("held").c.id))


def _touch(tx: Tx, volume_ids: Sequence[str]) -> None:
    """A change of attachment ends what an operator forced by hand, and any announcement."""
    if volume_ids:
        changed = {"updated_at": tx.now, "forced_status": None, "attach_claimed_at": None}
        tx.execute(update(volumes).where(volumes.c.id.in_(volume_ids)).values(**changed))


def _own(disk: OwnDisk) -> GuestDisk:
    return GuestDisk(disk_id=disk.id, target="", bus="", serial=disk.id, read_only=disk.read_only)


def _tied(attachment: Attachment) -> GuestDisk:
    is_cdrom = attachment.device_type == "cdrom"
    return GuestDisk(
        disk_id=attachment.volume_id,
        target=(attachment.device or "").removeprefix("/dev/"),
        bus=attachment.bus or "",
        device="cdrom" if is_cdrom else "disk",
        serial=attachment.volume_id,
        read_only=is_cdrom or attachment.mode == "ro",
    )


def _with_targets(entries: Sequence[GuestDisk]) -> list[GuestDisk]:
    """Devices as stored where they still can be: a rescue disk in front moves the root behind the rest."""
    stored = {disk.target for disk in entries}
    free = iter([f"vd{letter}" for letter in LETTERS if f"vd{letter}" not in stored])
    return [
        msgspec.structs.replace(disk, target=disk.target or next(free), boot_index=0 if number == 0 else None)
        for number, disk in enumerate(entries)
    ]
