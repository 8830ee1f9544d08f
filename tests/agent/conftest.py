"""What tests of hosts with disks in Ceph share: one cluster for the run."""

from collections.abc import Iterator

import pytest

from tests.ceph import Cluster, cluster


@pytest.fixture(scope="session")
def ceph_cluster() -> Iterator[Cluster]:
    with cluster() as made:
        yield made
