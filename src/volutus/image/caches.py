"""Images in the caches of hosts: those that came with a disk, and those ordered there beforehand.

A row for each host and image: `wanted` is an order, the rest is what the host last reported. Dropping is
asked of the host, which keeps what a disk stands on and says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text

from volutus import audit, placement
from volutus.db import Tx
from volutus.identity import Caller
from volutus.image import images
from volutus.image.booting import get_usable
from volutus.wire import CacheObserved, DiskSource, ImageSpec

# The kind of these orders to hosts.
KIND = "image"
# More images than hosts have in use at a time; a host that reports more is not believed further.
IMAGES_MAX = 1000
_BOOT_FORMATS = ("aki", "ari")

_QUEUE = text(
    """
    INSERT INTO image_caches AS c (host_id, image_id, wanted)
    SELECT host_id, :image_id, true FROM unnest(CAST(:host_ids AS text[])) AS told(host_id)
    ON CONFLICT (host_id, image_id) DO UPDATE SET wanted = true, dropping = false
    """
)
_LIST = text(
    """
    SELECT image_id, min(cached_at) AS cached_at, max(used_at) AS used_at, max(size_bytes) AS size_bytes,
        coalesce(sum(disks), 0) AS disks, bool_or(wanted AND cached_at IS NULL) AS queued
    FROM image_caches WHERE NOT dropping GROUP BY image_id ORDER BY image_id LIMIT :limit
    """
)
_DROP = text(
    """
    UPDATE image_caches SET wanted = false, dropping = true, cached_at = coalesce(cached_at, :now)
    WHERE NOT dropping AND (CAST(:image_id AS text) IS NULL OR image_id = :image_id)
        AND ((:cached AND cached_at IS NOT NULL) OR (:queued AND cached_at IS NULL))
    RETURNING host_id, image_id
    """
)
# What a host has no more goes, unless it is to come back.
_RECORD = text(
    """
    WITH seen AS (
        SELECT id AS image_id, size_bytes, to_timestamp(cached_at) AS cached_at,
            to_timestamp(used_at) AS used_at, coalesce(disks, 0) AS disks
        FROM jsonb_to_recordset(CAST(:images AS jsonb)) AS s(
            id text, size_bytes bigint, cached_at bigint, used_at bigint, disks integer)
    ), lost AS (
        UPDATE image_caches SET cached_at = NULL, used_at = NULL, size_bytes = 0, disks = 0
        WHERE host_id = :host_id AND wanted AND image_id NOT IN (SELECT image_id FROM seen)
    ), gone AS (
        DELETE FROM image_caches
        WHERE host_id = :host_id AND NOT wanted AND image_id NOT IN (SELECT image_id FROM seen)
    )
    INSERT INTO image_caches AS c (host_id, image_id, size_bytes, cached_at, used_at, disks)
    SELECT :host_id, image_id, size_bytes, cached_at, used_at, disks FROM seen
    ON CONFLICT (host_id, image_id) DO UPDATE SET size_bytes = excluded.size_bytes,
        cached_at = excluded.cached_at, used_at = excluded.used_at, disks = excluded.disks
    """
)
# What is still there after the host was done with the order has a disk on it; what is not was never there.
_STAYS = text(
    """
    WITH kept AS (
        UPDATE image_caches SET dropping = false
        WHERE host_id = :host_id AND image_id = ANY(CAST(:ids AS text[])) AND disks > 0
    )
    DELETE FROM image_caches
    WHERE host_id = :host_id AND image_id = ANY(CAST(:ids AS text[])) AND NOT wanted AND disks = 0
    """
)


@dataclass(frozen=True)
class CachedImage:
    """One image in the caches of all hosts together: where it came first and was used last, what it takes up
    on one of them, how many disks stand on it. `cached_at` is None while no host has it; `queued` says that
    some host that should have it has not."""

    image_id: str
    cached_at: datetime | None
    used_at: datetime | None
    size_bytes: int
    disks: int
    queued: bool


def page(tx: Tx) -> list[CachedImage]:
    """The images, `IMAGES_MAX` at most."""
    return [CachedImage(**row._asdict()) for row in tx.rows(_LIST, {"limit": IMAGES_MAX})]


def queue(tx: Tx, caller: Caller, image_id: str) -> None:
    """Have every host there is fetch the image, and keep it. Raises NotReady unless it is active, NotBootable
    when nothing can be made from it."""
    image = images.get(tx, caller, image_id)
    boots = image.disk_format in _BOOT_FORMATS
    if not boots or image.status != "active":
        image = get_usable(tx, caller, image_id)
    source = DiskSource(image_id=image.id, image_format=image.driver, sha256=image.sha256)
    spec = ImageSpec(id=image.id, source=source, boots=boots)
    told = placement.assign_everywhere(tx, KIND, image.id, spec)
    tx.execute(_QUEUE, {"image_id": image.id, "host_ids": told})
    audit.record(tx, caller, "cache", images.KIND, image.id)


def drop(tx: Tx, caller: Caller, image_id: str) -> None:
    """Drop the image from all caches and queues. Raises NotFound when there is neither such an image nor a
    host that has it."""
    if not _drop(tx, image_id, cached=True, queued=True):
        images.get(tx, caller, image_id)
    audit.record(tx, caller, "uncache", images.KIND, image_id)


def clear(tx: Tx, caller: Caller, *, cached: bool, queued: bool) -> None:
    """Drop all images that hosts have, or that they should fetch, or both."""
    dropped = _drop(tx, None, cached=cached, queued=queued)
    audit.record(tx, caller, "uncache", images.KIND, "all", {"images": len(dropped)})


def forget(tx: Tx, image_id: str) -> None:
    """The image is deleted."""
    _drop(tx, image_id, cached=True, queued=True)


def record_observed(tx: Tx, host_id: str, cache: CacheObserved | None, gone: Sequence[str]) -> None:
    """Store a host's report: what its cache has, and which orders to drop it is done with."""
    if cache is not None:
        document = msgspec.json.encode(cache.images[:IMAGES_MAX]).decode()
        tx.execute(_RECORD, {"host_id": host_id, "images": document})
    for image_id in gone:
        placement.forget(tx, host_id, KIND, image_id)
    if gone:
        tx.execute(_STAYS, {"host_id": host_id, "ids": list(gone)})


def _drop(tx: Tx, image_id: str | None, *, cached: bool, queued: bool) -> set[str]:
    keys: dict[str, Any] = {"image_id": image_id, "cached": cached, "queued": queued, "now": tx.now}
    rows = tx.rows(_DROP, keys)
    placement.bury_many(tx, KIND, [(row.host_id, row.image_id) for row in rows])
    return {row.image_id for row in rows}
