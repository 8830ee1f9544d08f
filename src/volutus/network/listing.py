"""How lists are asked for: filters by attribute (several values of one mean any of them), tags, a page."""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, Table, Text, cast, false, not_, or_
from sqlalchemy.dialects.postgresql import ARRAY

from volutus.db import Tx
from volutus.db.paging import Page, paged
from volutus.identity import Caller
from volutus.network.errors import InvalidInput

# The most values one attribute may be filtered by: a URL does not hold more.
VALUES_MAX = 1000

Filter = Callable[[Sequence[str]], ColumnElement[bool]]

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Query:
    """`filters` are attribute names of the domain to the values asked for."""

    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    page: Page = field(default_factory=Page)


def equals(column: ColumnElement[Any]) -> Filter:
    """The column is one of the values, as text."""
    return lambda values: column.in_(values)


def optional(column: ColumnElement[Any]) -> Filter:
    """The same where an empty value asks for none."""
    return lambda values: or_(column.in_(values), column.is_(None) if "" in values else false())


def boolean(column: ColumnElement[bool]) -> Filter:
    """Each value is `true` or `false` in any spelling."""
    return lambda values: column.in_([parse_boolean(value) for value in values])


def integer(column: ColumnElement[int]) -> Filter:
    return lambda values: column.in_([_integer(value) for value in values])


def address(column: ColumnElement[Any]) -> Filter:
    """Each value is an IP address, in any spelling."""
    return lambda values: column.in_([parse_address(value) for value in values])


def common_filters(table: Table) -> dict[str, Filter]:
    """What every object can be filtered by."""
    tags: Column[Any] = table.c.tags
    return {
        "id": equals(table.c.id),
        "project_id": equals(table.c.project_id),
        "name": equals(table.c.name),
        "description": equals(table.c.description),
        "revision": integer(table.c.revision),
        "created_at": lambda values: table.c.created_at.in_([_time(value) for value in values]),
        "updated_at": lambda values: table.c.updated_at.in_([_time(value) for value in values]),
        "changed_since": lambda values: table.c.updated_at >= max(_time(value) for value in values),
        "tags": lambda values: tags.contains(_words(values)),
        "tags_any": lambda values: tags.overlap(_words(values)),
        "not_tags": lambda values: not_(tags.contains(_words(values))),
        "not_tags_any": lambda values: not_(tags.overlap(_words(values))),
    }


def selected(
    tx: Tx,
    statement: Select[Any],
    query: Query,
    filters: Mapping[str, Filter],
    columns: Mapping[str, ColumnElement[Any]],
) -> Select[Any]:
    """The statement narrowed, ordered and limited as asked. `columns` can be sorted by, and has `id`."""
    conditions = []
    for name, values in query.filters.items():
        if name not in filters:
            raise InvalidInput(f"{name!r} is invalid attribute for filtering", field=name)
        if len(values) > VALUES_MAX:
            raise InvalidInput(f"At most {VALUES_MAX} values of {name} can be asked for.", field=name)
        conditions.append(filters[name](values))
    return paged(tx, statement, query.page, columns, columns["id"], conditions)


def sortable(table: Table) -> dict[str, ColumnElement[Any]]:
    """The plain columns by their names."""
    return {column.name: column for column in table.c if not isinstance(column.type, ARRAY)}


def visible(table: Table, caller: Caller) -> Sequence[ColumnElement[bool]]:
    """The caller's own objects; an administrator sees all."""
    return () if caller.is_admin else (table.c.project_id == (caller.project_id or ""),)


def parse_boolean(text: str) -> bool:
    """`true`, `True`, `1` … Raises InvalidInput."""
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise InvalidInput(f"'{text}' is not a valid boolean value.") from None


def parse_address(text: str) -> str:
    """An IP address in its one spelling. Raises InvalidInput."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise InvalidInput(f"'{text}' is not a valid IP address.") from None


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidInput(f"'{text}' is not an integer.") from None


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"'{text}' is not a valid time.") from None


def _words(values: Sequence[str]) -> ColumnElement[Any]:
    return cast([word for value in values for word in value.split(",") if word], ARRAY(Text))
