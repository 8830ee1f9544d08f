"""What is seen on a host, and what the agent remembers of each guest. Plain data; nothing here acts.

`Record` is all that outlives the agent besides what the machine itself shows. Each field is written so that
a crash before or after the write leads to the same end: see `converge.note`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from volutus.wire import ExportSpec, GuestState, MetadataPort, VpnSpec


@dataclass(frozen=True)
class GuestSize:
    """What a running guest has, and the most that it can be given without a stop."""

    cores: int = 0
    memory_mib: int = 0
    cores_max: int = 0
    memory_mib_max: int = 0

    def grows_to(self, cores: int, memory_mib: int) -> bool:
        """Whether that is more of something, less of nothing, and possible while it runs."""
        possible = (
            self.cores <= cores <= self.cores_max and self.memory_mib <= memory_mib <= self.memory_mib_max
        )
        return possible and (cores, memory_mib) != (self.cores, self.memory_mib)


@dataclass(frozen=True)
class GuestSeen:
    """One guest as the hypervisor shows it. `disks` and `nics` are what is plugged in while it runs; `mhz` is
    the bound in force; `cause` says why it is paused or stopped, for the operator. `files` are the names of
    the disks' files; `mirrors` are disks that the guest's process copies elsewhere meanwhile, and whether
    that place is alike by now."""

    state: GuestState
    disks: frozenset[str] = frozenset()
    files: Mapping[str, str] = field(default_factory=dict)
    mirrors: Mapping[str, bool] = field(default_factory=dict)
    nics: frozenset[str] = frozenset()
    mhz: int = 0
    size: GuestSize = GuestSize()
    cpu_time_ns: int = 0
    cause: str = ""

    @property
    def alive(self) -> bool:
        """Whether there is a process of it."""
        return self.state in (GuestState.RUNNING, GuestState.PAUSED)


@dataclass(frozen=True)
class DiskSeen:
    """A disk that can be opened. Half-made ones are not seen, but for the name of the file in `coming`: to it
    a guest moves the disk."""

    size_bytes: int
    allocated_bytes: int = 0
    revision: int = 0
    coming: str = ""


@dataclass(frozen=True)
class BackupSeen:
    """A whole backup. `stored_bytes` is what it brought, without what its parents hold."""

    stored_bytes: int


@dataclass(frozen=True)
class ImageSeen:
    """A whole image in the cache, with the times of its coming and of its last use in seconds of Unix time;
    `disks` stand on it."""

    size_bytes: int
    cached_at: int
    used_at: int
    disks: int = 0


class CaptureState(Enum):
    """A copy of a disk made for an upload: there, or there no more because it was sent."""

    MADE = "made"
    SENT = "sent"


@dataclass(frozen=True)
class PortSeen:
    """A tap of ours. `whole` when it also is a port of the switch; `guest_id` is whom it was made for."""

    guest_id: str
    whole: bool = True


@dataclass(frozen=True)
class HostSeen:
    """Everything seen at one look. `files` names guests that have a directory, defined or not;
    `captures` are copies made for uploads, by image; `backups` the whole ones in the host's target; `images`
    are those in the cache;
    `gateways` are VPN gateways as this process made them, None for one that it has only found; so are
    `exports`."""

    guests: Mapping[str, GuestSeen] = field(default_factory=dict)
    disks: Mapping[str, DiskSeen] = field(default_factory=dict)
    ports: Mapping[str, PortSeen] = field(default_factory=dict)
    metadata: Mapping[str, MetadataPort] = field(default_factory=dict)
    files: frozenset[str] = frozenset()
    captures: Mapping[str, CaptureState] = field(default_factory=dict)
    backups: Mapping[str, BackupSeen] = field(default_factory=dict)
    gateways: Mapping[str, VpnSpec | None] = field(default_factory=dict)
    images: Mapping[str, ImageSeen] = field(default_factory=dict)
    exports: Mapping[str, ExportSpec | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """What is remembered of one guest.

    `soft_done` and `hard_done` count reboots caught up with. `ran` tells that it was seen running, and not
    stopped by us since; `boot` is the host's boot in which that was. `halted_at` is the generation of the
    order under which it stopped by itself: a newer one starts it again. `asked_at` is when it was last asked
    to shut down. `crashed` keeps what the hypervisor forgets when it restarts itself.
    """

    soft_done: int = 0
    hard_done: int = 0
    ran: bool = False
    boot: str = ""
    halted_at: int | None = None
    crashed: bool = False
    asked_at: float | None = None
    started_at: str | None = None
    cpu: "Counted" = field(default_factory=lambda: Counted())
    ports: Mapping[str, "PortCounted"] = field(default_factory=dict)


@dataclass(frozen=True)
class Counted:
    """A counter that outlives its sources: `before` sums those that ended, `last` is the present one's."""

    before: int = 0
    last: int = 0

    @property
    def total(self) -> int:
        return self.before + self.last

    def read(self, raw: int) -> "Counted":
        """After a reading of `raw`. Less than the last reading means that the source was made anew."""
        if raw < self.last:
            return Counted(self.before + self.last, raw)
        return Counted(self.before, raw)


@dataclass(frozen=True)
class OutsideCounted:
    """Bytes sent to the outside since `run`, summed over flows of the switch that come and go; `last` is what
    each flow said."""

    run: str = ""
    total: int = 0
    last: Mapping[str, int] = field(default_factory=dict)

    def read(self, flows: Mapping[str, int], run: str) -> "OutsideCounted":
        """After a reading. The first says only where to count from: what it shows may have been counted by a
        run whose record is lost. A flow that says less than before was made anew."""
        if not self.run:
            return OutsideCounted(run, 0, dict(flows))
        added = 0
        for flow, total in flows.items():
            before = self.last.get(flow, 0)
            added += total - before if total >= before else total
        return OutsideCounted(self.run, self.total + added, dict(flows))


class Carried(NamedTuple):
    """What a flow of the switch, or all flows with a mark, carried; bytes are those of whole frames."""

    bytes: int = 0
    packets: int = 0

    def since(self, before: "Carried | None") -> "Carried":
        """What came after `before`; less than that means a flow made anew."""
        if before is None or self.bytes < before.bytes or self.packets < before.packets:
            return self
        return Carried(self.bytes - before.bytes, self.packets - before.packets)

    def plus(self, more: "Carried") -> "Carried":
        return Carried(self.bytes + more.bytes, self.packets + more.packets)


@dataclass(frozen=True)
class Traffic:
    """One reading of a tap's counters, as the guest sees them; they start at 0 with each tap.
    `outside` is what each flow to the outside has carried; None when the switch could not be asked."""

    received_bytes: int = 0
    received_packets: int = 0
    sent_bytes: int = 0
    sent_packets: int = 0
    outside: Mapping[str, int] | None = None


@dataclass(frozen=True)
class PortCounted:
    """The traffic of one network card, as the guest sees it."""

    received_bytes: Counted = Counted()
    received_packets: Counted = Counted()
    sent_bytes: Counted = Counted()
    sent_packets: Counted = Counted()
    outside: OutsideCounted = OutsideCounted()

    def read(self, reading: Traffic, run: str) -> "PortCounted":
        """After a reading; `run` names the present one, should it be the first."""
        outside = reading.outside
        return PortCounted(
            received_bytes=self.received_bytes.read(reading.received_bytes),
            received_packets=self.received_packets.read(reading.received_packets),
            sent_bytes=self.sent_bytes.read(reading.sent_bytes),
            sent_packets=self.sent_packets.read(reading.sent_packets),
            outside=self.outside if outside is None else self.outside.read(outside, run),
        )
