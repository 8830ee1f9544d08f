"""What a namespace contains: objects, properties and tags, each by its name."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from volutus import audit
from volutus.db import Page, Tx, paged
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.image import faults
from volutus.image.definitions import namespaces
from volutus.image.tables import definitions as table

KINDS = ("object", "property", "tag")
NAME_MAX = 80
# All that one namespace has of a kind is shown in one document.
PER_NAMESPACE_MAX = 500
CONTENT_BYTES_MAX = 64 << 10
# Names are unique only within a namespace: a marker says where a list by another key goes on for none.
_SORTED = {"name": table.c.name}


@dataclass(frozen=True)
class Definition:
    """One object, property or tag. `content` is what its kind's schema has beside the name: kept, shown,
    and looked into by nobody here."""

    name: str
    content: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime


def add(
    tx: Tx, caller: Caller, namespace: str, kind: str, content: Mapping[str, Mapping[str, Any]]
) -> list[Definition]:
    """Define these, by name. Raises DefinitionExists when one is there already."""
    namespaces.own(tx, caller, namespace)
    for name, values in content.items():
        _check(kind, name, values)
    found = tx.rows(_of(namespace, kind).with_only_columns(table.c.name).limit(PER_NAMESPACE_MAX))
    present = {row.name for row in found}
    if taken := present & content.keys():
        raise faults.DefinitionExists(
            f"A metadata definition {kind} with name={min(taken)} already exists in namespace={namespace}."
        )
    if len(present) + len(content) > PER_NAMESPACE_MAX:
        raise Invalid(f"A namespace has at most {PER_NAMESPACE_MAX} of a kind.")
    if not content:
        return []
    shared = {"namespace": namespace, "kind": kind, "created_at": tx.now, "updated_at": tx.now}
    values_of = [{**shared, "name": name, "content": dict(values)} for name, values in content.items()]
    rows = tx.execute(insert(table).values(values_of).returning(table)).all()
    audit.record(tx, caller, "define", namespaces.KIND, namespace, {kind: list(content)})
    return [_definition(row) for row in rows]


def get(tx: Tx, caller: Caller, namespace: str, kind: str, name: str) -> Definition:
    """One of them, if the caller sees the namespace."""
    namespaces.get(tx, caller, namespace)
    row = tx.row(_of(namespace, kind).where(table.c.name == name).limit(1))
    if row is None:
        raise _not_found(namespace, kind, name)
    return _definition(row)


def page(tx: Tx, caller: Caller, namespace: str, kind: str, cut: Page) -> list[Definition]:
    """Those of one kind. The marker is a name."""
    namespaces.get(tx, caller, namespace)
    if cut.marker is not None:
        # Names are unique only within their namespace, so the marker is looked for there.
        get(tx, caller, namespace, kind, cut.marker)
    statement = paged(tx, _of(namespace, kind), cut, _SORTED, table.c.name)
    return [_definition(row) for row in tx.rows(statement)]


def of_namespace(tx: Tx, namespace: str) -> dict[str, list[Definition]]:
    """Kind to all of it, for a namespace that the caller was found to see."""
    statement = select(table).where(table.c.namespace == namespace).order_by(table.c.kind, table.c.name)
    found: dict[str, list[Definition]] = {kind: [] for kind in KINDS}
    for row in tx.rows(statement.limit(len(KINDS) * PER_NAMESPACE_MAX)):
        found[row.kind].append(_definition(row))
    return found


def change(
    tx: Tx, caller: Caller, namespace: str, kind: str, name: str, to: tuple[str, Mapping[str, Any]]
) -> Definition:
    """Set the name and the content: `to` is both."""
    namespaces.own(tx, caller, namespace)
    new_name, content = to
    _check(kind, new_name, content)
    mine = (table.c.namespace == namespace, table.c.kind == kind)
    taken = select(1).where(*mine, table.c.name == new_name).limit(1)
    if new_name != name and tx.value(taken):
        raise faults.DefinitionExists(
            f"A metadata definition {kind} with name={new_name} already exists in namespace={namespace}."
        )
    row = tx.row(
        update(table)
        .where(*mine, table.c.name == name)
        .values(name=new_name, content=dict(content), updated_at=tx.now)
        .returning(table)
    )
    if row is None:
        raise _not_found(namespace, kind, name)
    audit.record(tx, caller, "define", namespaces.KIND, namespace, {kind: [name, new_name]})
    return _definition(row)


def remove(tx: Tx, caller: Caller, namespace: str, kind: str, name: str) -> None:
    """Take one away."""
    namespaces.own(tx, caller, namespace)
    mine = (table.c.namespace == namespace, table.c.kind == kind, table.c.name == name)
    if not tx.changed(delete(table).where(*mine)):
        raise _not_found(namespace, kind, name)
    audit.record(tx, caller, "undefine", namespaces.KIND, namespace, {kind: [name]})


def remove_all(tx: Tx, caller: Caller, namespace: str, kind: str) -> None:
    """Take all of a kind away."""
    namespaces.own(tx, caller, namespace)
    tx.execute(delete(table).where(table.c.namespace == namespace, table.c.kind == kind))
    audit.record(tx, caller, "undefine", namespaces.KIND, namespace, {kind: "all"})


def _of(namespace: str, kind: str) -> Any:
    return select(table).where(table.c.namespace == namespace, table.c.kind == kind)


def _check(kind: str, name: str, content: Mapping[str, Any]) -> None:
    if not 0 < len(name) <= NAME_MAX or "/" in name:
        raise Invalid(f"The name of a {kind} is 1 to {NAME_MAX} characters, without slashes.", field="name")
    if len(json.dumps(content)) > CONTENT_BYTES_MAX:
        raise Invalid(f"The {kind} {name} is larger than {CONTENT_BYTES_MAX} bytes.", field=name)


def _not_found(namespace: str, kind: str, name: str) -> faults.DefinitionNotFound:
    return faults.DefinitionNotFound(
        f"The metadata definition {kind} with name={name} was not found in namespace={namespace}."
    )


def _definition(row: Row[Any]) -> Definition:
    return Definition(row.name, row.content, row.created_at, row.updated_at)
