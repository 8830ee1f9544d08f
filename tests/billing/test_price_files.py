"""Price lists as files: what is written reads back, and what is wrong is named."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.billing.books import ADMIN
from tests.billing.conftest import shipped
from volutus.billing import price_files, prices
from volutus.billing.bootstrap import SHIPPED
from volutus.billing.prices import Edition, Price
from volutus.errors import Invalid

HEAD = 'list = "a"\nregion = "r"\ncurrency = "CNY"\n'
ROW = '[[price]]\nmeter = "cpu_mhz"\n'


def in_order(edition):
    return replace(edition, prices=tuple(sorted(edition.prices, key=lambda p: (p.meter, p.level))))


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_written_reads_back(name):
    edition = in_order(shipped(name))
    assert in_order(price_files.read_toml(price_files.write_toml(edition))) == edition
    table = price_files.read_csv(price_files.write_csv(edition))
    assert in_order(replace(table, is_default=edition.is_default)) == edition


def test_a_list_on_another_reads_back():
    edition = Edition(
        "vip",
        "us-west",
        "CNY",
        None,
        (Price("cpu_mhz", 1, Decimal("0.02")),),
        "us-west.cny",
        Decimal("0.9"),
        is_public=False,
    )
    assert price_files.read_toml(price_files.write_toml(edition)) == edition


def test_an_export_of_what_is_in_force(opened):
    with opened.begin() as tx:
        edition = prices.edition(tx, "us-west.cny")
    written = replace(edition, valid_from=None)
    assert in_order(price_files.read_toml(price_files.write_toml(written))) == in_order(written)


@pytest.mark.parametrize(
    "document",
    [
        "not toml",
        "region = 'r'\ncurrency = 'CNY'",
        HEAD + "colour = 'red'",
        HEAD + ROW + "use = 0.5",
        HEAD + ROW + 'use = "a lot"',
        HEAD + ROW + 'use = "NaN"',
        HEAD + ROW + 'use = "1"\nlevels = ["1"]',
        HEAD + ROW,
        HEAD + ROW + 'size = "1"\nuse = "1"',
        HEAD + ROW + "levels = [" + '"1", ' * 21 + "]",
        HEAD + "valid_from = 2027-01-01T00:00:00",
    ],
)
def test_files_that_are_refused(document):
    with pytest.raises(Invalid):
        price_files.read_toml(document)


@pytest.mark.parametrize(
    "rows",
    [
        (Price("phlogiston", 1, Decimal(1)),),
        (Price("cpu_mhz", 21, Decimal(1)),),
        (Price("cpu_mhz", 1, Decimal(-1)),),
        (Price("cpu_mhz", 1, Decimal("1e-21")),),
        (Price("cpu_mhz", 1, Decimal(1)), Price("cpu_mhz", 1, Decimal(2))),
        (Price("cpu_mhz", 1, Decimal(2)), Price("cpu_mhz", 2, Decimal(1))),
        (Price("cpu_mhz", 2, Decimal(2)),),
    ],
)
def test_prices_that_are_refused(opened, rows):
    with opened.begin() as tx, pytest.raises(Invalid):
        prices.publish(tx, ADMIN, Edition("x", "us-west", "CNY", None, rows))
