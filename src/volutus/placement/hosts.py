"""The machines: who they are, what they reported of themselves, when they were last heard."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, insert, select, text, update

from volutus.db import Page, Tx, paged
from volutus.errors import NotFound
from volutus.placement import inventory
from volutus.placement.tables import hosts, inventories
from volutus.wire import HostFacts

# Six heartbeats. A host silent for longer gets no new guests; those it has are left alone.
SILENT_AFTER = timedelta(seconds=60)
# A host that was heard less long ago is not noted again: a busy one reports many times a second.
HEARD_LATELY = timedelta(seconds=5)
_SEEN = text(
    """
    UPDATE hosts h SET last_seen_at = :now FROM hosts b WHERE h.id = :id AND b.id = h.id
        AND (h.last_seen_at IS NULL OR h.last_seen_at < :lately)
    RETURNING b.last_seen_at <= :silent
    """
)
# In the order of their ids, as every statement that locks many of them.
_SEEN_MANY = text(
    """
    UPDATE hosts h SET last_seen_at = :now FROM (
        SELECT id FROM hosts WHERE id = ANY(CAST(:ids AS text[]))
          AND (last_seen_at IS NULL OR last_seen_at < :lately) ORDER BY id FOR UPDATE
    ) heard WHERE h.id = heard.id
    """
)
# More than one control plane is made for.
HOSTS_MAX = 50_000


class HostNotFound(NotFound):
    code = "placement.host.not_found"


@dataclass(frozen=True)
class Host:
    """`up` is whether it was heard lately; `enabled` whether an operator lets new guests go there. The
    totals are after overcommitment; `*_used` is what is claimed."""

    id: str
    hostname: str
    zone: str
    enabled: bool
    disabled_reason: str
    enrolled_at: datetime
    last_seen_at: datetime | None
    up: bool
    facts: HostFacts | None
    generation: int
    mhz: int
    cores: int
    memory_mib: int
    disk_gib: int
    mhz_used: int
    cores_used: int
    memory_mib_used: int
    disk_gib_used: int
    resources: dict[str, int]
    resources_used: dict[str, int]


_SORTABLE = {"id": hosts.c.id, "hostname": hosts.c.hostname}
_SELECT = select(hosts, *(c for c in inventories.c if c.name != "host_id")).join(inventories)


def register(tx: Tx, hostname: str, zone: str) -> str:
    """Make a host known, or find it again by name; its id."""
    found: str | None = tx.value(select(hosts.c.id).where(hosts.c.hostname == hostname))
    if found is not None:
        return found
    host_id = tx.ids.uuid()
    tx.execute(insert(hosts), {"id": host_id, "hostname": hostname, "zone": zone, "enrolled_at": tx.now})
    tx.execute(insert(inventories), {"host_id": host_id})
    return host_id


def get(tx: Tx, host_id: str) -> Host:
    """One host. Raises HostNotFound."""
    return _found(tx, tx.row(_SELECT.where(hosts.c.id == host_id)), host_id)


def by_name(tx: Tx, hostname: str) -> Host:
    """One host by its name. Raises HostNotFound."""
    return _found(tx, tx.row(_SELECT.where(hosts.c.hostname == hostname)), hostname)


def list_(tx: Tx, page: Page) -> list[Host]:
    """Hosts in pages, by name unless sorted otherwise."""
    return [_host(row, tx.now) for row in tx.rows(paged(tx, _SELECT, page, _SORTABLE, hosts.c.id))]


@dataclass(frozen=True)
class HostQuery:
    """What hosts are wanted; None and empty mean any. `free` is by column (`mhz`, `cores` …): as much must be
    unclaimed. `usable` is up and enabled. `limit` is how many at most."""

    id: str | None = None
    hostname: str | None = None
    name_part: str | None = None
    free: Mapping[str, int] = field(default_factory=dict)
    enabled: bool | None = None
    usable: bool = False
    limit: int = HOSTS_MAX


def search(tx: Tx, wanted: HostQuery) -> list[Host]:
    """The hosts that fit, by name: as many as a cloud has, unless fewer are wanted."""
    clauses: list[ColumnElement[bool]] = [
        inventories.c[name] - inventories.c[f"{name}_used"] >= amount for name, amount in wanted.free.items()
    ]
    if wanted.id is not None:
        clauses.append(hosts.c.id == wanted.id)
    if wanted.hostname is not None:
        clauses.append(hosts.c.hostname == wanted.hostname)
    if wanted.name_part is not None:
        clauses.append(hosts.c.hostname.contains(wanted.name_part, autoescape=True))
    if wanted.enabled is not None:
        clauses.append(hosts.c.enabled.is_(wanted.enabled))
    if wanted.usable:
        clauses += [hosts.c.enabled, hosts.c.last_seen_at > tx.now - SILENT_AFTER]
    statement = _SELECT.where(*clauses).order_by(hosts.c.hostname).limit(wanted.limit)
    return [_host(row, tx.now) for row in tx.rows(statement)]


def up(tx: Tx, host_ids: Collection[str]) -> set[str]:
    """Which of these hosts were heard lately."""
    if not host_ids:
        return set()
    lately = select(hosts.c.id).where(hosts.c.id.in_(host_ids), hosts.c.last_seen_at > tx.now - SILENT_AFTER)
    return {row.id for row in tx.rows(lately.limit(len(host_ids)))}


def seen_many(tx: Tx, host_ids: Collection[str]) -> None:
    """The same as `seen`, for many hosts in one statement."""
    if host_ids:
        tx.execute(_SEEN_MANY, {"ids": sorted(host_ids), "now": tx.now, "lately": tx.now - HEARD_LATELY})


def names(tx: Tx, host_ids: Sequence[str]) -> dict[str, str]:
    """Id to hostname, for lists of things on hosts."""
    wanted = set(host_ids)
    if not wanted:
        return {}
    statement = select(hosts.c.id, hosts.c.hostname).where(hosts.c.id.in_(wanted)).limit(len(wanted))
    return {row.id: row.hostname for row in tx.rows(statement)}


def seen(tx: Tx, host_id: str) -> bool:
    """The host was heard just now; whether it was silent before."""
    keys = {"id": host_id, "lately": tx.now - HEARD_LATELY, "silent": tx.now - SILENT_AFTER}
    return bool(tx.value(_SEEN, {**keys, "now": tx.now}))


def record_facts(tx: Tx, host_id: str, facts: HostFacts, overcommit: inventory.Overcommit) -> None:
    """Store what a host says of itself and what may be sold of it."""
    document = msgspec.to_builtins(facts)
    tx.execute(update(hosts).where(hosts.c.id == host_id).values(facts=document, last_seen_at=tx.now))
    inventory.set_totals(tx, host_id, facts, overcommit)


def record_strangers(tx: Tx, host_id: str, guests: Sequence[str]) -> None:
    """Guests on the host that nobody ordered: kept for the operator to look at, never touched."""
    tx.execute(update(hosts).where(hosts.c.id == host_id).values(strangers=list(guests)))


def set_enabled(tx: Tx, host_id: str, enabled: bool, reason: str = "") -> None:
    """Whether new guests may go there."""
    statement = update(hosts).where(hosts.c.id == host_id)
    if not tx.changed(statement.values(enabled=enabled, disabled_reason="" if enabled else reason)):
        raise HostNotFound(f"Host {host_id} could not be found.")


def _found(tx: Tx, row: Row[Any] | None, name: str) -> Host:
    if row is None:
        raise HostNotFound(f"Host {name} could not be found.")
    return _host(row, tx.now)


def _host(row: Row[Any], now: datetime) -> Host:
    values = dict(row._mapping)
    values.pop("strangers")
    seen_at = values["last_seen_at"]
    facts = values.pop("facts")
    return Host(
        **values,
        up=seen_at is not None and now - seen_at < SILENT_AFTER,
        facts=msgspec.convert(facts, HostFacts) if facts else None,
    )
