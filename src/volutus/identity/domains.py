"""Domains: the outermost containers, of users, groups and projects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import Row, delete, insert, select, update

from volutus import audit
from volutus.db import Page, Tx
from volutus.errors import Forbidden, Invalid, NotFound
from volutus.identity import access
from volutus.identity.caller import Caller
from volutus.identity.records import Filter, ShortName, Tags, given, listed, merged, narrowed, write
from volutus.identity.tables import domain, group, project, user

# Without it nobody could sign in to mend things.
UNDELETABLE = "default"
_IMMUTABLE = "immutable"


class DomainNotFound(NotFound):
    code = "identity.domain.not_found"


@dataclass(frozen=True)
class DomainFields:
    """What a client may say of a domain."""

    name: ShortName | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    options: dict[str, bool | None] | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET


def create(tx: Tx, caller: Caller, fields: DomainFields, extra: Mapping[str, Any]) -> Row[Any]:
    """A new domain."""
    access.require_admin(caller)
    if isinstance(fields.name, UnsetType):
        raise Invalid("Invalid input for domain.name: it is required.", field="domain.name")
    row = {
        "id": tx.ids.hex(),
        "description": "",
        "enabled": True,
        "options": {},
        "tags": [],
        "epoch": 0,
        "extra": dict(extra),
        "created_at": tx.now,
        **given(fields),
    }
    row["description"] = row["description"] or ""
    write(tx, insert(domain), row, _taken(fields.name))
    audit.record(tx, caller, "create", "identity.domain", row["id"])
    return get(tx, caller, row["id"])


def get(tx: Tx, caller: Caller, domain_id: str) -> Row[Any]:
    """A domain, if the caller's token is for it, for a project in it, or sees all."""
    row = tx.row(select(domain).where(domain.c.id == domain_id).limit(1))
    if row is None:
        raise access.missing(caller, DomainNotFound(f"Could not find domain: {domain_id}."))
    in_project = caller.project_id is not None and caller.project_domain_id == domain_id
    access.require(access.may_read(caller, domain_id) or caller.domain_id == domain_id or in_project)
    return row


def list_(tx: Tx, caller: Caller, page: Page, filters: Sequence[Filter]) -> list[Row[Any]]:
    """Domains; a domain's own reader gets just that."""
    statement = narrowed(select(domain), domain, filters)
    if not access.sees_all(caller):
        access.require(caller.domain_id is not None and "reader" in caller.roles)
        statement = statement.where(domain.c.id == caller.domain_id)
    return listed(tx, statement, page, {"id": domain.c.id, "name": domain.c.name})


def change(
    tx: Tx, caller: Caller, domain_id: str, fields: DomainFields, extra: Mapping[str, Any]
) -> Row[Any]:
    """Change a domain. Disabling it ends all tokens of its users and for its projects."""
    access.require_admin(caller)
    before = get(tx, caller, domain_id)
    changes = given(fields)
    if "description" in changes:
        changes["description"] = changes["description"] or ""
    changes["options"] = merged(before.options, changes.get("options", {}))
    changes["extra"] = merged(before.extra, extra)
    if before.enabled and fields.enabled is False:
        changes["epoch"] = domain.c.epoch + 1
        for table in (project, user):
            tx.execute(update(table).where(table.c.domain_id == domain_id).values(epoch=table.c.epoch + 1))
    statement = update(domain).where(domain.c.id == domain_id).values(**changes)
    write(tx, statement, None, _taken(str(fields.name)))
    audit.record(tx, caller, "update", "identity.domain", domain_id)
    return get(tx, caller, domain_id)


def remove(tx: Tx, caller: Caller, domain_id: str) -> None:
    """Delete a domain that is disabled, and all that is in it."""
    access.require_admin(caller)
    row = get(tx, caller, domain_id)
    if row.id == UNDELETABLE:
        raise Forbidden("The default domain cannot be deleted.")
    if row.enabled:
        raise Forbidden("Cannot delete a domain that is enabled, please disable it first.")
    if row.options.get(_IMMUTABLE):
        raise Forbidden("Cannot delete an immutable domain.")
    tx.execute(delete(user).where(user.c.domain_id == domain_id))
    tx.execute(delete(group).where(group.c.domain_id == domain_id))
    # In one statement, so that the references between parents and children hold at its end.
    tx.execute(delete(project).where(project.c.domain_id == domain_id))
    tx.execute(delete(domain).where(domain.c.id == domain_id))
    audit.record(tx, caller, "delete", "identity.domain", domain_id)


def must_exist(tx: Tx, domain_id: str) -> Row[Any]:
    """The domain something new shall be in. Raises DomainNotFound."""
    row = tx.row(select(domain).where(domain.c.id == domain_id).limit(1))
    if row is None:
        raise DomainNotFound(f"Could not find domain: {domain_id}.")
    return row


def named(tx: Tx, ids: Sequence[str]) -> dict[str, str]:
    """Names of domains by id."""
    chosen = select(domain.c.id, domain.c.name).where(domain.c.id.in_(ids)).limit(len(ids))
    return {row.id: row.name for row in tx.rows(chosen)} if ids else {}


def _taken(name: str) -> str:
    return f"Conflict occurred attempting to store domain - Duplicate entry found with name {name}."
