"""A plane with one host, one network, one image and the preset flavors."""

import pytest

from tests.compute.plane import Plane, add_image, add_network
from volutus import compute


@pytest.fixture
def empty_plane(database, clock, caller) -> Plane:
    with database.begin() as tx:
        compute.bootstrap(tx)
        add_image(tx)
        add_network(tx, caller)
    return Plane(database, clock, caller)


@pytest.fixture
def plane(empty_plane) -> Plane:
    empty_plane.add_host("host-1")
    return empty_plane
