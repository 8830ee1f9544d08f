"""A cloud just bootstrapped, with the cheapest hashes."""

import pytest

from volutus.db import Tx
from volutus.identity import Beginnings, Identity, Made, bootstrap, open_identity
from volutus.identity.passwords import HashCost
from volutus.settings import Settings

ADMIN_PASSWORD = "admin's password"
DEMO_PASSWORD = "demo's password"
BEGINNINGS = Beginnings("RegionOne", ADMIN_PASSWORD, DEMO_PASSWORD)


@pytest.fixture
def identity(settings: Settings) -> Identity:
    return open_identity(settings, HashCost.least())


@pytest.fixture
def made(tx: Tx, identity: Identity) -> Made:
    return bootstrap(tx, identity, BEGINNINGS)
