"""One cloud for all packet tests of a run, and two tenants in it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import machine as machines
from tests.live.network.cloud import Cloud, Tenant


@pytest.fixture(scope="package")
def cloud() -> Iterator[Cloud]:
    directory = Path(tempfile.mkdtemp(prefix="vtn-"))
    if running := os.environ.get("VOLUTUS_TEST_CLOUD"):
        # A cloud that runs already, `STATE_DIR:NETNS`: for whoever writes these tests.
        state_dir, _, namespace = running.partition(":")
        opened = Cloud(Path(state_dir), namespace, directory.name, directory)
        yield opened
        opened.close()
        shutil.rmtree(directory)
        return
    machine = machines.make()
    machine.volutus("up", "--detach")
    opened = Cloud(machine.state_dir, f"/proc/{machine.holder.pid}/ns/net", machine.name, directory)
    yield opened
    opened.close()
    machine.volutus("destroy")
    machine.close()
    shutil.rmtree(directory)


@pytest.fixture(scope="package")
def tenants(cloud: Cloud) -> tuple[Tenant, Tenant]:
    return cloud.sign_in()


@pytest.fixture
def demo(tenants: tuple[Tenant, Tenant]) -> Tenant:
    return tenants[0]


@pytest.fixture
def admin(tenants: tuple[Tenant, Tenant]) -> Tenant:
    return tenants[1]
