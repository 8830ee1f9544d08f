"""Rating: usage into charges, once, whatever happens."""

from decimal import Decimal

import pytest
from sqlalchemy import text

from tests.billing.books import ADMIN, check_books
from tests.billing.conftest import open_billing
from volutus.billing import accounts, ledger, prices, rating
from volutus.billing.accounts import AccountOrder
from volutus.billing.cycles import cycle_of
from volutus.billing.ledger import LineFilter
from volutus.billing.prices import Edition, Price
from volutus.billing.reconciler import CycleReconciler
from volutus.metering import Counter, Usage, close_usage, count_usage, open_usage
from volutus.reconcile import Worker

SERVER = [
    Usage("p", "server", "s", "cpu_mhz", Decimal(1000)),
    Usage("p", "server", "s", "memory_mib", Decimal(1024)),
]


def act(database, verb, *args):
    with database.begin() as tx:
        return verb(tx, *args)


def rate_all(database):
    """As the reconciling process does."""
    worker = Worker(database, [CycleReconciler(database)])
    worker.scan()
    worker.drain()


def booked(database, cycle=None):
    """(account, project, meter) to the sum of its charges, in units of 10^-20."""
    with database.begin() as tx:
        rows = tx.rows(
            text(
                "SELECT account_id, project_id, meter, sum(amount) AS amount FROM billing_transfer"
                " WHERE kind = 'usage' AND (CAST(:cycle AS bigint) IS NULL OR cycle = :cycle)"
                " GROUP BY 1, 2, 3 LIMIT 10000"
            ),
            {"cycle": cycle},
        )
        return {(r.account_id, r.project_id, r.meter): int(r.amount.scaleb(20)) for r in rows}


def snapshot(database):
    """The ledger without the times of booking."""
    with database.begin() as tx:
        check_books(tx)
        return tx.rows(
            text(
                "SELECT id::text, purpose, amount, quantity, price FROM billing_transfer"
                " ORDER BY id LIMIT 100000"
            )
        )


def test_a_server_is_charged_by_the_second(opened, clock):
    act(opened, open_usage, SERVER)
    clock.advance(137)
    act(opened, close_usage, "server", ["s"])
    clock.advance(300)
    rate_all(opened)
    with opened.begin() as tx:
        lines = ledger.lines(tx, "p", LineFilter())
        # 1 GHz and 1 GB for 137 s at 0.03 an hour each.
        assert [f"{line.amount:f}" for line in lines] == ["-0.00114166666666666667"] * 2
        assert {(line.meter, line.quantity) for line in lines} == {
            ("cpu_mhz", Decimal(137000)),
            ("memory_mib", Decimal(140288)),
        }
        assert f"{accounts.balance(tx, accounts.fetch(tx, 'p')):f}" == "-0.00228333333333333334"
        check_books(tx)


def test_a_day_has_288_cycles_each_with_its_charges(opened, clock):
    act(opened, open_usage, SERVER[:1])
    clock.advance(24 * 3600)
    act(opened, close_usage, "server", ["s"])
    clock.advance(400)
    rate_all(opened)
    with opened.begin() as tx:
        lines = ledger.lines(tx, "p", LineFilter())
        assert len(lines) == 288
        assert len({line.cycle for line in lines}) == 288
        assert accounts.balance(tx, accounts.fetch(tx, "p")) == Decimal("-0.72")


def test_a_cycle_is_rated_when_it_is_settled_and_once(opened, clock):
    act(opened, open_usage, SERVER)
    clock.advance(300 + 59)
    rate_all(opened)
    assert booked(opened) == {}
    clock.advance(1)
    rate_all(opened)
    before = snapshot(opened)
    assert len(before) == 2
    rate_all(opened)
    with opened.begin() as tx:
        assert rating.rate(tx, cycle_of(clock.now()) - 1) is None
    assert snapshot(opened) == before


def test_no_cycle_can_be_left_out(opened, clock):
    from sqlalchemy.exc import IntegrityError

    clock.advance(3600)
    with opened.begin() as tx:
        first = rating.next_cycle(tx)
        with pytest.raises(IntegrityError), tx.savepoint():
            rating.rate(tx, first + 1)
        rating.rate(tx, first)
        rating.rate(tx, first + 1)


def test_traffic_is_counted_once(opened, clock):
    def report(total, run="boot-1"):
        act(opened, count_usage, [Counter("p", "server", "s", "traffic_out_bytes", run, Decimal(total))])

    report(2**29)
    report(2**29)
    clock.advance(10)
    report(2**30)
    report(2**29)
    clock.advance(400)
    rate_all(opened)
    assert booked(opened) == {("p", "p", "traffic_out_bytes"): 80 * 10**18}
    report(2**28, "boot-2")
    clock.advance(400)
    rate_all(opened)
    assert booked(opened) == {("p", "p", "traffic_out_bytes"): 100 * 10**18}


def test_what_has_no_price_is_shown_and_not_free(opened, clock):
    act(opened, open_usage, [Usage("p", "thing", "t", "tape_gib", Decimal(3))])
    clock.advance(400)
    rate_all(opened)
    with opened.begin() as tx:
        (gap,) = rating.gaps(tx, 0, 10**9)
        assert (gap.project_id, gap.meter, gap.quantity) == ("p", "tape_gib", 900)
    assert booked(opened) == {}


def test_prices_hold_from_the_next_cycle_on(opened, clock):
    act(opened, open_usage, SERVER[:1])
    clock.advance(100)
    with opened.begin() as tx:
        now = prices.edition(tx, "us-west.cny")
        dearer = tuple(Price(p.meter, p.level, p.price * 2) for p in now.prices)
        prices.publish(
            tx, ADMIN, Edition(now.list_id, now.region, now.currency, None, dearer, is_default=True)
        )
    clock.advance(600)
    rate_all(opened)
    with opened.begin() as tx:
        lines = ledger.lines(tx, "p", LineFilter())
        assert [line.price for line in lines] == [Decimal("0.06"), Decimal("0.03")]


def test_a_price_of_the_past_cannot_be_published(opened, clock):
    from volutus.errors import Conflict, Invalid

    with opened.begin() as tx:
        edition = prices.edition(tx, "us-west.cny")
        with pytest.raises(Conflict):
            prices.publish(tx, ADMIN, edition)
        clock.advance(10)
    with opened.begin() as tx, pytest.raises(Invalid):
        prices.publish(tx, ADMIN, edition)


def test_a_customers_list_and_another_currency(opened, clock):
    with opened.begin() as tx:
        prices.publish(
            tx,
            ADMIN,
            Edition("vip", "us-west", "CNY", None, (Price("memory_mib", 1, Decimal("0.01")),), "us-west.cny",
                    Decimal("0.5")),
        )  # fmt: skip
        prices.publish_rate(tx, ADMIN, prices.Rate("EUR", "CNY", Decimal("8")))
        accounts.create(tx, ADMIN, AccountOrder("Vip", "vip", currency="EUR"))
        accounts.use_list(tx, ADMIN, "vip", "vip")
        accounts.pay_for(tx, ADMIN, "vip", ["p"])
    act(opened, open_usage, SERVER)
    clock.advance(400)
    rate_all(opened)
    with opened.begin() as tx:
        found = {line.meter: line.price for line in ledger.lines(tx, "vip", LineFilter())}
    # Half of 0.03 and 0.01 itself, each in euro at 8.
    assert found == {"cpu_mhz": Decimal("0.001875"), "memory_mib": Decimal("0.00125")}


def test_a_killed_connection_leaves_nothing(shared_database, clock):
    from volutus.errors import Unavailable

    with shared_database.begin() as tx:
        open_billing(tx)
        open_usage(tx, SERVER)
    clock.advance(400)
    with shared_database.begin() as tx:
        cycle = rating.next_cycle(tx)
    with pytest.raises(Unavailable), shared_database.begin() as tx:
        rating.rate(tx, cycle)
        pid = tx.value(text("SELECT pg_backend_pid()"))
        with shared_database.begin() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        tx.execute(text("SELECT 1"))
    assert booked(shared_database) == {}
    rate_all(shared_database)
    assert len(booked(shared_database)) == 2


def test_a_class_without_a_price_costs_what_its_meter_costs(opened, clock):
    for meter in ("storage_gib:tape", "storage_gib:nvme"):
        act(opened, open_usage, [Usage("p", "volume", meter, meter, Decimal(20))])
    with opened.begin() as tx:
        account = accounts.for_project(tx, "p")
        known = prices.for_account(tx, account.id, ["storage_gib:tape"])
        assert prices.at_level(known, "storage_gib:tape", 1).price == Decimal("0.54")
    clock.advance(400)
    rate_all(opened)
    per_cycle = {key[2]: amount for key, amount in booked(opened).items()}
    assert per_cycle == {"storage_gib:tape": 125 * 10**15, "storage_gib:nvme": 250 * 10**15}
