"""Rating: usage into charges, once, whatever happens."""

import os
import random
import threading
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from sqlalchemy import text

from tests.billing.books import ADMIN, check_books
from tests.billing.conftest import open_billing
from tests.billing.naive import Bought, Held, Model, rounded
from volutus.billing import accounts, ledger, prices, rating
from volutus.billing.accounts import AccountOrder
from volutus.billing.cycles import cycle_of, start_of
from volutus.billing.ledger import LineFilter
from volutus.billing.prices import Edition, Price
from volutus.billing.reconciler import CycleReconciler
from volutus.metering import Counter, Usage, change_usage, close_usage, count_usage, open_usage
from volutus.reconcile import Worker

SERVER = [
    Usage("p", "server", "s", "cpu_mhz", Decimal(1000)),
    Usage("p", "server", "s", "memory_mib", Decimal(1024)),
]

# Random histories; `VOLUTUS_RANDOM_MONTHS=1000` for a night of them.
SEEDS = int(os.environ.get("VOLUTUS_RANDOM_MONTHS", "4"))


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


def subscribe(tx, account, meter, amount, since, until, resource=None):
    """A bought amount as a bare row: how it is sold is tested elsewhere."""
    package = None
    number = tx.ids.hex()
    if resource:
        package = number
        tx.execute(
            text(
                "INSERT INTO billing_package (id, account_id, project_id, resource_kind, resource_id, months,"
                " starts_at, ends_at, paid, created_at)"
                " VALUES (:id, :account, 'p', 'server', :resource, 1, :since, :until, 0, :since)"
            ),
            {"id": package, "account": account, "resource": resource, "since": since, "until": until},
        )
    tx.execute(
        text(
            "INSERT INTO billing_subscription (id, account_id, package_id, resource_kind, resource_id, meter,"
            " amount, months, starts_at, ends_at, price, per, discount_percent, paid, created_at)"
            " VALUES (:id, :account, :package, :kind, :resource, :meter, :amount, 1, :since, :until, 0, 1, 0,"
            " 0, :since)"
        ),
        {
            "id": number,
            "account": account,
            "package": package,
            "kind": "server" if resource else None,
            "resource": resource,
            "meter": meter,
            "amount": amount,
            "since": since,
            "until": until,
        },
    )


class Month:
    """A random history told to the program and to the naive model alike."""

    METERS = ("cpu_mhz", "memory_mib", "storage_gib")

    def __init__(self, database, clock, seed):
        self.database, self.clock, self.random = database, clock, random.Random(seed)
        self.began = clock.now()
        self.origin = int(self.began.timestamp())
        shipped = ("0.03", "0.03", "0.54")
        self.prices = {self.origin: dict(zip(self.METERS, map(Fraction, shipped), strict=True))}
        self.payers = {}
        self.model = Model(self.price, self.payer)
        self.open = {}
        with database.begin() as tx:
            open_billing(tx)
            for name in ("acme", "zeta"):
                accounts.create(tx, ADMIN, AccountOrder(name, name))
            accounts.pay_for(tx, ADMIN, "acme", ["p1", "p2"])
            accounts.pay_for(tx, ADMIN, "zeta", ["p3"])
            self.publish(tx)

    @property
    def second(self):
        return int(self.clock.now().timestamp())

    def price(self, account, meter, cycle):
        known = [at for at in self.prices if at <= cycle * 300]
        return self.prices[max(known)][meter]

    def payer(self, project, cycle):
        return {"p1": "acme", "p2": "acme", "p3": "zeta"}.get(project, project)

    def publish(self, tx):
        at = self.second + 1
        chosen = {meter: Fraction(self.random.randint(1, 10**6), 10**7) for meter in self.METERS}
        self.prices[at] = chosen
        rows = tuple(
            Price(meter, 1, Decimal(value.numerator) / Decimal(value.denominator))
            for meter, value in chosen.items()
        )
        when = self.clock.now() + timedelta(seconds=1)
        prices.publish(tx, ADMIN, Edition("us-west.cny", "us-west", "CNY", when, rows, is_default=True))

    def step(self):
        with self.database.begin() as tx:
            self.random.choice([self.begin, self.begin, self.end, self.change, self.buy, self.dearer])(tx)
        self.clock.advance(self.random.choice([1, 7, 59, 60, 137, 300, 601]))

    def begin(self, tx):
        key = (self.random.choice("abcdef"), self.random.choice(self.METERS))
        if key in self.open:
            return
        project = self.random.choice(["p1", "p2", "p3", "p4"])
        amount = self.random.randint(1, 4000)
        open_usage(tx, [Usage(project, "server", *key, Decimal(amount))])
        held = Held(project, *key, Fraction(amount), self.second, order=len(self.model.held))
        self.open[key] = held
        self.model.held.append(held)

    def end(self, tx):
        if self.open:
            key = self.random.choice(sorted(self.open))
            close_usage(tx, "server", [key[0]], key[1])
            self.open.pop(key).until = self.second

    def change(self, tx):
        if not self.open:
            return
        key = self.random.choice(sorted(self.open))
        old = self.open[key]
        amount = self.random.randint(1, 4000)
        change_usage(tx, Usage(old.project, "server", *key, Decimal(amount)))
        old.until = self.second
        held = Held(old.project, *key, Fraction(amount), self.second, order=len(self.model.held))
        self.open[key] = held
        self.model.held.append(held)

    def buy(self, tx):
        account = self.random.choice(["acme", "zeta"])
        meter = self.random.choice(self.METERS)
        amount = self.random.randint(1, 3000)
        length = self.random.choice([90, 400, 5000])
        resource = self.random.choice([None, None, "a", "b"])
        since = self.clock.now()
        subscribe(tx, account, meter, amount, since, since + timedelta(seconds=length), resource)
        bought = Bought(account, meter, Fraction(amount), self.second, self.second + length, resource)
        self.model.bought.append(bought)

    def dearer(self, tx):
        if self.second + 1 not in self.prices:
            self.publish(tx)

    def check(self, note):
        first, last = self.origin // 300, cycle_of(self.clock.now() - timedelta(seconds=60)) - 1
        for cycle in range(first, last + 1):
            expected = {key: rounded(amount) for key, amount in self.model.charges(cycle).items()}
            assert booked(self.database, cycle) == expected, f"{note}, cycle {cycle}"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_histories_are_charged_as_a_naive_model_does(shared_database, clock, seed):
    month = Month(shared_database, clock, seed)
    for _ in range(80):
        month.step()
        if month.random.random() < 0.15:
            rate_all(shared_database)
    clock.advance(1000)
    rate_all(shared_database)
    month.check(f"seed {seed}")
    snapshot(shared_database)


class Crash(Exception):
    """The process ends here."""


def crash_at(tx, statement):
    """Have the transaction fail at its n-th statement from here."""
    execute, count = tx.execute, iter(range(10_000))

    def counting(*args):
        if next(count) == statement:
            raise Crash
        return execute(*args)

    tx.execute = counting


@pytest.mark.parametrize("seed", range(2))
def test_a_crash_at_any_statement_changes_nothing(shared_database, clock, seed):
    """Each cycle is tried with a crash at its first, second … statement until it gets through; the ledger is
    the naive model's all the same. Every other crash kills the connection under the program's feet."""
    month = Month(shared_database, clock, 100 + seed)
    for _ in range(12):
        month.step()
    clock.advance(400)
    with shared_database.begin() as tx:
        waiting = rating.due(tx)
    crashes = 0
    for cycle in waiting:
        for statement in range(100):
            try:
                with shared_database.begin() as tx:
                    crash_at(tx, statement)
                    rating.rate(tx, cycle)
                    if statement % 2:
                        tx.connection.exec_driver_sql("SELECT pg_backend_pid()")
                break
            except Crash:
                crashes += 1
    assert crashes > len(waiting) * 4
    month.check(f"seed {seed}")
    snapshot(shared_database)


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


def test_two_processes_and_days_late_give_one_ledger(shared_database, clock):
    """Two workers catch up at once on hours in which nobody rated."""
    month = Month(shared_database, clock, 7)
    for _ in range(40):
        month.step()
    clock.advance(8 * 3600)
    failures = []

    def work():
        try:
            rate_all(shared_database)
        except Exception as error:  # noqa: BLE001 told by the thread that waits
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    month.check("late")
    with shared_database.begin() as tx:
        cycles = tx.value(text("SELECT count(*) FROM billing_cycle"))
        assert cycles == cycle_of(clock.now() - timedelta(seconds=60)) - cycle_of(month.began)
        assert start_of(rating.next_cycle(tx)) <= clock.now()
    snapshot(shared_database)


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
