"""Fixtures: a northbound database of each kind, empty, and one whole stack for all that send packets."""

from collections.abc import Iterator

import pytest

from tests.network.ovn.lab import Lab
from tests.network.ovn.stack import OvnStack, OvsdbServer, remove, short_directory
from volutus.clock import SystemClock
from volutus.network.ovn import MemoryNorthbound, Northbound, OvsdbClient, OvsdbNorthbound


@pytest.fixture
def ovsdb() -> Iterator[OvsdbServer]:
    directory = short_directory()
    server = OvsdbServer(directory)
    server.start()
    yield server
    server.stop()
    remove(directory)


@pytest.fixture
def client(ovsdb: OvsdbServer) -> Iterator[OvsdbClient]:
    opened = OvsdbClient(ovsdb.remote, SystemClock())
    yield opened
    opened.close()


@pytest.fixture
def real(client: OvsdbClient) -> OvsdbNorthbound:
    return OvsdbNorthbound(client)


@pytest.fixture(params=["memory", "ovsdb"])
def northbound(request: pytest.FixtureRequest) -> Northbound:
    """Both implementations, one after the other."""
    if request.param == "memory":
        return MemoryNorthbound()
    return request.getfixturevalue("real")


@pytest.fixture(scope="session")
def stack() -> Iterator[OvnStack]:
    started = OvnStack()
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="session")
def stack_northbound(stack: OvnStack) -> Northbound:
    return OvsdbNorthbound(OvsdbClient(stack.northbound.remote, SystemClock()))


@pytest.fixture
def lab(stack: OvnStack, stack_northbound: Northbound) -> Iterator[Lab]:
    opened = Lab(stack, stack_northbound)
    yield opened
    opened.close()
