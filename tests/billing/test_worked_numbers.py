"""The arithmetic of one line, to the last decimal, against numbers worked by hand and by others."""

from decimal import Decimal

import pytest

from tests.billing.conftest import shipped
from volutus.billing import money
from volutus.billing.cycles import cycle_of, end_of, start_of
from volutus.billing.meters import GIB, METERS, MONTH_S

# meter, own units, seconds, price per unit, the charge to 20 places
LINES = [
    ("storage_gib", "4.5", 300, "0.28", "0.00014583333333333333"),
    ("cpu_mhz", "12000", 137, "0.01989", "0.00908310000000000000"),
    ("memory_mib", "4096", 137, "0.0168", "0.00255733333333333333"),
    ("storage_gib", "1", MONTH_S, "0.14", "0.14000000000000000000"),
    ("storage_gib", "20", MONTH_S, "0.45", "9.00000000000000000000"),
    ("address", "1", MONTH_S, "10", "10.00000000000000000000"),
    ("address", "3", 1, "2.592", "0.00000300000000000000"),
    ("cpu_mhz", "1000", 3600, "0.02", "0.02000000000000000000"),
    ("cpu_mhz", "1", 1, "1", "0.00000027777777777778"),
    ("memory_mib", "1024", 3600, "0.0168", "0.01680000000000000000"),
    ("traffic_out_bytes", str(GIB), 1, "0.80", "0.80000000000000000000"),
    ("traffic_out_bytes", "1", 1, "0.80", "0.00000000074505805969"),
]


@pytest.mark.parametrize(("meter", "amount", "seconds", "price", "expected"), LINES)
def test_lines(meter, amount, seconds, price, expected):
    quantity = Decimal(amount) * seconds
    assert f"{money.charge(quantity, Decimal(price), METERS[meter].per):f}" == expected


@pytest.mark.parametrize(("meter", "amount", "seconds", "price", "expected"), LINES)
def test_the_database_computes_the_same(tx, meter, amount, seconds, price, expected):
    from sqlalchemy import text

    statement = text(
        "SELECT round(CAST(:q AS numeric) * CAST(:price AS numeric)"
        " * CAST('1.' || repeat('0', 40) AS numeric) / CAST(:per AS numeric), 20)"
    )
    quantity = Decimal(amount) * seconds
    keys = {"q": quantity, "price": Decimal(price), "per": METERS[meter].per}
    assert f"{tx.value(statement, keys):f}" == expected


def test_a_gigabyte_month_in_bytes_and_seconds():
    assert GIB * MONTH_S == 2_783_138_807_808_000
    assert MONTH_S == 2_592_000


@pytest.mark.parametrize(("hour", "minute", "number"), [(8, 31, 0), (9, 6, 7), (8, 34, 0), (8, 35, 1)])
def test_cycles_count_on(hour, minute, number):
    from datetime import UTC, datetime

    first = cycle_of(datetime(2026, 11, 21, 8, 31, tzinfo=UTC))
    moment = datetime(2026, 11, 21, hour, minute, tzinfo=UTC)
    assert cycle_of(moment) - first == number
    assert start_of(cycle_of(moment)) <= moment < end_of(cycle_of(moment))
    assert end_of(first).minute % 5 == 0


# One core of 1 GHz, 1 GB and 20 GB for 30 days; a GB that goes out.
@pytest.mark.parametrize(
    ("name", "ahead", "out"), [("us-west.cny", "¥45.00", "¥0.80"), ("us-west.usd", "$6.53", "$0.12")]
)
def test_the_prices_of_the_review(name, ahead, out):
    edition = shipped(name)
    price = {(one.meter, one.level): one.price for one in edition.prices}
    shape = {"cpu_mhz": 1000, "memory_mib": 1024, "storage_gib": 20}
    total = sum(
        money.charge(Decimal(amount) * MONTH_S, price[meter, 0], METERS[meter].per)
        for meter, amount in shape.items()
    )
    assert money.shown(total, edition.currency) == ahead
    assert money.shown(price["traffic_out_bytes", 1], edition.currency) == out


def test_one_offer_in_two_currencies():
    """At 6.89 the yuan prices are the dollar prices to the cent."""
    rate = Decimal("6.89")
    assert money.cents(Decimal("45.00") / rate, "USD") == Decimal("6.53")
    assert money.cents(Decimal("0.80") / rate, "USD") == Decimal("0.12")


def test_bandwidth_costs_more_in_china():
    here, there = (
        {(p.meter, p.level): p.price for p in shipped(name).prices}
        for name in ("us-west.cny", "cn-north.cny")
    )
    for key in (("traffic_out_bytes", 1), ("bandwidth_mbit", 0), ("bandwidth_mbit", 1)):
        assert there[key] > here[key]


@pytest.mark.parametrize("name", ["us-west.cny", "us-west.usd", "cn-north.cny"])
def test_ahead_is_cheaper_than_use(name):
    price = {(one.meter, one.level): one.price for one in shipped(name).prices}
    for meter, level in price:
        if level == 0 and price[meter, 0]:
            assert price[meter, 0] < price[meter, 1]


@pytest.mark.parametrize(
    ("amount", "currency", "paid"),
    [("0.001", "CNY", "0.01"), ("7.19", "USD", "7.19"), ("7.1900000001", "USD", "7.20"), ("6.2", "JPY", "7")],
)
def test_what_is_missing_is_said_as_it_can_be_paid(amount, currency, paid):
    assert f"{money.to_pay(Decimal(amount), currency):f}" == paid


def test_a_sum_has_all_its_places():
    rich, least = Decimal(10**12), Decimal(1).scaleb(-20)
    assert f"{money.total((rich, least)):f}" == "1000000000000.00000000000000000001"
