"""What an agent can do to its host: one small class each. `converge` makes them, `host` acts.

Every action may be carried out twice, or be cut short at any point and carried out again.
"""

from dataclasses import dataclass

from volutus.wire import (
    BackupSpec,
    DiskSpec,
    ExportSpec,
    GuestDisk,
    GuestNic,
    GuestSpec,
    ImageSpec,
    MetadataPort,
    UploadSpec,
    VpnSpec,
)


@dataclass(frozen=True)
class CreateDisk:
    """`guest_id` is the guest that has the disk to be copied open, which then must do it."""

    spec: DiskSpec
    guest_id: str | None = None

    @property
    def key(self) -> str:
        return self.spec.id


@dataclass(frozen=True)
class GrowDisk:
    """`guest_id` is the running guest that has it open, which then must do it."""

    key: str
    size_bytes: int
    guest_id: str | None


@dataclass(frozen=True)
class BeginMove:
    """Have the guest that has the disk open copy it to where it is to be, and keep both alike."""

    spec: DiskSpec
    guest_id: str

    @property
    def key(self) -> str:
        return self.spec.id


@dataclass(frozen=True)
class EndMove:
    """Both are alike: have the guest go over to `file`, which from then on is the disk."""

    key: str
    guest_id: str
    file: str


@dataclass(frozen=True)
class AbortMove:
    """The disk stays what and where it is; `guest_id` has it open, if anyone has."""

    key: str
    guest_id: str | None


@dataclass(frozen=True)
class DestroyDisk:
    key: str


@dataclass(frozen=True)
class ReleaseDisk:
    """Put a disk aside, unharmed."""

    key: str


@dataclass(frozen=True)
class BackUpDisk:
    """`guest_id` has the disk open, if anyone has."""

    spec: BackupSpec
    guest_id: str | None

    @property
    def key(self) -> str:
        return self.spec.id


@dataclass(frozen=True)
class DropBackup:
    key: str


@dataclass(frozen=True)
class CaptureDisk:
    """Copy a disk as it is at one instant, to be sent afterwards; `guest_id` has it open, if anyone has."""

    spec: UploadSpec
    guest_id: str | None

    @property
    def key(self) -> str:
        return self.spec.id


@dataclass(frozen=True)
class SendCapture:
    key: str


@dataclass(frozen=True)
class DropCapture:
    key: str


@dataclass(frozen=True)
class CacheImage:
    spec: ImageSpec

    @property
    def key(self) -> str:
        return self.spec.id


@dataclass(frozen=True)
class DropImage:
    key: str


@dataclass(frozen=True)
class PlugPort:
    guest_id: str
    nic: GuestNic

    @property
    def key(self) -> str:
        return self.nic.port_id


@dataclass(frozen=True)
class UnplugPort:
    key: str


@dataclass(frozen=True)
class ServeMetadata:
    """Make the network's namespace with its port, or make it anew when the port changed."""

    key: str
    port: MetadataPort


@dataclass(frozen=True)
class DropMetadata:
    key: str


@dataclass(frozen=True)
class ServeVpn:
    """Make the gateway's namespace and have WireGuard in it be as ordered."""

    spec: VpnSpec

    @property
    def key(self) -> str:
        return self.spec.id


@dataclass(frozen=True)
class DropVpn:
    key: str


@dataclass(frozen=True)
class ServeExport:
    """Serve a disk by iSCSI."""

    spec: ExportSpec

    @property
    def key(self) -> str:
        return self.spec.id


@dataclass(frozen=True)
class DropExport:
    key: str


@dataclass(frozen=True)
class StartGuest:
    """Also catches up with all reboots asked for."""

    spec: GuestSpec

    @property
    def key(self) -> str:
        return self.spec.id


@dataclass(frozen=True)
class AskShutdown:
    key: str


@dataclass(frozen=True)
class AskReboot:
    """Reboot from inside if the guest can; else ask it to shut down, and it is started again when it has.
    `count` is the number of soft reboots caught up with if it can."""

    key: str
    count: int


@dataclass(frozen=True)
class KillGuest:
    key: str


@dataclass(frozen=True)
class ResumeGuest:
    key: str


@dataclass(frozen=True)
class PauseGuest:
    key: str


@dataclass(frozen=True)
class SaveGuest:
    """Write its memory to the host's disk and end its process."""

    key: str


@dataclass(frozen=True)
class DropSaved:
    """Give up the memory of a guest that is to be off, or to start afresh."""

    key: str


@dataclass(frozen=True)
class SetCpu:
    key: str
    mhz: int


@dataclass(frozen=True)
class GrowGuest:
    key: str
    cores: int
    memory_mib: int


@dataclass(frozen=True)
class AttachDisk:
    key: str
    disk: GuestDisk


@dataclass(frozen=True)
class DetachDisk:
    key: str
    disk_id: str


@dataclass(frozen=True)
class AttachNic:
    key: str
    nic: GuestNic


@dataclass(frozen=True)
class DetachNic:
    key: str
    port_id: str


@dataclass(frozen=True)
class RemoveGuest:
    """Forget a guest that has a tombstone: definition, directory, record."""

    key: str


Action = (
    CreateDisk
    | GrowDisk
    | BeginMove
    | EndMove
    | AbortMove
    | DestroyDisk
    | ReleaseDisk
    | BackUpDisk
    | DropBackup
    | CacheImage
    | DropImage
    | CaptureDisk
    | SendCapture
    | DropCapture
    | PlugPort
    | UnplugPort
    | ServeMetadata
    | DropMetadata
    | ServeVpn
    | DropVpn
    | ServeExport
    | DropExport
    | StartGuest
    | AskShutdown
    | AskReboot
    | KillGuest
    | PauseGuest
    | SaveGuest
    | DropSaved
    | ResumeGuest
    | SetCpu
    | GrowGuest
    | AttachDisk
    | DetachDisk
    | AttachNic
    | DetachNic
    | RemoveGuest
)

# Changes of a guest that runs.
Adjustment = AttachDisk | DetachDisk | AttachNic | DetachNic | SetCpu | GrowGuest
