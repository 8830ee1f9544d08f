"""The audit: silent where all is well, and it names what is not."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from tests.billing.books import ADMIN, check_books
from tests.billing.test_rating import SERVER, act, rate_all
from volutus.billing import auditing, ledger
from volutus.billing.cycles import cycle_of
from volutus.billing.ledger import LineFilter
from volutus.errors import Conflict
from volutus.metering import Usage, close_usage, open_usage


@pytest.fixture
def rated(opened, clock):
    """Two cycles of a server, and the number of the first."""
    first = cycle_of(clock.now())
    act(opened, open_usage, SERVER)
    clock.advance(600)
    act(opened, close_usage, "server", ["s"])
    clock.advance(100)
    rate_all(opened)
    return first


def test_a_ledger_in_order_has_no_differences(opened, rated):
    with opened.begin() as tx:
        assert auditing.audit_cycles(tx, rated, rated + 1) == []


def test_a_cycle_that_was_not_rated_is_named(opened, rated):
    with opened.begin() as tx:
        assert [d.what for d in auditing.audit_cycles(tx, rated + 1, rated + 3)] == ["not rated"] * 2
        with pytest.raises(Conflict):
            auditing.correct(tx, ADMIN, rated + 3)


def test_usage_told_late_is_named_and_corrected(opened, rated, clock):
    """An agent comes back after hours: the server had ended earlier, and another one had begun."""
    with opened.begin() as tx:
        late = clock.now() - timedelta(seconds=700)
        tx.execute(
            text(
                "UPDATE usage_ranges SET during = tstzrange(lower(during), lower(during) + interval '137 s')"
                " WHERE meter = 'cpu_mhz'"
            )
        )
        tx.execute(
            text(
                "INSERT INTO usage_ranges (project_id, resource_kind, resource_id, meter, amount, during)"
                " VALUES ('q', 'volume', 'v', 'storage_gib', 10, tstzrange(:late, :late + interval '10 s'))"
            ),
            {"late": late},
        )
    with opened.begin() as tx:
        found = {
            (d.cycle - rated, d.project_id, d.meter): d for d in auditing.audit_cycles(tx, rated, rated + 1)
        }
        assert {key: d.what for key, d in found.items()} == {
            (0, "p", "cpu_mhz"): "another amount",
            (1, "p", "cpu_mhz"): "booked but not used",
            (0, "q", "storage_gib"): "no price",
        }
        assert f"{found[0, 'p', 'cpu_mhz'].expected:f}" == "0.00114166666666666667"
        assert f"{found[0, 'p', 'cpu_mhz'].booked:f}" == "0.00250000000000000000"
        assert auditing.correct(tx, ADMIN, rated) == []
        # The account of the project that nobody knew of came to be on the way.
        assert ledger.lines(tx, "q", LineFilter())[0].meter == "storage_gib"


def test_a_correction_books_the_difference_and_may_be_repeated(opened, rated, clock):
    for seconds in ("137", "200"):
        with opened.begin() as tx:
            tx.execute(
                text(
                    "UPDATE usage_ranges SET during ="
                    f" tstzrange(lower(during), lower(during) + interval '{seconds} s')"
                    " WHERE meter = 'cpu_mhz'"
                )
            )
            for cycle in (rated, rated + 1):
                assert auditing.correct(tx, ADMIN, cycle) == []
                assert auditing.differences(tx, cycle) == []
    with opened.begin() as tx:
        lines = ledger.lines(tx, "p", LineFilter(meter="cpu_mhz"))
        assert sum(line.amount for line in lines).quantize(Decimal("1e-19")) == -Decimal(
            "0.00166666666666666667"
        ).quantize(Decimal("1e-19"))
        assert [line.kind for line in lines] == ["correction", "correction", "correction", "usage", "usage"]
        check_books(tx)


def test_a_missing_price_is_named(opened, clock):
    act(opened, open_usage, [Usage("p", "thing", "t", "tape_gib", Decimal(3))])
    first = cycle_of(clock.now())
    clock.advance(400)
    rate_all(opened)
    with opened.begin() as tx:
        (found,) = auditing.audit_cycles(tx, first, first)
        assert (found.what, found.meter, found.quantity) == ("no price", "tape_gib", 900)
        assert len(auditing.correct(tx, ADMIN, first)) == 1
