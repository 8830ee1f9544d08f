"""How a disk comes to another place of its host: what to do next about it, and doing it.

With nobody at it, it is copied like any disk that is made anew. A guest that has it open copies it and keeps
both alike; once they are, it is held for an instant, goes over to the new file, and goes on when that is
known to be the disk: so at any instant one file has all that the guest wrote, and it is known which.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from volutus.agent.actions import AbortMove, BeginMove, CreateDisk, EndMove
from volutus.agent.faults import HostFault
from volutus.agent.hypervisor import Hypervisor
from volutus.agent.remembering import reboot_is_due, should_run
from volutus.agent.state import DiskSeen, HostSeen, Record
from volutus.agent.storage import StorageBackend
from volutus.wire import Assignment, DiskSpec, GuestSpec, GuestState, Power

MoveAction = BeginMove | EndMove | AbortMove


@dataclass(frozen=True)
class Scene:
    """`guests` are the orders for guests, by id; `opened` says who has which disk open."""

    guests: Mapping[str, Assignment]
    seen: HostSeen
    records: Mapping[str, Record]
    opened: Mapping[str, str]


def next_step(scene: Scene, spec: DiskSpec, disk: DiskSeen) -> MoveAction | CreateDisk | None:
    """What to do about a disk that is to be made anew from itself; None to wait. Pure."""
    holder = scene.opened.get(spec.id)
    if holder is None:
        waits = any(_is_about_to_open(scene, order, spec.id) for order in scene.guests.values())
        return None if waits else CreateDisk(spec)
    guest, order = scene.seen.guests.get(holder), scene.guests.get(holder)
    if guest is None or order is None:
        return None
    alike = guest.mirrors.get(spec.id)
    if disk.coming and (alike or guest.files.get(spec.id) == disk.coming):
        return EndMove(spec.id, holder, disk.coming)
    if alike is not None:
        return None if disk.coming else AbortMove(spec.id, holder)
    stays = _keeps(scene, order, spec.id) and _is_alone(scene, spec.id)
    return BeginMove(spec, holder) if stays else None


def give_up(scene: Scene, disk_id: str, disk: DiskSeen) -> EndMove | AbortMove:
    """What to do about a disk that is on the move and is to stay. Once the guest has gone over it is too
    late: the new file is the disk. Pure."""
    holder = scene.opened.get(disk_id)
    guest = scene.seen.guests.get(holder or "")
    if holder is not None and guest is not None and disk.coming and guest.files.get(disk_id) == disk.coming:
        return EndMove(disk_id, holder, disk.coming)
    return AbortMove(disk_id, holder)


def carry_out(action: MoveAction, hypervisor: Hypervisor, storage: StorageBackend) -> None:
    """Do it. Raises HostFault."""
    match action:
        case BeginMove(spec, guest_id):
            target = storage.prepare_move(spec)
            key = storage.keys(spec.id).disk
            if key is not None:
                hypervisor.keep_key(spec.id, key)
            hypervisor.begin_move(guest_id, spec.id, target)
        case EndMove(disk_id, guest_id, file):
            hypervisor.end_move(guest_id, disk_id, file, partial(storage.moved, disk_id))
        case AbortMove(disk_id, guest_id):
            if guest_id is not None:
                hypervisor.abort_move(guest_id, disk_id)
            # Who looked may have looked before it went over; then the guest writes to what would be dropped.
            if any(guest.alive and disk_id in guest.disks for guest in hypervisor.guests().values()):
                _require_not_there(hypervisor, storage, disk_id)
            storage.drop_move(disk_id)


def _require_not_there(hypervisor: Hypervisor, storage: StorageBackend, disk_id: str) -> None:
    coming = storage.disks()[disk_id].coming
    files = {guest.files.get(disk_id) for guest in hypervisor.guests().values() if guest.alive}
    if coming in files:
        raise HostFault("The guest is about to use the disk's new place.", coming)


def _is_about_to_open(scene: Scene, order: Assignment, disk_id: str) -> bool:
    """Whether that guest, which does not run, has the disk from here on: it is to run, or its saved memory
    names the disk's file."""
    guest = scene.seen.guests.get(order.key)
    if order.tombstone or not isinstance(order.spec, GuestSpec) or (guest is not None and guest.alive):
        return False
    saved = guest is not None and guest.state is GuestState.SUSPENDED
    runs = saved or should_run(order, scene.records.get(order.key, Record()))
    return runs and any(disk.disk_id == disk_id for disk in order.spec.disks)


def _keeps(scene: Scene, order: Assignment, disk_id: str) -> bool:
    """Whether a guest that runs goes on running, with that disk."""
    spec = order.spec
    if order.tombstone or not isinstance(spec, GuestSpec) or spec.power in (Power.OFF, Power.SUSPENDED):
        return False
    stays = not reboot_is_due(spec, scene.records.get(order.key, Record()))
    return stays and any(disk.disk_id == disk_id for disk in spec.disks)


def _is_alone(scene: Scene, disk_id: str) -> bool:
    """Whether one guest alone has the disk open: what others write to a shared one it would not copy."""
    holders = [guest for guest in scene.seen.guests.values() if guest.alive and disk_id in guest.disks]
    return len(holders) == 1
