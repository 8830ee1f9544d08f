"""What is said to the control plane, and how little of it: only what changed since the last report received.

Counters and CPU time change always, so they alone do not make a report due; they go with each heartbeat.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from volutus.agent.converge import (
    BACKUP,
    CHECK,
    DISK,
    EXPORT,
    GUEST,
    IMAGE,
    UPLOAD,
    VPN,
    Plan,
    Records,
)
from volutus.agent.label_counts import LabelCounts
from volutus.agent.remembering import should_run
from volutus.agent.state import BackupSeen, CaptureState, DiskSeen, GuestSeen, ImageSeen, Record
from volutus.wire import (
    Assignment,
    BackupObserved,
    CachedImage,
    CacheObserved,
    CheckObserved,
    DiskObserved,
    DiskSpec,
    ExportObserved,
    ExportSpec,
    Gone,
    GuestObserved,
    GuestSpec,
    GuestState,
    MarksObserved,
    NicCounters,
    Power,
    UploadObserved,
    VpnObserved,
)

Item = (
    GuestObserved
    | DiskObserved
    | UploadObserved
    | BackupObserved
    | CacheObserved
    | CheckObserved
    | VpnObserved
    | ExportObserved
    | MarksObserved
    | Gone
)
Key = tuple[str, str]

# Of the cache there is one thing to say.
CACHE: Key = ("cache", "")
# Nor of what the switch counted for labels.
MARKS: Key = ("marks", "")

# An agent tries this often before it calls a guest or a disk failed; it goes on trying after that.
FAILURES_UNTIL_REPORTED = 3

PAUSED_FAULT = "The guest is paused because the host could not write its disk."


@dataclass(frozen=True)
class Failure:
    """The last of `count` failures in a row of actions on one thing, to be tried again at `retry_at`."""

    count: int
    retry_at: float
    message: str
    detail: str


@dataclass(frozen=True)
class Sight:
    """What one report is made from."""

    plan: Plan
    orders: Mapping[Key, Assignment]
    guests: Mapping[str, GuestSeen]
    disks: Mapping[str, DiskSeen]
    captures: Mapping[str, CaptureState]
    backups: Mapping[str, BackupSeen]
    images: Mapping[str, ImageSeen]
    records: Records
    applied: Mapping[Key, int]
    failures: Mapping[str, Failure]
    checks: Mapping[str, bool] = field(default_factory=dict)
    handshakes: Mapping[str, dict[str, int]] = field(default_factory=dict)
    exports: Mapping[str, ExportSpec | None] = field(default_factory=dict)
    labels: LabelCounts = LabelCounts()  # noqa: RUF009 - it is frozen


def items(sight: Sight) -> dict[Key, Item]:
    """Everything there is to say, by kind and id. Not said: a disk or an upload that is to go and is not gone
    yet."""
    said: dict[Key, Item] = {CACHE: _cache(sight), MARKS: sight.labels.observed()}
    said |= {(gone.what, gone.id): gone for gone in sight.plan.gone}
    for key, order in sight.orders.items():
        if key in said:
            continue
        if order.kind == GUEST:
            said[key] = _guest(sight, order)
        elif not order.tombstone and order.kind != IMAGE:
            said[key] = _SAID_OF[order.kind](sight, order)
    return said


def _guest(sight: Sight, order: Assignment) -> GuestObserved:
    guest = sight.guests.get(order.key)
    record = sight.records.get(order.key, Record())
    failure = _failure_of_guest(sight, order)
    state = _guest_state(order, guest, record, failure)
    alive = guest is not None and guest.alive
    fault, detail = None, None
    if failure is not None:
        fault, detail = failure.message, failure.detail
    elif guest is not None and guest.state is GuestState.PAUSED and not _to_be_paused(order):
        fault, detail = PAUSED_FAULT, guest.cause
    return GuestObserved(
        id=order.key,
        generation=sight.applied.get((GUEST, order.key), 0),
        state=state,
        soft_reboots=record.soft_done,
        hard_reboots=record.hard_done,
        disks=sorted(guest.disks) if guest and alive else [],
        nics=sorted(guest.nics) if guest and alive else [],
        cores_max=guest.size.cores_max if guest and alive else 0,
        memory_mib_max=guest.size.memory_mib_max if guest and alive else 0,
        started_at=record.started_at if alive else None,
        cpu_time_ns=record.cpu.total,
        counters=_counters(record),
        fault=fault,
        fault_detail=detail,
    )


def _to_be_paused(order: Assignment) -> bool:
    return isinstance(order.spec, GuestSpec) and order.spec.power is Power.PAUSED


def _guest_state(
    order: Assignment, guest: GuestSeen | None, record: Record, failure: Failure | None
) -> GuestState:
    if guest is not None and guest.alive:
        return guest.state
    if guest is not None and guest.state is GuestState.SUSPENDED and failure is None:
        return guest.state
    if should_run(order, record):
        return GuestState.FAILED if failure is not None else GuestState.PENDING
    return GuestState.CRASHED if record.crashed else GuestState.STOPPED


def _failure_of_guest(sight: Sight, order: Assignment) -> Failure | None:
    """The failure of the guest, or of a disk or port that keeps it from starting."""
    keys = [order.key]
    if isinstance(order.spec, GuestSpec):
        keys += [disk.disk_id for disk in order.spec.disks]
        for nic in order.spec.nics:
            keys += [nic.port_id, nic.network_id]
    for key in keys:
        failure = sight.failures.get(key)
        if failure is not None and failure.count >= FAILURES_UNTIL_REPORTED:
            return failure
    return None


def _counters(record: Record) -> list[NicCounters]:
    return [
        NicCounters(
            port_id=port_id,
            received_bytes=port.received_bytes.total,
            received_packets=port.received_packets.total,
            sent_bytes=port.sent_bytes.total,
            sent_packets=port.sent_packets.total,
            outside_run=port.outside.run,
            outside_bytes=port.outside.total,
        )
        for port_id, port in sorted(record.ports.items())
    ]


def _disk(sight: Sight, order: Assignment) -> DiskObserved:
    disk = sight.disks.get(order.key)
    failure = _failure(sight, order)
    generation = sight.applied.get((order.kind, order.key), 0)
    released = isinstance(order.spec, DiskSpec) and order.spec.released
    return DiskObserved(
        id=order.key,
        generation=generation,
        ready=(disk is not None or released) and generation == order.generation,
        size_bytes=disk.size_bytes if disk else 0,
        allocated_bytes=disk.allocated_bytes if disk else 0,
        revision=disk.revision if disk else 0,
        fault=failure.message if failure else None,
        fault_detail=failure.detail if failure else None,
    )


def _upload(sight: Sight, order: Assignment) -> UploadObserved:
    failure = _failure(sight, order)
    return UploadObserved(
        id=order.key,
        generation=sight.applied.get((order.kind, order.key), 0),
        captured=order.key in sight.captures,
        fault=failure.message if failure else None,
        fault_detail=failure.detail if failure else None,
    )


def _backup(sight: Sight, order: Assignment) -> BackupObserved:
    failure = _failure(sight, order)
    backup = sight.backups.get(order.key)
    return BackupObserved(
        id=order.key,
        generation=sight.applied.get((order.kind, order.key), 0),
        ready=backup is not None,
        stored_bytes=backup.stored_bytes if backup else 0,
        fault=failure.message if failure else None,
        fault_detail=failure.detail if failure else None,
    )


def _cache(sight: Sight) -> CacheObserved:
    images = sorted(sight.images.items())
    return CacheObserved(images=[CachedImage(id=image_id, **vars(image)) for image_id, image in images])


def _check(sight: Sight, order: Assignment) -> CheckObserved:
    return CheckObserved(id=order.key, generation=order.generation, up=sight.checks.get(order.key))


def _gateway(sight: Sight, order: Assignment) -> VpnObserved:
    failure = _failure(sight, order)
    return VpnObserved(
        id=order.key,
        generation=sight.applied.get((VPN, order.key), 0),
        handshakes=sight.handshakes.get(order.key, {}),
        fault=failure.message if failure else None,
    )


def _export(sight: Sight, order: Assignment) -> ExportObserved:
    failure = _failure(sight, order)
    return ExportObserved(
        id=order.key,
        generation=sight.applied.get((EXPORT, order.key), 0),
        ready=sight.exports.get(order.key) == order.spec,
        fault=failure.message if failure else None,
        fault_detail=failure.detail if failure else None,
    )


_SAID_OF: Mapping[str, Callable[[Sight, Assignment], Item]] = {
    DISK: _disk,
    UPLOAD: _upload,
    BACKUP: _backup,
    CHECK: _check,
    VPN: _gateway,
    EXPORT: _export,
}


def _failure(sight: Sight, order: Assignment) -> Failure | None:
    failure = sight.failures.get(order.key)
    return failure if failure is not None and failure.count >= FAILURES_UNTIL_REPORTED else None


def without_meters(item: Item) -> Item:
    """The item as compared to see whether something happened."""
    if isinstance(item, GuestObserved):
        return msgspec.structs.replace(item, cpu_time_ns=0, counters=[])
    if isinstance(item, DiskObserved):
        return msgspec.structs.replace(item, allocated_bytes=0)
    if isinstance(item, CacheObserved):
        unused = [msgspec.structs.replace(image, used_at=0) for image in item.images]
        return CacheObserved(images=unused)
    if isinstance(item, MarksObserved):
        return MarksObserved()
    if isinstance(item, VpnObserved):
        return msgspec.structs.replace(item, handshakes={})
    return item


class Reporter:
    """Remembers what the control plane has been told."""

    def __init__(self) -> None:
        self._told: dict[Key, Item] = {}
        self._strangers: list[str] = []

    def changed(self, said: Mapping[Key, Item], strangers: list[str]) -> bool:
        """Whether something happened that should not wait for the heartbeat."""
        if strangers != self._strangers:
            return True
        return any(
            key not in self._told or without_meters(self._told[key]) != without_meters(item)
            for key, item in said.items()
        )

    def news(self, said: Mapping[Key, Item]) -> list[Item]:
        """The items to send now."""
        return [item for key, item in said.items() if self._told.get(key) != item]

    def received(self, said: Mapping[Key, Item], strangers: list[str]) -> None:
        """The report made of these arrived."""
        self._told = dict(said)
        self._strangers = list(strangers)

    def forget(self) -> None:
        """The control plane wants to be told everything again."""
        self._told = {}
        self._strangers = []
