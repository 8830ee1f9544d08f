"""What tests of real hosts share: a machine of their own for each module, one Ceph cluster for them all."""

from collections.abc import Iterator

import pytest

from tests.agent.machine import Machine, machine
from tests.ceph import Cluster, cluster


@pytest.fixture(scope="package")
def ceph_cluster() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


@pytest.fixture(scope="module")
def host() -> Iterator[Machine]:
    """A machine with a switch and libvirt, and as yet no agent."""
    with machine() as made:
        made.start_switch()
        made.start_libvirtd()
        yield made
