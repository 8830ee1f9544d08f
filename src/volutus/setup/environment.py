"""The virtual environment with exactly the packages of the lock file."""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

RUN_LOCK = "requirements.lock"
DEVELOP_LOCK = "requirements-dev.lock"
# Debian's own, whose headers `python3-dev` brings; another interpreter in the PATH may be of any kind.
_SYSTEM_PYTHON = Path("/usr/bin/python3")
_PIP_TIMEOUT_S = 1800


class EnvironmentFailed(Exception):
    """The virtual environment could not be made; the text says where to look."""


@dataclass(frozen=True)
class Environment:
    """Where the environment is, and for which checkout. Stamps in it tell which locks were installed."""

    root: Path
    directory: Path

    @property
    def python(self) -> Path:
        return self.directory / "bin" / "python"

    def ready(self, lock: str = RUN_LOCK) -> bool:
        """Whether this very lock file has been installed."""
        return self.python.exists() and self._stamp(lock).exists()

    def install(self, lock: str, log: IO[bytes]) -> None:
        """Make the environment as the lock says; a broken one is made anew."""
        if not self._works():
            if self.directory.exists():
                shutil.rmtree(self.directory)
            base = _SYSTEM_PYTHON if _SYSTEM_PYTHON.exists() else Path(sys.executable)
            _run([str(base), "-m", "venv", str(self.directory)], log)
        for stamp in self.directory.glob(".installed-*"):
            stamp.unlink()
        locked = str(self.root / lock)
        pip = [str(self.python), "-m", "pip", "--disable-pip-version-check", "install", "--no-input"]
        _run([*pip, "--require-hashes", "-r", locked], log)
        self._show_checkout()
        # The development lock holds all of the other one.
        for done in {lock, RUN_LOCK}:
            self._stamp(done).touch()

    def _show_checkout(self) -> None:
        """Let every program of the environment find our package in the checkout."""
        packages = next(self.directory.glob("lib/python3*/site-packages"))
        (packages / "volutus.pth").write_text(f"{self.root / 'src'}\n")

    def _works(self) -> bool:
        return (
            self.python.exists()
            and subprocess.run([str(self.python), "-c", "import pip"], capture_output=True).returncode == 0
        )

    def _stamp(self, lock: str) -> Path:
        digest = hashlib.sha256((self.root / lock).read_bytes()).hexdigest()[:16]
        return self.directory / f".installed-{digest}"


def locate(root: Path, state_dir: Path) -> Environment:
    """`.venv` in the checkout, or in the state directory where the checkout cannot be written to."""
    return Environment(root, root / ".venv" if os.access(root, os.W_OK) else state_dir / "venv")


def _run(argv: list[str], log: IO[bytes]) -> None:
    done = subprocess.run(argv, stdout=log, stderr=log, timeout=_PIP_TIMEOUT_S)
    if done.returncode != 0:
        raise EnvironmentFailed(f"`{' '.join(argv[:5])} …` failed; see {log.name}")
