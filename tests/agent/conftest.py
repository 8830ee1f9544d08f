"""What tests of hosts with disks in Ceph share: one cluster for them all."""

from collections.abc import Iterator

import pytest

from tests.ceph import Cluster, cluster


@pytest.fixture(scope="package")
def ceph_cluster() -> Iterator[Cluster]:
    with cluster() as made:
        yield made
