"""What the verbs of all nouns share: fields that may be left out, extra attributes, and refused writes.

Keystone lets clients hang attributes of their own on most objects; they are kept in the column `extra`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, TypeVar

from msgspec import UNSET, Meta, UnsetType
from psycopg.errors import ForeignKeyViolation, UniqueViolation
from sqlalchemy import ColumnElement, Executable, Select, Table
from sqlalchemy.exc import IntegrityError

from volutus.db import Page, Tx, paged
from volutus.errors import Conflict, Invalid

T = TypeVar("T")

Name = Annotated[str, Meta(min_length=1, max_length=255)]
ShortName = Annotated[str, Meta(min_length=1, max_length=64)]
# Keystone's bounds: 80 tags of 255 characters without commas and slashes, which the API uses itself.
Tag = Annotated[str, Meta(min_length=1, max_length=255, pattern="^[^,/]*$")]
Tags = Annotated[list[Tag], Meta(max_length=80)]
# Ids that clients may choose (regions) and references to others.
Id = Annotated[str, Meta(min_length=1, max_length=255)]


def given(record: Any) -> dict[str, Any]:
    """The fields of a dataclass that were set."""
    values = {f.name: getattr(record, f.name) for f in fields(record)}
    return {name: value for name, value in values.items() if value is not UNSET}


def value_or(value: T | UnsetType, default: T) -> T:
    """The value, or the default where none was given."""
    return default if isinstance(value, UnsetType) else value


def merged(before: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Extra attributes or options after an update: null removes one."""
    both = {**before, **changes}
    return {name: value for name, value in both.items() if value is not None}


def write(tx: Tx, statement: Executable, parameters: Mapping[str, Any] | None, taken: str) -> int:
    """Run a write. Raises Conflict saying `taken` where it would make a second of what must be one."""
    try:
        return tx.changed(statement, parameters)
    except IntegrityError as error:
        if isinstance(error.orig, UniqueViolation):
            raise Conflict(taken) from error
        if isinstance(error.orig, ForeignKeyViolation):
            raise Invalid("It refers to something that does not exist.", detail=str(error.orig)) from error
        raise


def listed(
    tx: Tx, statement: Select[Any], page: Page, sortable: Mapping[str, ColumnElement[Any]]
) -> list[Any]:
    """A page of rows; `sortable` has the id as `id`."""
    return list(tx.rows(paged(tx, statement, page, sortable, sortable["id"])))


@dataclass(frozen=True)
class Filter:
    """One condition of a list: `how` is `equals`, or what follows `__` in the query (`icontains` …)."""

    column: str
    value: Any
    how: str = "equals"


def narrowed(statement: Select[Any], table: Table, filters: Sequence[Filter]) -> Select[Any]:
    """The statement with the filters' conditions."""
    return statement.where(*(_condition(table.c[f.column], f) for f in filters))


def _condition(column: ColumnElement[Any], wanted: Filter) -> ColumnElement[bool]:
    if wanted.how == "equals":
        equal: ColumnElement[bool] = column == wanted.value
        return equal
    how = wanted.how.removeprefix("i")
    ignoring_case = how != wanted.how
    if how not in ("contains", "startswith", "endswith"):
        raise Invalid(f"There is no comparison {wanted.how!r}.", field=wanted.column)
    compare = getattr(column, f"i{how}" if ignoring_case else how)
    condition: ColumnElement[bool] = compare(str(wanted.value), autoescape=True)
    return condition
