"""Real OVSDB and OVN processes for tests, each in a directory of its own and ended with the test."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

NORTHBOUND_SCHEMA = "/usr/share/ovn/ovn-nb.ovsschema"
START_TIMEOUT_S = 10.0


class Process:
    """A program in the foreground as our child; its output goes to a file."""

    def __init__(self, name: str, arguments: list[str], directory: Path, environment: dict[str, str]) -> None:
        self.name = name
        self.log = directory / f"{name}.out"
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                arguments, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=os.environ | environment
            )

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> None:
        if self._process.poll() is None:
            self._process.send_signal(with_signal)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)


class OvsdbServer:
    """One database file behind one socket."""

    def __init__(self, directory: Path, schema: str = NORTHBOUND_SCHEMA, name: str = "nb") -> None:
        self.directory = directory
        self.socket = directory / f"{name}.sock"
        self.remote = f"unix:{self.socket}"
        self._name = name
        self._schema = schema
        self._process: Process | None = None

    @property
    def file(self) -> Path:
        return self.directory / f"{self._name}.db"

    def start(self, *more: str, environment: dict[str, str] | None = None) -> None:
        if not self.file.exists():
            subprocess.run(["ovsdb-tool", "create", str(self.file), self._schema], check=True, timeout=10)
        self.socket.unlink(missing_ok=True)
        arguments = [
            "ovsdb-server",
            str(self.file),
            f"--remote=p{self.remote}",
            f"--unixctl={self.directory}/{self._name}.ctl",
            "--no-chdir",
            "-vconsole:warn",
            *more,
        ]
        self._process = Process(f"ovsdb-{self._name}", arguments, self.directory, environment or {})
        wait_for(self.socket.exists, f"{self.socket}")

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.stop(with_signal)
        self._process = None

    def lose_everything(self) -> None:
        """The database is gone, and an empty one comes up in its place."""
        self.stop(signal.SIGKILL)
        self.file.unlink()
        self.start()


def short_directory() -> Path:
    """A temporary directory with a short path: a unix socket's name holds 107 bytes."""
    return Path(tempfile.mkdtemp(prefix="vovn"))


def remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)


def wait_for(condition, what: str, timeout_s: float = START_TIMEOUT_S) -> None:
    """Poll until `condition` holds. Raises AssertionError naming `what`."""
    ends = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > ends:
            raise AssertionError(f"{what} did not come within {timeout_s} s")
        time.sleep(0.02)
