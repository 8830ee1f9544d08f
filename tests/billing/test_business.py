"""Standing, budgets, credits and invoices: announced, reversible, and added up."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.billing.books import ADMIN, check_books
from tests.billing.test_ahead import pay_in
from tests.billing.test_rating import SERVER, act, rate_all
from tests.conftest import make_caller
from volutus.billing import accounts, admission, budgets, invoices, notices, payments, standing, statements
from volutus.billing.accounts import AccountOrder
from volutus.billing.admission import BudgetReached
from volutus.billing.budgets import BudgetOrder
from volutus.billing.invoices import TaxRate
from volutus.billing.standing import Enforcement
from volutus.errors import Conflict
from volutus.identity.caller import CLOUD
from volutus.metering import close_usage, open_usage

ME = make_caller("p")
DAY = 24 * 3600


class Servers:
    """What a cloud would do with the servers of projects."""

    def __init__(self):
        self.done = []
        self.running = ["a", "b"]

    @property
    def enforcement(self):
        return Enforcement(self.stop, self.start, self.remove)

    def stop(self, tx, projects):
        stopped, self.running = self.running, []
        self.done += [("stop", list(projects))] if stopped else []
        return stopped

    def start(self, tx, servers):
        self.running = list(servers)
        self.done.append(("start", sorted(servers)))

    def remove(self, tx, projects):
        self.done.append(("remove", list(projects)))
        return True


def state(database):
    with database.begin() as tx:
        return standing.get(tx, "p").state


def review(database, servers=None):
    with database.begin() as tx:
        return standing.review(tx, servers and servers.enforcement)


def spend_hours(database, clock, hours):
    act(database, open_usage, SERVER)
    clock.advance(hours * 3600)
    act(database, close_usage, "server", ["s"])
    clock.advance(360)
    rate_all(database)


def test_low_balance_warns_stops_and_deletes_and_paying_undoes_it(opened, clock):
    servers = Servers()
    with opened.begin() as tx:
        pay_in(tx, "0.10")
    spend_hours(opened, clock, 1)
    assert review(opened, servers) == [("p", "warned")]
    assert review(opened, servers) == []
    assert servers.done == []
    spend_hours(opened, clock, 1)
    assert review(opened, servers) == []
    clock.advance(DAY)
    assert review(opened, servers) == [("p", "stopped")]
    assert servers.done == [("stop", ["p"])]
    servers.running = ["c"]
    assert review(opened, servers) == []
    assert servers.running == []
    with opened.begin() as tx:
        assert not standing.may_run(tx, "p")
        pay_in(tx, 1)
    assert review(opened, servers) == [("p", "good")]
    assert servers.done[-1] == ("start", ["a", "b", "c"])
    with opened.begin() as tx:
        assert standing.may_run(tx, "p")
        kinds = [notice.kind for notice in reversed(notices.list_(tx, "p"))]
    assert kinds == ["out_of_money_soon", "stop_servers", "servers_may_run"]


def test_nobody_is_deleted_without_having_been_told_twice(opened, clock):
    servers = Servers()
    spend_hours(opened, clock, 1)
    seen = []
    for _ in range(40):
        seen += [name for _, name in review(opened, servers)]
        clock.advance(DAY)
    assert seen == ["warned", "stopped", "deleted"]
    assert servers.done == [("stop", ["p"]), ("remove", ["p"])]
    with opened.begin() as tx:
        at = {notice.kind: notice.at for notice in notices.list_(tx, "p")}
    assert at["stop_servers"] - at["out_of_money_soon"] >= timedelta(days=1)
    assert at["drives_deleted"] - at["stop_servers"] >= timedelta(days=14)
    with opened.begin() as tx:
        pay_in(tx, 1)
    assert review(opened, servers) == [("p", "good")]


def test_a_showback_account_is_never_asked_for_money(database, clock):
    from tests.billing.conftest import open_billing

    with database.begin() as tx:
        open_billing(tx, mode="showback")
    spend_hours(database, clock, 1)
    assert review(database) == []
    with database.begin() as tx:
        assert accounts.balance(tx, accounts.fetch(tx, "p")) == Decimal("-0.06")
        with pytest.raises(Conflict):
            invoices.issue(tx, ADMIN, "p", tx.now, tx.now)


def test_showback_of_departments_adds_up_to_the_whole(opened, clock):
    from volutus.metering import Usage

    with opened.begin() as tx:
        accounts.create(tx, ADMIN, AccountOrder("All", "all"))
        accounts.pay_for(tx, ADMIN, "all", ["sales", "plant", "it"])
    for number, project in enumerate(("sales", "plant", "it")):
        usage = Usage(project, "server", project, "cpu_mhz", Decimal(1000 + 337 * number))
        act(opened, open_usage, [usage])
    clock.advance(1000)
    rate_all(opened)
    with opened.begin() as tx:
        lines = statements.statement(tx, "all", tx.now - timedelta(hours=1), tx.now)
        assert {line.project_id for line in lines} == {"sales", "plant", "it"}
        total = sum(line.amount for line in lines)
        assert total == -accounts.balance(tx, accounts.fetch(tx, "all")) > 0


def test_a_credit_limit_is_spent_before_anybody_is_stopped(opened, clock):
    with opened.begin() as tx:
        accounts.create(tx, ADMIN, AccountOrder("P", "p", credit_limit=Decimal(1000)))
    spend_hours(opened, clock, 2)
    assert review(opened) == []
    assert state(opened) == "good"


def test_a_budget_is_told_once_at_each_part_and_can_stop(opened, clock):
    servers = Servers()
    with opened.begin() as tx:
        account = pay_in(tx, 100)
        order = BudgetOrder("small", Decimal("0.10"), (50, 100), stops=True)
        budgets.create(tx, ME, account, order)
    for _ in range(2):
        spend_hours(opened, clock, 1)
        for _ in range(2):
            with opened.begin() as tx:
                budgets.review(tx, servers.enforcement)
    with opened.begin() as tx:
        told = [notice.detail.get("percent") for notice in reversed(notices.list_(tx, "p"))]
    assert told == ["50", "100", None]
    assert servers.done == [("stop", ["p"])]
    with opened.begin() as tx:
        with pytest.raises(BudgetReached):
            admission.admit(tx, "p", {})
        tx.execute(text("UPDATE billing_budget SET stops = false"))
        admission.admit(tx, "p", {})
        # All parts of it at once are one piece of news.
        budgets.create(tx, ME, account, BudgetOrder("tiny", Decimal("0.001")))
        assert (budgets.review(tx), budgets.review(tx)) == (1, 0)
        assert notices.list_(tx, "p")[0].detail["percent"] == "100"


def test_credits_are_spent_first_and_what_is_left_goes_back(opened, clock):
    with opened.begin() as tx:
        account = pay_in(tx, 10)
        soon = payments.grant(tx, ADMIN, "p", Decimal("0.02"), tx.now + timedelta(days=1), "soon")
        late = payments.grant(tx, ADMIN, "p", Decimal("5"), tx.now + timedelta(days=2), "late")
    spend_hours(opened, clock, 1)
    with opened.begin() as tx:
        left = payments.remaining(tx, account, payments.credits_of(tx, "p"))
        assert left == {soon.id: 0, late.id: Decimal("4.96")}
    clock.advance(3 * DAY)
    with opened.begin() as tx:
        assert payments.expire_due(tx, CLOUD) == 0
    rate_all(opened)
    for expected in (2, 0):
        with opened.begin() as tx:
            assert payments.expire_due(tx, CLOUD) == expected
    with opened.begin() as tx:
        # 10 and 5.02 came in; 0.06 was used, all of it from credits; the rest of them went back.
        assert accounts.balance(tx, account) == 10
        check_books(tx)


def test_invoices_have_no_gap_and_add_up(opened, clock):
    with opened.begin() as tx:
        pay_in(tx, 100)
        accounts.create(tx, ADMIN, AccountOrder("Q", "q", country="DE"))
        invoices.set_tax(tx, ADMIN, TaxRate("DE", "MwSt", Decimal(19), tx.now))
        accounts.pay_for(tx, ADMIN, "q", ["p"])
        begin = tx.now
    spend_hours(opened, clock, 1)
    with opened.begin() as tx:
        end = begin + timedelta(hours=1)
        first = invoices.issue(tx, ADMIN, "q", begin, end)
        assert invoices.issue(tx, ADMIN, "q", begin, end) == first
        second = invoices.issue(tx, ADMIN, "p", begin, end)
        assert (first.number, second.number) == (1, 2)
        assert (first.net, first.tax, first.gross) == (
            Decimal("0.06"),
            Decimal("0.0114"),
            Decimal("0.0714"),
        )
        assert sum(Decimal(line["amount"]) for line in first.lines) == first.net
        assert (second.net, second.tax) == (0, 0)
        with pytest.raises(Conflict):
            invoices.issue(tx, ADMIN, "q", end, end + timedelta(hours=1))
        for attack in (
            "UPDATE billing_invoice SET net = 0, gross = tax",
            "DELETE FROM billing_invoice WHERE number = 2",
            "INSERT INTO billing_invoice (number, account_id, period_from, period_to, currency, net,"
            " tax_name,"
            " tax_percent, tax, gross, lines, issued_at) SELECT 4, account_id, period_to, period_to +"
            " interval '1 h', currency, 0, '', 0, 0, 0, lines, issued_at FROM billing_invoice WHERE"
            " number = 1",
        ):
            with pytest.raises(IntegrityError), tx.savepoint():
                tx.execute(text(attack))
        check_books(tx)
