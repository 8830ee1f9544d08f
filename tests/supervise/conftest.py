"""A supervisor in a process of its own, on a plan of small programs."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from volutus.supervise import control, record

WITHIN_S = 20.0


def eventually(condition: Callable[[], Any], what: str, within_s: float = WITHIN_S) -> Any:
    """The first true value of the condition."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {within_s:.0f} s: {what}")


class Run:
    """One state directory, and the supervisors started on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in ("run", "log"):
            (directory / name).mkdir()
        with socket.create_server(("127.0.0.1", 0)) as probe, socket.create_server(("127.0.0.1", 0)) as other:
            self.port, self.forked_port = (int(each.getsockname()[1]) for each in (probe, other))
        (directory / "address").write_text(f"127.0.0.1:{self.port}")
        (directory / "second-address").write_text(f"127.0.0.1:{self.forked_port}")

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.supervise.small_plan", str(self.directory), *words]
        with open(self.directory / "log" / "supervisor.log", "ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log)

    def start_and_wait(self) -> subprocess.Popen[bytes]:
        process = self.start()
        eventually(self.all_ready, f"all ready: {self.said()}")
        return process

    def ask(self, command: str, **more: Any) -> dict[str, Any] | None:
        return control.ask(self.directory / "run", {"command": command, **more})

    def children(self) -> dict[str, dict[str, Any]]:
        answer = self.ask("status")
        return {child["name"]: child for child in answer["children"]} if answer else {}

    def all_ready(self) -> bool:
        children = self.children()
        return bool(children) and all(child["state"] in ("ready", "done") for child in children.values())

    def pid(self, name: str) -> int:
        return int(self.children()[name]["pid"] or 0)

    def events(self) -> list[str]:
        path = self.directory / "events"
        return path.read_text().split() if path.exists() else []

    def said(self) -> str:
        path = self.directory / "log" / "supervisor.log"
        return path.read_text() if path.exists() else ""

    def left(self) -> list[str]:
        return [entry.name for entry in record.read(self.directory / "run") if entry.process.alive]

    def hello(self, port: int | None = None) -> bytes:
        with socket.create_connection(("127.0.0.1", port or self.port), timeout=5) as connection:
            return connection.recv(16)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Whatever happens, nothing is left behind."""
    made = Run(tmp_path)
    yield made
    entries = record.read(tmp_path / "run")
    answer = made.ask("stop")
    if answer:
        eventually(lambda: made.ask("status") is None, "the supervisor ends")
    for entry in entries:
        if entry.process.alive:
            os.killpg(entry.pid, signal.SIGKILL)
