"""Decides what to do on a host: from what should be, what is seen and what is remembered, to actions. Pure.

The rules, each of which has a test over thousands of random histories:

- Nothing is destroyed without a tombstone. Taps and metadata namespaces are not destroyed but put away when
  no guest that runs, or should run, needs them: they hold nothing.
- A guest that nobody ordered is a stranger: it is reported and left alone, and so is all that it uses.
- A guest that stops by itself (it powered itself off, or its process died) stays stopped, though power is on,
  until an order of a newer generation or a further reboot asks for it. The control plane sees STOPPED or
  CRASHED and decides. A guest that stopped because we asked, or because the host restarted, is started again.
- Reboots are counts: however many were missed, one reboot catches up with all of them.
- A soft reboot or a power off is asked of the guest first, and forced when `shutdown_timeout_s` has passed.
- A disk that is to be copied while a guest has it open is copied by that guest, as it is at one instant; one
  that is exported, by what exports it. A stranger is not asked to: the copy waits.
- A disk made anew from itself is moved by the guest that has it open, or is about to; any other that is made
  anew waits until nobody has it. While a guest goes over to the new file nothing else is asked of it.
- At most one action per thing at a time; the order in the plan is the order in which to begin.

It acts on nothing and knows no failures: who carries the plan out looks again and calls it again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from volutus.agent import moves
from volutus.agent.actions import (
    AbortMove,
    Action,
    AskReboot,
    AskShutdown,
    AttachDisk,
    AttachNic,
    BackUpDisk,
    CacheImage,
    CaptureDisk,
    CreateDisk,
    DestroyDisk,
    DetachDisk,
    DetachNic,
    DropBackup,
    DropCapture,
    DropExport,
    DropImage,
    DropMetadata,
    DropSaved,
    DropVpn,
    EndMove,
    GrowDisk,
    GrowGuest,
    KillGuest,
    PauseGuest,
    PlugPort,
    ReleaseDisk,
    RemoveGuest,
    ResumeGuest,
    SaveGuest,
    SendCapture,
    ServeExport,
    ServeMetadata,
    ServeVpn,
    SetCpu,
    StartGuest,
    UnplugPort,
)
from volutus.agent.moves import Scene
from volutus.agent.remembering import Moment, reboot_is_due, should_run
from volutus.agent.state import CaptureState, DiskSeen, GuestSeen, HostSeen, Record
from volutus.wire import (
    Assignment,
    BackupSpec,
    CheckSpec,
    DiskSpec,
    ExportSpec,
    Gone,
    GuestDisk,
    GuestSpec,
    GuestState,
    ImageSpec,
    MetadataPort,
    Power,
    UploadSpec,
    VpnSpec,
)

GUEST = "guest"
DISK = "disk"
UPLOAD = "upload"
BACKUP = "backup"
IMAGE = "image"
CHECK = "check"
VPN = "vpn"
EXPORT = "export"

# While a guest copies a disk there is no other sign of how far it is.
MOVE_LOOK_S = 1.0


@dataclass(frozen=True)
class Plan:
    """`settled` are the assignments wholly applied, `gone` the tombstones
    carried out, `strangers` the guests nobody ordered, `wake_at` when to look again if nothing happens."""

    actions: list[Action] = field(default_factory=list)
    settled: frozenset[tuple[str, str]] = frozenset()
    gone: list[Gone] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    wake_at: float | None = None


Orders = Mapping[tuple[str, str], Assignment]
Records = Mapping[str, Record]


def converge(orders: Orders, seen: HostSeen, records: Records, moment: Moment) -> Plan:
    """The plan for one look at the host. `records` must already have been through `note`."""
    planner = _Planner(orders, seen, records, moment)
    planner.plan_disks()
    planner.plan_uploads()
    planner.plan_backups()
    planner.plan_images()
    planner.plan_guests()
    planner.plan_ports()
    planner.plan_checks()
    planner.plan_gateways()
    planner.plan_exports()
    planner.plan_metadata()
    return planner.result()


class _Planner:
    """One call of `converge`: the inputs, and the plan as it grows."""

    def __init__(self, orders: Orders, seen: HostSeen, records: Records, moment: Moment) -> None:
        self.orders = orders
        self.seen = seen
        self.records = records
        self.now = moment.now
        self.actions: list[Action] = []
        self.settled: set[tuple[str, str]] = set()
        self.gone: list[Gone] = []
        self.wakes: list[float] = []
        # Ports and metadata that some guest needs now or is about to need.
        self.ports_wanted: set[str] = set()
        self.metadata_wanted: dict[str, MetadataPort] = {}
        alive = {guest_id: guest for guest_id, guest in seen.guests.items() if guest.alive}
        self.opened: dict[str, str] = {
            disk_id: guest_id for guest_id, guest in alive.items() for disk_id in guest.disks
        }
        # Guests that this plan has go over to the new file of a disk.
        self.going_over: set[str] = set()
        self.mirrored = {disk_id for guest in alive.values() for disk_id in guest.mirrors}
        # A disk that is served is open too.
        exported = (
            order.spec for (kind, key), order in orders.items() if kind == EXPORT and key in seen.exports
        )
        self.opened |= {spec.disk_id: spec.id for spec in exported if isinstance(spec, ExportSpec)}

    def result(self) -> Plan:
        known = {key for kind, key in self.orders if kind == GUEST}
        return Plan(
            actions=self.actions,
            settled=frozenset(self.settled),
            gone=self.gone,
            strangers=sorted(set(self.seen.guests) - known),
            wake_at=min(self.wakes, default=None),
        )

    def plan_disks(self) -> None:
        for order in self._orders(DISK):
            if order.tombstone:
                self._destroy_disk(order.key)
            elif isinstance(order.spec, DiskSpec):
                self._make_disk(order, order.spec)

    def _destroy_disk(self, disk_id: str) -> None:
        if disk_id not in self.seen.disks:
            self.gone.append(Gone(what=DISK, id=disk_id))
        elif disk_id not in self.opened:
            self.actions.append(DestroyDisk(disk_id))

    def _make_disk(self, order: Assignment, spec: DiskSpec) -> None:
        disk = self.seen.disks.get(spec.id)
        if spec.released:
            self._release_disk(order)
        elif disk is None or disk.revision < spec.revision:
            source = spec.source.disk_id if spec.source else None
            # Made anew, a disk takes the place of one that nobody may have open then.
            replaces = disk is not None and spec.id in self.opened
            if disk is not None and source == spec.id:
                self._move_disk(spec, disk)
            elif source is None and not replaces:
                self.actions.append(CreateDisk(spec))
            elif source is not None and not replaces and self._may_copy(source):
                self.actions.append(CreateDisk(spec, self.opened.get(source)))
        elif disk.coming or spec.id in self.mirrored:
            self._act_on_move(moves.give_up(self._scene(), spec.id, disk))
        elif disk.size_bytes < spec.size_bytes:
            self.actions.append(GrowDisk(spec.id, spec.size_bytes, self.opened.get(spec.id)))
        else:
            self.settled.add((DISK, order.key))

    def _move_disk(self, spec: DiskSpec, disk: DiskSeen) -> None:
        step = moves.next_step(self._scene(), spec, disk)
        if step is not None:
            self._act_on_move(step)
        elif spec.id in self.mirrored:
            self.wakes.append(self.now + MOVE_LOOK_S)

    def _act_on_move(self, step: moves.MoveAction | CreateDisk) -> None:
        self.actions.append(step)
        if isinstance(step, EndMove):
            self.going_over.add(step.guest_id)

    def _scene(self) -> Scene:
        guests = {order.key: order for order in self._orders(GUEST)}
        return Scene(guests, self.seen, self.records, self.opened)

    def _release_disk(self, order: Assignment) -> None:
        if order.key not in self.seen.disks:
            self.settled.add((DISK, order.key))
        elif order.key not in self.opened:
            self.actions.append(ReleaseDisk(order.key))

    def _may_copy(self, disk_id: str) -> bool:
        """Whether the disk is there and, if it is open, held by what can be told to copy it: a guest of ours,
        or an export."""
        holder = self.opened.get(disk_id)
        ours = holder is None or (GUEST, holder) in self.orders or (EXPORT, holder) in self.orders
        return disk_id in self.seen.disks and ours and disk_id not in self.mirrored

    def plan_uploads(self) -> None:
        for order in self._orders(UPLOAD):
            capture = self.seen.captures.get(order.key)
            if order.tombstone:
                if capture is None:
                    self.gone.append(Gone(what=UPLOAD, id=order.key))
                else:
                    self.actions.append(DropCapture(order.key))
            elif not isinstance(order.spec, UploadSpec):
                continue
            elif capture is CaptureState.MADE:
                self.actions.append(SendCapture(order.key))
            elif capture is CaptureState.SENT:
                self.settled.add((UPLOAD, order.key))
            elif self._may_copy(order.spec.disk_id):
                self.actions.append(CaptureDisk(order.spec, self.opened.get(order.spec.disk_id)))

    def plan_backups(self) -> None:
        for order in self._orders(BACKUP):
            there = order.key in self.seen.backups
            if order.tombstone:
                if there:
                    self.actions.append(DropBackup(order.key))
                else:
                    self.gone.append(Gone(what=BACKUP, id=order.key))
            elif there:
                self.settled.add((BACKUP, order.key))
            elif isinstance(order.spec, BackupSpec) and self._may_copy(order.spec.disk_id):
                self.actions.append(BackUpDisk(order.spec, self.opened.get(order.spec.disk_id)))

    def plan_images(self) -> None:
        for order in self._orders(IMAGE):
            image = self.seen.images.get(order.key)
            if order.tombstone:
                if image is not None and not image.disks:
                    self.actions.append(DropImage(order.key))
                else:
                    self.gone.append(Gone(what=IMAGE, id=order.key))
            elif image is not None:
                self.settled.add((IMAGE, order.key))
            elif isinstance(order.spec, ImageSpec):
                self.actions.append(CacheImage(order.spec))

    def plan_guests(self) -> None:
        for order in self._orders(GUEST):
            guest = self.seen.guests.get(order.key)
            record = self.records.get(order.key, Record())
            before = len(self.actions)
            if order.tombstone:
                self._remove(order.key, guest)
            elif not isinstance(order.spec, GuestSpec):
                continue
            elif self._saved_in_vain(order.spec, guest, record):
                self.actions.append(DropSaved(order.key))
            elif guest is not None and guest.alive:
                self._need(order.spec)
                waits = self._running(order.spec, guest, record)
                self._settle(order, quiet=not waits and len(self.actions) == before)
            elif should_run(order, record):
                self._need(order.spec)
                if self._has_all(order.spec):
                    self.actions.append(StartGuest(order.spec))
            else:
                self._settle(order, quiet=True)

    def _saved_in_vain(self, spec: GuestSpec, guest: GuestSeen | None, record: Record) -> bool:
        """Whether the memory of a suspended guest is of no use: it is to be off, or to boot."""
        if guest is None or guest.state is not GuestState.SUSPENDED:
            return False
        return spec.power is Power.OFF or reboot_is_due(spec, record)

    def _remove(self, guest_id: str, guest: GuestSeen | None) -> None:
        if guest is not None and guest.alive:
            self.actions.append(KillGuest(guest_id))
        elif guest is not None or guest_id in self.seen.files:
            self.actions.append(RemoveGuest(guest_id))
        elif not any(port.guest_id == guest_id for port in self.seen.ports.values()):
            self.gone.append(Gone(what=GUEST, id=guest_id))

    def _running(self, spec: GuestSpec, guest: GuestSeen, record: Record) -> bool:
        """Plan for a guest that runs; whether there is something to wait for."""
        if spec.id in self.going_over or self._goes_over(guest):
            # It is held meanwhile, and may not write before the new file is the disk.
            return True
        if spec.power is Power.OFF:
            return self._ask_then_kill(spec, guest, record, AskShutdown(spec.id))
        if spec.hard_reboots > record.hard_done:
            self.actions.append(KillGuest(spec.id))
            return True
        if spec.soft_reboots > record.soft_done:
            return self._ask_then_kill(spec, guest, record, AskReboot(spec.id, spec.soft_reboots))
        if spec.power is Power.SUSPENDED:
            moving = [AbortMove(disk_id, spec.id) for disk_id in sorted(guest.mirrors)]
            self.actions += moving or [SaveGuest(spec.id)]
            return True
        held = guest.state is GuestState.PAUSED
        if held is not (spec.power is Power.PAUSED):
            self.actions.append(ResumeGuest(spec.id) if held else PauseGuest(spec.id))
            return True
        return self._adjust(spec, guest)

    def _goes_over(self, guest: GuestSeen) -> bool:
        disks = ((self.seen.disks.get(disk_id), file) for disk_id, file in guest.files.items())
        return any(disk is not None and disk.coming == file for disk, file in disks)

    def _ask_then_kill(self, spec: GuestSpec, guest: GuestSeen, record: Record, ask: Action) -> bool:
        asked_at = record.asked_at if record.asked_at is not None else self.now
        deadline = asked_at + spec.shutdown_timeout_s
        # A paused guest cannot hear the request.
        if guest.state is GuestState.PAUSED or self.now >= deadline:
            self.actions.append(KillGuest(spec.id))
        else:
            self.actions.append(ask)
            self.wakes.append(deadline)
        return True

    def _adjust(self, spec: GuestSpec, guest: GuestSeen) -> bool:
        """Change what can be changed while it runs: one thing at a time, unplugging first, because a new disk
        may take the place of an old one."""
        wanted_disks = {disk.disk_id: disk for disk in spec.disks}
        wanted_nics = {nic.port_id: nic for nic in spec.nics}
        for disk_id in sorted(guest.disks - wanted_disks.keys()):
            moves = disk_id in guest.mirrors
            self.actions.append(AbortMove(disk_id, spec.id) if moves else DetachDisk(spec.id, disk_id))
            return True
        for port_id in sorted(guest.nics - wanted_nics.keys()):
            self.actions.append(DetachNic(spec.id, port_id))
            return True
        waits = False
        for disk_id, disk in wanted_disks.items():
            if disk_id not in guest.disks:
                waits = True
                if disk_id in self.seen.disks and self._is_free(disk):
                    self.actions.append(AttachDisk(spec.id, disk))
                    return True
        for port_id, nic in wanted_nics.items():
            if port_id not in guest.nics:
                waits = True
                if self._plugged(port_id):
                    self.actions.append(AttachNic(spec.id, nic))
                    return True
        if guest.mhz != spec.mhz:
            self.actions.append(SetCpu(spec.id, spec.mhz))
        if guest.size.grows_to(spec.cores, spec.memory_mib):
            self.actions.append(GrowGuest(spec.id, spec.cores, spec.memory_mib))
        return waits

    def _settle(self, order: Assignment, *, quiet: bool) -> None:
        if quiet and isinstance(order.spec, GuestSpec):
            needed = order.spec.nics if order.key in self.seen.guests else []
            alive = order.key in self.seen.guests and self.seen.guests[order.key].alive
            if not alive or all(self._plugged(nic.port_id) for nic in needed):
                self.settled.add((GUEST, order.key))

    def _need(self, spec: GuestSpec) -> None:
        for nic in spec.nics:
            self.ports_wanted.add(nic.port_id)
            if not self._plugged(nic.port_id):
                self.actions.append(PlugPort(spec.id, nic))
            if nic.metadata is not None:
                self.metadata_wanted[nic.network_id] = nic.metadata

    def _has_all(self, spec: GuestSpec) -> bool:
        disks = all(self._can_be_opened(disk.disk_id) and self._is_free(disk) for disk in spec.disks)
        return disks and all(self._plugged(nic.port_id) for nic in spec.nics)

    def _is_free(self, disk: GuestDisk) -> bool:
        """Whether nobody has the disk open, or those who do share it."""
        shared = disk.shared and disk.disk_id not in self.mirrored
        return shared or disk.disk_id not in self.opened

    def _can_be_opened(self, disk_id: str) -> bool:
        """Whether a guest may start with the disk: also with one that is only to be moved, which it then
        does."""
        order = self.orders.get((DISK, disk_id))
        source = order.spec.source if order is not None and isinstance(order.spec, DiskSpec) else None
        moves_only = source is not None and source.disk_id == disk_id and disk_id in self.seen.disks
        return moves_only or self._is_whole(disk_id)

    def _is_whole(self, disk_id: str) -> bool:
        """Whether the disk is there, and not about to be made anew."""
        disk, order = self.seen.disks.get(disk_id), self.orders.get((DISK, disk_id))
        wanted = order.spec.revision if order is not None and isinstance(order.spec, DiskSpec) else 0
        return disk is not None and disk.revision >= wanted

    def _plugged(self, port_id: str) -> bool:
        port = self.seen.ports.get(port_id)
        return port is not None and port.whole

    def plan_ports(self) -> None:
        """Put away the taps that nobody needs. A tap in a running guest is in use, whoever ordered it."""
        in_use = {port for guest in self.seen.guests.values() if guest.alive for port in guest.nics}
        known = {key for kind, key in self.orders if kind == GUEST}
        for port_id, port in sorted(self.seen.ports.items()):
            stranger = port.guest_id in self.seen.guests and port.guest_id not in known
            if port_id not in self.ports_wanted and port_id not in in_use and not stranger:
                self.actions.append(UnplugPort(port_id))

    def plan_checks(self) -> None:
        """Members asked by HTTP need their network's own port here, and nothing else."""
        for order in self._orders(CHECK):
            if order.tombstone:
                self.gone.append(Gone(what=CHECK, id=order.key))
            elif isinstance(order.spec, CheckSpec):
                self.metadata_wanted.setdefault(order.spec.network_id, order.spec.metadata)
                self.settled.add((CHECK, order.key))

    def plan_gateways(self) -> None:
        for order in self._orders(VPN):
            if order.tombstone:
                if order.key in self.seen.gateways:
                    self.actions.append(DropVpn(order.key))
                else:
                    self.gone.append(Gone(what=VPN, id=order.key))
            elif isinstance(order.spec, VpnSpec):
                if self.seen.gateways.get(order.key) == order.spec:
                    self.settled.add((VPN, order.key))
                else:
                    self.actions.append(ServeVpn(order.spec))

    def plan_exports(self) -> None:
        for order in self._orders(EXPORT):
            here = order.key in self.seen.exports
            if order.tombstone:
                if here:
                    self.actions.append(DropExport(order.key))
                else:
                    self.gone.append(Gone(what=EXPORT, id=order.key))
            elif isinstance(order.spec, ExportSpec):
                disk_id = order.spec.disk_id
                if self.seen.exports.get(order.key) == order.spec:
                    self.settled.add((EXPORT, order.key))
                elif here or (self._is_whole(disk_id) and disk_id not in self.opened):
                    self.actions.append(ServeExport(order.spec))

    def plan_metadata(self) -> None:
        for network_id, port in sorted(self.metadata_wanted.items()):
            if self.seen.metadata.get(network_id) != port:
                self.actions.append(ServeMetadata(network_id, port))
        known = {key for kind, key in self.orders if kind == GUEST}
        if any(guest.alive for guest_id, guest in self.seen.guests.items() if guest_id not in known):
            return  # Whose metadata a stranger asks for is not known, so all of it stays.
        for network_id in sorted(set(self.seen.metadata) - self.metadata_wanted.keys()):
            self.actions.append(DropMetadata(network_id))

    def _orders(self, kind: str) -> Iterator[Assignment]:
        return (order for order in self.orders.values() if order.kind == kind)
