"""The dataclasses follow the tables, and the constraints hold."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from volutus.compute import tables
from volutus.compute.servers import Guest, Server

TABLES = ["flavors", "flavor_access", "key_pairs", "server_groups", "aggregates", "servers", "guests"]
TABLES += ["server_actions", "consoles", "console_chunks"]


@pytest.mark.parametrize("name", TABLES)
def test_the_columns_are_those_of_the_database(tx, name):
    """Every column that is told to SQLAlchemy exists, and none is forgotten."""
    sql = """
        SELECT column_name FROM information_schema.columns
        WHERE table_name = :name ORDER BY ordinal_position
        """
    found = [row.column_name for row in tx.rows(text(sql), {"name": name})]
    assert sorted(column.name for column in getattr(tables, name).c) == sorted(found)


def test_servers_and_guests_have_their_columns_in_order():
    assert [f for f in Server.__dataclass_fields__ if f != "guest"] == [c.name for c in tables.servers.c]
    assert list(Guest.__dataclass_fields__) == [c.name for c in tables.guests.c]


@pytest.mark.parametrize(
    "change",
    [
        "power = 'maybe'",
        "mhz = 0",
        "memory_mib = -1",
        "fault_message = 'without a code'",
        "disk_config = 'NONE'",
    ],
)
def test_a_server_that_makes_no_sense_is_refused(plane, tx, change):
    server = plane.order()
    with pytest.raises(IntegrityError), tx.savepoint():
        tx.execute(text(f"UPDATE servers SET {change} WHERE id = '{server.id}'"))


def test_a_guest_needs_its_server(tx):
    with pytest.raises(IntegrityError), tx.savepoint():
        columns = "server_id, host_id, host_name, zone, placed_at"
        tx.execute(text(f"INSERT INTO guests ({columns}) VALUES ('x', 'h', 'h', 'z', now())"))
