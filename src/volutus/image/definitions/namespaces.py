"""Namespaces: private ones are seen by their owner's project alone, public ones by all."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, insert, or_, select, true, update

from volutus import audit
from volutus.db import Page, Tx, paged
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.image import faults
from volutus.image.tables import associations
from volutus.image.tables import namespaces as table

KIND = "image.namespace"
VISIBILITIES = ("public", "private")
NAME_MAX, DESCRIPTION_MAX = 80, 500
_SORTED = {name: table.c[name] for name in ("name", "created_at", "updated_at", "owner", "visibility")}


@dataclass(frozen=True)
class NamespaceFields:
    """What may be set. `owner` None means the caller's project when creating."""

    name: str
    owner: str | None = None
    display_name: str | None = None
    description: str | None = None
    visibility: str = "private"
    protected: bool = False


@dataclass(frozen=True)
class Namespace:
    """A namespace without its content."""

    name: str
    owner: str | None
    display_name: str | None
    description: str | None
    visibility: str
    protected: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class NamespaceFilter:
    """All that is set must hold; `resource_types`: for any of these."""

    visibility: str | None = None
    resource_types: tuple[str, ...] = ()


def create(tx: Tx, caller: Caller, fields: NamespaceFields) -> Namespace:
    """A new namespace without content. Raises NamespaceExists."""
    owner = fields.owner or caller.project_id
    _check(fields)
    if tx.value(select(1).where(table.c.name == fields.name).limit(1)):
        raise faults.DefinitionExists(f"The metadata definition namespace={fields.name} already exists.")
    values = dataclasses.asdict(fields) | {"owner": owner, "created_at": tx.now, "updated_at": tx.now}
    row = tx.row(insert(table).values(values).returning(table))
    assert row is not None
    audit.record(tx, caller, "create", KIND, fields.name)
    return _namespace(row)


def get(tx: Tx, caller: Caller, name: str) -> Namespace:
    """The namespace, if the caller sees it."""
    row = tx.row(select(table).where(table.c.name == name, _visible(caller)).limit(1))
    if row is None:
        raise _not_found(name)
    return _namespace(row)


def own(tx: Tx, caller: Caller, name: str) -> Namespace:
    """The namespace locked for a change of it or its content, if it is the caller's to change."""
    row = tx.row(
        select(table).where(table.c.name == name, _visible(caller)).limit(1).with_for_update(key_share=True)
    )
    if row is None:
        raise _not_found(name)
    if not caller.sees(row.owner):
        raise faults.ImageNotYours("You are not permitted to change this namespace.")
    return _namespace(row)


def page(tx: Tx, caller: Caller, wanted: NamespaceFilter, cut: Page) -> list[Namespace]:
    """The namespaces that the caller sees and that pass the filter."""
    statement = select(table).where(_visible(caller))
    if wanted.visibility is not None:
        statement = statement.where(table.c.visibility == wanted.visibility)
    if wanted.resource_types:
        named = select(associations.c.namespace).where(associations.c.name.in_(wanted.resource_types))
        statement = statement.where(table.c.name.in_(named))
    return [_namespace(row) for row in tx.rows(paged(tx, statement, cut, _SORTED, table.c.name))]


def change(tx: Tx, caller: Caller, name: str, fields: NamespaceFields) -> Namespace:
    """Set all fields; another name renames it."""
    present = own(tx, caller, name)
    fields = dataclasses.replace(fields, owner=fields.owner or present.owner)
    _check(fields)
    taken = select(1).where(table.c.name == fields.name).limit(1)
    if fields.name != name and tx.value(taken):
        raise faults.DefinitionExists(f"The metadata definition namespace={fields.name} already exists.")
    values = dataclasses.asdict(fields) | {"updated_at": tx.now}
    row = tx.row(update(table).where(table.c.name == name).values(values).returning(table))
    assert row is not None
    audit.record(tx, caller, "change", KIND, name, {"name": fields.name})
    return _namespace(row)


def remove(tx: Tx, caller: Caller, name: str) -> None:
    """The namespace and all that is in it."""
    if own(tx, caller, name).protected:
        raise faults.ImageProtected(f"Metadata definition namespace {name} is protected.")
    tx.execute(delete(table).where(table.c.name == name))
    audit.record(tx, caller, "delete", KIND, name)


def _visible(caller: Caller) -> ColumnElement[bool]:
    if caller.is_admin:
        return true()
    return or_(table.c.visibility == "public", table.c.owner == (caller.project_id or ""))


def _check(fields: NamespaceFields) -> None:
    if not 0 < len(fields.name) <= NAME_MAX or "/" in fields.name:
        raise Invalid(f"A namespace is 1 to {NAME_MAX} characters, without slashes.", field="namespace")
    if len(fields.display_name or "") > NAME_MAX:
        raise Invalid(f"A display name has at most {NAME_MAX} characters.", field="display_name")
    if len(fields.description or "") > DESCRIPTION_MAX:
        raise Invalid(f"A description has at most {DESCRIPTION_MAX} characters.", field="description")
    if fields.visibility not in VISIBILITIES:
        raise Invalid(
            f"visibility must be one of {', '.join(VISIBILITIES)}, not {fields.visibility!r}",
            field="visibility",
        )


def _not_found(name: str) -> faults.DefinitionNotFound:
    return faults.DefinitionNotFound(f"Metadata definition namespace={name} was not found.")


_NAMES: Sequence[str] = [f.name for f in dataclasses.fields(Namespace)]


def _namespace(row: Row[Any]) -> Namespace:
    return Namespace(**{name: getattr(row, name) for name in _NAMES})
