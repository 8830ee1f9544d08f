"""The statement that says what a user may do in a scope right now.

It answers everything a token stands for: the user, the scope, the roles (own and of groups, inherited from
above, implied by others), whether the token was revoked, and the bounds an application credential or a trust
puts on it. Both the check of each request and the issue of a token run it, so they cannot disagree.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import TextClause, text

from volutus.db import Tx
from volutus.identity.access_rules import AccessRule
from volutus.identity.payload import ScopeKind

# One statement per kind of scope and of bound, put together from these pieces: none has a parameter that is
# always null, for which PostgreSQL would plan anew at each use. Planning costs three times the execution.
# `granted` starts from the user's own few assignments (the trustor's for a trust), so its cost does not grow
# with the cloud.
_HEAD = """
WITH RECURSIVE granted AS (
    SELECT a.role_id, a.project_id, a.domain_id, a.system, a.inherited
    FROM identity_assignment a WHERE a.user_id = {grantor}
    UNION ALL
    SELECT a.role_id, a.project_id, a.domain_id, a.system, a.inherited
    FROM identity_group_member m JOIN identity_assignment a ON a.group_id = m.group_id
    WHERE m.user_id = {grantor}
), reach AS (
    {reached}
    UNION
    SELECT i.implied_id FROM reach JOIN identity_implied_role i ON i.prior_id = reach.role_id
){bound}
SELECT u.id AS user_id, u.name AS user_name, u.epoch AS user_epoch, u.password_expires_at,
    u.domain_id AS user_domain_id, ud.name AS user_domain_name, u.enabled AND ud.enabled AS user_enabled,
    u.default_project_id,
    (SELECT array_agg(r.id || ' ' || r.name ORDER BY r.name)
     FROM reach JOIN identity_role r ON r.id = reach.role_id
     WHERE r.domain_id IS NULL{within}) AS roles,
    EXISTS (SELECT FROM identity_revoked_token t WHERE t.audit_id = :audit_id) AS revoked{columns}
FROM identity_user u JOIN identity_domain ud ON ud.id = u.domain_id{joins}
WHERE u.id = :user_id
"""
_REACHED = {
    ScopeKind.UNSCOPED: "SELECT g.role_id FROM granted g WHERE false",
    ScopeKind.PROJECT: """SELECT g.role_id FROM granted g, identity_project p WHERE p.id = :place_id AND (
        (g.project_id = :place_id AND NOT g.inherited)
        OR (g.inherited AND (g.domain_id = p.domain_id OR g.project_id = ANY (p.ancestors))))""",
    ScopeKind.DOMAIN: "SELECT g.role_id FROM granted g WHERE g.domain_id = :place_id AND NOT g.inherited",
    ScopeKind.SYSTEM: "SELECT g.role_id FROM granted g WHERE g.system",
}
_PROJECT_COLUMNS = """,
    p.id AS place_id, p.name AS place_name, p.enabled AND pd.enabled AS place_enabled,
    p.epoch AS place_epoch, pd.id AS place_domain_id, pd.name AS place_domain_name"""
_PROJECT_JOINS = """
LEFT JOIN identity_project p ON p.id = :place_id
LEFT JOIN identity_domain pd ON pd.id = p.domain_id"""
_DOMAIN_COLUMNS = """,
    d.id AS place_id, d.name AS place_name, d.enabled AS place_enabled, d.epoch AS place_epoch,
    '' AS place_domain_id, '' AS place_domain_name"""
_DOMAIN_JOINS = """
LEFT JOIN identity_domain d ON d.id = :place_id"""
_PLACES = {
    ScopeKind.UNSCOPED: ("", ""),
    ScopeKind.PROJECT: (_PROJECT_COLUMNS, _PROJECT_JOINS),
    ScopeKind.DOMAIN: (_DOMAIN_COLUMNS, _DOMAIN_JOINS),
    ScopeKind.SYSTEM: ("", ""),
}
_BOUND = """, bound AS (
    SELECT role_id FROM {table} WHERE {owner} = :{owner}
    UNION
    SELECT i.implied_id FROM bound JOIN identity_implied_role i ON i.prior_id = bound.role_id
)"""
_WITHIN = " AND r.id IN (SELECT role_id FROM bound)"
_CREDENTIAL_COLUMNS = """,
    c.id AS application_credential_id, c.name AS application_credential_name, c.unrestricted,
    c.expires_at AS application_credential_expires_at,
    CASE WHEN c.has_access_rules THEN
        (SELECT coalesce(jsonb_agg(jsonb_build_array(ar.id, ar.service, ar.method, ar.path)), '[]')
         FROM identity_application_credential_access_rule ca
         JOIN identity_access_rule ar ON ar.id = ca.access_rule_id
         WHERE ca.application_credential_id = c.id) END AS access_rules"""
_CREDENTIAL_JOINS = """
LEFT JOIN identity_application_credential c ON c.id = :application_credential_id AND c.user_id = u.id"""
_TRUST_COLUMNS = """,
    t.id AS trust_id, t.trustor_user_id, t.trustee_user_id, t.impersonation, t.expires_at AS trust_expires_at,
    t.id IS NOT NULL AND (t.trustor_user_id = t.trustee_user_id OR 2 = (
        SELECT count(*) FROM identity_user tu JOIN identity_domain td ON td.id = tu.domain_id
        WHERE tu.id IN (t.trustor_user_id, t.trustee_user_id) AND tu.enabled AND td.enabled
    )) AS trust_alive"""
_TRUST_JOINS = """
LEFT JOIN identity_trust t ON t.id = :trust_id"""
_TRUSTOR = "(SELECT trustor_user_id FROM identity_trust WHERE id = :trust_id)"


def _plain(kind: ScopeKind) -> TextClause:
    columns, joins = _PLACES[kind]
    return _statement(kind, ":user_id", ("", ""), columns, joins)


def _by_credential(kind: ScopeKind) -> TextClause:
    columns, joins = _PLACES[kind]
    bound = _BOUND.format(table="identity_application_credential_role", owner="application_credential_id")
    return _statement(
        kind, ":user_id", (bound, _WITHIN), columns + _CREDENTIAL_COLUMNS, joins + _CREDENTIAL_JOINS
    )


def _by_trust(kind: ScopeKind) -> TextClause:
    columns, joins = _PLACES[kind]
    bound = _BOUND.format(table="identity_trust_role", owner="trust_id")
    return _statement(kind, _TRUSTOR, (bound, _WITHIN), columns + _TRUST_COLUMNS, joins + _TRUST_JOINS)


def _statement(kind: ScopeKind, grantor: str, bound: tuple[str, str], columns: str, joins: str) -> TextClause:
    return text(
        _HEAD.format(
            grantor=grantor,
            reached=_REACHED[kind],
            bound=bound[0],
            within=bound[1],
            columns=columns,
            joins=joins,
        )
    )


_PLAIN = {kind: _plain(kind) for kind in ScopeKind}
_BY_CREDENTIAL = {kind: _by_credential(kind) for kind in ScopeKind}
_BY_TRUST = {kind: _by_trust(kind) for kind in ScopeKind}


@dataclass(frozen=True)
class Role:
    """A role as a token names it."""

    id: str
    name: str


@dataclass(frozen=True)
class Place:
    """A project or a domain. `domain_*` are those of a project."""

    id: str
    name: str
    enabled: bool
    epoch: int
    domain_id: str = ""
    domain_name: str = ""


@dataclass(frozen=True)
class UsedCredential:
    """The application credential that a token came from."""

    id: str
    name: str
    unrestricted: bool
    expires_at: datetime | None
    access_rules: tuple[AccessRule, ...] | None


@dataclass(frozen=True)
class UsedTrust:
    """The trust that a token came from. `alive`: both its users may still sign in."""

    id: str
    trustor_user_id: str
    trustee_user_id: str
    impersonation: bool
    expires_at: datetime | None
    alive: bool


@dataclass(frozen=True)
class Standing:
    """Where a user stands in a scope at this moment. `place` is the project or domain, None without one."""

    user_id: str
    user_name: str
    user_domain_id: str
    user_domain_name: str
    user_enabled: bool
    user_epoch: int
    password_expires_at: datetime | None
    default_project_id: str | None
    place: Place | None
    roles: tuple[Role, ...]
    revoked: bool
    application_credential: UsedCredential | None
    trust: UsedTrust | None


@dataclass(frozen=True)
class Question:
    """What is asked: `place_id` is a project's or a domain's, as `kind` says. At most one of the bounds."""

    user_id: str
    kind: ScopeKind
    place_id: str | None = None
    audit_id: str = ""
    application_credential_id: str | None = None
    trust_id: str | None = None


def standing(tx: Tx, question: Question) -> Standing | None:
    """The answer, or None when there is no such user."""
    asked = {"user_id": question.user_id, "audit_id": question.audit_id}
    if question.kind in (ScopeKind.PROJECT, ScopeKind.DOMAIN):
        asked["place_id"] = question.place_id or ""
    if question.application_credential_id is not None:
        asked["application_credential_id"] = question.application_credential_id
        row = tx.row(_BY_CREDENTIAL[question.kind], asked)
    elif question.trust_id is not None:
        asked["trust_id"] = question.trust_id
        row = tx.row(_BY_TRUST[question.kind], asked)
    else:
        row = tx.row(_PLAIN[question.kind], asked)
    return None if row is None else _standing(question, row)


def _standing(question: Question, row: Any) -> Standing:
    placed = question.kind in (ScopeKind.PROJECT, ScopeKind.DOMAIN) and row.place_id is not None
    return Standing(
        user_id=row.user_id,
        user_name=row.user_name,
        user_domain_id=row.user_domain_id,
        user_domain_name=row.user_domain_name,
        user_enabled=row.user_enabled,
        user_epoch=row.user_epoch,
        password_expires_at=row.password_expires_at,
        default_project_id=row.default_project_id,
        place=_place(row) if placed else None,
        roles=tuple(Role(*pair.split(" ", 1)) for pair in row.roles or ()),
        revoked=row.revoked,
        application_credential=_application_credential(row) if question.application_credential_id else None,
        trust=_trust(row) if question.trust_id else None,
    )


def _place(row: Any) -> Place:
    return Place(
        row.place_id,
        row.place_name,
        row.place_enabled,
        row.place_epoch,
        row.place_domain_id,
        row.place_domain_name,
    )


def _application_credential(row: Any) -> UsedCredential | None:
    if row.application_credential_id is None:
        return None
    rules = row.access_rules
    return UsedCredential(
        row.application_credential_id,
        row.application_credential_name,
        row.unrestricted,
        row.application_credential_expires_at,
        None if rules is None else tuple(AccessRule(*rule) for rule in rules),
    )


def _trust(row: Any) -> UsedTrust | None:
    if row.trust_id is None:
        return None
    return UsedTrust(
        row.trust_id,
        row.trustor_user_id,
        row.trustee_user_id,
        row.impersonation,
        row.trust_expires_at,
        row.trust_alive,
    )
