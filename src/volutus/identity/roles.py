"""Roles and which of them imply which. A role of a domain counts only by what it implies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import ColumnElement, Row, delete, insert, select, text, update
from sqlalchemy.dialects import postgresql

from volutus import audit
from volutus.db import Page, Tx
from volutus.errors import Forbidden, Invalid, NotFound
from volutus.identity import access, domains
from volutus.identity.caller import Caller
from volutus.identity.records import Filter, Id, Name, given, listed, merged, narrowed, write
from volutus.identity.tables import implied_role, role

# All implications fit in one answer; a cloud has a dozen.
IMPLICATIONS_MAX = 1000
# Implying it would give away the cloud to whoever has the prior role.
NEVER_IMPLIED = "admin"
_SORTABLE: dict[str, ColumnElement[Any]] = {"id": role.c.id, "name": role.c.name}
_LEADS_BACK = text("""
WITH RECURSIVE reach AS (
    SELECT CAST(:implied AS text) AS id
    UNION SELECT i.implied_id FROM reach JOIN identity_implied_role i ON i.prior_id = reach.id)
SELECT 1 FROM reach WHERE id = :prior LIMIT 1
""")


class RoleNotFound(NotFound):
    code = "identity.role.not_found"


class NotImplied(NotFound):
    code = "identity.role.not_implied"


@dataclass(frozen=True)
class RoleFields:
    """What a client may say of a role."""

    name: Name | UnsetType = UNSET
    domain_id: Id | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    options: dict[str, bool | None] | UnsetType = UNSET


def create(tx: Tx, caller: Caller, fields: RoleFields, extra: Mapping[str, Any]) -> Row[Any]:
    """A new role, of the cloud or of a domain."""
    access.require_admin(caller)
    if isinstance(fields.name, UnsetType):
        raise Invalid("Invalid input for role.name: it is required.", field="role.name")
    domain_id = fields.domain_id or None
    if domain_id is not None:
        domains.must_exist(tx, domain_id)
    row: dict[str, Any] = {
        "id": tx.ids.hex(),
        "domain_id": domain_id,
        "name": fields.name,
        "description": fields.description or None,
        "options": merged({}, given(fields).get("options", {})),
        "extra": dict(extra),
    }
    write(tx, insert(role), row, _taken(fields.name))
    audit.record(tx, caller, "create", "identity.role", row["id"])
    return must_exist(tx, row["id"])


def get(tx: Tx, caller: Caller, role_id: str) -> Row[Any]:
    """A role; those of the cloud are no secret to managers of domains."""
    row = tx.row(select(role).where(role.c.id == role_id).limit(1))
    if row is None:
        raise access.missing(caller, RoleNotFound(f"Could not find role: {role_id}."))
    access.require(_visible(caller, row.domain_id))
    return row


def list_(tx: Tx, caller: Caller, page: Page, filters: Sequence[Filter]) -> list[Row[Any]]:
    """The cloud's roles, or with a filter `domain_id` those of a domain."""
    domain_id = next((f.value for f in filters if f.column == "domain_id"), None)
    access.require(_visible(caller, domain_id))
    statement = narrowed(select(role), role, [f for f in filters if f.column != "domain_id"])
    of_domain = role.c.domain_id.is_(None) if domain_id is None else role.c.domain_id == domain_id
    return listed(tx, statement.where(of_domain), page, _SORTABLE)


def change(tx: Tx, caller: Caller, role_id: str, fields: RoleFields, extra: Mapping[str, Any]) -> Row[Any]:
    """Change a role."""
    access.require_admin(caller)
    before = get(tx, caller, role_id)
    options = given(fields).get("options", {})
    if before.options.get("immutable") and options.get("immutable", True) is not False:
        raise Forbidden(f"Cannot change immutable role {role_id}.")
    if not isinstance(fields.domain_id, UnsetType) and fields.domain_id != before.domain_id:
        raise Invalid("A role stays in its domain.", field="role.domain_id")
    changes = {k: v for k, v in given(fields).items() if k in ("name", "description")}
    changes["options"] = merged(before.options, options)
    changes["extra"] = merged(before.extra, extra)
    write(tx, update(role).where(role.c.id == role_id).values(**changes), None, _taken(str(fields.name)))
    audit.record(tx, caller, "update", "identity.role", role_id)
    return must_exist(tx, role_id)


def remove(tx: Tx, caller: Caller, role_id: str) -> None:
    """Delete a role with all its assignments."""
    access.require_admin(caller)
    row = get(tx, caller, role_id)
    if row.options.get("immutable"):
        raise Forbidden(f"Cannot delete immutable role {role_id}.")
    tx.execute(delete(role).where(role.c.id == role_id))
    audit.record(tx, caller, "delete", "identity.role", role_id)


def imply(tx: Tx, caller: Caller, prior_id: str, implied_id: str) -> tuple[Row[Any], Row[Any]]:
    """Whoever has `prior` has `implied` from now on; twice is once."""
    access.require_admin(caller)
    prior, implied = get(tx, caller, prior_id), get(tx, caller, implied_id)
    if implied.name == NEVER_IMPLIED and implied.domain_id is None:
        raise Forbidden(f"The role {NEVER_IMPLIED} cannot be implied.")
    if implied.domain_id is not None and prior.domain_id is None:
        raise Forbidden("A role of the cloud cannot imply one of a domain.")
    if tx.row(_LEADS_BACK, {"implied": implied_id, "prior": prior_id}) is not None:
        raise Invalid("The roles would imply each other in a circle.")
    statement = postgresql.insert(implied_role).on_conflict_do_nothing()
    tx.execute(statement, {"prior_id": prior_id, "implied_id": implied_id})
    audit.record(tx, caller, "imply", "identity.role", prior_id, {"implied_id": implied_id})
    return prior, implied


def unimply(tx: Tx, caller: Caller, prior_id: str, implied_id: str) -> None:
    """End an implication. Raises NotImplied."""
    access.require_admin(caller)
    statement = delete(implied_role).where(
        implied_role.c.prior_id == prior_id, implied_role.c.implied_id == implied_id
    )
    if tx.changed(statement) != 1:
        raise NotImplied(f"{prior_id} does not imply {implied_id}.")
    audit.record(tx, caller, "unimply", "identity.role", prior_id, {"implied_id": implied_id})


def implication(tx: Tx, caller: Caller, prior_id: str, implied_id: str) -> tuple[Row[Any], Row[Any]]:
    """Both roles of an implication. Raises NotImplied."""
    for prior, implied in implications(tx, caller, prior_id):
        if implied.id == implied_id:
            return prior, implied
    raise NotImplied(f"{prior_id} does not imply {implied_id}.")


def implications(tx: Tx, caller: Caller, prior_id: str | None = None) -> list[tuple[Row[Any], Row[Any]]]:
    """Pairs of prior and implied roles, of all or of one prior role."""
    access.require(access.sees_all(caller))
    if prior_id is not None:
        get(tx, caller, prior_id)
    pairs = select(implied_role).order_by(implied_role.c.prior_id, implied_role.c.implied_id)
    if prior_id is not None:
        pairs = pairs.where(implied_role.c.prior_id == prior_id)
    rows = tx.rows(pairs.limit(IMPLICATIONS_MAX))
    ids = {row.prior_id for row in rows} | {row.implied_id for row in rows}
    found = {row.id: row for row in tx.rows(select(role).where(role.c.id.in_(ids)).limit(len(ids) or 1))}
    return [(found[row.prior_id], found[row.implied_id]) for row in rows]


def must_exist(tx: Tx, role_id: str) -> Row[Any]:
    """The role something refers to. Raises RoleNotFound."""
    row = tx.row(select(role).where(role.c.id == role_id).limit(1))
    if row is None:
        raise RoleNotFound(f"Could not find role: {role_id}.")
    return row


def _visible(caller: Caller, domain_id: str | None) -> bool:
    if domain_id is None:
        return access.sees_all(caller) or (caller.domain_id is not None and "manager" in caller.roles)
    return access.may_read(caller, domain_id)


def _taken(name: str) -> str:
    return f"Conflict occurred attempting to store role - Duplicate entry found with name {name}."
