"""A storage class with pools of its own has a level of its own: measured, told, quoted, charged, audited."""

from decimal import Decimal

import msgspec
import pytest

from tests.billing.test_rating import rate_all
from tests.volume.conftest import Agent, facts, settle, worker
from volutus import placement, volume
from volutus.billing import auditing, burst, ledger, prices
from volutus.billing.cycles import cycle_of
from volutus.billing.ledger import LineFilter
from volutus.billing.reconciler import UpkeepReconciler
from volutus.identity.caller import CLOUD
from volutus.placement.inventory import Overcommit
from volutus.reconcile import Item
from volutus.volume.types import TypeOrder

__all__ = ["settle", "worker"]
V1 = "/billing/v1"
VOLUMES = "/volume/v3/project-a/volumes"
ITEM = Item("billing_upkeep", "region", 1, 1, 1, None)
POOLS = {"directory": 1000, "fast": 100, "slow": 50}
OWN = {"pool:fast": 100, "pool:slow": 50}
BASE, FAST, SLOW, ALIKE = "storage_gib", "storage_gib:nvme", "storage_gib:slow", "storage_gib:alike"


@pytest.fixture
def agent(database):
    """A host with pools, and one that has told nothing yet; types with and without a pool of their own, and
    one that is not for everybody. The lists price `nvme` and no other."""
    with database.begin() as tx:
        placement.hosts.register(tx, "host-2", "nova")
        host_id = placement.hosts.register(tx, "host-1", "nova")
        known = msgspec.structs.replace(facts("host-1", 1000), pools=POOLS, resources=OWN)
        placement.hosts.record_facts(tx, host_id, known, Overcommit())
        for name, pool in (("NVMe", "fast"), ("slow", "slow")):
            volume.types.create(tx, CLOUD, TypeOrder(name, extra_specs={"volume_backend_name": pool}))
        volume.types.create(tx, CLOUD, TypeOrder("alike"))
        hidden = TypeOrder("for-acme", is_public=False, extra_specs={"volume_backend_name": "fast"})
        volume.types.create(tx, CLOUD, hidden)
    return Agent(database, host_id)


@pytest.fixture
def filled(billing, operator, settle):
    """Volumes of each type, after they were refused to who could not pay for the dearest."""

    def order(gib, name):
        return billing.post(VOLUMES, {"volume": {"size": gib, "volume_type": name}})

    billing.get(f"{V1}/balance")
    assert order(90, "NVMe").json()["paymentRequired"]["message"].startswith("The account lacks 16.20 CNY")
    paid = {"payment": {"amount": "1000", "reference": "first"}}
    operator.post(f"{V1}/accounts/project-a/payments", paid)
    for gib, name in ((90, "NVMe"), (40, "slow"), (10, "alike"), (10, None)):
        assert order(gib, name).status_code == 202
    settle()


def seen(billing):
    lines = billing.request("GET", f"{V1}/prices", headers={"X-Auth-Token": ""}).json()["prices"]
    return {line["meter"]: line for line in lines if line["meter"].startswith(BASE)}


def listed(database, meter, level):
    """By the list, for the account."""
    with database.begin() as tx:
        return prices.at_level(prices.for_account(tx, "project-a", [meter]), meter, level).price


def test_classes_move_apart_and_are_charged_as_told(billing, database, clock, filled):
    with database.begin() as tx:
        loads = burst.measured(tx)
    apart = {name: str(load.normalize()) for name, load in loads.items() if name.startswith(BASE)}
    assert apart == {BASE: "0.02", FAST: "0.9", SLOW: "0.8"}
    for _ in range(5):
        UpkeepReconciler(database).step([ITEM])
        clock.advance(300)
    found = seen(billing)
    assert set(found) == {BASE, FAST, SLOW}
    levels = {meter: (one["level"], one["next_level"]) for meter, one in found.items()}
    assert levels == {BASE: (1, 1), FAST: (11, 11), SLOW: (8, 8)}
    for meter, line in found.items():
        # Nobody priced `slow`: it costs what its meter costs, at its own level.
        assert Decimal(line["current"]) == listed(database, meter, line["level"])
    items = [{"meter": meter, "amount": "90"} for meter in (FAST, SLOW, ALIKE)]
    quote = billing.post(f"{V1}/quotes", {"quote": {"items": items, "method": "postpaid"}}).json()["quote"]
    told = {one["meter"]: one["price"] for one in quote["lines"]}
    assert told == {FAST: found[FAST]["current"], SLOW: found[SLOW]["current"], ALIKE: found[BASE]["current"]}
    clock.advance(400)
    rate_all(database)
    with database.begin() as tx:
        charged = {
            meter: f"{ledger.lines(tx, 'project-a', LineFilter(meter=meter))[0].price:f}"
            for meter in (FAST, SLOW, ALIKE, BASE)
        }
        last = cycle_of(tx.now) - 1
        assert auditing.audit_cycles(tx, last - 5, last) == []
    assert charged == told | {BASE: found[BASE]["current"]}


def test_the_history_of_a_class_is_public(billing, database, clock, filled):
    for _ in range(3):
        UpkeepReconciler(database).step([ITEM])
        clock.advance(300)
    path = f"{V1}/prices/history?meter={SLOW}"
    history = billing.request("GET", path, headers={"X-Auth-Token": ""}).json()["history"]
    assert [(one["level"], one["load"][:3]) for one in history] == [(7, "0.8"), (5, "0.8"), (3, "0.8")]
    assert [Decimal(one["price"]) for one in history] == [listed(database, BASE, n) for n in (7, 5, 3)]
    table = billing.request("GET", f"{path}&format=csv", headers={"X-Auth-Token": ""}).text.splitlines()
    assert [line.split(",")[0] for line in table] == ["meter", SLOW, SLOW, SLOW]


def test_a_class_without_pools_goes_back_to_its_meter(billing, database, clock):
    def decide(loads):
        with database.begin() as tx:
            burst.decide(tx, {BASE: Decimal(0)} | loads)
        clock.advance(300)
        with database.begin() as tx:
            return burst.level_of(burst.levels(tx), SLOW).current

    assert [decide({SLOW: Decimal(1)}) for _ in range(3)] == [3, 5, 7]
    assert [decide({}) for _ in range(4)] == [5, 3, 1, 1]
    assert SLOW not in seen(billing)
