"""What `./volutus` does first: installs what is missing, then becomes the same command in the virtual
environment.

Runs on a machine that has only Debian's base and Python, so it uses the standard library alone.
"""

import os
import sys
from pathlib import Path
from typing import NoReturn

from volutus.setup import environment, packages
from volutus.setup.progress import Progress

# The commands that install. The others work with what is there, and say so if it is not enough.
INSTALLING = ("up", "install")
_DEFAULT_STATE_DIR = Path("/var/lib/volutus")


def main(root: Path, package_dir: Path) -> int:
    """Install if the command is one that does, and hand over; returns only if it could not."""
    words = sys.argv[1:]
    state_dir = _state_dir(words)
    found = environment.locate(root, state_dir)
    lock = environment.DEVELOP_LOCK if "--dev" in words else environment.RUN_LOCK
    wanted = next((word for word in words if word in INSTALLING), None)
    if wanted and not {"-h", "--help"} & set(words):
        try:
            _install(found, lock, state_dir, ceph="--ceph" in words)
        except (packages.InstallationFailed, environment.EnvironmentFailed) as error:
            sys.stderr.write(f"volutus: {error}\n")
            return 1
    # After an upgrade what is installed is older than the lock: `destroy` needs it all the same.
    python = found.python if found.python.exists() else Path(sys.executable)
    return _become(python, package_dir, words)


def _become(python: Path, package_dir: Path, words: list[str]) -> NoReturn:
    variables = os.environ | {"PYTHONPATH": str(package_dir), "PYTHONSAFEPATH": "1"}
    command = [str(python), "-m", "volutus", *words]
    os.execve(python, command, variables)  # noqa: S606 no shell reads the caller's words


def _install(found: environment.Environment, lock: str, state_dir: Path, *, ceph: bool) -> None:
    progress = Progress()
    missing = packages.missing(develop=lock == environment.DEVELOP_LOCK, ceph=ceph)
    if not missing and found.ready(lock):
        return
    log_path = _log_path(found.root, state_dir)
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("ab", buffering=0) as log:
        if missing:
            progress.line(f"installing {len(missing)} Debian packages (details: {log_path})")
            with progress.step(f"Debian packages: {_some(missing)}"):
                packages.install(missing, log)
        if not found.ready(lock):
            with progress.step(f"Python packages of {lock} into {found.directory}"):
                found.install(lock, log)


def _log_path(root: Path, state_dir: Path) -> Path:
    return (root / ".cache" if os.access(root, os.W_OK) else state_dir / "log") / "install.log"


def _state_dir(words: list[str]) -> Path:
    """Only to know where the environment may lie: the real reading of flags comes later."""
    for position, word in enumerate(words):
        if word == "--state-dir" and position + 1 < len(words):
            return Path(words[position + 1]).absolute()
        if word.startswith("--state-dir="):
            return Path(word.partition("=")[2]).absolute()
    return Path(os.environ.get("VOLUTUS_STATE_DIR", _DEFAULT_STATE_DIR)).absolute()


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
