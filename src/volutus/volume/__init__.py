"""Volumes: disks that tenants order apart from servers, their snapshots and types; and servers' own disks.

A volume is a row of intent, a disk on one host, and at most one attachment. The compute service uses the
verbs of `servers`: it orders root disks, plugs volumes, and hands over what hosts report. What is on a host
is said by assignments; how a host keeps a disk, only its agent knows.
"""

from volutus.volume import (
    attachments,
    backups,
    classes,
    exports,
    group_snapshots,
    group_types,
    groups,
    keys,
    messages,
    metadata,
    qos,
    reads,
    releases,
    reworks,
    schedules,
    snapshots,
    transfers,
    types,
    uploads,
    volumes,
)
from volutus.volume.backup_reconciler import BackupReconciler
from volutus.volume.disks import DiskOrder
from volutus.volume.own_disks import (
    DISKS_PER_SERVER_MAX,
    LocalDisk,
    OwnDisk,
    Role,
    RootDisk,
    discard,
    grow_own,
    order_local,
    order_root,
    own_disks,
    remake,
)
from volutus.volume.reconciler import VolumeReconciler
from volutus.volume.records import Attachment, Snapshot, Volume, get_snapshot, get_volume
from volutus.volume.schedule_reconciler import ScheduleReconciler
from volutus.volume.servers import (
    AttachOptions,
    Readiness,
    attachments_of,
    begin_attach,
    begin_detach,
    guest_disks,
    hosts_of,
    order_boot_volume,
    place,
    ready,
    record_observed,
    record_plugged,
    release_server,
    reserve,
    set_delete_on_termination,
)
from volutus.volume.snapshots import SnapshotFilter, SnapshotOrder
from volutus.volume.status import Status
from volutus.volume.upload_reconciler import UploadReconciler
from volutus.volume.uploads import UploadOrder
from volutus.volume.volumes import VolumeFilter, VolumeOrder

__all__ = [
    "DISKS_PER_SERVER_MAX",
    "AttachOptions",
    "Attachment",
    "BackupReconciler",
    "DiskOrder",
    "LocalDisk",
    "OwnDisk",
    "Readiness",
    "Role",
    "RootDisk",
    "ScheduleReconciler",
    "Snapshot",
    "SnapshotFilter",
    "SnapshotOrder",
    "Status",
    "UploadOrder",
    "UploadReconciler",
    "Volume",
    "VolumeFilter",
    "VolumeOrder",
    "VolumeReconciler",
    "attachments",
    "attachments_of",
    "backups",
    "begin_attach",
    "begin_detach",
    "classes",
    "discard",
    "exports",
    "get_snapshot",
    "get_volume",
    "group_snapshots",
    "group_types",
    "groups",
    "grow_own",
    "guest_disks",
    "hosts_of",
    "keys",
    "messages",
    "metadata",
    "order_boot_volume",
    "order_local",
    "order_root",
    "own_disks",
    "place",
    "qos",
    "reads",
    "ready",
    "record_observed",
    "record_plugged",
    "release_server",
    "releases",
    "remake",
    "reserve",
    "reworks",
    "schedules",
    "set_delete_on_termination",
    "snapshots",
    "transfers",
    "types",
    "uploads",
    "volumes",
]
