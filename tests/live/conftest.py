"""A machine for the live tests, taken away whatever happens, with the logs shown when a test failed."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.live import machine as machines
from tests.live.machine import Failed, Machine

LOG_LINES_SHOWN = 15


@pytest.fixture
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    made = machines.make()
    failed_before = request.session.testsfailed
    yield made
    if request.session.testsfailed > failed_before:
        for path in sorted(made.state_dir.glob("log/*.log")):
            lines = path.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
            sys.stdout.write("\n".join([f"== {path.name}", *lines, ""]))
    try:
        if made.state_dir.exists():
            made.volutus("destroy")
    except (Failed, subprocess.TimeoutExpired) as error:
        sys.stdout.write(f"destroy failed: {error}\n")
    made.close()


# A second one, for what clouds may do to each other.
other_machine = machine
