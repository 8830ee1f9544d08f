"""The status of a volume or a snapshot, computed from what should be and what was observed; stored nowhere.

The rules are one ordered list; the first that holds decides. They use only `&` and `|`, so the same list
serves Python's booleans (`volume_status`) and SQL's columns (`volume_status_sql`, to filter lists by status).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Row, and_, case, exists, func, literal

from volutus.volume.tables import attachments, disks, snapshots, volumes

GIB = 1 << 30
MIB = 1 << 20
# The size in bytes overflows the column's own type from 2 GiB on.
WANTED_BYTES = func.coalesce(
    disks.c.size_mib * literal(MIB, BigInteger), disks.c.size_gib * literal(GIB, BigInteger)
)


def wanted_bytes(row: Row[Any]) -> int:
    """The same of a row with `size_gib` and `size_mib`."""
    exact: int = row.size_gib * GIB if row.size_mib is None else row.size_mib * MIB
    return exact


class Status(StrEnum):
    """What a tenant sees; the words are Cinder's. `MAINTENANCE`: an operator moves it, or said so."""

    CREATING = "creating"
    AVAILABLE = "available"
    RESERVED = "reserved"
    ATTACHING = "attaching"
    IN_USE = "in-use"
    DETACHING = "detaching"
    EXTENDING = "extending"
    UPLOADING = "uploading"
    RETYPING = "retyping"
    REVERTING = "reverting"
    RESTORING = "restoring-backup"
    DOWNLOADING = "downloading"
    BACKING_UP = "backing-up"
    ERROR_EXTENDING = "error_extending"
    DELETING = "deleting"
    ERROR_DELETING = "error_deleting"
    AWAITING_TRANSFER = "awaiting-transfer"
    ERROR = "error"
    MAINTENANCE = "maintenance"


# In which a volume that may be shared can be attached once more.
SHAREABLE = (Status.AVAILABLE, Status.IN_USE, Status.ATTACHING, Status.RESERVED, Status.DETACHING)

# bool, or a boolean column of SQL.
Flag = Any


@dataclass(frozen=True, kw_only=True)
class DiskFlags:
    """`removed`: its end, or that it is put aside, is ordered; `stuck`: that did not succeed in time;
    `failed`: a fault or a failure is known; `away`: the host does not have it usable; `unmade`: it never
    was."""

    removed: Flag
    stuck: Flag
    failed: Flag
    away: Flag
    unmade: Flag


@dataclass(frozen=True, kw_only=True)
class VolumeFlags(DiskFlags):
    """`retyping`, `reverting`, `restoring`, `downloading` (from an image): it is made anew for that;
    `locked`: it moves, and nothing else is done to it; `small`: below the wanted size; `claimed`: somebody
    announced to attach it; `reserved`, `plugging`, `plugged`, `unplugging`: where its attachment stands;
    `offered`: a transfer waits to be accepted; `uploading`: an image is made of it; `backing_up`: a backup;
    `exported`: it is served outside the cloud. Of several attachments one that ends counts first, as in
    Cinder: who waits for `in-use` waits until it has ended."""

    retyping: Flag
    locked: Flag
    reverting: Flag
    restoring: Flag
    downloading: Flag
    small: Flag
    claimed: Flag
    reserved: Flag
    plugging: Flag
    plugged: Flag
    unplugging: Flag
    offered: Flag
    uploading: Flag
    backing_up: Flag
    exported: Flag


_DISK_RULES: Sequence[tuple[Status, Callable[[Any], Flag]]] = (
    (Status.ERROR_DELETING, lambda f: f.removed & f.stuck),
    (Status.DELETING, lambda f: f.removed),
    (Status.ERROR, lambda f: f.failed & f.away),
    (Status.CREATING, lambda f: f.unmade),
)
_VOLUME_RULES = (
    *_DISK_RULES,
    (Status.RETYPING, lambda f: f.retyping),
    (Status.MAINTENANCE, lambda f: f.locked),
    (Status.REVERTING, lambda f: f.reverting),
    (Status.RESTORING, lambda f: f.restoring),
    (Status.DOWNLOADING, lambda f: f.downloading),
    (Status.ERROR_EXTENDING, lambda f: f.small & f.failed),
    (Status.EXTENDING, lambda f: f.small),
    (Status.UPLOADING, lambda f: f.uploading),
    (Status.DETACHING, lambda f: f.unplugging),
    (Status.IN_USE, lambda f: f.plugged | f.exported),
    (Status.BACKING_UP, lambda f: f.backing_up),
    (Status.ATTACHING, lambda f: f.plugging | f.claimed),
    (Status.RESERVED, lambda f: f.reserved),
    (Status.AWAITING_TRANSFER, lambda f: f.offered),
)


def volume_status(flags: VolumeFlags, forced: str | None = None) -> str:
    """The status of a volume; `forced` is what an operator set by hand, and wins."""
    return forced or _first(_VOLUME_RULES, flags)


def snapshot_status(flags: DiskFlags, forced: str | None = None) -> str:
    """The status of a snapshot."""
    return forced or _first(_DISK_RULES, flags)


@dataclass(frozen=True)
class Elsewhere:
    """What tables beside `volumes` and `disks` say of a volume, as conditions."""

    offered: ColumnElement[bool]
    uploading: ColumnElement[bool]
    backing_up: ColumnElement[bool]


def volume_status_sql(elsewhere: Elsewhere) -> ColumnElement[str]:
    """The same as a column of `volumes` joined with `disks`."""
    behind = disks.c.observed_revision < disks.c.revision
    flags = VolumeFlags(
        **_disk_columns(),
        retyping=behind & (disks.c.rework == "retyping"),
        locked=behind & (disks.c.rework == "maintenance"),
        reverting=behind & (disks.c.rework == "reverting"),
        restoring=behind & (disks.c.rework == "restoring-backup"),
        downloading=behind & (disks.c.rework == "downloading"),
        small=disks.c.observed_bytes < WANTED_BYTES,
        claimed=volumes.c.attach_claimed_at.isnot(None),
        reserved=_held(attachments.c.wanted == "reserved"),
        plugging=_held(attachments.c.wanted == "attached"),
        plugged=_held(attachments.c.wanted == "attached", attachments.c.attached_at.isnot(None)),
        unplugging=_held(attachments.c.wanted == "detached"),
        offered=elsewhere.offered,
        uploading=elsewhere.uploading,
        backing_up=elsewhere.backing_up,
        exported=volumes.c.exported_at.isnot(None),
    )
    return func.coalesce(volumes.c.forced_status, _case(_VOLUME_RULES, flags))


def snapshot_status_sql() -> ColumnElement[str]:
    """The same as a column of `snapshots` joined with `disks`."""
    return func.coalesce(snapshots.c.forced_status, _case(_DISK_RULES, DiskFlags(**_disk_columns())))


def _held(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    mine = and_(attachments.c.volume_id == volumes.c.id, *conditions)
    return exists().where(mine).correlate(volumes)


def _disk_columns() -> dict[str, ColumnElement[bool]]:
    return {
        "removed": disks.c.removed_at.isnot(None) | disks.c.released_at.isnot(None),
        "stuck": disks.c.removal_failure.isnot(None),
        "failed": disks.c.failure.isnot(None) | (disks.c.fault.isnot(None) & disks.c.before.is_(None)),
        "away": ~disks.c.ready,
        "unmade": disks.c.made_at.is_(None),
    }


def _first(rules: Sequence[tuple[Status, Callable[[Any], Flag]]], flags: DiskFlags) -> Status:
    return next((status for status, holds in rules if holds(flags)), Status.AVAILABLE)


def _case(rules: Sequence[tuple[Status, Callable[[Any], Flag]]], flags: DiskFlags) -> ColumnElement[str]:
    whens = [(holds(flags), literal(status.value)) for status, holds in rules]
    return case(*whens, else_=literal(Status.AVAILABLE.value))
