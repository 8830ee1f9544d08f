"""Trusts: a user lets another act in a project with some of his roles, as himself or as the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta
from sqlalchemy import Row, delete, insert, select

from volutus import audit
from volutus.db import Page, Tx
from volutus.errors import Forbidden, Invalid, NotFound
from volutus.identity import access, tables, users
from volutus.identity.application_credentials import RoleReference
from volutus.identity.caller import Caller
from volutus.identity.grants import Question, standing
from volutus.identity.payload import ScopeKind
from volutus.identity.records import Id, listed
from volutus.identity.tables import trust, trust_role

ROLES_MAX = 100


class TrustNotFound(NotFound):
    code = "identity.trust.not_found"


@dataclass(frozen=True)
class TrustFields:
    """What a client says of a trust. It cannot be changed afterwards."""

    trustor_user_id: Id
    trustee_user_id: Id
    impersonation: bool
    project_id: Id | None = None
    expires_at: datetime | None = None
    remaining_uses: Annotated[int, Meta(ge=1)] | None = None
    roles: Annotated[list[RoleReference], Meta(max_length=ROLES_MAX)] = ()  # type: ignore[assignment]
    allow_redelegation: bool = False
    redelegation_count: Annotated[int, Meta(ge=0)] | None = None


@dataclass(frozen=True)
class Trust:
    """A trust with its roles."""

    row: Row[Any]
    roles: tuple[Row[Any], ...]


def create(tx: Tx, caller: Caller, fields: TrustFields) -> Trust:
    """Trust somebody. Only the trustor himself can, and only with roles that he has in the project."""
    access.require(caller.user_id == fields.trustor_user_id)
    if caller.is_restricted or caller.trust_id:
        raise Forbidden("What was delegated cannot be delegated further.")
    if fields.expires_at is not None and fields.expires_at <= tx.now:
        raise Invalid("expires_at lies in the past.", field="trust.expires_at")
    users.must_exist(tx, fields.trustee_user_id)
    chosen = _chosen_roles(tx, fields)
    trust_id = tx.ids.hex()
    row: dict[str, Any] = {
        "id": trust_id,
        "trustor_user_id": fields.trustor_user_id,
        "trustee_user_id": fields.trustee_user_id,
        "project_id": fields.project_id,
        "impersonation": fields.impersonation,
        "expires_at": fields.expires_at,
        "remaining_uses": fields.remaining_uses,
        "redelegation_count": 0,
        "extra": {},
    }
    tx.execute(insert(trust), row)
    if chosen:
        tx.execute(insert(trust_role), [{"trust_id": trust_id, "role_id": role_id} for role_id in chosen])
    audit.record(tx, caller, "create", "identity.trust", trust_id)
    return get(tx, caller, trust_id)


def get(tx: Tx, caller: Caller, trust_id: str) -> Trust:
    """A trust of which one is trustor or trustee, or any for who sees all. Raises TrustNotFound."""
    row = tx.row(select(trust).where(trust.c.id == trust_id).limit(1))
    if row is None or not _visible(tx, caller, row):
        raise TrustNotFound(f"Could not find trust: {trust_id}.")
    chosen = select(trust_role.c.role_id).where(trust_role.c.trust_id == trust_id)
    roles = select(tables.role).where(tables.role.c.id.in_(chosen)).order_by(tables.role.c.name)
    return Trust(row, tuple(tx.rows(roles.limit(ROLES_MAX))))


def list_(
    tx: Tx, caller: Caller, page: Page, trustor_user_id: str | None, trustee_user_id: str | None
) -> Sequence[Row[Any]]:
    """Trusts given by or to somebody; without seeing all, by or to oneself."""
    mine = caller.user_id in (trustor_user_id, trustee_user_id)
    access.require(mine or access.sees_all(caller))
    statement = select(trust).where(trust.c.expires_at.is_(None) | (trust.c.expires_at > tx.now))
    if trustor_user_id is not None:
        statement = statement.where(trust.c.trustor_user_id == trustor_user_id)
    if trustee_user_id is not None:
        statement = statement.where(trust.c.trustee_user_id == trustee_user_id)
    return listed(tx, statement, page, {"id": trust.c.id})


def remove(tx: Tx, caller: Caller, trust_id: str) -> None:
    """End a trust, and all its tokens at once: the trustor's right, and an admin's."""
    found = get(tx, caller, trust_id)
    access.require_self_or_admin(caller, found.row.trustor_user_id)
    tx.execute(delete(trust).where(trust.c.id == trust_id))
    audit.record(tx, caller, "delete", "identity.trust", trust_id)


def _visible(tx: Tx, caller: Caller, row: Row[Any]) -> bool:
    if row.expires_at is not None and row.expires_at <= tx.now:
        return False
    return access.sees_all(caller) or caller.user_id in (row.trustor_user_id, row.trustee_user_id)


def _chosen_roles(tx: Tx, fields: TrustFields) -> list[str]:
    if fields.project_id is None:
        if fields.roles:
            raise Invalid("Roles are trusted in a project.", field="trust.project_id")
        return []
    if not fields.roles:
        raise Forbidden("At least one role should be specified.")
    held = standing(tx, Question(fields.trustor_user_id, ScopeKind.PROJECT, fields.project_id))
    if held is None or held.place is None:
        raise Forbidden(access.REFUSED)
    chosen = []
    for reference in fields.roles:
        found = [r.id for r in held.roles if reference.names(r.id, r.name)]
        if not found:
            raise Forbidden("The trustor does not have all the roles that he would trust.")
        chosen += found
    return list(dict.fromkeys(chosen))
