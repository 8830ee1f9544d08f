"""The lock files fit what they were made from, and name no host."""

import subprocess
import sys

from tests.rules.sources import ROOT


def test_locks_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/lock.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
