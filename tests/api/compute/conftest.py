"""The compute API over a plane with one host, one network and the preset flavors."""

import pytest

from tests.compute.plane import Plane, add_image, add_network
from volutus import compute

ROOT = "/compute/v2.1"


@pytest.fixture
def plane(database, clock, caller) -> Plane:
    with database.begin() as tx:
        compute.bootstrap(tx)
        add_image(tx, "11111111-2222-3333-4444-555555555555")
        add_network(tx, caller)
    made = Plane(database, clock, caller)
    made.add_host("host-1")
    return made


@pytest.fixture
def nova(api, plane):
    """The API of the project's member."""
    return api
