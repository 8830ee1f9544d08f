"""Server groups: which servers should share a host, and which must not. A server's row names its group."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select

from volutus import audit, quota
from volutus.compute.faults import ServerGroupNotFound
from volutus.compute.servers import Server
from volutus.compute.tables import guests, server_groups, servers
from volutus.db import Page, Tx, paged
from volutus.errors import Invalid, QuotaExceeded
from volutus.identity import Caller

AFFINITY = "affinity"
ANTI_AFFINITY = "anti-affinity"
SOFT = ("soft-affinity", "soft-anti-affinity")
POLICIES = (AFFINITY, ANTI_AFFINITY, *SOFT)
MEMBERS_MAX = 1000


@dataclass(frozen=True)
class ServerGroup:
    """`members` are server ids."""

    id: str
    project_id: str
    user_id: str
    name: str
    policy: str
    max_server_per_host: int | None
    created_at: datetime
    members: tuple[str, ...] = ()


def create(
    tx: Tx, caller: Caller, name: str, policy: str, max_server_per_host: int | None = None
) -> ServerGroup:
    """A new, empty group. `max_server_per_host` loosens anti-affinity and nothing else."""
    if max_server_per_host is not None and policy != ANTI_AFFINITY:
        raise Invalid("Only anti-affinity policy supports rule max_server_per_host.", field="rules")
    project_id = caller.own_project()
    quota.charge(tx, project_id, {"server_groups": 1})
    made = ServerGroup(
        id=tx.ids.uuid(),
        project_id=project_id,
        user_id=caller.user_id or "",
        name=name,
        policy=policy,
        max_server_per_host=max_server_per_host,
        created_at=tx.now,
    )
    values = {column.name: getattr(made, column.name) for column in server_groups.c}
    tx.execute(insert(server_groups), values)
    audit.record(tx, caller, "create", "compute.server_group", made.id, {"policy": policy})
    return made


def get(tx: Tx, caller: Caller, group_id: str) -> ServerGroup:
    """One group of the caller's project. Raises ServerGroupNotFound."""
    row = tx.row(select(server_groups).where(server_groups.c.id == group_id))
    if row is None or not caller.sees(row.project_id):
        raise ServerGroupNotFound(f"Instance group {group_id} could not be found.")
    return _with_members(tx, [row])[0]


def list_(tx: Tx, caller: Caller, page: Page, *, all_projects: bool = False) -> list[ServerGroup]:
    """Groups in pages, with their members, in two statements."""
    statement = select(server_groups)
    if not (all_projects and caller.is_admin):
        statement = statement.where(server_groups.c.project_id == caller.own_project())
    return _with_members(tx, tx.rows(paged(tx, statement, page, {}, server_groups.c.id)))


def remove(tx: Tx, caller: Caller, group_id: str) -> None:
    """Delete a group; its servers stay where they are."""
    found = get(tx, caller, group_id)
    tx.execute(delete(server_groups).where(server_groups.c.id == group_id))
    quota.release(tx, found.project_id, {"server_groups": 1})
    audit.record(tx, caller, "delete", "compute.server_group", group_id)


def admit(tx: Tx, caller: Caller, group_id: str, count: int) -> None:
    """Check that so many more servers may join. Raises Invalid for an unknown group, QuotaExceeded."""
    try:
        found = get(tx, caller, group_id)
    except ServerGroupNotFound as error:
        raise Invalid(error.message, field="os:scheduler_hints.group") from error
    maximum = quota.limits(tx, found.project_id)["server_group_members"]
    if maximum != quota.UNLIMITED and len(found.members) + count > maximum:
        raise QuotaExceeded("Quota exceeded, too many servers in group", field="server_group_members")


def constraints(tx: Tx, server: Server) -> tuple[list[str] | None, list[str]]:
    """Where the server may go (None: anywhere) and where it must not, by its group and its hints. Holds the
    group's row, so that two members are not placed at once without seeing each other."""
    allowed: list[str] | None = None
    avoided: list[str] = []
    if server.group_id is not None:
        group = tx.row(select(server_groups).where(server_groups.c.id == server.group_id).with_for_update())
        if group is not None:
            taken = _hosts_of_group(tx, server)
            if group.policy == AFFINITY and taken:
                allowed = sorted(taken)
            elif group.policy == ANTI_AFFINITY:
                most = group.max_server_per_host or 1
                avoided = sorted(host for host, members in taken.items() if members >= most)
    same, different = _named(server.hints, "same_host"), _named(server.hints, "different_host")
    if same:
        together = _hosts_of(tx, server.project_id, same)
        allowed = [host for host in together if allowed is None or host in allowed]
    if different:
        avoided = sorted({*avoided, *_hosts_of(tx, server.project_id, different)})
    return allowed, avoided


def _hosts_of_group(tx: Tx, server: Server) -> dict[str, int]:
    rows = tx.rows(
        select(guests.c.host_id, func.count().label("members"))
        .join(servers, servers.c.id == guests.c.server_id)
        .where(
            servers.c.group_id == server.group_id, servers.c.deleted_at.is_(None), servers.c.id != server.id
        )
        .group_by(guests.c.host_id)
        .limit(MEMBERS_MAX)
    )
    return {row.host_id: row.members for row in rows}


def _hosts_of(tx: Tx, project_id: str, server_ids: Sequence[str]) -> list[str]:
    rows = tx.rows(
        select(guests.c.host_id)
        .distinct()
        .join(servers, servers.c.id == guests.c.server_id)
        .where(servers.c.id.in_(server_ids), servers.c.project_id == project_id)
        .limit(MEMBERS_MAX)
    )
    return [row.host_id for row in rows]


def _named(hints: dict[str, Any], name: str) -> list[str]:
    value = hints.get(name) or []
    return [value] if isinstance(value, str) else [str(item) for item in value]


def _with_members(tx: Tx, rows: Sequence[Row[Any]]) -> list[ServerGroup]:
    members: dict[str, list[str]] = {row.id: [] for row in rows}
    if rows:
        found = tx.rows(
            select(servers.c.group_id, servers.c.id)
            .where(servers.c.group_id.in_(members), servers.c.deleted_at.is_(None))
            .order_by(servers.c.created_at)
            .limit(MEMBERS_MAX * len(rows))
        )
        for row in found:
            members[row.group_id].append(row.id)
    return [ServerGroup(**row._mapping, members=tuple(members[row.id])) for row in rows]
