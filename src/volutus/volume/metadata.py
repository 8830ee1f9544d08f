"""Key and value pairs of volumes and snapshots: the tenant's own, and what is remembered of an image."""

from collections.abc import Mapping
from enum import Enum

from sqlalchemy import update

from volutus import audit
from volutus.db import Tx
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.volume.faults import KeyNotFound
from volutus.volume.records import get_snapshot, get_volume, lock_volume
from volutus.volume.tables import snapshots, volumes

# A note on a volume is not a data store.
ITEMS_MAX = 128


class Notes(Enum):
    """Whose pairs."""

    VOLUME = "volume"
    IMAGE = "image"
    SNAPSHOT = "snapshot"


def items(tx: Tx, caller: Caller, notes: Notes, object_id: str) -> dict[str, str]:
    """All pairs. Raises what fetching the object raises."""
    if notes is Notes.SNAPSHOT:
        return dict(get_snapshot(tx, caller, object_id).metadata)
    volume = get_volume(tx, caller, object_id)
    return dict(volume.metadata if notes is Notes.VOLUME else volume.image_metadata or {})


def set_(
    tx: Tx, caller: Caller, notes: Notes, object_id: str, pairs: Mapping[str, str], *, replace: bool = False
) -> dict[str, str]:
    """Add or change pairs, or replace all; all of them afterwards."""
    _lock(tx, caller, notes, object_id)
    merged = dict(pairs) if replace else {**items(tx, caller, notes, object_id), **pairs}
    if len(merged) > ITEMS_MAX:
        raise Invalid(f"There can be at most {ITEMS_MAX} metadata items.", field="metadata")
    _write(tx, caller, notes, object_id, merged)
    return merged


def remove(tx: Tx, caller: Caller, notes: Notes, object_id: str, key: str) -> None:
    """Remove one pair. Raises KeyNotFound."""
    _lock(tx, caller, notes, object_id)
    pairs = items(tx, caller, notes, object_id)
    if key not in pairs:
        raise KeyNotFound(f"Metadata item {key} was not found.")
    _write(tx, caller, notes, object_id, {name: value for name, value in pairs.items() if name != key})


def _lock(tx: Tx, caller: Caller, notes: Notes, object_id: str) -> None:
    """Two changes at once: the second reads what the first wrote."""
    if notes is Notes.SNAPSHOT:
        get_snapshot(tx, caller, object_id, lock=True)
    else:
        lock_volume(tx, caller, object_id, exported=True)


def _write(tx: Tx, caller: Caller, notes: Notes, object_id: str, pairs: dict[str, str]) -> None:
    table = snapshots if notes is Notes.SNAPSHOT else volumes
    column = "image_metadata" if notes is Notes.IMAGE else "metadata"
    statement = update(table).where(table.c.id == object_id)
    tx.execute(statement.values(**{column: pairs, "updated_at": tx.now}))
    kind = "volume.snapshot" if notes is Notes.SNAPSHOT else "volume.volume"
    audit.record(tx, caller, "update", kind, object_id, {"fields": [column]})
