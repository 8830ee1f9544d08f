"""Lists of images: filters, order, pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, select

from volutus.db import Page, Tx, paged
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.image.models import Image, from_row
from volutus.image.sight import listed
from volutus.image.tables import images

# Columns that a filter may name with one value or several.
EXACT = {
    name: images.c[name]
    for name in ("id", "name", "status", "owner", "container_format", "disk_format", "md5", "sha256")
}
NUMBERS = {name: images.c[name] for name in ("size_bytes", "min_disk_gib", "min_ram_mib")}
SORTED = {
    name: images.c[name]
    for name in (
        "id", "name", "status", "owner", "container_format", "disk_format", "size_bytes", "visibility",
        "min_disk_gib", "min_ram_mib", "created_at", "updated_at", "protected", "hidden",
    )
}  # fmt: skip


@dataclass(frozen=True)
class TimeBound:
    """`operator` is one of gt, gte, lt, lte, eq, neq."""

    column: str
    operator: str
    moment: datetime


@dataclass(frozen=True)
class ImageFilter:
    """All that is set must hold. `exact` is column to the values that will do; `sizes` is (least, most)."""

    exact: Mapping[str, Sequence[str]] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()
    times: Sequence[TimeBound] = ()
    size_least: int | None = None
    size_most: int | None = None
    visibility: str | None = None
    member_status: str = "accepted"
    protected: bool | None = None
    hidden: bool = False


def page(tx: Tx, caller: Caller, wanted: ImageFilter, cut: Page) -> list[Image]:
    """The images of the caller's list that pass the filter, cut as asked."""
    statement = select(images).where(
        images.c.deleted_at.is_(None), listed(caller, wanted.visibility, wanted.member_status)
    )
    filters = [images.c.hidden == wanted.hidden, *_conditions(wanted)]
    return [from_row(row) for row in tx.rows(paged(tx, statement, cut, SORTED, images.c.id, filters))]


def _conditions(wanted: ImageFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [EXACT[name].in_(values) for name, values in wanted.exact.items()]
    conditions += [NUMBERS[name] == value for name, value in wanted.numbers.items()]
    conditions += [_bounded(bound) for bound in wanted.times]
    if wanted.properties:
        conditions.append(images.c.properties.contains(dict(wanted.properties)))
    if wanted.tags:
        conditions.append(images.c.tags.contains(list(wanted.tags)))
    if wanted.size_least is not None:
        conditions.append(images.c.size_bytes >= wanted.size_least)
    if wanted.size_most is not None:
        conditions.append(images.c.size_bytes <= wanted.size_most)
    if wanted.protected is not None:
        conditions.append(images.c.protected == wanted.protected)
    return conditions


def _bounded(bound: TimeBound) -> ColumnElement[bool]:
    column: ColumnElement[datetime] = images.c[bound.column]
    conditions = {
        "gt": column > bound.moment,
        "gte": column >= bound.moment,
        "lt": column < bound.moment,
        "lte": column <= bound.moment,
        "eq": column == bound.moment,
        "neq": column != bound.moment,
    }
    if bound.operator not in conditions:
        raise Invalid(f"{bound.column}: there is no comparison {bound.operator!r}", field=bound.column)
    return conditions[bound.operator]
