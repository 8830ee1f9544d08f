"""What tests of billing start with: an open region with the example lists."""

from importlib.resources import files

import pytest

from tests.billing.books import ADMIN
from volutus.billing import accounts, price_files, prices


def shipped(name):
    """One of the lists that come with the program."""
    return price_files.read_toml(files("volutus.billing").joinpath("lists", f"{name}.toml").read_text())


def open_billing(tx, currency="CNY", mode="paying"):
    accounts.open_region(tx, "us-west", currency, mode)
    for name in ("us-west.cny", "us-west.usd", "cn-north.cny"):
        prices.publish(tx, ADMIN, shipped(name))


@pytest.fixture
def opened(database):
    """The database with billing open in us-west, in CNY."""
    with database.begin() as tx:
        open_billing(tx)
    return database
