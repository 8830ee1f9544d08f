"""Running the programs a build needs; says which Debian package is missing when one is not there."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from volutus.imagebuild.built import BuildFailed

# Where each program comes from, so that the operator is told what to install instead of "not found".
PACKAGE_OF = {
    "apt-cache": "apt",
    "apt-get": "apt",
    "debugfs": "e2fsprogs",
    "depmod": "kmod",
    "dpkg-deb": "dpkg",
    "grub-mkimage": "grub-common",
    "mke2fs": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "qemu-img": "qemu-utils",
}
# The slowest single step is a whole Debian by mmdebstrap, two minutes on a quiet machine.
STEP_TIMEOUT_S = 1800
# `mke2fs`, `debugfs` and `depmod` live in sbin, which is not in the path of a user who is not root.
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run(
    command: Sequence[str | Path], *, cwd: Path | None = None, stderr_lines_max: int | None = None
) -> str:
    """Run a program to its end and return what it printed; BuildFailed when it fails or is not installed,
    or complains in more than `stderr_lines_max` lines."""
    program = str(command[0])
    environment = {**os.environ, "PATH": SEARCH_PATH, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            text=True,
            capture_output=True,
            timeout=STEP_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as error:
        package = PACKAGE_OF.get(program, program)
        raise BuildFailed(f"{program} is not installed: apt-get install {package}") from error
    except subprocess.TimeoutExpired as error:
        raise BuildFailed(f"{program} was not done after {STEP_TIMEOUT_S} s") from error
    complained = stderr_lines_max is not None and len(done.stderr.splitlines()) > stderr_lines_max
    if done.returncode or complained:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        raise BuildFailed(f"{program} failed: {last[0]}", detail=done.stderr)
    return done.stdout
