"""What the verbs of plain nouns share: objects that are one row, with an owner and perhaps sharing.

A `Noun` says what is its own; each noun's module has its dataclasses and the rules that go beyond a row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from sqlalchemy import Row, Select, Table, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from volutus import audit
from volutus.db import Tx
from volutus.errors import NotFound
from volutus.identity import Caller
from volutus.network import listing, sharing
from volutus.network.changes import check_revision
from volutus.network.errors import PolicyNotAuthorized
from volutus.network.listing import Filter, Query

T = TypeVar("T")


@dataclass(frozen=True)
class Noun:
    """A kind of object: its table, its name in the audit trail, what it is called to people, the error when
    there is none. `common` objects belong to the cloud and everybody may read them; others that have a
    column `shared` can be shared with projects."""

    table: Table
    kind: str
    called: str
    missing: type[NotFound]
    filters: Mapping[str, Filter] = field(default_factory=dict)
    common: bool = False

    @property
    def shareable(self) -> bool:
        return "shared" in self.table.c


def insert_row(tx: Tx, caller: Caller, noun: Noun, values: Mapping[str, Any]) -> str:
    """A new object's id. Lists are given as lists."""
    object_id = tx.ids.uuid()
    stamped = {**values, "id": object_id, "created_at": tx.now, "updated_at": tx.now}
    tx.execute(insert(noun.table).values(**stamped))
    if values.get("shared"):
        project_id = str(values["project_id"])
        sharing.follow(tx, noun.kind, object_id, project_id, sharing.SHARED, allowed=True)
    audit.record(tx, caller, "create", f"network.{noun.kind}", object_id, {"name": values.get("name", "")})
    return object_id


def row_of(tx: Tx, caller: Caller, noun: Noun, object_id: str, *, lock: bool = False) -> Row[Any]:
    """An object that the caller may use. Raises the noun's NotFound."""
    statement = _select(noun, caller).where(noun.table.c.id == object_id)
    row = tx.row(statement.with_for_update(of=noun.table) if lock else statement)
    if row is None:
        raise noun.missing(f"{noun.called} {object_id} could not be found.")
    return row


def rows_of(tx: Tx, caller: Caller, noun: Noun, query: Query) -> Sequence[Row[Any]]:
    """The objects that the caller may use: one statement however many there are."""
    filters = {**listing.common_filters(noun.table), **noun.filters}
    statement = _select(noun, caller)
    limited = listing.selected(tx, statement, query, filters, listing.sortable(noun.table))
    return tx.rows(limited)  # bounded: a page


def own_row(tx: Tx, caller: Caller, noun: Noun, object_id: str, if_revision: int | None = None) -> Row[Any]:
    """An object that the caller may change, locked. Raises PolicyNotAuthorized for one only shared with it,
    RevisionNumberConstraintFailed when it changed since."""
    row = row_of(tx, caller, noun, object_id, lock=True)
    if not caller.sees(row.project_id):
        raise PolicyNotAuthorized(f"Only the owner of {noun.called} {object_id} may change it.")
    check_revision(row.revision, if_revision)
    return row


def update_row(tx: Tx, caller: Caller, noun: Noun, row: Row[Any], values: Mapping[str, Any]) -> None:
    """Change columns of a locked row, which counts one revision."""
    table = noun.table
    stamped = {**values, "revision": table.c.revision + 1, "updated_at": tx.now}
    tx.execute(update(table).where(table.c.id == row.id).values(**stamped))
    if "shared" in values:
        allowed = bool(values["shared"])
        sharing.follow(tx, noun.kind, row.id, row.project_id, sharing.SHARED, allowed=allowed)
    audit.record(tx, caller, "update", f"network.{noun.kind}", row.id, {"fields": sorted(values)})


def count_revision(tx: Tx, noun: Noun, object_id: str) -> None:
    """Something that belongs to the object changed."""
    table = noun.table
    counted = {"revision": table.c.revision + 1, "updated_at": tx.now}
    tx.execute(update(table).where(table.c.id == object_id).values(**counted))


def delete_row(tx: Tx, caller: Caller, noun: Noun, row: Row[Any]) -> None:
    """Delete a locked row, and what was shared of it."""
    tx.execute(delete(noun.table).where(noun.table.c.id == row.id))
    if noun.shareable:
        sharing.forget(tx, noun.kind, row.id)
    audit.record(tx, caller, "delete", f"network.{noun.kind}", row.id)


def built(kind: type[T], row: Row[Any], **more: Any) -> T:
    """A value with the row's columns in the fields of their names, and more that are no columns."""
    names = [one.name for one in fields(kind) if one.name not in more]  # type: ignore[arg-type]
    return kind(**{name: _plain(getattr(row, name)) for name in names}, **more)


def _select(noun: Noun, caller: Caller) -> Select[Any]:
    table = noun.table
    if noun.common:
        return select(table)
    if not noun.shareable:
        return select(table).where(*listing.visible(table, caller))
    columns = [column for column in table.c if column.name != "shared"]
    shared = sharing.is_shared(table, noun.kind, caller).label("shared")
    return select(*columns, shared).where(*sharing.visible(table, noun.kind, caller))


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(str(one) for one in value)
    return value
