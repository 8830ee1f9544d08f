"""What should be on one host, as the control plane says it to the agent.

`GET /agent/v1/desired?seen=G&wait=S` answers a `Desired` as soon as something is newer than generation G,
or after S seconds with no assignments. `seen=0` asks for everything.
"""

from enum import Enum

import msgspec

from volutus.wire.hardware import GuestHardware


class Power(Enum):
    """Whether a guest should run. `OFF` first asks the guest to shut down, then cuts the power. `PAUSED`
    holds a guest that runs; one that does not is not started for it. `SUSPENDED` writes a guest's memory to
    the host's disk and ends its process; switched on, it goes on where it was."""

    ON = "on"
    OFF = "off"
    PAUSED = "paused"
    SUSPENDED = "suspended"


class DiskSource(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a new disk starts as a copy of: an image (fetched at `/agent/v1/images/{image_id}/file`, format
    `image_format`, its bytes hashing to `sha256`), or, with `disk_id`, another disk on the same host (the
    disk itself: what it was before), or, with `backup_id`, a backup. `adopted_id` is a disk that was released
    here: it is not copied, it becomes this one."""

    image_id: str | None = None
    image_format: str | None = None
    sha256: str | None = None
    disk_id: str | None = None
    backup_id: str | None = None
    adopted_id: str | None = None


class DiskSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="disk"):
    """A disk that should exist in one of the host's pools (none named: the first). `source` counts only while
    the disk does not exist yet in this revision: a higher one is made anew from its source, and takes the
    place of what was there once it is whole. A disk grows to `size_bytes` and never shrinks. The key of an
    `encrypted` one is asked for at `/agent/v1/disks/{id}/key`. A `released` disk is put aside, unharmed, to
    be adopted or looked after by a human. A disk without a source is empty, or has an empty `filesystem`
    (ext2, ext3, ext4, swap) with that `label` over all of it."""

    id: str
    size_bytes: int
    source: DiskSource | None = None
    pool: str = ""
    format: str = "qcow2"
    encrypted: bool = False
    revision: int = 0
    released: bool = False
    filesystem: str = ""
    label: str = ""


class BackupSpec(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="backup"
):
    """A backup of a disk as it is at one instant, to be kept in the host's backup target. With `parent_id`
    only what changed since that backup is stored."""

    id: str
    disk_id: str
    parent_id: str | None = None


class UploadSpec(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="upload"
):
    """A disk to be copied as it is at one instant, in use or not, and sent as the bytes of an image by
    `PUT /agent/v1/images/{id}/file`. `id` is the image's; `format` is what the image says it is."""

    id: str
    disk_id: str
    format: str = "qcow2"


class DiskLimits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one guest may do to one disk a second; 0 is no limit. A total counts reads and writes together,
    and excludes limits of either."""

    total_bytes: int = 0
    read_bytes: int = 0
    write_bytes: int = 0
    total_operations: int = 0
    read_operations: int = 0
    write_operations: int = 0


class GuestDisk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A disk as one guest sees it. `target` is the device name asked for (`vda`, `vdb` …); `serial` is what
    the guest reads in `/sys/block/*/serial` (20 characters of it). `device` is `disk` or `cdrom`. A `shared`
    one other guests may have too."""

    disk_id: str
    target: str
    bus: str = "virtio"
    serial: str = ""
    boot_index: int | None = None
    read_only: bool = False
    shared: bool = False
    limits: DiskLimits | None = None
    device: str = "disk"


class MetadataPort(msgspec.Struct, frozen=True, kw_only=True):
    """The network's own port through which this host serves 169.254.169.254: `addresses` are `ip/prefix`."""

    port_id: str
    mac: str
    addresses: list[str]


class ImageSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="image"):
    """An image that should be in the host's cache before anything is made from it. `boots` says that it is a
    kernel or a RAM disk, kept as it came. A tombstone drops it, also where nobody ordered it, unless a disk
    stands on it: then it is reported gone and stays."""

    id: str
    source: DiskSource
    boots: bool = False


class CheckSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="check"):
    """A member of a load balancer to be asked by HTTP from its network, through that network's own port.
    `expected_codes` is `200`, `200,202` or `200-204`; `rise` and `fall` answers in a row change its state."""

    id: str
    network_id: str
    metadata: MetadataPort
    address: str
    port: int
    method: str
    path: str
    expected_codes: str
    interval_s: int
    timeout_s: int
    rise: int
    fall: int


class GuestNic(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A network card. The agent makes the tap and gives it to Open vSwitch with `iface-id=port_id`.
    `addresses` are the fixed IPs without prefix: with `network_id` they tell whose metadata is asked for.
    Flows that set `traffic_mark` on packets carry what the card sends to the outside. `model` is
    what the guest takes it for."""

    port_id: str
    network_id: str
    mac: str
    addresses: list[str]
    mtu: int = 1442
    metadata: MetadataPort | None = None
    traffic_mark: int = 0
    model: str = "virtio"


class GuestSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="guest"):
    """A guest that should be on this host.

    `mhz` is the CPU speed ordered for all `cores` together. `soft_reboots` and `hard_reboots` count what was
    ever asked for: the agent catches up with the difference to what it has done. `metadata` is the tree
    served by both config drive and metadata service: path below the root (`openstack/latest/meta_data.json`)
    to text content. `kernel_image_id` and `ramdisk_image_id` ask for direct kernel boot.
    """

    id: str
    name: str
    power: Power
    cores: int
    mhz: int
    memory_mib: int
    disks: list[GuestDisk]
    nics: list[GuestNic]
    soft_reboots: int = 0
    hard_reboots: int = 0
    shutdown_timeout_s: int = 60
    config_drive: bool = True
    metadata: dict[str, str] = {}
    kernel_image: DiskSource | None = None
    ramdisk_image: DiskSource | None = None
    kernel_command_line: str = ""
    hardware: GuestHardware = GuestHardware()


class VpnPeerSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who may connect: `allowed` are the networks it is and speaks for. With an `endpoint` the gateway
    connects to it by itself."""

    public_key: str
    allowed: list[str]
    preshared_key: str = ""
    endpoint: str = ""
    keepalive_s: int = 0


class VpnSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="vpn"):
    """A VPN gateway that should be on this host: WireGuard in a namespace with the port `port_id`. Addresses
    are `ip/prefix`; `gateway` is the next hop to everything else; `mtu` is the tunnel's."""

    id: str
    port_id: str
    mac: str
    address: str
    gateway: str
    mtu: int
    private_key: str
    listen_port: int
    tunnel_address: str
    peers: list[VpnPeerSpec] = []


class ExportSpec(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="export"
):
    """A disk to be served by iSCSI, and to nothing else: `target` is its name there, which ends with `:` and
    the `id`. Who logs in is `user`, whose password is asked for at `/agent/v1/exports/{id}/password`."""

    id: str
    disk_id: str
    target: str
    user: str
    read_only: bool = False


Spec = GuestSpec | DiskSpec | UploadSpec | BackupSpec | ImageSpec | CheckSpec | VpnSpec | ExportSpec


class Assignment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing on this host: `spec`, or with `tombstone` the order to destroy it. `generation` is the
    host's counter at the time of the last change; the agent reports it back as applied."""

    kind: str
    key: str
    generation: int
    spec: Spec | None = None
    tombstone: bool = False


class ConsoleKind(Enum):
    """What somebody looks at: the screen, or the serial port."""

    VNC = "vnc"
    SERIAL = "serial"


class ConsoleRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody waits for a console of a guest. The agent joins the guest's socket with two calls that last as
    long as the session: what the guest says goes up by `PUT /agent/v1/consoles/{session_id}/output`, what
    it is told comes down by `GET /agent/v1/consoles/{session_id}/input`. Asked once: nobody is helped by a
    console that opens late."""

    session_id: str
    guest_id: str
    kind: ConsoleKind


class DiskRead(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody downloads a disk that nothing writes to: the agent sends its bytes from `begin` to the end,
    for as long as they are taken. Asked once, as a console is.

    `PUT /agent/v1/reads/{session_id}` with `Upgrade: volutus-disk` is answered by 101. Afterwards the
    connection carries a row of spans, each a signed number of eight bytes, highest first: so many bytes
    follow, or, if it is negative, there are so many zeros, which are not sent. The agent closes the
    connection when it cannot read the disk; after the last span it waits for the other side to close."""

    session_id: str
    disk_id: str
    begin: int


class CommandKind(Enum):
    """What can be asked of a guest at once: its agent to set a password, its kernel to dump its memory."""

    SET_PASSWORD = "set_password"  # noqa: S105  (the name of what is asked)
    INJECT_NMI = "inject_nmi"


class GuestCommand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something to do once. Told once, for nobody knows how far a first try came. The agent answers with a
    `CommandAnswer`."""

    id: str
    guest_id: str
    kind: CommandKind
    user: str = ""
    password: str = ""


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """All assignments newer than what the agent has seen; `full` when it is everything there is.
    `generation` is what to ask with next time."""

    generation: int
    full: bool
    assignments: list[Assignment]
    consoles: list[ConsoleRequest] = []
    reads: list[DiskRead] = []
    commands: list[GuestCommand] = []
