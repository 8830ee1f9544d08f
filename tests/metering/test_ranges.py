"""Usage ranges: half-open, never two at a time, idempotent."""

from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from volutus.metering import Usage, change_usage, close_usage, open_usage

CPU = Usage("p", "server", "s", "cpu_mhz", Decimal(4000))


def ranges(database):
    with database.begin() as tx:
        return [
            (row.amount, row.seconds)
            for row in tx.rows(
                text(
                    "SELECT amount, extract(epoch FROM upper(during) - lower(during))::int AS seconds"
                    " FROM usage_ranges ORDER BY id LIMIT 10"
                )
            )
        ]


def act(database, verb, *args):
    with database.begin() as tx:
        verb(tx, *args)


def test_a_range_opens_once_and_closes_once(database, clock):
    act(database, open_usage, [CPU, Usage("p", "server", "s", "memory_mib", Decimal(512))])
    clock.advance(10)
    act(database, open_usage, [CPU])
    clock.advance(10)
    act(database, close_usage, "server", ["s"])
    clock.advance(10)
    act(database, close_usage, "server", ["s"])
    assert ranges(database) == [(4000, 20), (512, 20)]


def test_a_change_ends_one_range_where_the_next_begins(database, clock):
    act(database, open_usage, [CPU])
    clock.advance(5)
    act(database, change_usage, Usage("p", "server", "s", "cpu_mhz", Decimal(8000)))
    clock.advance(7)
    act(database, close_usage, "server", ["s"], "cpu_mhz")
    assert ranges(database) == [(4000, 5), (8000, 7)]


def test_no_time_is_no_usage(database):
    act(database, open_usage, [CPU])
    act(database, close_usage, "server", ["s"])
    assert ranges(database) == []


@pytest.mark.parametrize("during", ["empty", "(2026-01-01,2026-01-02)", "[2026-01-01,2026-01-02]"])
def test_the_database_refuses_ranges_of_another_form(database, during):
    with pytest.raises(IntegrityError), database.begin() as tx:
        tx.execute(
            text(
                "INSERT INTO usage_ranges (project_id, resource_kind, resource_id, meter, amount, during)"
                " VALUES ('p', 'server', 's', 'm', 1, CAST(:during AS tstzrange))"
            ),
            {"during": during},
        )
