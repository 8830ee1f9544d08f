"""Groups of users, which can be given roles as one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import ColumnElement, Row, delete, insert, select, update
from sqlalchemy.dialects import postgresql

from volutus import audit
from volutus.db import Page, Tx
from volutus.errors import Invalid, NotFound
from volutus.identity import access, domains, users
from volutus.identity.caller import Caller
from volutus.identity.records import Filter, Id, Name, given, listed, merged, narrowed, write
from volutus.identity.tables import group, group_member

_SORTABLE: dict[str, ColumnElement[Any]] = {"id": group.c.id, "name": group.c.name}


class GroupNotFound(NotFound):
    code = "identity.group.not_found"


class NoMember(NotFound):
    code = "identity.group.no_member"


@dataclass(frozen=True)
class GroupFields:
    """What a client may say of a group."""

    name: Name | UnsetType = UNSET
    domain_id: Id | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET


def create(tx: Tx, caller: Caller, fields: GroupFields, extra: Mapping[str, Any]) -> Row[Any]:
    """A new group."""
    if isinstance(fields.name, UnsetType):
        raise Invalid("Invalid input for group.name: it is required.", field="group.name")
    domain_id = fields.domain_id or access.own_domain(caller)
    access.require_manager(caller, domain_id)
    domains.must_exist(tx, domain_id)
    row: dict[str, Any] = {
        "id": tx.ids.hex(),
        "domain_id": domain_id,
        "name": fields.name,
        "description": fields.description or "",
        "extra": dict(extra),
        "created_at": tx.now,
    }
    write(tx, insert(group), row, _taken(fields.name, domain_id))
    audit.record(tx, caller, "create", "identity.group", row["id"])
    return must_exist(tx, row["id"])


def get(tx: Tx, caller: Caller, group_id: str) -> Row[Any]:
    """A group of a domain that the caller sees."""
    row = tx.row(select(group).where(group.c.id == group_id).limit(1))
    if row is None:
        raise access.missing(caller, GroupNotFound(f"Could not find group: {group_id}."))
    access.require(access.may_read(caller, row.domain_id))
    return row


def list_(tx: Tx, caller: Caller, page: Page, filters: Sequence[Filter]) -> list[Row[Any]]:
    """Groups of the domains that the caller sees."""
    asked = next((f.value for f in filters if f.column == "domain_id"), None)
    visible = access.visible_domain(caller, asked)
    statement = narrowed(select(group), group, filters)
    if visible is not None:
        statement = statement.where(group.c.domain_id == visible)
    return listed(tx, statement, page, _SORTABLE)


def list_of_user(
    tx: Tx, caller: Caller, user_id: str, page: Page, filters: Sequence[Filter]
) -> list[Row[Any]]:
    """The groups a user is in."""
    users.get(tx, caller, user_id)
    mine = select(group_member.c.group_id).where(group_member.c.user_id == user_id)
    return listed(tx, narrowed(select(group).where(group.c.id.in_(mine)), group, filters), page, _SORTABLE)


def change(tx: Tx, caller: Caller, group_id: str, fields: GroupFields, extra: Mapping[str, Any]) -> Row[Any]:
    """Change a group."""
    before = get(tx, caller, group_id)
    access.require_manager(caller, before.domain_id)
    if not isinstance(fields.domain_id, UnsetType) and fields.domain_id != before.domain_id:
        raise Invalid("A group stays in its domain.", field="group.domain_id")
    changes = {k: v for k, v in given(fields).items() if k in ("name", "description")}
    if "description" in changes:
        changes["description"] = changes["description"] or ""
    changes["extra"] = merged(before.extra, extra)
    statement = update(group).where(group.c.id == group_id).values(**changes)
    write(tx, statement, None, _taken(str(fields.name), before.domain_id))
    audit.record(tx, caller, "update", "identity.group", group_id)
    return must_exist(tx, group_id)


def remove(tx: Tx, caller: Caller, group_id: str) -> None:
    """Delete a group; its members lose the roles it gave them at once."""
    row = get(tx, caller, group_id)
    access.require_manager(caller, row.domain_id)
    tx.execute(delete(group).where(group.c.id == group_id))
    audit.record(tx, caller, "delete", "identity.group", group_id)


def add_member(tx: Tx, caller: Caller, group_id: str, user_id: str) -> None:
    """Put a user into a group; twice is once."""
    _manage(tx, caller, group_id, user_id)
    statement = postgresql.insert(group_member).on_conflict_do_nothing()
    tx.execute(statement, {"group_id": group_id, "user_id": user_id, "added_at": tx.now})
    audit.record(tx, caller, "add_member", "identity.group", group_id, {"user_id": user_id})


def remove_member(tx: Tx, caller: Caller, group_id: str, user_id: str) -> None:
    """Take a user out of a group. Raises NoMember."""
    _manage(tx, caller, group_id, user_id)
    statement = delete(group_member).where(
        group_member.c.group_id == group_id, group_member.c.user_id == user_id
    )
    if tx.changed(statement) != 1:
        raise NoMember(f"User {user_id} is not in group {group_id}.")
    audit.record(tx, caller, "remove_member", "identity.group", group_id, {"user_id": user_id})


def check_member(tx: Tx, caller: Caller, group_id: str, user_id: str) -> None:
    """Raises NoMember unless the user is in the group."""
    users.get(tx, caller, user_id)
    if caller.user_id != user_id:
        get(tx, caller, group_id)
    found = select(group_member.c.user_id).where(
        group_member.c.group_id == group_id, group_member.c.user_id == user_id
    )
    if tx.row(found.limit(1)) is None:
        raise NoMember(f"User {user_id} is not in group {group_id}.")


def must_exist(tx: Tx, group_id: str) -> Row[Any]:
    """The group something refers to. Raises GroupNotFound."""
    row = tx.row(select(group).where(group.c.id == group_id).limit(1))
    if row is None:
        raise GroupNotFound(f"Could not find group: {group_id}.")
    return row


def _manage(tx: Tx, caller: Caller, group_id: str, user_id: str) -> None:
    row = get(tx, caller, group_id)
    access.require_manager(caller, row.domain_id)
    member = users.get(tx, caller, user_id)
    access.require_manager(caller, member.domain_id)


def _taken(name: str, domain_id: str) -> str:
    return (
        "Conflict occurred attempting to store group - "
        f"Duplicate entry found with name {name} at domain ID {domain_id}."
    )
