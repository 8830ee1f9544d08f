"""A tenant's day in Chromium on a cloud with a real guest: what `journey` walks."""

import sys

import pytest

from tests.live import conftest
from tests.rules.sources import ROOT

pytestmark = pytest.mark.live

machine = conftest.machine
# The guest boots under emulation, and its volume is copied out.
WALK_S = 900.0


def test_a_day_from_signing_in_to_deleting_all(machine):
    machine.volutus("up", "--detach")
    machine.environment |= {"PYTHONPATH": f"{ROOT}/src:{ROOT}"}
    state = str(machine.state_dir)
    said = machine.run(sys.executable, "-m", "tests.console.journey", state, timeout_s=WALK_S)
    assert said == "walked\n"
