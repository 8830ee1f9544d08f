"""Who has which role where: given to a user or a group, on a project, a domain or the system.

An inherited assignment on a domain or a project counts in all projects below it and not in itself.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, select, text
from sqlalchemy.dialects import postgresql

from volutus import audit
from volutus.db import Tx
from volutus.errors import NotFound
from volutus.identity import access, domains, groups, projects, roles, users
from volutus.identity.caller import Caller
from volutus.identity.tables import assignment, role

# More assignments than this are told to ask with a filter.
LIST_MAX = 10_000
_EFFECTIVE = """
WITH RECURSIVE reach AS (
    SELECT id AS prior_id, id AS role_id FROM identity_role
    UNION
    SELECT reach.prior_id, i.implied_id FROM reach JOIN identity_implied_role i ON i.prior_id = reach.role_id
), placed AS (
    SELECT a.role_id, a.user_id, a.group_id, a.project_id, a.domain_id, a.system, a.inherited, a.id
    FROM identity_assignment a WHERE NOT a.inherited
    UNION ALL
    SELECT a.role_id, a.user_id, a.group_id, p.id, NULL, false, true, a.id
    FROM identity_assignment a JOIN identity_project p
        ON p.domain_id = a.domain_id OR a.project_id = ANY (p.ancestors)
    WHERE a.inherited
), found AS (
    SELECT DISTINCT reach.role_id, coalesce(pl.user_id, m.user_id) AS user_id, NULL AS group_id,
        pl.project_id, pl.domain_id, pl.system, false AS inherited, pl.group_id AS by_group_id
    FROM placed pl JOIN reach ON reach.prior_id = pl.role_id
    LEFT JOIN identity_group_member m ON m.group_id = pl.group_id
    WHERE coalesce(pl.user_id, m.user_id) IS NOT NULL
        AND NOT EXISTS (SELECT FROM identity_role dr WHERE dr.id = reach.role_id AND dr.domain_id IS NOT NULL)
)
"""
_AS_GIVEN = """
WITH found AS (
    SELECT role_id, user_id, group_id, project_id, domain_id, system, inherited, NULL AS by_group_id
    FROM identity_assignment
)
"""
_TAIL = """
SELECT f.*, r.name AS role_name, r.domain_id AS role_domain_id, rd.name AS role_domain_name,
    u.name AS user_name, u.domain_id AS user_domain_id, ud.name AS user_domain_name,
    g.name AS group_name, g.domain_id AS group_domain_id, gd.name AS group_domain_name,
    p.name AS project_name, p.domain_id AS project_domain_id, pd.name AS project_domain_name,
    d.name AS domain_name
FROM found f JOIN identity_role r ON r.id = f.role_id
LEFT JOIN identity_domain rd ON rd.id = r.domain_id
LEFT JOIN identity_user u ON u.id = f.user_id LEFT JOIN identity_domain ud ON ud.id = u.domain_id
LEFT JOIN identity_group g ON g.id = f.group_id LEFT JOIN identity_domain gd ON gd.id = g.domain_id
LEFT JOIN identity_project p ON p.id = f.project_id LEFT JOIN identity_domain pd ON pd.id = p.domain_id
LEFT JOIN identity_domain d ON d.id = f.domain_id
WHERE (CAST(:user_id AS text) IS NULL OR f.user_id = :user_id)
    AND (CAST(:group_id AS text) IS NULL OR f.group_id = :group_id)
    AND (CAST(:role_id AS text) IS NULL OR f.role_id = :role_id)
    AND (CAST(:project_id AS text) IS NULL OR f.project_id = :project_id
        OR :include_subtree AND :project_id = ANY (p.ancestors))
    AND (CAST(:domain_id AS text) IS NULL OR f.domain_id = :domain_id)
    AND (NOT :system OR f.system)
    AND (NOT :inherited OR f.inherited)
    AND (CAST(:visible_domain_id AS text) IS NULL
        OR :visible_domain_id IN (f.domain_id, p.domain_id))
ORDER BY f.role_id, f.user_id, f.group_id, f.project_id, f.domain_id LIMIT :limit
"""
_LIST_EFFECTIVE = text(_EFFECTIVE + _TAIL)
_LIST = text(_AS_GIVEN + _TAIL)


class NotAssigned(NotFound):
    code = "identity.assignment.not_found"


@dataclass(frozen=True)
class Grant:
    """Who gets it and where: one of `user_id` and `group_id`, one of `project_id`, `domain_id` and
    `system`."""

    user_id: str | None = None
    group_id: str | None = None
    project_id: str | None = None
    domain_id: str | None = None
    system: bool = False
    inherited: bool = False


@dataclass(frozen=True)
class Query:
    """Which assignments are wanted. `effective` says them as what users have after groups, inheritance and
    implication, instead of as they were given."""

    user_id: str | None = None
    group_id: str | None = None
    role_id: str | None = None
    project_id: str | None = None
    domain_id: str | None = None
    system: bool = False
    inherited: bool = False
    include_subtree: bool = False
    effective: bool = False


def give(tx: Tx, caller: Caller, grant: Grant, role_id: str) -> None:
    """Give a role; twice is once."""
    _manage(tx, caller, grant, role_id)
    statement = postgresql.insert(assignment).on_conflict_do_nothing()
    tx.execute(statement, {**asdict(grant), "role_id": role_id})
    audit.record(tx, caller, "give", "identity.role", role_id, asdict(grant))


def take(tx: Tx, caller: Caller, grant: Grant, role_id: str) -> None:
    """Take a role away. Raises NotAssigned."""
    _manage(tx, caller, grant, role_id)
    if tx.changed(delete(assignment).where(*_same(grant), assignment.c.role_id == role_id)) != 1:
        raise NotAssigned(f"Could not find role assignment with role: {role_id}.")
    audit.record(tx, caller, "take", "identity.role", role_id, asdict(grant))


def check(tx: Tx, caller: Caller, grant: Grant, role_id: str) -> None:
    """Raises NotAssigned unless the role was given just so."""
    _look(tx, caller, grant)
    roles.must_exist(tx, role_id)
    given = select(assignment.c.id).where(*_same(grant), assignment.c.role_id == role_id).limit(1)
    if tx.row(given) is None:
        raise NotAssigned(f"Could not find role assignment with role: {role_id}.")


def given_roles(tx: Tx, caller: Caller, grant: Grant) -> list[Row[Any]]:
    """The roles given just so."""
    _look(tx, caller, grant)
    chosen = select(assignment.c.role_id).where(*_same(grant))
    return list(tx.rows(select(role).where(role.c.id.in_(chosen)).order_by(role.c.name).limit(LIST_MAX)))


def list_(tx: Tx, caller: Caller, query: Query) -> Sequence[Row[Any]]:
    """Assignments with the names of all they refer to."""
    visible = access.visible_domain(caller, None)
    asked = {**asdict(query), "visible_domain_id": visible, "limit": LIST_MAX}
    effective = asked.pop("effective")
    return tx.rows(_LIST_EFFECTIVE if effective else _LIST, asked)


def _manage(tx: Tx, caller: Caller, grant: Grant, role_id: str) -> None:
    chosen = roles.must_exist(tx, role_id) if caller.is_admin else roles.get(tx, caller, role_id)
    if not caller.is_admin:
        access.require(chosen.domain_id is None and chosen.name in access.MANAGED_ROLES)
        access.require(not grant.system)
    for domain_id in _look(tx, caller, grant):
        access.require_manager(caller, domain_id)


def _look(tx: Tx, caller: Caller, grant: Grant) -> list[str]:
    """The domains of the one who gets it and of the place, all of which the caller must see."""
    found: list[str] = []
    if grant.user_id is not None:
        found.append(users.get(tx, caller, grant.user_id).domain_id)
    if grant.group_id is not None:
        found.append(groups.get(tx, caller, grant.group_id).domain_id)
    if grant.project_id is not None:
        found.append(projects.get(tx, caller, grant.project_id).domain_id)
    if grant.domain_id is not None:
        found.append(domains.get(tx, caller, grant.domain_id).id)
    for domain_id in found:
        access.require(access.may_read(caller, domain_id))
    access.require(not grant.system or access.sees_all(caller))
    return found


def _same(grant: Grant) -> list[ColumnElement[bool]]:
    return [
        assignment.c[name].is_(None) if value is None else assignment.c[name] == value
        for name, value in asdict(grant).items()
    ]
