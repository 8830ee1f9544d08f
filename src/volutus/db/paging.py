"""Keyset paging: the one way in which lists are cut, whatever dialect asks.

A page starts behind the *marker*, the id of the last object of the page before. It does not use OFFSET, so
that page 1,000 costs what page 1 costs, and nothing is seen twice while objects come and go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, null, or_

from volutus.db.database import Tx
from volutus.errors import Invalid

# No request gets more than this in one answer: OpenStack's own default.
PAGE_MAX = 1000


@dataclass(frozen=True)
class SortKey:
    """`name` as the dialect's table of sortable columns knows it."""

    name: str
    descending: bool = False


@dataclass(frozen=True)
class Page:
    """Which part of a list is wanted. `limit` counts objects; `marker` is an id."""

    limit: int = PAGE_MAX
    marker: str | None = None
    sort: tuple[SortKey, ...] = ()


def paged(
    tx: Tx,
    statement: Select[Any],
    page: Page,
    columns: Mapping[str, ColumnElement[Any]],
    identity: ColumnElement[Any],
    filters: Sequence[ColumnElement[bool]] = (),
) -> Select[Any]:
    """The statement where `filters` hold, ordered, cut behind the marker and limited to `page.limit` rows.

    The marker must be among the statement's own rows, so that nobody learns of rows he may not see; it need
    not pass the filters, for the object may have changed since the page before.
    `columns` says what can be sorted by; `identity` is the id column, always the last sort key so that the
    order is total. Null sorts as PostgreSQL does: last ascending, first descending. Raises Invalid for an
    unknown sort key or marker.
    """
    keys = [(_column(columns, key), key.descending) for key in page.sort]
    keys.append((identity, bool(keys) and keys[-1][1]))
    if page.marker is not None:
        sought = statement.with_only_columns(*(column for column, _ in keys), maintain_column_froms=True)
        marker = tx.row(sought.where(identity == page.marker).limit(1))
        if marker is None:
            raise Invalid(f"marker [{page.marker}] not found", field="marker")
        statement = statement.where(_behind(keys, tuple(marker)))
    ordering = [column.desc() if descending else column.asc() for column, descending in keys]
    return statement.where(*filters).order_by(*ordering).limit(page.limit)


def _column(columns: Mapping[str, ColumnElement[Any]], key: SortKey) -> ColumnElement[Any]:
    try:
        return columns[key.name]
    except KeyError:
        known = ", ".join(sorted(columns))
        raise Invalid(f"Cannot sort by {key.name!r}; try one of: {known}", field="sort_key") from None


def _behind(keys: list[tuple[ColumnElement[Any], bool]], values: tuple[Any, ...]) -> ColumnElement[bool]:
    """Rows after the given one: greater in the first key, or equal there and greater in the next …"""
    alternatives = []
    for position, ((column, descending), value) in enumerate(zip(keys, values, strict=True)):
        equal = [
            (earlier.is_(null()) if earlier_value is None else earlier == earlier_value)
            for (earlier, _), earlier_value in zip(keys[:position], values[:position], strict=True)
        ]
        alternatives.append(and_(*equal, _after(column, value, descending)))
    return or_(*alternatives)


def _after(column: ColumnElement[Any], value: Any, descending: bool) -> ColumnElement[bool]:
    if value is None:
        return column.isnot(null()) if descending else false()
    later: ColumnElement[bool] = column < value if descending else or_(column > value, column.is_(null()))
    return later
