"""One cloud of real processes for all tests here, with the logs shown when a test failed."""

import sys
from collections.abc import Iterator

import pytest

from bench.cloud import Cloud
from bench.tenant import Tenant

HOSTS = 4
LOG_LINES_SHOWN = 15


@pytest.fixture(scope="module")
def cloud(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    made = Cloud.make(HOSTS)
    failed_before = request.session.testsfailed
    try:
        made.start()
        yield made
    finally:
        if request.session.testsfailed > failed_before:
            for path in sorted(made.settings.log_dir.glob("*.log")):
                lines = [
                    line for line in path.read_text(errors="replace").splitlines() if '"info"' not in line
                ]
                sys.stdout.write("\n".join([f"== {path.name}", *lines[-LOG_LINES_SHOWN:], ""]))
        made.stop()


@pytest.fixture(scope="module")
def tenant(cloud: Cloud) -> Tenant:
    return Tenant.make(cloud)
