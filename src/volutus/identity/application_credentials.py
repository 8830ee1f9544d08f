"""Application credentials: secrets with which a program acts for a user in one project.

They have at most the roles their maker had, lose what he loses, and end with him. Unless made *unrestricted*
they cannot make further credentials; with access rules they are good for the listed requests alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta
from sqlalchemy import Row, delete, insert, select
from sqlalchemy.dialects import postgresql

from volutus import audit
from volutus.db import Page, Tx
from volutus.errors import Forbidden, Invalid, NotFound
from volutus.identity import access, tables
from volutus.identity.access_rules import AccessRule
from volutus.identity.caller import Caller
from volutus.identity.passwords import Passwords, draw_hash, draw_secret
from volutus.identity.records import Id, Name, listed, write

# One user's programs; beyond that somebody makes them in a loop.
PER_USER_MAX = 500
RULES_MAX = 100
_credential = tables.application_credential
_role = tables.application_credential_role
_rule = tables.access_rule
_uses_rule = tables.application_credential_access_rule


class ApplicationCredentialNotFound(NotFound):
    code = "identity.application_credential.not_found"


class AccessRuleNotFound(NotFound):
    code = "identity.access_rule.not_found"


@dataclass(frozen=True)
class RoleReference:
    """A role by id or by name."""

    id: Id | None = None
    name: Name | None = None

    def names(self, role_id: str, name: str) -> bool:
        """Whether this role is meant."""
        return role_id == self.id if self.id is not None else name == self.name


@dataclass(frozen=True)
class RuleFields:
    """An access rule made before, by id, or a new one."""

    id: Id | None = None
    service: Id | None = None
    method: Annotated[str, Meta(pattern="^(POST|GET|HEAD|PATCH|PUT|DELETE)$")] | None = None
    path: Annotated[str, Meta(max_length=128)] | None = None


@dataclass(frozen=True)
class ApplicationCredentialFields:
    """What a client may say of an application credential. Without roles it gets all of its maker's, without
    access rules it is good for all requests; clients send empty lists for "without"."""

    name: Name
    description: str | None = None
    secret: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    expires_at: datetime | None = None
    roles: Annotated[list[RoleReference], Meta(max_length=100)] | None = None
    unrestricted: bool = False
    access_rules: Annotated[list[RuleFields], Meta(max_length=RULES_MAX)] | None = None


@dataclass(frozen=True)
class ApplicationCredential:
    """A credential with its roles and rules. `secret` is known only when it has just been made."""

    id: str
    user_id: str
    project_id: str
    name: str
    description: str | None
    expires_at: datetime | None
    unrestricted: bool
    roles: tuple[Row[Any], ...]
    access_rules: tuple[AccessRule, ...] | None
    secret: str | None = None


def create(
    tx: Tx, caller: Caller, passwords: Passwords, user_id: str, fields: ApplicationCredentialFields
) -> ApplicationCredential:
    """Make one for oneself in the token's project."""
    access.require(caller.user_id == user_id)
    _refuse_restricted(caller)
    if fields.expires_at is not None and fields.expires_at <= tx.now:
        raise Invalid("expires_at lies in the past.", field="application_credential.expires_at")
    chosen = _chosen_roles(tx, caller, fields.roles)
    secret = fields.secret or draw_secret()
    credential_id = tx.ids.hex()
    row = {
        "id": credential_id,
        "user_id": user_id,
        "project_id": caller.own_project(),
        "name": fields.name,
        "description": fields.description,
        "secret_hash": passwords.hash(secret) if fields.secret else draw_hash(secret),
        "unrestricted": fields.unrestricted,
        "expires_at": fields.expires_at,
        "has_access_rules": bool(fields.access_rules),
    }
    write(tx, insert(_credential), row, f"Duplicate application credential {fields.name}.")
    tx.execute(
        insert(_role), [{"application_credential_id": credential_id, "role_id": role.id} for role in chosen]
    )
    for rule in fields.access_rules or ():
        rule_id = _rule_id(tx, user_id, rule)
        link = postgresql.insert(_uses_rule).on_conflict_do_nothing()
        tx.execute(link, {"application_credential_id": credential_id, "access_rule_id": rule_id})
    audit.record(tx, caller, "create", "identity.application_credential", credential_id)
    (made,) = _whole(tx, [_row(tx, user_id, credential_id)])
    return replace(made, secret=secret)


def get(tx: Tx, caller: Caller, user_id: str, credential_id: str) -> ApplicationCredential:
    """One's own, or anyone's for who sees all."""
    access.require(caller.user_id == user_id or access.sees_all(caller))
    (found,) = _whole(tx, [_row(tx, user_id, credential_id)])
    return found


def list_(
    tx: Tx, caller: Caller, user_id: str, page: Page, name: str | None = None
) -> list[ApplicationCredential]:
    """A user's application credentials, by name if asked."""
    access.require(caller.user_id == user_id or access.sees_all(caller))
    statement = select(_credential).where(_credential.c.user_id == user_id)
    if name is not None:
        statement = statement.where(_credential.c.name == name)
    return _whole(tx, listed(tx, statement, page, {"id": _credential.c.id, "name": _credential.c.name}))


def remove(tx: Tx, caller: Caller, user_id: str, credential_id: str) -> None:
    """Delete one; its tokens end at once. Its access rules stay, for the next."""
    access.require_self_or_admin(caller, user_id)
    _refuse_restricted(caller)
    _row(tx, user_id, credential_id)
    tx.execute(delete(_credential).where(_credential.c.id == credential_id))
    audit.record(tx, caller, "delete", "identity.application_credential", credential_id)


def get_rule(tx: Tx, caller: Caller, user_id: str, rule_id: str) -> AccessRule:
    """Raises AccessRuleNotFound."""
    access.require(caller.user_id == user_id or access.sees_all(caller))
    row = tx.row(select(_rule).where(_rule.c.id == rule_id, _rule.c.user_id == user_id).limit(1))
    if row is None:
        raise AccessRuleNotFound(f"Could not find access rule: {rule_id}.")
    return AccessRule(row.id, row.service, row.method, row.path)


def list_rules(tx: Tx, caller: Caller, user_id: str, page: Page) -> list[AccessRule]:
    """A user's access rules, whether in use or not."""
    access.require(caller.user_id == user_id or access.sees_all(caller))
    rows = listed(tx, select(_rule).where(_rule.c.user_id == user_id), page, {"id": _rule.c.id})
    return [AccessRule(row.id, row.service, row.method, row.path) for row in rows]


def remove_rule(tx: Tx, caller: Caller, user_id: str, rule_id: str) -> None:
    """Delete an access rule that no application credential uses."""
    access.require_self_or_admin(caller, user_id)
    get_rule(tx, caller, user_id, rule_id)
    used = select(_uses_rule.c.access_rule_id).where(_uses_rule.c.access_rule_id == rule_id).limit(1)
    if tx.row(used) is not None:
        raise Forbidden(f"The access rule {rule_id} is in use by an application credential.")
    tx.execute(delete(_rule).where(_rule.c.id == rule_id))
    audit.record(tx, caller, "delete", "identity.access_rule", rule_id)


def _row(tx: Tx, user_id: str, credential_id: str) -> Row[Any]:
    chosen = select(_credential).where(_credential.c.id == credential_id, _credential.c.user_id == user_id)
    row = tx.row(chosen.limit(1))
    if row is None:
        raise ApplicationCredentialNotFound(f"Could not find application credential: {credential_id}.")
    return row


def _chosen_roles(tx: Tx, caller: Caller, wanted: Sequence[RoleReference] | None) -> list[Row[Any]]:
    """The maker's own roles, or those of them that were asked for."""
    table = tables.role
    own = select(table).where(table.c.name.in_(caller.roles), table.c.domain_id.is_(None))
    held = tx.rows(own.limit(len(caller.roles) or 1))
    if not wanted:
        return list(held)
    chosen = []
    for reference in wanted:
        found = [r for r in held if reference.names(r.id, r.name)]
        if not found:
            raise Invalid(
                f"Could not find role assignment with role: {reference.id or reference.name}.", field="roles"
            )
        chosen += found
    return list({role.id: role for role in chosen}.values())


def _rule_id(tx: Tx, user_id: str, fields: RuleFields) -> str:
    """The user's rule that says this, made if there is none."""
    same = select(_rule.c.id).where(_rule.c.user_id == user_id)
    if fields.id is not None:
        found = tx.value(same.where(_rule.c.id == fields.id).limit(1))
        if found is None:
            raise AccessRuleNotFound(f"Could not find access rule: {fields.id}.")
        return str(found)
    if fields.service is None or fields.method is None or fields.path is None:
        raise Invalid("An access rule names service, method and path.", field="access_rules")
    said = {"service": fields.service, "method": fields.method, "path": fields.path}
    statement = postgresql.insert(_rule).on_conflict_do_nothing()
    tx.execute(statement, {"id": tx.ids.hex(), "user_id": user_id, **said})
    return str(tx.value(same.where(*(_rule.c[k] == v for k, v in said.items())).limit(1)))


def _whole(tx: Tx, rows: Sequence[Row[Any]]) -> list[ApplicationCredential]:
    """The rows with their roles and rules, in two statements however many they are."""
    ids = [row.id for row in rows]
    if not ids:
        return []
    table = tables.role
    pairs = (
        select(_role.c.application_credential_id.label("owner_id"), table)
        .join(table, table.c.id == _role.c.role_id)
        .where(_role.c.application_credential_id.in_(ids))
    )
    roles = tx.rows(pairs.order_by(table.c.name).limit(len(ids) * 100))
    uses = (
        select(_uses_rule.c.application_credential_id.label("owner_id"), _rule)
        .join(_rule, _rule.c.id == _uses_rule.c.access_rule_id)
        .where(_uses_rule.c.application_credential_id.in_(ids))
    )
    rules = tx.rows(uses.order_by(_rule.c.id).limit(len(ids) * RULES_MAX))
    return [
        ApplicationCredential(
            row.id,
            row.user_id,
            row.project_id,
            row.name,
            row.description,
            row.expires_at,
            row.unrestricted,
            tuple(role for role in roles if role.owner_id == row.id),
            tuple(AccessRule(r.id, r.service, r.method, r.path) for r in rules if r.owner_id == row.id)
            if row.has_access_rules
            else None,
        )
        for row in rows
    ]


def _refuse_restricted(caller: Caller) -> None:
    """What was delegated may not make itself further ways in."""
    if caller.is_restricted or caller.trust_id:
        raise Forbidden("A restricted application credential or a trust cannot manage others.")
