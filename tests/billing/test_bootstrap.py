"""A new cloud: showback with a list to begin with, and what an operator changed stays."""

from decimal import Decimal

from tests.billing.books import ADMIN
from tests.billing.test_rating import SERVER, act, rate_all
from volutus import billing
from volutus.billing import accounts, auditing, prices, rating
from volutus.billing.accounts import RegionChanges
from volutus.billing.cycles import cycle_of
from volutus.metering import open_usage


def test_a_new_cloud_shows_what_things_cost_and_asks_for_nothing(database, clock):
    # In the middle of a cycle: the next one is the first, for prices hold from its beginning.
    clock.advance(100)
    act(database, billing.bootstrap, "RegionOne")
    act(database, open_usage, SERVER)
    first = cycle_of(clock.now()) + 1
    clock.advance(600)
    rate_all(database)
    with database.begin() as tx:
        account = accounts.fetch(tx, "p")
        assert (account.mode, account.currency) == ("showback", "USD")
        # 1 GHz and 1 GB for five minutes at 0.00432 and 0.00438 an hour.
        assert accounts.balance(tx, account) == Decimal("-0.000725")
        assert (rating.first_cycle(tx), rating.next_cycle(tx)) == (first, first + 1)
        assert auditing.audit_cycles(tx, first, first) == rating.gaps(tx, 0, first) == []


def test_what_an_operator_changed_stays(database, clock):
    act(database, billing.bootstrap, "RegionOne")
    with database.begin() as tx:
        accounts.set_region(tx, ADMIN, RegionChanges(mode="paying"))
    clock.advance(10)
    act(database, billing.bootstrap, "RegionOne")
    with database.begin() as tx:
        assert accounts.needed_region(tx).mode == "paying"
        assert [one.id for one in prices.lists(tx)] == ["regionone.usd"]


def test_every_meter_that_is_opened_has_a_price(database):
    """What servers, disks and addresses open today; a new one wants a line in the lists."""
    act(database, billing.bootstrap, "RegionOne")
    with database.begin() as tx:
        priced = {price.meter for price in prices.in_force(tx, "regionone.usd")}
    assert {"cpu_mhz", "memory_mib", "storage_gib", "address"} <= priced
