"""What hosts report, stored: few statements for many guests, and usage opened or closed beside it.

This writes the observed columns of guests and nothing else of servers: what follows from a report is decided
by the reconciler, which is woken where something changed. So a report holds no lock that a request waits for
while it waits for one itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Row, text

from volutus import image, metering, network, placement, volume
from volutus.compute import guest_answers, meters
from volutus.db import Tx
from volutus.metering import Counter, Usage
from volutus.placement.inventory import Overcommit
from volutus.reconcile import wake_many
from volutus.wire import (
    BackupObserved,
    CacheObserved,
    CheckObserved,
    DiskObserved,
    ExportObserved,
    Gone,
    GuestObserved,
    MarksObserved,
    Observed,
    Received,
    UploadObserved,
    VpnObserved,
)

# The kind of work that brings servers to what they should be, and of what is metered.
SERVER = meters.SERVER
METER_TRAFFIC = network.metering_marks.METER_TRAFFIC

_GUEST = "guest"
_DISK = "disk"
_CHECK = "check"
_VPN = "vpn"
# A paused guest holds its memory and its place; its tenant pays for it as for one that runs.
_USING = ("running", "paused")

# More than the hosts that go silent at once have; those left over are looked at in the next round.
GUESTS_MAX = 10_000


@dataclass(frozen=True)
class Unreachable:
    """A server on a host of which nothing was heard since then."""

    id: str
    name: str
    project_id: str
    since: datetime


# The rows are locked in the order of their ids, whatever order the host named them in. Disks and cards
# plugged in, and states, count as changes; counters alone do not. What was reported gone stays gone: a report
# that comes twice must not bring it back. A guest that is off though the host did all it was told has run,
# and stopped before anyone saw it.
_RECORD = text(
    """
    WITH reported AS (
        SELECT * FROM jsonb_to_recordset(CAST(:items AS jsonb)) AS r(
            id text, generation bigint, state text, soft_reboots integer, hard_reboots integer, disks jsonb,
            nics jsonb, counters jsonb, cpu_time_ns bigint, started_at text, fault text, fault_detail text,
            vnc_socket text, serial_socket text, cores_max integer, memory_mib_max integer)
    ), before AS (
        SELECT g.server_id, g.state, g.disks, g.nics, g.generation, g.soft_reboots, g.hard_reboots
        FROM guests g JOIN reported r ON r.id = g.server_id
        WHERE g.host_id = :host_id AND g.gone_at IS NULL ORDER BY g.server_id FOR UPDATE OF g
    )
    UPDATE guests g SET
        state = r.state, generation = r.generation,
        state_since = CASE WHEN g.state IS DISTINCT FROM r.state THEN :now ELSE g.state_since END,
        soft_reboots = r.soft_reboots, hard_reboots = r.hard_reboots,
        disks = coalesce(r.disks, '[]'), nics = coalesce(r.nics, '[]'),
        counters = coalesce(r.counters, '[]'), cpu_time_ns = r.cpu_time_ns, started_at = r.started_at,
        fault = r.fault, fault_detail = r.fault_detail, vnc_socket = r.vnc_socket,
        serial_socket = r.serial_socket, cores_max = r.cores_max, memory_mib_max = r.memory_mib_max,
        observed_at = :now,
        launched_at = CASE
            WHEN r.state = 'running' OR (r.state IN ('stopped', 'crashed') AND g.assigned_power <> 'off'
                                         AND r.generation >= g.assigned_generation)
            THEN coalesce(g.launched_at, :now) ELSE g.launched_at END
    FROM reported r JOIN before b ON b.server_id = r.id JOIN servers s ON s.id = r.id
    WHERE g.server_id = r.id
    RETURNING g.server_id, g.state, b.state AS state_before, g.disks, s.project_id, s.mhz, s.memory_mib,
        s.cores, s.image_properties, s.hints,
        coalesce(g.generation >= g.assigned_generation, false) AS caught_up,
        (g.state IS DISTINCT FROM b.state OR g.disks <> b.disks OR g.nics <> b.nics
         OR g.generation <> b.generation OR g.soft_reboots <> b.soft_reboots
         OR g.hard_reboots <> b.hard_reboots) AS changed
    """
)
# The hosts are held: one that reports at this moment is either left alone, or opens its usage afterwards.
_SILENT = text(
    """
    SELECT g.server_id, h.last_seen_at FROM hosts h JOIN guests g ON g.host_id = h.id
    WHERE h.last_seen_at <= :silent AND g.gone_at IS NULL
    ORDER BY h.id, g.server_id LIMIT :limit FOR UPDATE OF h
    """
)
_UNREACHABLE = text(
    """
    SELECT s.id, s.name, s.project_id, h.last_seen_at AS since
    FROM hosts h JOIN guests g ON g.host_id = h.id JOIN servers s ON s.id = g.server_id
    WHERE h.last_seen_at <= :silent AND g.gone_at IS NULL AND s.deleted_at IS NULL
    ORDER BY h.last_seen_at DESC, s.id LIMIT :limit
    """
)
_RUNNING = text(
    """
    SELECT g.server_id, g.state, s.project_id, s.mhz, s.memory_mib, s.cores, s.image_properties, s.hints
    FROM guests g
    JOIN servers s ON s.id = g.server_id
    WHERE g.host_id = :host_id AND g.gone_at IS NULL ORDER BY g.server_id LIMIT :limit
    """
)
_GONE = text(
    """
    WITH gone AS (
        SELECT server_id, state AS state_before FROM guests
        WHERE host_id = :host_id AND server_id = ANY(CAST(:ids AS text[])) ORDER BY server_id FOR UPDATE
    )
    UPDATE guests g SET gone_at = :now, state = NULL, disks = '[]', nics = '[]' FROM gone
    WHERE g.server_id = gone.server_id AND g.buried_at IS NOT NULL
    RETURNING g.server_id
    """
)


def report(
    tx: Tx,
    host_id: str,
    observed: Observed,
    overcommit: Overcommit = Overcommit(),  # noqa: B008
) -> Received:
    """Store a host's report. It may come twice or late; an older one than the last is never sent, for the
    host sends one at a time."""
    was_silent = placement.hosts.seen(tx, host_id)
    if observed.facts is not None:
        placement.hosts.record_facts(tx, host_id, observed.facts, overcommit)
        network.hosts_changed(tx)
    if observed.strangers or observed.full:
        placement.hosts.record_strangers(tx, host_id, observed.strangers)
    _record_disks(tx, host_id, observed)
    _record_uploads(tx, host_id, observed)
    _record_backups(tx, host_id, observed)
    _record_exports(tx, host_id, observed)
    _record_caches(tx, host_id, observed)
    _record_checks(tx, host_id, observed)
    _record_gateways(tx, host_id, observed)
    for item in observed.items:
        if isinstance(item, MarksObserved) and item.marks:
            network.metering_marks.record(tx, host_id, item)
    _record_guests(tx, host_id, [item for item in observed.items if isinstance(item, GuestObserved)])
    guest_answers.answered(tx, host_id, observed.answers)
    gone = [item.id for item in observed.items if isinstance(item, Gone) and item.what == _GUEST]
    _record_gone(tx, host_id, gone)
    if was_silent:
        _use_again(tx, host_id)
    return Received()


def unreachable(tx: Tx) -> list[Unreachable]:
    """Servers on hosts that are silent, those that went silent last before the others."""
    keys = {"silent": tx.now - placement.hosts.SILENT_AFTER, "limit": GUESTS_MAX}
    return [Unreachable(**row._mapping) for row in tx.rows(_UNREACHABLE, keys)]


def end_usage_of_silent(tx: Tx) -> None:
    """Servers on hosts that are silent are used until their host was last heard, as far as anyone knows, and
    paid for no longer. What is found running when the host is back is used again from then on."""
    keys = {"silent": tx.now - placement.hosts.SILENT_AFTER, "limit": GUESTS_MAX}
    rows = tx.rows(_SILENT, keys)
    metering.end_usage(tx, SERVER, {row.server_id: row.last_seen_at for row in rows})


def _use_again(tx: Tx, host_id: str) -> None:
    rows = tx.rows(_RUNNING, {"host_id": host_id, "limit": GUESTS_MAX})
    metering.open_usage(tx, _usages(row for row in rows if row.state in _USING))


def _record_disks(tx: Tx, host_id: str, observed: Observed) -> None:
    disks = [item for item in observed.items if isinstance(item, DiskObserved)]
    gone = [item.id for item in observed.items if isinstance(item, Gone) and item.what == _DISK]
    if disks or gone:
        wake_many(tx, SERVER, volume.record_observed(tx, host_id, disks, gone))


def _record_uploads(tx: Tx, host_id: str, observed: Observed) -> None:
    items = [item for item in observed.items if isinstance(item, UploadObserved)]
    gone = [item.id for item in observed.items if isinstance(item, Gone) and item.what == volume.uploads.KIND]
    if items or gone:
        volume.uploads.record_observed(tx, host_id, items, gone)


def _record_backups(tx: Tx, host_id: str, observed: Observed) -> None:
    items = [item for item in observed.items if isinstance(item, BackupObserved)]
    gone = [item.id for item in observed.items if isinstance(item, Gone) and item.what == volume.backups.KIND]
    if items or gone:
        volume.backups.record_observed(tx, host_id, items, gone)


def _record_exports(tx: Tx, host_id: str, observed: Observed) -> None:
    items = [item for item in observed.items if isinstance(item, ExportObserved)]
    gone = [item.id for item in observed.items if isinstance(item, Gone) and item.what == volume.exports.KIND]
    if items or gone:
        volume.exports.record_observed(tx, host_id, items, gone)


def _record_caches(tx: Tx, host_id: str, observed: Observed) -> None:
    cache = next((item for item in observed.items if isinstance(item, CacheObserved)), None)
    gone = [item.id for item in observed.items if isinstance(item, Gone) and item.what == image.caches.KIND]
    if cache or gone:
        image.caches.record_observed(tx, host_id, cache, gone)


def _record_checks(tx: Tx, host_id: str, observed: Observed) -> None:
    items = [item for item in observed.items if isinstance(item, CheckObserved)]
    if items:
        network.loadbalancer.record_checks(tx, host_id, items)
    gone = [item.id for item in observed.items if isinstance(item, Gone) and item.what == _CHECK]
    network.loadbalancer.record_gone(tx, host_id, gone)


def _record_gateways(tx: Tx, host_id: str, observed: Observed) -> None:
    items = [item for item in observed.items if isinstance(item, VpnObserved)]
    if items:
        network.vpn.record_observed(tx, host_id, items)
    gone = [item.id for item in observed.items if isinstance(item, Gone) and item.what == _VPN]
    network.vpn.record_gone(tx, host_id, gone)


def _record_guests(tx: Tx, host_id: str, items: Sequence[GuestObserved]) -> None:
    if not items:
        return
    document = msgspec.json.encode([_document(item) for item in items]).decode()
    rows = tx.rows(_RECORD, {"items": document, "host_id": host_id, "now": tx.now})
    metering.open_usage(tx, _usages(row for row in rows if _began(row)))
    running = [row for row in rows if row.changed and row.state in _USING and not _began(row)]
    metering.correct_usage(tx, _usages(running))
    stopped = [row.server_id for row in rows if _ended(row)]
    metering.close_usage(tx, SERVER, stopped)
    for row in rows:
        if row.changed and row.caught_up:
            volume.record_plugged(tx, row.server_id, _plugged(tx, row))
    _count_traffic(tx, {row.server_id: row.project_id for row in rows}, items)
    wake_many(tx, SERVER, [row.server_id for row in rows if row.changed])


def _count_traffic(tx: Tx, projects: Mapping[str, str], items: Sequence[GuestObserved]) -> None:
    """What the cards of these guests sent to the outside since the last report. A card is counted by itself:
    it may move to another server, and a counter that begins anew says so."""
    counters = [
        Counter(
            projects[item.id],
            "port",
            card.port_id,
            METER_TRAFFIC,
            card.outside_run,
            Decimal(card.outside_bytes),
        )
        for item in items
        if item.id in projects
        for card in item.counters
        if card.outside_run
    ]
    metering.count_usage(tx, counters)


def _record_gone(tx: Tx, host_id: str, ids: Sequence[str]) -> None:
    if not ids:
        return
    rows = tx.rows(_GONE, {"ids": list(ids), "host_id": host_id, "now": tx.now})
    servers = [row.server_id for row in rows]
    metering.close_usage(tx, SERVER, servers)
    wake_many(tx, SERVER, servers)
    # A tombstone whose guest we no longer know has done its work too.
    for server_id in ids:
        placement.forget(tx, host_id, _GUEST, server_id)


def _document(item: GuestObserved) -> dict[str, Any]:
    fields = {name: getattr(item, name) for name in GuestObserved.__struct_fields__}
    return {**fields, "counters": [msgspec.to_builtins(counter) for counter in item.counters]}


def _plugged(tx: Tx, row: Row[Any]) -> list[str]:
    """The disks in the guest. One that is off has in it what it was ordered: it will start with that."""
    if row.state in _USING:
        return list(row.disks)
    return [disk.disk_id for disk in volume.guest_disks(tx, row.server_id)]


def _began(row: Row[Any]) -> bool:
    return row.state in _USING and row.state_before not in _USING


def _ended(row: Row[Any]) -> bool:
    return row.state not in _USING and row.state_before in _USING


def _usages(rows: Iterable[Row[Any]]) -> list[Usage]:
    return [usage for row in rows for usage in meters.usages(row.server_id, row)]
