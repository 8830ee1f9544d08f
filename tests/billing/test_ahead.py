"""What is bought ahead: terms and discounts, frozen prices, prepaid servers, and traffic in both ways."""

from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.billing.books import ADMIN, check_books
from tests.billing.test_rating import SERVER, act, booked, rate_all
from tests.conftest import make_caller
from volutus.billing import (
    accounts,
    auditing,
    burst,
    ledger,
    notices,
    packages,
    prices,
    quotes,
    subscriptions,
    terms,
    traffic,
    uplink,
)
from volutus.billing.accounts import NotEnoughFunds
from volutus.billing.cycles import cycle_of
from volutus.billing.ledger import CASH, LineFilter, Side, Transfer
from volutus.billing.packages import Item, PackageOrder
from volutus.billing.prices import Edition, Price
from volutus.billing.quotes import QuoteItem, QuoteOrder
from volutus.billing.reconciler import UpkeepReconciler
from volutus.billing.subscriptions import SubscriptionOrder
from volutus.billing.traffic import RateOrder
from volutus.errors import Conflict, Invalid
from volutus.metering import Counter, Usage, count_usage, open_usage
from volutus.network import networks, port_changes, ports, qos_policies, qos_rules
from volutus.network.errors import PortNotFound
from volutus.network.networks import NetworkOrder
from volutus.network.ovn.model import Kind
from volutus.network.port_changes import PortChanges
from volutus.network.ports import PortOrder
from volutus.network.qos_policies import QosPolicyOrder
from volutus.network.qos_rules import QosRuleOrder
from volutus.network.topology import SqlTopology
from volutus.reconcile import Worker

ME = make_caller("p")


def pay_in(tx, amount, account_id="p"):
    account = accounts.for_project(tx, account_id)
    bank = Side(CASH, "bank", account.currency)
    purpose = f"payment/{tx.ids.hex()}"
    ledger.post(tx, [Transfer(purpose, "payment", bank, account.side, Decimal(amount), account.id)])
    return account


def dearer(tx):
    """Ten times what it was."""
    now = prices.edition(tx, "us-west.cny")
    changed = tuple(Price(p.meter, p.level, p.price * 10) for p in now.prices)
    prices.publish(tx, ADMIN, Edition(now.list_id, now.region, now.currency, None, changed, is_default=True))


@pytest.mark.parametrize(
    ("months", "percent", "total"),
    [
        (1, 0, "18"),
        (2, 0, "36"),
        (3, 3, "52.38"),
        (6, 10, "97.2"),
        (11, 10, "178.2"),
        (12, 25, "162"),
        (24, 35, "280.8"),
        (36, 45, "356.4"),
    ],
)
def test_longer_terms_cost_less(opened, months, percent, total):
    with opened.begin() as tx:
        account = accounts.for_project(tx, "p")
        order = SubscriptionOrder("cpu_mhz", Decimal(1000), months)
        ((_, cost),) = subscriptions.calculate(tx, account, [order])
        assert (cost.discount_percent, cost.total) == (percent, Decimal(total))
        assert cost.full - cost.discount == cost.total


@pytest.mark.parametrize("months", [0, -1, 37])
def test_terms_that_are_not_sold(months):
    with pytest.raises(Invalid):
        terms.check_months(months)


def test_a_subscription_covers_and_its_price_is_frozen(opened, clock):
    with opened.begin() as tx:
        account = pay_in(tx, 100)
        order = SubscriptionOrder("cpu_mhz", Decimal(1000), 1)
        (bought,) = subscriptions.buy(tx, ME, account, [order])
        assert accounts.balance(tx, account) == 82
        assert bought.status(tx.now) == "active"
    act(opened, open_usage, SERVER[:1])
    act(opened, open_usage, [Usage("p", "server", "t", "cpu_mhz", Decimal(500))])
    clock.advance(400)
    with opened.begin() as tx:
        dearer(tx)
    rate_all(opened)
    # 500 MHz above what is covered, five minutes at 0.03.
    assert booked(opened) == {("p", "p", "cpu_mhz"): 125 * 10**15}
    with opened.begin() as tx:
        longer = subscriptions.extend(tx, ME, bought, 3)
        assert (longer.starts_at, longer.paid) == (bought.ends_at, Decimal("52.38"))
        with pytest.raises(Conflict), tx.savepoint():
            subscriptions.extend(tx, ME, bought, 3)
        check_books(tx)


def test_funds_must_cover_all_or_nothing(opened):
    with opened.begin() as tx:
        account = pay_in(tx, 20)
        orders = [SubscriptionOrder(meter, Decimal(1000), 1) for meter in ("cpu_mhz", "storage_gib")]
        with pytest.raises(NotEnoughFunds) as error, tx.savepoint():
            subscriptions.buy(tx, ME, account, orders)
        assert error.value.missing == 448
        assert subscriptions.list_(tx, account.id) == []
        assert accounts.balance(tx, account) == 20


def test_a_term_that_was_bought_cannot_be_changed(opened):
    with opened.begin() as tx:
        account = pay_in(tx, 20)
        subscriptions.buy(tx, ME, account, [SubscriptionOrder("cpu_mhz", Decimal(1000), 1)])
        for change in ("amount = 5", "price = 0", "ends_at = ends_at + interval '1 year'", "paid = 0"):
            with pytest.raises(IntegrityError), tx.savepoint():
                tx.execute(text(f"UPDATE billing_subscription SET {change}"))
        with pytest.raises(IntegrityError), tx.savepoint():
            tx.execute(text("DELETE FROM billing_subscription"))


def test_renewal_is_once_and_in_time_or_told(opened, clock):
    with opened.begin() as tx:
        account = pay_in(tx, 40)
        order = SubscriptionOrder("cpu_mhz", Decimal(1000), 1, auto_renew=True)
        (first,) = subscriptions.buy(tx, ME, account, [order])
    worker = Worker(opened, [UpkeepReconciler(opened)])
    clock.advance(30 * 86400 - 1800)
    for _ in range(3):
        worker.scan()
        worker.run_once()
        clock.advance(300)
    with opened.begin() as tx:
        one, two = subscriptions.list_(tx, "p")
        assert (one.id, two.renews_id, two.starts_at) == (first.id, first.id, first.ends_at)
        assert accounts.balance(tx, account) == 4
    clock.advance(30 * 86400)
    worker.scan()
    worker.run_once()
    with opened.begin() as tx:
        assert len(subscriptions.list_(tx, "p")) == 2
        kinds = [notice.kind for notice in notices.list_(tx, "p")]
        assert kinds == ["subscription_renewal_failed", "order"]


SHAPE = (("cpu_mhz", 1000), ("memory_mib", 1024), ("storage_gib", 20))
ITEMS = (
    Item("server", "s", "cpu_mhz", Decimal(1000)),
    Item("server", "s", "memory_mib", Decimal(1024)),
    Item("volume", "v", "storage_gib", Decimal(20)),
)


def test_the_quote_is_the_first_entry_of_the_ledger(opened):
    """¥45.00, as the review says."""
    items = tuple(QuoteItem(meter, Decimal(amount)) for meter, amount in SHAPE)
    with opened.begin() as tx:
        account = pay_in(tx, 45)
        quote = quotes.quote(tx, account, QuoteOrder("prepaid", items))
        packages.buy(tx, ME, PackageOrder("server", "s", ITEMS, 1))
        line = ledger.lines(tx, "p", LineFilter())[0]
        assert quote.total == -line.amount == 45
        assert line.kind == "package"
        later = quotes.quote(tx, account, QuoteOrder("postpaid", items))
        assert later.total == 54 > quote.total
        assert later.hourly == Decimal("0.075")


def test_prepaid_covers_its_server_and_switching_pays_back(opened, clock):
    with opened.begin() as tx:
        account = pay_in(tx, 100)
        package = packages.buy(tx, ME, PackageOrder("server", "s", ITEMS, 1))
        with pytest.raises(Conflict), tx.savepoint():
            packages.buy(tx, ME, PackageOrder("server", "s", ITEMS, 1))
    first = cycle_of(clock.now())
    act(opened, open_usage, [*SERVER, Usage("p", "volume", "v", "storage_gib", Decimal(20))])
    act(opened, open_usage, [Usage("p", "server", "other", "cpu_mhz", Decimal(1000))])
    clock.advance(10 * 86400)
    with opened.begin() as tx:
        refund = packages.end(tx, ME, packages.get(tx, ME, package.id))
        assert refund == 30
        with pytest.raises(Conflict), tx.savepoint():
            packages.end(tx, ME, package)
    clock.advance(400)
    with opened.begin() as tx:
        # The cycles in between charge the other server alone; here only the last ones matter.
        tx.execute(
            text(
                "INSERT INTO billing_cycle (cycle, previous, rated_at) SELECT c, CASE WHEN c > :first"
                " THEN c - 1 END, :now FROM generate_series(:first, :last) c"
            ),
            {"first": first, "last": first + 2878, "now": tx.now},
        )
    rate_all(opened)
    cent = 10**18
    assert booked(opened, first + 2879) == {("p", "p", "cpu_mhz"): cent // 4}
    assert booked(opened, first + 2880) == {
        ("p", "p", "cpu_mhz"): cent // 2,
        ("p", "p", "memory_mib"): cent // 4,
        ("p", "p", "storage_gib"): 125 * 10**15,
    }
    with opened.begin() as tx:
        assert auditing.differences(tx, first + 2880) == []
        check_books(tx)
        assert accounts.balance(tx, account) < 85


def test_traffic_by_rate_or_by_volume(opened, clock):
    mine, other, foreign = (add_port(opened, owner) for owner in ("p", "p", "q"))

    def send(total):
        act(opened, count_usage, [Counter("p", "port", mine, "traffic_out_bytes", "r", Decimal(total))])

    with opened.begin() as tx:
        uplink.set_uplink(tx, ADMIN, Decimal(100))
        with pytest.raises(NotEnoughFunds), tx.savepoint():
            uplink.by_rate(tx, ME, RateOrder(mine, Decimal(60)))
        pay_in(tx, 10_000)
        uplink.by_rate(tx, ME, RateOrder(mine, Decimal(60)))
        with pytest.raises(uplink.UplinkFull), tx.savepoint():
            uplink.by_rate(tx, ME, RateOrder(other, Decimal(41)))
        with pytest.raises(PortNotFound), tx.savepoint():
            uplink.by_rate(tx, ME, RateOrder(foreign, Decimal(1)))
        uplink.by_rate(tx, ME, RateOrder(mine, Decimal(100)))
        assert traffic.rates(tx, ["p"]) == [RateOrder(mine, Decimal(100))]
        assert burst.measured(tx)["bandwidth_mbit"] == 1
    clock.advance(30)
    # What 100 Mbit/s carry in five minutes is paid for, and a GB above it is not.
    send(100 * 125_000 * 300 + 2**30)
    clock.advance(270)
    with opened.begin() as tx:
        uplink.by_volume(tx, ME, mine)
    send(100 * 125_000 * 300 + 2 * 2**30)
    clock.advance(400)
    rate_all(opened)
    assert {key[2]: amount for key, amount in booked(opened).items() if key[2] != "vlan"} == {
        "bandwidth_mbit": 27777777777777777778,
        "traffic_out_bytes": 160 * 10**18,
    }
    with opened.begin() as tx:
        uplink.by_rate(tx, ME, RateOrder(mine, Decimal(5)))
        ports.erase(tx, ME, ports.fetch(tx, [mine]))
        assert traffic.of_projects(tx, ["p"]) == []


def test_a_port_sends_no_faster_than_what_is_paid_for(opened):
    mine, other = (add_port(opened, "p") for _ in range(2))
    admin = make_caller("admin", "admin")
    with opened.begin() as tx:
        pay_in(tx, 10_000)
        uplink.set_uplink(tx, ADMIN, Decimal(100))
        policy = qos_policies.create(tx, admin, QosPolicyOrder(project_id="admin", shared=True)).id
        qos_rules.create(
            tx, admin, policy, QosRuleOrder("bandwidth_limit", max_kbps=20_000, max_burst_kbps=9)
        )
        qos_rules.create(tx, admin, policy, QosRuleOrder("dscp_marking", dscp_mark=26))
        port_changes.change(tx, ME, other, PortChanges(qos_policy_id=policy))

    def limits(port_id):
        (view,) = SqlTopology(opened).views(Kind.PORT, [port_id])
        return view.qos and (view.qos.egress_kbps, view.qos.egress_burst_kbits, view.qos.dscp_mark)

    def agree(verb, *order):
        with opened.begin() as tx:
            before = tx.value(text("SELECT coalesce(sum(wanted), 0) FROM network_units WHERE kind = 'port'"))
            verb(tx, ME, *order)
            after = tx.value(text("SELECT sum(wanted) FROM network_units WHERE kind = 'port'"))
            assert after > before
            return {one.port_id: (one.method, one.mbit) for one in traffic.of_projects(tx, ["p"])}

    assert (limits(mine), limits(other)) == (None, (20_000, 9, 26))
    assert agree(uplink.by_rate, RateOrder(mine, Decimal(10))) == {mine: ("rate", 10)}
    assert limits(mine) == (10_000, None, None)
    agree(uplink.by_rate, RateOrder(mine, Decimal("2.5")))
    assert limits(mine) == (2500, None, None)
    agree(uplink.by_rate, RateOrder(other, Decimal(30)))
    assert limits(other) == (20_000, 9, 26)
    agree(uplink.by_rate, RateOrder(other, Decimal(5)))
    assert limits(other) == (5000, None, 26)
    capped = agree(uplink.by_volume, mine, Decimal(5))
    assert capped == {mine: ("volume", 5), other: ("rate", 5)}
    assert limits(mine) == (5000, None, None)
    assert agree(uplink.by_volume, mine) == {other: ("rate", 5)}
    with opened.begin() as tx:
        with pytest.raises(Invalid), tx.savepoint():
            uplink.by_volume(tx, ME, mine, Decimal(0))
        traffic.end_rates(tx, ["p"])
    assert (limits(mine), limits(other)) == (None, (20_000, 9, 26))


def add_port(database, project):
    """A port on a network of the project's own."""
    with database.begin() as tx:
        caller = make_caller(project)
        net = networks.create(tx, caller, NetworkOrder(project_id=project, name="n"))
        return ports.create(tx, caller, PortOrder(network_id=net.id, project_id=project)).id


def test_the_worst_case_is_known_before(opened):
    with opened.begin() as tx:
        account = accounts.for_project(tx, "p")
        items = (QuoteItem("cpu_mhz", Decimal(1000)),)
        quote = quotes.quote(tx, account, QuoteOrder("postpaid", items, traffic_cap_mbit=Decimal(5)))
        # 5 Mbit/s for 30 days are 1,620,000,000,000 bytes; level 20 costs 0.0585 an hour.
        assert traffic.most_bytes(Decimal(5)) == 1_620_000_000_000
        volume = Decimal(1_620_000_000_000) / 2**30 * Decimal("0.8")
        assert abs(quote.most - (Decimal("42.12") + volume)) < Decimal("1e-15")
        rate = (QuoteItem("bandwidth_mbit", Decimal(5)),)
        fixed = quotes.quote(tx, account, QuoteOrder("prepaid", rate))
        assert (fixed.total, fixed.most, fixed.traffic_price) == (100, 100, None)
