"""Keyset paging over every order, with ties, nulls and objects that go away."""

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, select, text

from volutus.db import Page, SortKey, paged
from volutus.errors import Invalid

ROWS = [("a", 1, None), ("b", 1, "x"), ("c", 2, None), ("d", 2, "x"), ("e", None, "y"), ("f", None, None)]
TABLE = Table("paged", MetaData(), Column("id", Text), Column("size", Integer), Column("name", Text))
COLUMNS = {"id": TABLE.c.id, "size": TABLE.c.size, "name": TABLE.c.name}
ORDERS = [
    (),
    (SortKey("size"),),
    (SortKey("size", True),),
    (SortKey("name"), SortKey("size", True)),
    (SortKey("name", True), SortKey("size")),
    (SortKey("id", True),),
]


@pytest.fixture
def rows(tx):
    tx.execute(text("CREATE TABLE paged (id text, size int, name text)"))
    tx.execute(TABLE.insert(), [dict(zip(("id", "size", "name"), row, strict=True)) for row in ROWS])
    return tx


def page_ids(tx, page):
    return [row.id for row in tx.rows(paged(tx, select(TABLE), page, COLUMNS, TABLE.c.id))]


@pytest.mark.parametrize("sort", ORDERS)
@pytest.mark.parametrize("limit", [1, 2, 4])
def test_pages_together_are_the_whole_list_once(rows, sort, limit):
    whole = page_ids(rows, Page(sort=sort))
    assert sorted(whole) == ["a", "b", "c", "d", "e", "f"]
    walked, marker = [], None
    while part := page_ids(rows, Page(limit, marker, sort)):
        walked += part
        marker = part[-1]
    assert walked == whole


def test_unknown_markers_and_keys_are_named(rows):
    with pytest.raises(Invalid) as marker:
        page_ids(rows, Page(marker="zzz"))
    assert marker.value.field == "marker"
    with pytest.raises(Invalid) as key:
        page_ids(rows, Page(sort=(SortKey("colour"),)))
    assert key.value.field == "sort_key"
