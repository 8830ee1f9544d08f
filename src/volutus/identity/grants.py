"""The one statement that says what a user may do in a scope right now.

It answers everything a token stands for: the user, the scope, the roles (own and of groups, inherited from
above, implied by others), whether the token was revoked, and the bounds an application credential or a trust
puts on it. Both the check of each request and the issue of a token run it, so they cannot disagree.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from volutus.db import Tx
from volutus.identity.access_rules import AccessRule

# `granted` starts from the user's own few assignments (the trustor's for a trust), so its cost does not grow
# with the cloud. `bound` is empty unless an application credential or a trust limits the roles.
_STATEMENT = text("""
WITH RECURSIVE granted AS (
    SELECT a.role_id, a.project_id, a.domain_id, a.system, a.inherited
    FROM identity_assignment a
    WHERE a.user_id = coalesce((SELECT trustor_user_id FROM identity_trust WHERE id = :trust_id), :user_id)
    UNION ALL
    SELECT a.role_id, a.project_id, a.domain_id, a.system, a.inherited
    FROM identity_group_member m JOIN identity_assignment a ON a.group_id = m.group_id
    WHERE m.user_id = coalesce((SELECT trustor_user_id FROM identity_trust WHERE id = :trust_id), :user_id)
), reach AS (
    SELECT g.role_id FROM granted g LEFT JOIN identity_project p ON p.id = :project_id
    WHERE (g.project_id = :project_id AND NOT g.inherited)
       OR (g.domain_id = :domain_id AND NOT g.inherited)
       OR (g.system AND :system)
       OR (g.inherited AND (g.domain_id = p.domain_id OR g.project_id = ANY (p.ancestors)))
    UNION
    SELECT i.implied_id FROM reach JOIN identity_implied_role i ON i.prior_id = reach.role_id
), bound AS (
    SELECT role_id FROM identity_application_credential_role
    WHERE application_credential_id = :application_credential_id
    UNION
    SELECT role_id FROM identity_trust_role WHERE trust_id = :trust_id
    UNION
    SELECT i.implied_id FROM bound JOIN identity_implied_role i ON i.prior_id = bound.role_id
)
SELECT u.id AS user_id, u.name AS user_name, u.epoch AS user_epoch, u.password_expires_at,
    u.domain_id AS user_domain_id, ud.name AS user_domain_name, u.enabled AND ud.enabled AS user_enabled,
    u.default_project_id,
    p.id AS project_id, p.name AS project_name, pd.id AS project_domain_id, pd.name AS project_domain_name,
    p.enabled AND pd.enabled AS project_enabled, p.epoch AS project_epoch,
    d.id AS domain_id, d.name AS domain_name, d.enabled AS domain_enabled, d.epoch AS domain_epoch,
    (SELECT array_agg(r.id || ' ' || r.name ORDER BY r.name)
     FROM reach JOIN identity_role r ON r.id = reach.role_id
     WHERE r.domain_id IS NULL AND (NOT :bounded OR r.id IN (SELECT role_id FROM bound))) AS roles,
    EXISTS (SELECT FROM identity_revoked_token t WHERE t.audit_id = :audit_id) AS revoked,
    c.id AS application_credential_id, c.name AS application_credential_name, c.unrestricted,
    c.expires_at AS application_credential_expires_at,
    CASE WHEN c.has_access_rules THEN
        (SELECT jsonb_agg(jsonb_build_array(ar.id, ar.service, ar.method, ar.path))
         FROM identity_application_credential_access_rule ca
         JOIN identity_access_rule ar ON ar.id = ca.access_rule_id
         WHERE ca.application_credential_id = c.id) END AS access_rules,
    t.id AS trust_id, t.trustor_user_id, t.trustee_user_id, t.impersonation, t.expires_at AS trust_expires_at,
    t.id IS NOT NULL AND 2 = (
        SELECT count(*) FROM identity_user tu JOIN identity_domain td ON td.id = tu.domain_id
        WHERE tu.id IN (t.trustor_user_id, t.trustee_user_id) AND tu.enabled AND td.enabled
    ) AS trust_alive
FROM identity_user u JOIN identity_domain ud ON ud.id = u.domain_id
LEFT JOIN identity_project p ON p.id = :project_id
LEFT JOIN identity_domain pd ON pd.id = p.domain_id
LEFT JOIN identity_domain d ON d.id = :domain_id
LEFT JOIN identity_application_credential c ON c.id = :application_credential_id AND c.user_id = u.id
LEFT JOIN identity_trust t ON t.id = :trust_id
WHERE u.id = :user_id
""")


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
    """What is asked: at most one of `project_id`, `domain_id` and `system`."""

    user_id: str
    project_id: str | None = None
    domain_id: str | None = None
    system: bool = False
    audit_id: str = ""
    application_credential_id: str | None = None
    trust_id: str | None = None


def standing(tx: Tx, question: Question) -> Standing | None:
    """The answer, or None when there is no such user."""
    row = tx.row(
        _STATEMENT,
        {
            "user_id": question.user_id,
            "project_id": question.project_id,
            "domain_id": question.domain_id,
            "system": question.system,
            "audit_id": question.audit_id,
            "application_credential_id": question.application_credential_id,
            "trust_id": question.trust_id,
            "bounded": question.application_credential_id is not None or question.trust_id is not None,
        },
    )
    return None if row is None else _standing(row)


def _standing(row: Any) -> Standing:
    return Standing(
        user_id=row.user_id,
        user_name=row.user_name,
        user_domain_id=row.user_domain_id,
        user_domain_name=row.user_domain_name,
        user_enabled=row.user_enabled,
        user_epoch=row.user_epoch,
        password_expires_at=row.password_expires_at,
        default_project_id=row.default_project_id,
        place=_place(row),
        roles=tuple(Role(*pair.split(" ", 1)) for pair in row.roles or ()),
        revoked=row.revoked,
        application_credential=_application_credential(row),
        trust=_trust(row),
    )


def _place(row: Any) -> Place | None:
    if row.project_id is not None:
        return Place(
            row.project_id,
            row.project_name,
            row.project_enabled,
            row.project_epoch,
            row.project_domain_id,
            row.project_domain_name,
        )
    if row.domain_id is not None:
        return Place(row.domain_id, row.domain_name, row.domain_enabled, row.domain_epoch)
    return None


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
