"""The contract between the control plane and the hosts: two documents and nothing else.

The agent asks for what should be on its host (`Desired`) and tells what is (`Observed`). Both are JSON.
`Desired` carries *assignments*: one item each, with the generation in which it last changed, so that an
agent that has seen generation G gets only what changed since. Nothing is destroyed because it is missing
from a list: a `tombstone` says so, and stays until the agent reports the thing `gone`.

This package imports nothing but msgspec, and it is all that the agent may import of ours.
"""

from volutus.wire.desired import (
    Assignment,
    BackupSpec,
    CheckSpec,
    CommandKind,
    ConsoleKind,
    ConsoleRequest,
    Desired,
    DiskLimits,
    DiskRead,
    DiskSource,
    DiskSpec,
    GuestCommand,
    GuestDisk,
    GuestNic,
    GuestSpec,
    ImageSpec,
    MetadataPort,
    Power,
    Spec,
    UploadSpec,
    VpnPeerSpec,
    VpnSpec,
)
from volutus.wire.enrolment import Enrolled, Enrolment
from volutus.wire.hardware import CpuTopology, Firmware, GuestHardware
from volutus.wire.observed import (
    BackupObserved,
    CachedImage,
    CacheObserved,
    CheckObserved,
    CommandAnswer,
    DiskObserved,
    Gone,
    GuestObserved,
    GuestState,
    HostFacts,
    NicCounters,
    Observed,
    Received,
    UploadObserved,
    VpnObserved,
)

__all__ = [
    "Assignment",
    "BackupObserved",
    "BackupSpec",
    "CacheObserved",
    "CachedImage",
    "CheckObserved",
    "CheckSpec",
    "CommandAnswer",
    "CommandKind",
    "ConsoleKind",
    "ConsoleRequest",
    "CpuTopology",
    "Desired",
    "DiskLimits",
    "DiskObserved",
    "DiskRead",
    "DiskSource",
    "DiskSpec",
    "Enrolled",
    "Enrolment",
    "Firmware",
    "Gone",
    "GuestCommand",
    "GuestDisk",
    "GuestHardware",
    "GuestNic",
    "GuestObserved",
    "GuestSpec",
    "GuestState",
    "HostFacts",
    "ImageSpec",
    "MetadataPort",
    "NicCounters",
    "Observed",
    "Power",
    "Received",
    "Spec",
    "UploadObserved",
    "UploadSpec",
    "VpnObserved",
    "VpnPeerSpec",
    "VpnSpec",
]
