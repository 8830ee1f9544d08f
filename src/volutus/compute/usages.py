"""How long servers existed and how large they were: Nova's simple usage, which knows no prices.

What is billed is metering's, which counts the time that guests run; this counts from launch to deletion. And
how many guests run where.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, or_, select

from volutus.compute.tables import guests, servers
from volutus.db import Page, Tx, paged
from volutus.identity import Caller
from volutus.wire import GuestState

# Servers in one report; a longer one comes in pages.
SERVERS_MAX = 1000


@dataclass(frozen=True)
class ServerUsage:
    """One server's share of the time asked about. `ended_at` is None while it exists."""

    server_id: str
    project_id: str
    name: str
    flavor_name: str
    cores: int
    memory_mib: int
    disk_gib: int
    started_at: datetime
    ended_at: datetime | None
    state: str
    hours: float
    uptime_s: int


@dataclass(frozen=True)
class Period:
    """From `start` to before `end`."""

    start: datetime
    end: datetime


def of_project(
    tx: Tx, caller: Caller, project_id: str | None, period: Period, page: Page
) -> list[ServerUsage]:
    """The servers of one project (None: of all, for administrators) that existed in the period."""
    launched = func.coalesce(servers.c.launched_at, guests.c.launched_at)
    statement = (
        select(
            servers.c.id,
            servers.c.project_id,
            servers.c.name,
            servers.c.flavor_name,
            servers.c.cores,
            servers.c.memory_mib,
            (servers.c.disk_gib + servers.c.ephemeral_gib).label("disk_gib"),
            servers.c.deleted_at,
            launched.label("launched_at"),
        )
        .select_from(servers.outerjoin(guests, guests.c.server_id == servers.c.id))
        .where(
            launched.isnot(None),
            launched < period.end,
            or_(servers.c.deleted_at.is_(None), servers.c.deleted_at > period.start),
        )
    )
    if project_id is not None or not caller.is_admin:
        whose = project_id if caller.is_admin else caller.own_project()
        statement = statement.where(and_(servers.c.project_id == whose))
    cut = Page(min(page.limit, SERVERS_MAX), page.marker)
    found = []
    for row in tx.rows(paged(tx, statement, cut, {}, servers.c.id)):
        ended = min(row.deleted_at or period.end, period.end)
        seconds = max((ended - max(row.launched_at, period.start)).total_seconds(), 0.0)
        alive_until = row.deleted_at or tx.now
        found.append(
            ServerUsage(
                server_id=row.id,
                project_id=row.project_id,
                name=row.name,
                flavor_name=row.flavor_name,
                cores=row.cores,
                memory_mib=row.memory_mib,
                disk_gib=row.disk_gib,
                started_at=row.launched_at,
                ended_at=row.deleted_at,
                state="terminated" if row.deleted_at else "active",
                hours=seconds / 3600,
                uptime_s=int((alive_until - row.launched_at).total_seconds()),
            )
        )
    return found


def by_project(usages: Sequence[ServerUsage]) -> dict[str, list[ServerUsage]]:
    """Grouped by project, in the order in which projects first come."""
    found: dict[str, list[ServerUsage]] = {}
    for usage in usages:
        found.setdefault(usage.project_id, []).append(usage)
    return found


def running_on(tx: Tx, host_ids: Collection[str]) -> dict[str, int]:
    """How many guests run on each of these hosts, as the hosts said last; one where none does is left out."""
    wanted = (guests.c.host_id.in_(host_ids), guests.c.state == GuestState.RUNNING.value)
    counts = select(guests.c.host_id, func.count().label("running")).where(*wanted).group_by(guests.c.host_id)
    return {row.host_id: row.running for row in tx.rows(counts.limit(len(host_ids)))}
