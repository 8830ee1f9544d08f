"""One host: takes orders, looks at the machine, plans, carries out actions, and says what is.

It has no thread and no clock of its own: `runner` calls it for a real host, `simulated` for pretended ones,
tests with a made-up time. `perform` may run in several threads at once, for different things.
"""

import functools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec

from volutus.agent import converge as deciding
from volutus.agent.actions import (
    AbortMove,
    Action,
    Adjustment,
    AskReboot,
    AskShutdown,
    BackUpDisk,
    BeginMove,
    CacheImage,
    CaptureDisk,
    CreateDisk,
    DestroyDisk,
    DropBackup,
    DropCapture,
    DropExport,
    DropImage,
    DropMetadata,
    DropSaved,
    DropVpn,
    EndMove,
    GrowDisk,
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
    StartGuest,
    UnplugPort,
)
from volutus.agent.adjusting import adjust
from volutus.agent.commands import Commands
from volutus.agent.converge import EXPORT, GUEST, Plan
from volutus.agent.copying import copy
from volutus.agent.faults import HostFault
from volutus.agent.hypervisor import Hypervisor, StartOrder
from volutus.agent.iscsi import Exports
from volutus.agent.moves import carry_out
from volutus.agent.network import Network
from volutus.agent.records import KeptLabels, RecordStore
from volutus.agent.remembering import Moment, note
from volutus.agent.reporting import Failure, Item, Key, Reporter, Sight, items
from volutus.agent.serving import serve
from volutus.agent.state import HostSeen, PortCounted, Record
from volutus.agent.storage import DiskLocation, Fetch, Holder, RbdImage, Send, StorageBackend
from volutus.wire import (
    Assignment,
    CheckSpec,
    Desired,
    DiskSpec,
    ExportSpec,
    Gone,
    GuestObserved,
    GuestSpec,
    HostFacts,
    ImageSpec,
    Observed,
    Received,
)
from volutus.wire.addresses import link_local

log = logging.getLogger(__name__)

RETRY_FIRST_S = 1.0
RETRY_LONGEST_S = 60.0
# What needs the guest's help has not failed when nothing changed yet: ask again after this. A guest that is
# booting does not hear the first request.
PATIENCE_S = 5.0


@dataclass(frozen=True)
class Drivers:
    """What touches the machine, or pretends to."""

    hypervisor: Hypervisor
    storage: StorageBackend
    network: Network
    exports: Exports
    records: RecordStore
    fetch: Fetch
    send: Send


class Host:
    """See the module. `boot` names the host's present boot; `wall` is the time of day for `started_at`."""

    def __init__(self, drivers: Drivers, boot: str, wall: Callable[[], datetime]) -> None:
        self._drivers = drivers
        self._boot = boot
        self._wall = wall
        self._lock = threading.Lock()
        self._records = drivers.records.load()
        self._labels = KeptLabels(drivers.records)
        self._orders: dict[Key, Assignment] = {}
        self._applied: dict[Key, int] = {}
        self._failures: dict[str, Failure] = {}
        self.commands = Commands(drivers.hypervisor)
        self._reporter = Reporter()
        self._handshakes: dict[str, dict[str, int]] = {}
        self._seen = HostSeen()
        self._plan = Plan()
        self._facts_told = False
        self.generation = 0
        self.informed = False

    # Orders

    def accept(self, desired: Desired) -> None:
        """Take what the control plane says. A full document replaces all that was known: nothing is destroyed
        for not being in it, it becomes a stranger."""
        if desired.full:
            self._orders = {}
            self.informed = True
        for order in desired.assignments:
            self._orders[(order.kind, order.key)] = order
        self.generation = desired.generation
        self._publish_metadata()
        specs = (order.spec for order in self._orders.values() if not order.tombstone)
        self._drivers.network.check([spec for spec in specs if isinstance(spec, CheckSpec)])

    def console_guests(self) -> list[str]:
        """Ordered guests, whose console is shipped."""
        return [key for kind, key in self._orders if kind == GUEST]

    def images_needed(self) -> frozenset[str]:
        """Images that an order still names."""
        needed = set()
        for order in self._orders.values():
            spec = order.spec
            sources = [spec.kernel_image, spec.ramdisk_image] if isinstance(spec, GuestSpec) else []
            sources += [spec.source] if isinstance(spec, DiskSpec | ImageSpec) else []
            needed |= {source.image_id for source in sources if source and source.image_id}
        return frozenset(needed)

    # Looking and planning

    def look(self, now: float, in_motion: frozenset[str] = frozenset()) -> Plan:
        """See everything afresh and decide. Before the first full document from the control plane there is no
        plan.

        `in_motion` are the ids of things that an action is under way for. What was seen of them may be from
        before the action and their record from after it: taken together, a guest just started would look
        like one that stopped by itself. So nothing is concluded about them in this look."""
        hypervisor, network = self._drivers.hypervisor, self._drivers.network
        # Ports before guests: a tap of a guest that starts in between must not look like nobody's.
        ports = network.ports()
        metadata, storage = network.metadata(), self._drivers.storage
        disks, captures, backups = storage.disks(), storage.captures(), storage.backups()
        images, files, gateways = storage.images(), hypervisor.files(), network.gateways()
        guests, exports = hypervisor.guests(), self._drivers.exports.exports()
        self._seen = HostSeen(
            guests, disks, ports, metadata, files, captures, backups, gateways, images, exports
        )
        if not self.informed:
            return Plan()
        moment = Moment(now, self._boot)
        self._take_notes(moment, in_motion)
        with self._lock:
            records = dict(self._records)
        self._plan = deciding.converge(self._orders, self._seen, records, moment)
        for key in self._plan.settled:
            if key[1] not in in_motion:
                self._applied[key] = self._orders[key].generation
        # What is not to be done any more has not failed any more.
        planned = {action.key for action in self._plan.actions}
        for name in [name for name in self._failures if name not in planned]:
            self._failures.pop(name, None)
        return self._plan

    def due(self, action: Action, now: float) -> bool:
        """Whether the action may be tried now, or has to wait after a failure."""
        failure = self._failures.get(action.key)
        if failure is None or now >= failure.retry_at:
            return True
        # Whoever cuts the power does not wait for a guest that was only asked.
        return isinstance(action, KillGuest) and failure.count == 0

    def next_retry(self) -> float | None:
        """When the first action that waits after a failure may be tried again."""
        keys = {action.key for action in self._plan.actions}
        return min((f.retry_at for key, f in list(self._failures.items()) if key in keys), default=None)

    def waits_for_guest(self) -> bool:
        """Whether a guest was asked for something that it has not done yet."""
        asked = {action.key for action in self._plan.actions}
        return any(f.count == 0 and key in asked for key, f in list(self._failures.items()))

    def traffic_read(self) -> None:
        """Read the counters of all running guests into their records."""
        alive = {guest_id: guest for guest_id, guest in self._seen.guests.items() if guest.alive}
        wanted = {port for guest in alive.values() for port in guest.nics}
        specs = [order.spec for order in self._orders.values() if isinstance(order.spec, GuestSpec)]
        marks = {nic.port_id: nic.traffic_mark for spec in specs for nic in spec.nics}
        run = self._wall().astimezone(UTC).isoformat()
        carried = self._drivers.network.carried()
        self._labels.read(carried, run)
        readings = self._drivers.network.traffic({port: marks.get(port, 0) for port in wanted}, carried)
        self._handshakes = self._drivers.network.handshakes()
        for guest_id, guest in alive.items():
            if (GUEST, guest_id) not in self._orders:
                continue
            with self._lock:
                record = self._records.get(guest_id, Record())
                ports = dict(record.ports)
                for port_id in guest.nics & readings.keys():
                    ports[port_id] = ports.get(port_id, PortCounted()).read(readings[port_id], run)
                cpu = record.cpu.read(guest.cpu_time_ns)
                self._remember(guest_id, replace(record, ports=ports, cpu=cpu))

    def _take_notes(self, moment: Moment, in_motion: frozenset[str]) -> None:
        for (kind, guest_id), order in self._orders.items():
            if kind == GUEST and not order.tombstone and guest_id not in in_motion:
                with self._lock:
                    record = self._records.get(guest_id, Record())
                    guest = self._seen.guests.get(guest_id)
                    self._remember(guest_id, note(record, guest, order, moment))

    def _remember(self, guest_id: str, record: Record) -> None:
        if self._records.get(guest_id, Record()) != record:
            self._drivers.records.save(guest_id, record)
            self._records[guest_id] = record

    # Acting

    def perform(self, action: Action, now: float) -> bool:
        """Carry out one action. False if it failed, or changed nothing yet: it is tried again later."""
        try:
            patient = self._act(action, now)
        except HostFault as fault:
            self.failed(action, now, fault)
            return False
        if patient:
            self._failures[action.key] = Failure(0, now + PATIENCE_S, "", "")
        else:
            self._failures.pop(action.key, None)
        return not patient

    def failed(self, action: Action, now: float, fault: HostFault) -> None:
        """Note that an action failed: it is tried again after pauses that double."""
        log.warning("%s %s: %s", type(action).__name__, action.key, fault)
        before = self._failures.get(action.key)
        count = before.count + 1 if before else 1
        pause = min(RETRY_FIRST_S * 2 ** (count - 1), RETRY_LONGEST_S)
        self._failures[action.key] = Failure(count, now + pause, fault.message, fault.detail)

    def _act(self, action: Action, now: float) -> bool:
        """Whether to be patient before looking at that thing again."""
        if isinstance(action, Adjustment):
            return adjust(action, self._drivers.hypervisor, self._drivers.network, self._located)
        match action:
            case CreateDisk() | GrowDisk() | DestroyDisk() | ReleaseDisk():
                self._act_on_disk(action)
            case BeginMove() | EndMove() | AbortMove():
                carry_out(action, self._drivers.hypervisor, self._drivers.storage)
            case BackUpDisk() | DropBackup() | CaptureDisk() | SendCapture() | DropCapture():
                copy(action, self._drivers.storage, self._drivers.send, self._holder)
            case CacheImage(spec):
                self._drivers.storage.cache(spec, self._drivers.fetch)
            case DropImage(image_id):
                self._drivers.storage.drop_image(image_id)
            case PlugPort() | UnplugPort() | ServeMetadata() | DropMetadata() | ServeVpn() | DropVpn():
                serve(action, self._drivers.network)
            case ServeExport(export):
                self._serve_export(export)
            case DropExport(export_id):
                self._drivers.exports.drop(export_id)
            case StartGuest(spec):
                self._start(spec)
            case AskShutdown(guest_id):
                self._ask_shutdown(guest_id, now)
                return True
            case AskReboot(guest_id, count):
                return self._reboot(guest_id, count, now)
            case KillGuest(guest_id):
                # Remembered first: a guest found dead after a crash in between was not its own doing.
                self._update(guest_id, ran=False, asked_at=None)
                self._drivers.hypervisor.kill(guest_id)
            case PauseGuest(guest_id):
                self._drivers.hypervisor.pause(guest_id)
            case SaveGuest(guest_id):
                # Remembered first, as for a guest that is killed.
                self._update(guest_id, ran=False, asked_at=None)
                self._drivers.hypervisor.save(guest_id)
            case DropSaved(guest_id):
                self._drivers.hypervisor.drop_saved(guest_id)
            case ResumeGuest(guest_id):
                self._drivers.hypervisor.resume(guest_id)
                return True
            case RemoveGuest(guest_id):
                self._remove(guest_id)
        return False

    def _remove(self, guest_id: str) -> None:
        self._drivers.hypervisor.remove(guest_id)
        with self._lock:
            self._records.pop(guest_id, None)
            self._drivers.records.drop(guest_id)

    def _act_on_disk(self, action: CreateDisk | GrowDisk | DestroyDisk | ReleaseDisk) -> None:
        storage = self._drivers.storage
        match action:
            case CreateDisk(spec, guest_id):
                source = spec.source.disk_id if spec.source else None
                storage.create(spec, self._drivers.fetch, self._holder(guest_id, source or ""))
            case GrowDisk(disk_id, size_bytes, guest_id):
                if guest_id is None:
                    storage.grow(disk_id, size_bytes)
                else:
                    self._drivers.hypervisor.grow_disk(guest_id, disk_id, size_bytes)
                    storage.grown(disk_id, size_bytes)
            case DestroyDisk(disk_id):
                storage.destroy(disk_id)
            case ReleaseDisk(disk_id):
                storage.release(disk_id)

    def _holder(self, holder: str | None, disk_id: str) -> Holder | None:
        """The guest that has a disk open, or the export; None for one that nobody has."""
        if holder is None:
            return None
        if (EXPORT, holder) in self._orders:
            encrypted = self._drivers.storage.location(disk_id).encrypted
            return Holder(functools.partial(self._drivers.exports.copy_disk, holder, encrypted=encrypted))
        hypervisor = self._drivers.hypervisor
        return Holder(
            copy=functools.partial(hypervisor.copy_disk, holder, disk_id),
            at_rest=functools.partial(hypervisor.at_rest, holder),
        )

    def _serve_export(self, spec: ExportSpec) -> None:
        storage = self._drivers.storage
        self._drivers.exports.serve(spec, storage.location(spec.disk_id), storage.keys(spec.disk_id))

    def _start(self, spec: GuestSpec) -> None:
        storage, network = self._drivers.storage, self._drivers.network
        boot_files = [
            storage.boot_file(source, self._drivers.fetch) if source else None
            for source in (spec.kernel_image, spec.ramdisk_image)
        ]
        self._drivers.hypervisor.start(
            StartOrder(
                spec=spec,
                disks={disk.disk_id: self._located(disk.disk_id) for disk in spec.disks},
                taps={nic.port_id: network.tap(nic.port_id) for nic in spec.nics},
                kernel=boot_files[0],
                ramdisk=boot_files[1],
            )
        )
        self._update(
            spec.id,
            soft_done=spec.soft_reboots,
            hard_done=spec.hard_reboots,
            ran=True,
            boot=self._boot,
            halted_at=None,
            crashed=False,
            asked_at=None,
            started_at=self._wall().astimezone(UTC).isoformat(timespec="seconds"),
        )

    def _located(self, disk_id: str) -> DiskLocation:
        """Where a disk is; the hypervisor has the keys that it takes when this returns."""
        location = self._drivers.storage.location(disk_id)
        keys = self._drivers.storage.keys(disk_id)
        if keys.disk is not None:
            self._drivers.hypervisor.keep_key(disk_id, keys.disk)
        if keys.cluster is not None and isinstance(location.place, RbdImage):
            self._drivers.hypervisor.keep_cluster_key(location.place, keys.cluster)
        return location

    def _ask_shutdown(self, guest_id: str, now: float) -> None:
        with self._lock:
            record = self._records.get(guest_id, Record())
            if record.asked_at is None:
                self._remember(guest_id, replace(record, asked_at=now))
        self._drivers.hypervisor.ask_shutdown(guest_id)

    def _reboot(self, guest_id: str, count: int, now: float) -> bool:
        rebooted = self._drivers.hypervisor.ask_reboot(guest_id)
        if rebooted:
            self._update(guest_id, soft_done=count)
        else:
            self._ask_shutdown(guest_id, now)
        return not rebooted

    def _update(self, guest_id: str, **changes: object) -> None:
        with self._lock:
            record = self._records.get(guest_id, Record())
            self._remember(guest_id, replace(record, **changes))  # type: ignore[arg-type]

    # Reporting

    def said(self) -> dict[Key, Item]:
        """Everything there is to report now."""
        with self._lock:
            records = dict(self._records)
        sight = Sight(
            plan=self._plan,
            orders=self._orders,
            guests=self._seen.guests,
            disks=self._seen.disks,
            captures=self._seen.captures,
            backups=self._seen.backups,
            images=self._seen.images,
            records=records,
            applied=self._applied,
            failures=dict(self._failures),
            checks=self._drivers.network.checked(),
            handshakes=self._handshakes,
            exports=self._seen.exports,
            labels=self._labels.counts,
        )
        return {key: self._with_sockets(item) for key, item in items(sight).items()}

    def has_news(self) -> bool:
        """Whether a report should not wait for the heartbeat."""
        if not self.informed:
            return False
        return self.commands.has_news() or self._reporter.changed(self.said(), self._plan.strangers)

    def report(self, facts: HostFacts | None) -> tuple[Observed, dict[Key, Item]]:
        """The report to send, and what to pass to `received` when it arrived."""
        if not self.informed:
            return Observed(seen=self.generation, facts=facts), {}
        said = self.said()
        news = self._reporter.news(said)
        report = Observed(
            seen=self.generation,
            full=len(news) == len(said),
            facts=facts,
            items=news,
            strangers=self._plan.strangers,
            answers=self.commands.answers(),
        )
        return report, said

    def received(self, said: dict[Key, Item], answer: Received) -> None:
        """A report arrived. What was reported gone need not be remembered any longer."""
        if not self.informed:
            return
        self._reporter.received(said, self._plan.strangers)
        self.commands.told()
        for key, item in said.items():
            if isinstance(item, Gone):
                self._forget_gone(key)
        if answer.resend_all:
            self._reporter.forget()

    def _forget_gone(self, key: Key) -> None:
        order = self._orders.get(key)
        if order is not None and order.tombstone:
            del self._orders[key]
            self._applied.pop(key, None)
            self._failures.pop(key[1], None)

    def _with_sockets(self, item: Item) -> Item:
        if not isinstance(item, GuestObserved) or (not item.disks + item.nics and item.started_at is None):
            return item
        driver, guest_id = self._drivers.hypervisor, item.id
        vnc, serial = driver.vnc_socket(guest_id), driver.serial_socket(guest_id)
        return msgspec.structs.replace(item, vnc_socket=vnc, serial_socket=serial)

    def _publish_metadata(self) -> None:
        trees = {}
        for order in self._orders.values():
            if isinstance(order.spec, GuestSpec) and not order.tombstone:
                for nic in order.spec.nics:
                    for address in (*nic.addresses, link_local(nic.mac)):
                        trees[(nic.network_id, address)] = order.spec.metadata
        self._drivers.network.publish(trees)
