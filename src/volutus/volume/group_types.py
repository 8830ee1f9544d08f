"""Group types: kinds of groups that an operator offers, with specs for clients to read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, func, insert, or_, select, update

from volutus import audit
from volutus.db import Page, Tx, paged
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.volume.faults import AlreadyExists, GroupTypeNotFound, KeyNotFound, TypeInUse
from volutus.volume.tables import group_types, groups

SPECS_MAX = 128


@dataclass(frozen=True)
class GroupType:
    """`specs` are the operator's."""

    id: str
    name: str
    description: str | None
    is_public: bool
    specs: Mapping[str, str]


@dataclass(frozen=True)
class GroupTypeOrder:
    """A group type to be made."""

    name: str
    description: str | None = None
    is_public: bool = True
    specs: Mapping[str, str] | None = None


_SORTABLE = {
    "id": group_types.c.id,
    "name": group_types.c.name,
    "created_at": group_types.c.created_at,
    "is_public": group_types.c.is_public,
}


def create(tx: Tx, caller: Caller, order: GroupTypeOrder) -> GroupType:
    """Make a group type. Raises AlreadyExists for a name that is taken."""
    _check_name_free(tx, order.name)
    type_id, specs = tx.ids.uuid(), dict(order.specs or {})
    _check_specs(specs)
    tx.execute(
        insert(group_types),
        {
            "id": type_id,
            "name": order.name,
            "description": order.description,
            "is_public": order.is_public,
            "specs": specs,
            "created_at": tx.now,
        },
    )
    audit.record(tx, caller, "create", "volume.group_type", type_id)
    return get(tx, caller, type_id)


def get(tx: Tx, caller: Caller, type_id: str) -> GroupType:
    """One by id. Raises GroupTypeNotFound."""
    return _one(tx, caller, group_types.c.id == type_id, type_id)


def find(tx: Tx, caller: Caller, name_or_id: str) -> GroupType:
    """One by id or name. Raises GroupTypeNotFound."""
    condition = or_(group_types.c.id == name_or_id, group_types.c.name == name_or_id)
    return _one(tx, caller, condition, name_or_id)


def list_(tx: Tx, caller: Caller, page: Page, *, is_public: bool | None = True) -> list[GroupType]:
    """Group types in pages; with `is_public` None, for administrators, private ones too."""
    statement = select(group_types)
    if not caller.is_admin:
        statement = statement.where(group_types.c.is_public)
    elif is_public is not None:
        statement = statement.where(group_types.c.is_public == is_public)
    return [_type(row) for row in tx.rows(paged(tx, statement, page, _SORTABLE, group_types.c.id))]


def update_(tx: Tx, caller: Caller, type_id: str, changes: Mapping[str, Any]) -> GroupType:
    """Change `name`, `description` or `is_public`."""
    found = get(tx, caller, type_id)
    if changes.get("name") not in (None, found.name):
        _check_name_free(tx, changes["name"])
    tx.execute(update(group_types).where(group_types.c.id == type_id).values(**changes))
    audit.record(tx, caller, "update", "volume.group_type", type_id)
    return get(tx, caller, type_id)


def remove(tx: Tx, caller: Caller, type_id: str) -> None:
    """Remove one that no group has. Raises TypeInUse."""
    get(tx, caller, type_id)
    if tx.value(select(func.count()).where(groups.c.group_type_id == type_id)):
        raise TypeInUse(f"Target group type is still in use. Group Type {type_id} has groups.")
    tx.execute(delete(group_types).where(group_types.c.id == type_id))
    audit.record(tx, caller, "delete", "volume.group_type", type_id)


def set_specs(tx: Tx, caller: Caller, type_id: str, specs: Mapping[str, str]) -> None:
    """Add or change specs."""
    merged = {**get(tx, caller, type_id).specs, **specs}
    _check_specs(merged)
    tx.execute(update(group_types).where(group_types.c.id == type_id).values(specs=merged))
    audit.record(tx, caller, "update", "volume.group_type", type_id, {"specs": list(specs)})


def spec(tx: Tx, caller: Caller, type_id: str, key: str) -> str:
    """One spec. Raises KeyNotFound."""
    found = get(tx, caller, type_id).specs
    if key not in found:
        raise KeyNotFound(f"Group Type {type_id} has no specs with key {key}.")
    return found[key]


def remove_spec(tx: Tx, caller: Caller, type_id: str, key: str) -> None:
    """Remove a spec. Raises KeyNotFound."""
    spec(tx, caller, type_id, key)
    kept = {name: value for name, value in get(tx, caller, type_id).specs.items() if name != key}
    tx.execute(update(group_types).where(group_types.c.id == type_id).values(specs=kept))
    audit.record(tx, caller, "update", "volume.group_type", type_id, {"removed": key})


def _one(tx: Tx, caller: Caller, condition: Any, named: str) -> GroupType:
    row = tx.row(select(group_types).where(condition))
    if row is None or not (row.is_public or caller.is_admin):
        raise GroupTypeNotFound(f"Group type {named} could not be found.")
    return _type(row)


def _check_name_free(tx: Tx, name: str) -> None:
    if tx.row(select(group_types.c.id).where(group_types.c.name == name)) is not None:
        raise AlreadyExists(f"Group Type {name} already exists.")


def _check_specs(specs: Mapping[str, str]) -> None:
    if len(specs) > SPECS_MAX:
        raise Invalid(f"A group type has at most {SPECS_MAX} specs.", field="group_specs")


def _type(row: Row[Any]) -> GroupType:
    return GroupType(row.id, row.name, row.description, row.is_public, row.specs)
