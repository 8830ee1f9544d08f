"""What costs is refused when the account cannot pay for it; who does not pay is stopped, then deleted, and
everything before that is undone by paying."""

from decimal import Decimal

import pytest
from sqlalchemy import text

from tests.api.compute.conftest import plane
from tests.api.compute.test_servers import Counting
from tests.api.loadbalancer.foreign import balancer
from tests.api.network.objects import vpn_gateway
from tests.billing.conftest import open_billing
from tests.billing.test_ahead import pay_in
from tests.conftest import make_caller
from volutus import billing, compute, network
from volutus.billing import accounts, admission, ledger, notices, payments, standing, uplink
from volutus.billing.ledger import REVENUE, Side, Transfer
from volutus.billing.payments import Payment
from volutus.billing.reconciler import UpkeepReconciler
from volutus.billing.traffic import RateOrder
from volutus.identity.caller import CLOUD
from volutus.reconcile import Item

__all__ = ["plane"]
ENFORCEMENT = billing.Enforcement(compute.projects.stop, compute.projects.start, compute.projects.remove)
IMAGE = "11111111-2222-3333-4444-555555555555"
ORDER = {"server": {"name": "one", "flavorRef": "c1", "imageRef": IMAGE, "networks": "auto"}}
SERVERS = "/compute/v2.1/servers"


@pytest.fixture
def cloud(api, plane, database):
    with database.begin() as tx:
        open_billing(tx)
    return api


def upkeep(database, clock, plane):
    """A round of what is done each cycle, until all that follows from it is done."""
    UpkeepReconciler(database, ENFORCEMENT).step([Item("billing_upkeep", "region", 1, 1, 1, None)])
    plane.settle()


def spend(tx, amount):
    """So much at once: a term of something."""
    account = accounts.fetch(tx, "project-a")
    revenue = Side(REVENUE, "test", account.currency)
    purpose = f"test/{tx.ids.hex()}"
    ledger.post(tx, [Transfer(purpose, "subscription", account.side, revenue, Decimal(amount), account.id)])


def put_in(database, amount):
    with database.begin() as tx:
        pay_in(tx, amount, "project-a")


@pytest.mark.parametrize(
    ("path", "body", "envelope"),
    [
        (SERVERS, ORDER, "paymentRequired"),
        ("/volume/v3/volumes", {"volume": {"size": 1}}, "paymentRequired"),
    ],
)
def test_without_funds_nothing_is_ordered(cloud, database, path, body, envelope):
    refused = cloud.post(path, body)
    assert refused.status_code == 402, refused.text
    assert "CNY" in refused.json()[envelope]["message"]
    assert next(iter(cloud.get(path).json().values())) == []
    put_in(database, 1000)
    assert cloud.post(path, body).status_code == 202


def test_what_is_missing_is_five_days_of_it_and_no_more(cloud, database):
    with database.begin() as tx:
        account = pay_in(tx, "0.01", "project-a")
        more = {"cpu_mhz": Decimal(1000), "memory_mib": Decimal(1024)}
        need = admission.need(tx, account, more)
    assert (need.funds, need.a_day) == (Decimal("7.2"), Decimal("1.44"))
    flavor = {**ORDER["server"], "flavorRef": "1000mhz-1c-1024m"}
    refused = cloud.post(SERVERS, {"server": flavor})
    assert refused.json()["paymentRequired"]["message"].startswith("The account lacks 7.19")
    put_in(database, "7.19")
    assert cloud.post(SERVERS, {"server": flavor}).status_code == 202


def test_a_new_cloud_asks_nobody_for_money(api, plane, database):
    with database.begin() as tx:
        billing.bootstrap(tx, "RegionOne")
    assert api.post(SERVERS, ORDER).status_code == 202


def test_warned_stopped_started_again_and_in_the_end_deleted(cloud, database, clock, plane):
    put_in(database, 20)
    server = cloud.post(SERVERS, ORDER).json()["server"]["id"]
    assert cloud.post("/volume/v3/volumes", {"volume": {"size": 1}}).status_code == 202
    plane.settle()
    path = f"{SERVERS}/{server}"

    def status():
        return cloud.get(path).json().get("server", {}).get("status")

    def wait(days):
        for _ in range(days):
            clock.advance(86400)
            for host in plane.hosts:
                host.work()
            upkeep(database, clock, plane)

    with database.begin() as tx:
        spend(tx, "20.01")
    wait(1)
    assert status() == "ACTIVE"
    wait(1)
    assert status() == "SHUTOFF"
    started = cloud.post(f"{path}/action", {"os-start": None})
    assert started.status_code == 402, started.text
    assert cloud.post(f"{path}/action", {"lock": None}).status_code == 202
    with database.begin() as tx:
        due = text("SELECT due_at <= :now FROM work WHERE kind = 'billing_upkeep'")
        assert tx.value(due, {"now": tx.now}) is None
        payments.pay_in(tx, CLOUD, Payment("project-a", Decimal(40), "transfer-1"))
        assert tx.value(due, {"now": tx.now}) is True
    upkeep(database, clock, plane)
    assert status() == "ACTIVE"
    with database.begin() as tx:
        spend(tx, "40")
    wait(2)
    assert status() == "SHUTOFF"
    wait(14)
    upkeep(database, clock, plane)
    assert status() is None
    assert cloud.get("/volume/v3/volumes").json()["volumes"] == []
    with database.begin() as tx:
        told = [notice.kind for notice in reversed(notices.list_(tx, "project-a"))]
        assert standing.get(tx, "project-a").state == "deleted"
    kinds = [kind for kind in told if kind != "payment"]
    once = ["out_of_money_soon", "stop_servers"]
    assert kinds == ["server_ordered", *once, "servers_may_run", *once, "drives_deleted"]
    with database.begin() as tx:
        (confirmed,) = [one.detail for one in notices.list_(tx, "project-a") if one.kind == "server_ordered"]
    assert confirmed["id"] == server
    assert confirmed["shape"].startswith("1 GHz (cpu_mhz), 0.")
    assert confirmed["addresses"].startswith("10.0.0.")
    assert confirmed["price"].startswith("¥")
    put_in(database, 100)
    upkeep(database, clock, plane)
    assert cloud.post(SERVERS, ORDER).status_code == 202


def test_an_operator_says_how_long_to_wait(cloud, database, clock, plane):
    operator = cloud.as_(make_caller("admin", "admin", user="operator"))
    region = {"warn_days": 2, "stop_after_s": 0, "delete_after_s": 600}
    told = operator.request("PUT", "/billing/v1/region", json={"region": region}).json()["region"]
    assert {name: told[name] for name in region} == region
    refused = operator.request("PUT", "/billing/v1/region", json={"region": {"stop_after_s": -1}})
    assert refused.status_code == 400
    put_in(database, 400)
    server = cloud.post(SERVERS, ORDER).json()["server"]["id"]
    me = make_caller("project-a")
    with database.begin() as tx:
        balancer(tx, None, me)
        vpn_gateway(tx, None, me)
        uplink.set_uplink(tx, CLOUD, Decimal(100))
        uplink.by_rate(tx, me, RateOrder(network.of_server(tx, server)[0].id, Decimal(1)))
    plane.settle()
    with database.begin() as tx:
        spend(tx, "400.01")
    seen = []
    for _ in range(6):
        clock.advance(30)
        for host in plane.hosts:
            host.work()
        upkeep(database, clock, plane)
        with database.begin() as tx:
            seen.append(standing.get(tx, "project-a").state)
        clock.advance(270)
    assert seen == ["warned", "stopped", "stopped", "deleted", "deleted", "deleted"]
    usage = cloud.get("/billing/v1/usage").json()["usage"]
    assert {one["meter"] for one in usage if Decimal(one["using"])} == {"router", "vlan"}


def test_many_servers_cost_billing_what_two_do(cloud, database):
    """However many servers one request orders, funds are looked at and the order is confirmed once."""
    put_in(database, 10_000)
    operator = cloud.as_(make_caller("admin", "admin", user="operator"))
    quotas = {"quota_set": {"instances": 99, "cores": 99, "mhz": -1, "ram": -1}}
    assert operator.put("/compute/v2.1/os-quota-sets/project-a", quotas).status_code == 200
    counted = []
    for count in (2, 12):
        body = {"server": {**ORDER["server"], "max_count": count}}
        with Counting(database) as statements:
            assert cloud.post(SERVERS, body).status_code == 202
        counted.append([one for one in statements if "billing_" in one])
    assert counted[0] == counted[1]
    with database.begin() as tx:
        told = [one.detail for one in notices.list_(tx, "project-a") if one.kind == "server_ordered"]
    assert len({one["id"] for one in told}) == len({one["addresses"] for one in told}) == 14
    assert len({one["price"] for one in told}) == 1


def test_payers_are_told_of_servers_that_cannot_be_reached(cloud, database, clock, plane):
    put_in(database, 400)
    server = cloud.post(SERVERS, ORDER).json()["server"]["id"]
    plane.settle()

    def told():
        rounds = UpkeepReconciler(database, ENFORCEMENT, compute.unreachable)
        rounds.step([Item("billing_upkeep", "region", 1, 1, 1, None)])
        with database.begin() as tx:
            return [one.detail for one in notices.list_(tx, "project-a") if one.kind == "server_unreachable"]

    heard = clock.now()
    assert told() == []
    clock.advance(310)
    # The control plane was away, not the host: nobody could have reported.
    assert told() == []
    plane.hosts[0].work()
    clock.advance(10)
    silent = clock.now()
    plane.hosts[0].work()
    for expected in (0, 1, 1):
        clock.advance(300)
        assert len(told()) == expected
    (one,) = told()
    assert (one["id"], one["name"]) == (server, "one")
    assert heard < silent and one["since"] == f"{silent:%Y-%m-%d %H:%M:%S} UTC"
    usage = cloud.get("/billing/v1/usage").json()["usage"]
    with database.begin() as tx:
        compute.end_usage_of_silent(tx)
    assert "cpu_mhz" in {one["meter"] for one in usage}
    usage = cloud.get("/billing/v1/usage").json()["usage"]
    assert "cpu_mhz" not in {one["meter"] for one in usage}
