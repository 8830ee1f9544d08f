"""A random history of a cloud, told to the program and to the naive model alike.

Servers come, change and go; prices, levels, exchange rates and payers move; terms are bought and ended; hosts
are silent for a while; the process that rates dies at any statement, sleeps for hours, or is late; the
clock jumps. Dice with a seed decide.
"""

import random
from collections import Counter as Count
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from sqlalchemy import text

from tests.billing.books import ADMIN, check_books
from tests.billing.conftest import open_billing
from tests.billing.naive import BYTES, CYCLE_S, PER, RATE, TERM_S, Bought, Model, Sent, rounded, term_price
from tests.conftest import make_caller
from volutus.billing import (
    accounts,
    auditing,
    burst,
    ledger,
    packages,
    payments,
    prices,
    rating,
    subscriptions,
)
from volutus.billing.accounts import AccountOrder
from volutus.billing.cycles import cycle_of, last_settled
from volutus.billing.packages import PackageOrder
from volutus.billing.payments import Payment
from volutus.billing.prices import Edition, Price
from volutus.billing.reconciler import CycleReconciler
from volutus.billing.subscriptions import SubscriptionOrder
from volutus.db import Page
from volutus.errors import Conflict
from volutus.metering import Counter, Usage, change_usage, close_usage, count_usage, end_usage, open_usage
from volutus.reconcile import Item

# A class that is priced, and one that is not; sometimes they have a capacity of their own, and then a level.
CLASSES = ("storage_gib:nvme", "storage_gib:slow")
METERS = ("cpu_mhz", "memory_mib", "storage_gib", *CLASSES)
PRICED = (*PER, CLASSES[0])
SERVERS = "abcdef"
PROJECTS = ("p1", "p2", "p3", "p4")
PORTS = {"port-1": "p1", "port-3": "p3"}
# What is bought ahead has level 0, or else the lowest price of use.
LEVELS = ((1, 2, 3, 5), (0, 1, 4))
# A host of which nothing was heard for so long is silent.
SILENT_S = 60
ITEM = Item("billing_cycle", "region", 1, 1, 1, False)


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


class Month:
    """`wild` has the clock go back too: what was then recorded for cycles that were rated already is found by
    the audit, and corrected."""

    def __init__(self, database, clock, seed, *, wild=False):
        self.database, self.clock, self.random, self.wild = database, clock, random.Random(seed), wild
        self.began = clock.now()
        self.first = cycle_of(self.began)
        self.prices, self.rates = {}, {}
        self.levels = {}
        self.payers = {project: {} for project in PROJECTS}
        self.model = Model(self.price, self.payer)
        self.open, self.silent, self.runs, self.carried = {}, {}, Count(), Count()
        self.ahead, self.paid, self.packages = Count(), Count(), []
        self.crashes = 0
        self.reconciler = CycleReconciler(database, self.settle)
        with database.begin() as tx:
            open_billing(tx)
            accounts.create(tx, ADMIN, AccountOrder("acme", "acme"))
            accounts.create(tx, ADMIN, AccountOrder("zeta", "zeta", currency="EUR"))
            self.exchange(tx, at=self.began)
            for project, account in (("p1", "acme"), ("p2", "acme"), ("p3", "zeta")):
                self.give(tx, project, account)
            accounts.for_project(tx, "p4")
            for account in ("acme", "zeta", "p4"):
                self.pay(tx, account)
            listed = prices.edition(tx, "us-west.cny").prices
            self.prices[self.second] = {(one.meter, one.level): Fraction(one.price) for one in listed}
            self.dearer(tx)

    @property
    def second(self):
        return int(self.clock.now().timestamp())

    # What the model asks.

    def price(self, account, meter, cycle):
        newest = max((at for at in self.levels if at <= cycle), default=None)
        told = self.levels[newest] if newest is not None else {}
        level = told.get(meter, told.get(meter.partition(":")[0], 1))
        return self.price_at(account, meter, level, cycle * CYCLE_S)

    def price_at(self, account, meter, level, second):
        edition = self.prices[max(at for at in self.prices if at <= second)]
        if not (priced := [one for of, one in edition if of == meter]):
            return self.price_at(account, meter.partition(":")[0], level, second)
        own = edition[meter, max([one for one in priced if one <= level], default=min(priced))]
        if account != "zeta":
            return own
        rate = self.rates[max(at for at in self.rates if at <= second)]
        return Fraction(rounded(own / rate), 10**20)

    def payer(self, project, cycle):
        named = self.payers[project]
        known = [at for at in named if at // CYCLE_S <= cycle]
        return named[max(known)] if known else project

    # What happens.

    def step(self):
        acts = [self.begin, self.begin, self.end, self.change, self.change, self.fall_silent, self.come_back]
        acts += [self.buy, self.subscribe, self.prepay, self.end_package, self.commit, self.send]
        acts += [self.dearer, self.exchange, self.fill, self.hand_over]
        with self.database.begin() as tx:
            self.random.choice(acts)(tx)
        self.clock.advance(self.random.choice([1, 7, 59, 60, 137, 300, 601]))
        if self.random.random() < 0.03:
            self.clock.advance(self.random.choice([3600, 3 * 3600, 9 * 3600]))
        if self.wild and self.random.random() < 0.05:
            back = self.random.choice([1, 30, 100, 400, 900])
            # Not to before there was a price.
            self.clock.advance(-min(back, self.second - self.origin))

    def begin(self, tx):
        key = (self.random.choice(SERVERS), self.random.choice(METERS))
        if key in self.open or key[0] in self.silent:
            return
        project, amount = self.random.choice(PROJECTS), self.random.randint(1, 4000)
        open_usage(tx, [Usage(project, "server", *key, Decimal(amount))])
        self.open[key] = self.model.hold(project, *key, amount, self.second)

    def end(self, tx):
        if (key := self.some()) is not None:
            close_usage(tx, "server", [key[0]], key[1])
            self.open.pop(key).until = self.second

    def change(self, tx):
        if (key := self.some()) is not None:
            old, amount = self.open[key], self.random.randint(1, 4000)
            change_usage(tx, Usage(old.project, "server", *key, Decimal(amount)))
            old.until = self.second
            self.open[key] = self.model.hold(old.project, *key, amount, self.second)

    def some(self):
        """A thing of which its host would tell."""
        heard = sorted(key for key in self.open if key[0] in SERVERS and key[0] not in self.silent)
        return self.random.choice(heard) if heard else None

    def fall_silent(self, tx):
        self.silent.setdefault(self.random.choice(SERVERS), self.second)

    def gone(self):
        """Which hosts are silent for so long that they count as gone, and when they were last heard."""
        return {one: at for one, at in self.silent.items() if self.second - at >= SILENT_S}

    def settle(self, tx):
        """What the program is given to call before it rates a cycle."""
        heard = {one: self.began + timedelta(seconds=at - self.origin) for one, at in self.gone().items()}
        end_usage(tx, "server", heard)

    def forget(self, gone):
        """What a silent host had has ended when it was last heard."""
        for key in [key for key in self.open if key[0] in gone]:
            held = self.open.pop(key)
            held.until = max(held.since, gone[key[0]])

    def come_back(self, tx):
        """The host tells that all it had still runs."""
        if not self.silent:
            return
        name = self.random.choice(sorted(self.silent))
        del self.silent[name]
        for meter in METERS:
            last = [one for one in self.model.held if (one.resource, one.meter) == (name, meter)]
            if last and (name, meter) not in self.open and self.random.random() < 0.8:
                held = max(last, key=lambda one: one.order)
                open_usage(tx, [Usage(held.project, "server", name, meter, Decimal(held.amount))])
                self.open[name, meter] = self.model.hold(held.project, name, meter, held.amount, self.second)

    def commit(self, tx):
        """A port is promised a rate, another one, or none."""
        port, mbit = self.random.choice(sorted(PORTS)), self.random.randint(0, 3)
        if (port, RATE) in self.open:
            self.open.pop((port, RATE)).until = self.second
        close_usage(tx, "port", [port], RATE)
        if mbit:
            open_usage(tx, [Usage(PORTS[port], "port", port, RATE, Decimal(mbit))])
            self.open[port, RATE] = self.model.hold(PORTS[port], port, RATE, mbit, self.second)

    def send(self, tx):
        """A port's counter has grown, or began anew. The report comes twice, and an older one after it."""
        port, more = self.random.choice(sorted(PORTS)), self.random.randint(1, 10**8)
        if self.random.random() < 0.2:
            self.runs[port] += 1
            self.carried[port] = 0
        before = self.carried[port]
        self.carried[port] += more
        for total in (self.carried[port], self.carried[port], before):
            run = f"run-{self.runs[port]}"
            count_usage(tx, [Counter(PORTS[port], "port", port, BYTES, run, Decimal(total))])
        self.model.sent.append(Sent(PORTS[port], port, more, self.second))

    def dearer(self, tx):
        """New prices, from the next second on."""
        at = self.second + 1
        if at in self.prices:
            return
        chosen = {}
        for meter in PRICED:
            levels = self.random.choice(LEVELS)
            dear = sorted(Fraction(self.random.randint(1, 10**6), 10**7) for _ in levels)
            chosen |= {(meter, level): price for level, price in zip(levels, dear, strict=True)}
        rows = tuple(
            Price(meter, level, Decimal(price.numerator) / Decimal(price.denominator))
            for (meter, level), price in chosen.items()
        )
        when = self.clock.now() + timedelta(seconds=1)
        prices.publish(tx, ADMIN, Edition("us-west.cny", "us-west", "CNY", when, rows, is_default=True))
        self.prices[at] = chosen

    def exchange(self, tx, at=None):
        """A euro costs another amount of yuan."""
        when = at or self.clock.now() + timedelta(seconds=1)
        second = int(when.timestamp())
        if second not in self.rates:
            self.rates[second] = Fraction(self.random.randint(70_000, 90_000), 10_000)
            rate = Decimal(self.rates[second].numerator) / Decimal(self.rates[second].denominator)
            prices.publish_rate(tx, ADMIN, prices.Rate("EUR", "CNY", rate, when))

    def fill(self, tx):
        """The cloud is as full as the dice say; what was published for the next cycle holds then."""
        full = [meter for meter in METERS if meter not in CLASSES or self.random.random() < 0.7]
        burst.decide(tx, {meter: Decimal(self.random.randint(0, 100)) / 100 for meter in full})
        told = {meter: levels.next for meter, levels in burst.levels(tx).items()}
        self.levels.setdefault(cycle_of(self.clock.now()) + 1, told)

    def hand_over(self, tx):
        self.give(tx, self.random.choice(PROJECTS), self.random.choice(["acme", "zeta"]))

    def give(self, tx, project, account):
        """Another account pays, from the present cycle on. Said twice in a second, the first holds."""
        accounts.pay_for(tx, ADMIN, account, [project])
        self.payers[project].setdefault(self.second, account)

    def pay(self, tx, account):
        payments.pay_in(tx, ADMIN, Payment(account, Decimal(10**9), f"first/{account}"))
        self.paid[account] += 10**29

    def buy(self, tx):
        """A short term of any thing or of one, as a bare row: sold terms are longer than this history."""
        account, meter = self.random.choice(["acme", "zeta"]), self.random.choice(METERS)
        amount, length = self.random.randint(1, 3000), self.random.choice([90, 400, 5000])
        resource = self.random.choice([None, None, "a", "b"])
        since = self.clock.now()
        cover(tx, account, meter, amount, (since, since + timedelta(seconds=length)), resource)
        self.model.bought.append(Bought(account, meter, amount, self.second, self.second + length, resource))

    def subscribe(self, tx):
        """A term as it is sold."""
        meter, amount = self.random.choice(METERS), self.random.randint(1, 300)
        months = self.random.choice([1, 3, 6, 12, 24, 36])
        account = accounts.fetch(tx, self.random.choice(["acme", "zeta"]))
        order = SubscriptionOrder(meter, Decimal(amount), months)
        subscriptions.buy(tx, ADMIN, account, [order])
        price = self.price_at(account.id, meter, 0, self.second)
        self.ahead[account.id] += term_price(amount, meter, months, price)
        until = self.second + months * TERM_S
        self.model.bought.append(Bought(account.id, meter, amount, self.second, until))

    def prepay(self, tx):
        """All that a project has of a server, for a term."""
        if (key := self.some()) is None:
            return
        project, months = self.open[key].project, self.random.choice([1, 3])
        try:
            with tx.savepoint():
                package = packages.buy(tx, make_caller(project), PackageOrder("server", key[0], (), months))
        except Conflict:
            return
        had = [one for (name, _), one in self.open.items() if (name, one.project) == (key[0], project)]
        covers = []
        for held in had:
            price = self.price_at(package.account_id, held.meter, 0, self.second)
            self.ahead[package.account_id] += term_price(held.amount, held.meter, months, price)
            bought = [package.account_id, held.meter, held.amount, self.second, self.second + months * TERM_S]
            covers.append(Bought(*bought, key[0]))
        self.model.bought += covers
        self.packages.append((package, months, covers))

    def end_package(self, tx):
        """Paying by use again: the rest of the term is paid back, by the second."""
        running = [one for one in self.packages if one[0].starts_at <= self.clock.now()]
        if not running:
            return
        package, months, covers = chosen = self.random.choice(running)
        self.packages.remove(chosen)
        packages.end(tx, ADMIN, package)
        term = months * TERM_S
        rest = term - int((self.clock.now() - package.starts_at).total_seconds())
        self.ahead[package.account_id] -= rounded(Fraction(package.paid) * rest / term)
        for bought in covers:
            bought.until = self.second

    # Rating, and what must be true of it.

    @property
    def origin(self):
        return int(self.began.timestamp())

    def rate(self):
        """What is due; more often than not the first attempt dies somewhere."""
        with self.database.read() as tx:
            waiting = rating.due(tx)
        if waiting and self.random.random() < 0.6:
            try:
                with self.database.begin() as tx:
                    crash_at(tx, self.random.randint(0, 12))
                    self.settle(tx)
                    rating.rate(tx, waiting[0])
                    raise Crash
            except Crash:
                self.crashes += 1
        gone = self.gone() if waiting else {}
        self.catch_up()
        self.forget(gone)

    def catch_up(self):
        """As the reconciling process does."""
        while True:
            with self.database.read() as tx:
                if not rating.due(tx):
                    return
            self.reconciler.step([ITEM])

    def finish(self):
        """The end of the history: all of it is rated."""
        self.clock.advance(1000)
        self.rate()

    def check(self, note):
        """The ledger is the model's to the last digit, and its books are in order."""
        with self.database.begin() as tx:
            # After the clock went back more is rated than is settled.
            last = max(rating.next_cycle(tx) - 1, last_settled(tx.now))
            expected = {}
            for cycle in range(self.first, last + 1):
                expected |= {(cycle, *key): amount for key, amount in self.model.charges(cycle).items()}
            odd = sorted(expected.items() ^ booked(tx).items())
            wrong = {key[0] for key, _ in odd}
            audited = range(self.first, last + 1) if self.wild else sorted({self.first, *wrong, last})
            named = {one.cycle for cycle in audited for one in auditing.differences(tx, cycle)}
            assert named == wrong, f"{note}: {odd[:6]}"
            assert self.wild or not wrong, f"{note}: {odd[:6]}"
            for cycle in sorted(wrong):
                assert not auditing.correct(tx, ADMIN, cycle)
            assert booked(tx) == expected, note
            self._check_books(tx, expected, last)

    def _check_books(self, tx, expected, last):
        check_books(tx)
        sums = Count()
        for one in ledger.balances(tx, Page()):
            sums[one.side.currency] += digits(one.balance)
        assert sums == {"CNY": 0, "EUR": 0}
        spent = Count(self.ahead)
        for (_, account, _, _), amount in expected.items():
            spent[account] += amount
        for account in {*spent, *self.paid}:
            has = digits(accounts.balance(tx, accounts.fetch(tx, account)))
            assert has == self.paid[account] - spent[account], account
        cycles = tx.row(text("SELECT count(*), min(cycle), max(cycle) FROM billing_cycle"))
        assert tuple(cycles) == (last + 1 - self.first, self.first, last)


def digits(amount):
    """In units of 10^-20, which decimals of 28 digits could not hold."""
    return int(Fraction(amount) * 10**20)


def booked(tx):
    """(cycle, account, project, meter) to the sum of its charges, in units of 10^-20."""
    rows = tx.rows(
        text(
            "SELECT t.cycle, t.account_id, t.project_id, t.meter,"
            " sum(CASE f.kind WHEN 'payer' THEN t.amount ELSE -t.amount END) AS amount"
            " FROM billing_transfer t JOIN billing_ledger_account f ON f.id = t.from_id"
            " WHERE t.kind IN ('usage', 'correction') GROUP BY 1, 2, 3, 4 LIMIT 1000000"
        )
    )
    found = {(r.cycle, r.account_id, r.project_id, r.meter): digits(r.amount) for r in rows}
    return {key: amount for key, amount in found.items() if amount}


def cover(tx, account, meter, amount, term, resource=None):
    """A bought amount as a bare row: how it is sold is tested elsewhere."""
    number = tx.ids.hex()
    keys = {"id": number, "account": account, "resource": resource, "since": term[0], "until": term[1]}
    if resource:
        tx.execute(
            text(
                "INSERT INTO billing_package (id, account_id, project_id, resource_kind, resource_id, months,"
                " starts_at, ends_at, paid, created_at)"
                " VALUES (:id, :account, 'p', 'server', :resource, 1, :since, :until, 0, :since)"
            ),
            keys,
        )
    tx.execute(
        text(
            "INSERT INTO billing_subscription (id, account_id, package_id, resource_kind, resource_id, meter,"
            " amount, months, starts_at, ends_at, price, per, discount_percent, paid, created_at)"
            " VALUES (:id, :account, :package, :kind, :resource, :meter, :amount, 1, :since, :until, 0, 1, 0,"
            " 0, :since)"
        ),
        {
            **keys,
            "package": number if resource else None,
            "kind": "server" if resource else None,
            "meter": meter,
            "amount": amount,
        },
    )
