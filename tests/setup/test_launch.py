"""`./volutus` finds the Python that it runs with."""

import subprocess
import sys
from pathlib import Path

import volutus

SOURCE = Path(volutus.__file__).parent.parent


def test_an_environment_older_than_the_lock_is_used_by_commands_that_install_nothing(tmp_path: Path) -> None:
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$0 $*"\n')
    python.chmod(0o755)
    (tmp_path / "requirements.lock").write_text("newer than what was installed")
    launch = "import sys; from pathlib import Path; from volutus.setup import launch; "
    launch += f"launch.main(Path({str(tmp_path)!r}), Path({str(SOURCE)!r}))"
    command = [sys.executable, "-c", launch, "destroy", "--yes"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=20, env={"PYTHONPATH": str(SOURCE)}
    )
    assert done.stdout.split() == [str(python), "-m", "volutus", "destroy", "--yes"], done.stderr
