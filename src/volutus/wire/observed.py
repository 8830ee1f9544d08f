"""What is on one host, as the agent reports it.

`POST /agent/v1/observed` with an `Observed`, after every change and at least every heartbeat; the answer is
a `Received`. A report names only what changed since the last one that was received, unless `full`.
"""

from enum import Enum

import msgspec


class GuestState(Enum):
    """What the hypervisor says of a guest. `PENDING`: its disks or images are still being made.
    `SUSPENDED`: its memory is on the host's disk."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    SUSPENDED = "suspended"
    STOPPED = "stopped"
    CRASHED = "crashed"
    FAILED = "failed"


class HostFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the machine has. `mhz_per_core` is measured, not the label's; `chassis` is OVN's name of it;
    `pools` are the sizes in GiB of those that disks can be kept in, the first being `disk_gib`. `resources`
    count what else can be had: `pages:2048` pages of 2,048 KiB, whose memory is not in `memory_mib`;
    `pci:NAME` devices of a class; `pool:NAME` GiB of a pool whose room is not the first one's.
    `iscsi_portal` is ADDR:PORT at which it serves disks by iSCSI, empty where it does not."""

    hostname: str
    cores: int
    mhz_per_core: int
    memory_mib: int
    disk_gib: int
    accelerator: str
    hypervisor_version: int
    agent_version: str
    chassis: str
    address: str
    pools: dict[str, int] = {}
    resources: dict[str, int] = {}
    iscsi_portal: str = ""


class NicCounters(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes and packets as the guest sees them, ever growing over restarts of guest and agent.
    `outside_bytes` are those that left the cloud, counted since `outside_run` began: a host that has lost its
    records counts anew under another name."""

    port_id: str
    received_bytes: int
    received_packets: int
    sent_bytes: int
    sent_packets: int
    outside_run: str = ""
    outside_bytes: int = 0


class GuestObserved(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="guest"
):
    """One guest. `generation` is the newest assignment wholly applied; `disks` and `nics` are what is
    plugged in now (disk ids, port ids); `fault` says why the state is `FAILED` in words a tenant can read,
    `fault_detail` is for the operator. `vnc_socket` and `serial_socket` are paths on the host."""

    id: str
    generation: int
    state: GuestState
    soft_reboots: int = 0
    hard_reboots: int = 0
    disks: list[str] = []
    nics: list[str] = []
    started_at: str | None = None
    cpu_time_ns: int = 0
    counters: list[NicCounters] = []
    fault: str | None = None
    fault_detail: str | None = None
    vnc_socket: str | None = None
    serial_socket: str | None = None
    cores_max: int = 0
    memory_mib_max: int = 0


class DiskObserved(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="disk"
):
    """One disk: `ready` once it can be opened with `size_bytes`, as the order's `revision`, or is put aside
    as ordered; `allocated_bytes` is what it takes up."""

    id: str
    generation: int
    ready: bool
    size_bytes: int = 0
    allocated_bytes: int = 0
    revision: int = 0
    fault: str | None = None
    fault_detail: str | None = None


class UploadObserved(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="upload"
):
    """One upload: `captured` once the copy is made, so that the disk itself is no longer needed; that all was
    sent the control plane sees by the image."""

    id: str
    generation: int
    captured: bool = False
    fault: str | None = None
    fault_detail: str | None = None


class BackupObserved(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="backup"
):
    """One backup: `ready` once it is whole; `stored_bytes` is what it takes up in the target by itself."""

    id: str
    generation: int
    ready: bool = False
    stored_bytes: int = 0
    fault: str | None = None
    fault_detail: str | None = None


class CachedImage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An image in the host's cache: what it takes up; in seconds of Unix time when it came and when a disk
    was last made from it; how many disks stand on it."""

    id: str
    size_bytes: int
    cached_at: int
    used_at: int
    disks: int = 0


class CacheObserved(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="cache"
):
    """All images in the host's cache, ordered or come with a disk. A host has one cache."""

    id: str = ""
    images: list[CachedImage] = []


class CheckObserved(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="check"
):
    """One member asked by HTTP; `up` is None until there were answers enough."""

    id: str
    generation: int
    up: bool | None = None


class VpnObserved(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="vpn"):
    """One VPN gateway. `handshakes` is when each peer was last heard, in seconds of Unix time, by public key;
    peers never heard are left out."""

    id: str
    generation: int
    handshakes: dict[str, int] = {}
    fault: str | None = None


class ExportObserved(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="export"
):
    """One export: whether initiators can log in, as ordered in that generation."""

    id: str
    generation: int
    ready: bool
    fault: str | None = None
    fault_detail: str | None = None


class MarkCounted(msgspec.Struct, frozen=True, kw_only=True):
    """What the flows with one mark have carried since `run` began; a host that counts anew names another."""

    mark: int
    run: str
    bytes: int
    packets: int


class MarksObserved(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="marks"
):
    """What this host's switch counted for metering labels. A host has one switch."""

    id: str = ""
    marks: list[MarkCounted] = []


class Gone(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="gone"):
    """A tombstone was carried out: no process, tap, port or file of it is left."""

    what: str
    id: str


class CommandAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of a `GuestCommand`; `fault` says why nothing did, in words a tenant can read."""

    id: str
    fault: str | None = None


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


class Observed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A report. `seen` is the last generation of `Desired` received; `facts` come at the start and when they
    change; `strangers` are guests on the host that nobody ordered: they are left alone."""

    seen: int
    full: bool = False
    facts: HostFacts | None = None
    items: list[Item] = []
    strangers: list[str] = []
    answers: list[CommandAnswer] = []


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """The report is stored. `resend_all` asks for a full report next (the control plane lost its memory)."""

    resend_all: bool = False
