"""How long a cycle takes to rate, and a page of a long ledger to read.

`python bench/billing.py [SERVERS] [ACCOUNTS] [METERS]`. Makes a PostgreSQL of its own, fills it with usage
that began at random times, a tenth of it covered by subscriptions, and rates cycles one by one.
"""

import random
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

for folder in ("src", "."):
    sys.path.insert(0, str(Path(__file__).parent.parent / folder))

from sqlalchemy import text

from tests.postgres import Cluster
from volutus.billing import accounts, auditing, ledger, price_files, price_history, prices, rating
from volutus.billing.cycles import cycle_of, start_of
from volutus.billing.ledger import LineFilter
from volutus.db import Database, Page
from volutus.db.migrate import upgrade
from volutus.identity.caller import CLOUD
from volutus.ids import Ids

CYCLES = 5
METERS = ("cpu_mhz", "memory_mib", "storage_gib", "address", "snapshot_gib", "bandwidth_mbit")
LINES = 1_000_000


class Clock:
    """Stands at a moment."""

    def __init__(self, now: datetime) -> None:
        self.at = now

    def now(self) -> datetime:
        return self.at


def fill(database: Database, servers: int, customers: int, meters: int) -> None:
    """Usage of all servers in all meters, and subscriptions of a tenth of the accounts."""
    with database.begin() as tx:
        accounts.open_region(tx, "us-west", "CNY", "paying")
        shipped = files("volutus.billing").joinpath("lists", "us-west.cny.toml").read_text()
        prices.publish(tx, CLOUD, price_files.read_toml(shipped))
        tx.execute(
            text(
                "INSERT INTO usage_ranges (project_id, resource_kind, resource_id, meter, amount, during)"
                " SELECT 'project-' || (s % :customers), 'server', 'server-' || s, m, 1 + s % 4000,"
                " tstzrange(CAST(:now AS timestamptz) + random() * interval '500 s', NULL)"
                " FROM generate_series(1, :servers) s CROSS JOIN unnest(CAST(:meters AS text[])) m"
            ),
            {"customers": customers, "servers": servers, "meters": list(METERS[:meters]), "now": tx.now},
        )
        tx.execute(
            text(
                "INSERT INTO billing_account (id, name, currency, mode, created_at)"
                " SELECT 'project-' || n, 'bench', 'CNY', 'paying', CAST(:now AS timestamptz)"
                " FROM generate_series(0, :customers - 1) n"
            ),
            {"customers": customers, "now": tx.now},
        )
        tx.execute(
            text(
                "INSERT INTO billing_subscription (id, account_id, meter, amount, months, starts_at, ends_at,"
                " price, per, discount_percent, paid, created_at)"
                " SELECT 'sub-' || n, 'project-' || n, 'cpu_mhz', 3000, 1, CAST(:now AS timestamptz),"
                " CAST(:now AS timestamptz) + interval '30 days', 0, 1, 0, 0, CAST(:now AS timestamptz)"
                " FROM generate_series(0, :customers / 10) n"
            ),
            {"customers": customers, "now": tx.now},
        )
    with database.begin() as tx:
        tx.execute(text("ANALYZE"))


def rate(database: Database, clock: Clock) -> tuple[list[float], int]:
    """Seconds of each of some cycles, and the transfers of the last."""
    took, made = [], 0
    for _ in range(CYCLES):
        clock.at += timedelta(seconds=300)
        began = time.perf_counter()
        with database.begin() as tx:
            made = rating.rate(tx, cycle_of(clock.at) - 1) or 0
        took.append(time.perf_counter() - began)
    return took, made


def read(database: Database) -> tuple[float, float]:
    """Milliseconds of the first page of a ledger of a million lines and of one in its middle."""
    with database.begin() as tx:
        account = accounts.fetch(tx, "project-0")
        bank = ledger.Side(ledger.CASH, "bench", "CNY")
        ledger.open_accounts(tx, [account.side, bank])
        posting = ledger.begin_posting(tx)
        tx.execute(text("SET LOCAL statement_timeout = 0"))
        tx.execute(
            text(
                "INSERT INTO billing_transfer (id, posting, kind, purpose, from_id, to_id, currency,"
                " amount, at,"
                " account_id) SELECT md5('bench' || n)::uuid, :posting, 'payment', 'bench' || n, f.id,"
                " g.id, 'CNY',"
                " 1, :now, 'project-0' FROM generate_series(1, :lines) n, billing_ledger_account f,"
                " billing_ledger_account g WHERE f.kind = 'cash' AND g.kind = 'payer' AND g.owner ="
                " 'project-0'"
            ),
            {"posting": posting, "now": tx.now, "lines": LINES},
        )
        ledger.write_entries(tx, posting)
    with database.begin() as tx:
        tx.execute(text("ANALYZE billing_entry, billing_transfer, billing_ledger_account"))
    pages = []
    for before in (None, LINES // 2):
        times = []
        for _ in range(5):
            began = time.perf_counter()
            with database.read() as tx:
                ledger.lines(tx, "project-0", LineFilter(before_number=before, limit=100))
            times.append((time.perf_counter() - began) * 1000)
        pages.append(statistics.median(times))
    return pages[0], pages[1]


def past(database: Database, clock: Clock) -> float:
    """Milliseconds of a day of price history out of a year."""
    with database.begin() as tx:
        tx.execute(
            text(
                "INSERT INTO billing_level (meter, cycle, decided_in, decided_at, load, smoothed, level)"
                " SELECT m, c, c - 1, to_timestamp((c - 1) * 300), 0.6, 0.6, 1 + c % 20 FROM"
                " generate_series(:now - 365 * 288, :now) c, unnest(CAST(:meters AS text[])) m"
            ),
            {"now": cycle_of(clock.at), "meters": ["cpu_mhz", "memory_mib", "storage_gib"]},
        )
    times = []
    for _ in range(5):
        began = time.perf_counter()
        with database.read() as tx:
            span = (clock.at - timedelta(days=1), clock.at)
            found = price_history.price_history(tx, "us-west.cny", span)
        times.append((time.perf_counter() - began) * 1000)
        assert len(found) == 3 * 289
    return statistics.median(times)


def main() -> None:
    servers, customers, meters = (
        int(word) for word in (sys.argv[1:] + ["10000", "1000", "2"][len(sys.argv) - 1 :])
    )
    cluster = Cluster()
    try:
        cluster.create("bench")
        clock = Clock(start_of(cycle_of(datetime(2026, 11, 21, tzinfo=UTC))))
        database = Database(cluster.url("bench"), clock, Ids(seed=random.Random(1).randrange(10**6)))
        upgrade(database)
        fill(database, servers, customers, meters)
        took, made = rate(database, clock)
        began = time.perf_counter()
        with database.read() as tx:
            found = auditing.differences(tx, cycle_of(clock.at) - 1)
        audited = time.perf_counter() - began
        size = f"{servers} servers x {meters} meters in {customers} accounts"
        print(f"{size}: {made} transfers; seconds a cycle: {', '.join(f'{one:.2f}' for one in took)}")
        print(f"audit of one cycle: {audited:.2f} s, {len(found)} differences")
        first, middle = read(database)
        print(f"a page of 100 of {LINES} ledger lines: first {first:.1f} ms, in the middle {middle:.1f} ms")
        print(f"a day of price history out of a year: {past(database, clock):.1f} ms")
        print(f"sum of all accounts: {sum((one.balance for one in _balances(database)), Decimal(0))}")
        database.close()
    finally:
        cluster.stop()


def _balances(database: Database) -> list[ledger.Holding]:
    with database.read() as tx:
        return ledger.balances(tx, Page(10_000_000))


if __name__ == "__main__":
    main()
