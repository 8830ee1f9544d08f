"""What tests of billing start with: an open region with the example lists."""

import pytest

from tests.billing.books import ADMIN
from volutus.billing import accounts, prices
from volutus.billing.bootstrap import SHIPPED, shipped

__all__ = ["open_billing", "shipped"]


def open_billing(tx, currency="CNY", mode="paying"):
    accounts.open_region(tx, "us-west", currency, mode)
    for name in SHIPPED:
        prices.publish(tx, ADMIN, shipped(name))


@pytest.fixture
def opened(database):
    """The database with billing open in us-west, in CNY."""
    with database.begin() as tx:
        open_billing(tx)
    return database
