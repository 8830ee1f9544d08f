"""A RAFT cluster of northbound databases: three servers, each with its own file and socket."""

import contextlib
import signal
import subprocess
from pathlib import Path

from tests.network.ovn.stack import NORTHBOUND_SCHEMA, Process, wait_for
from volutus.clock import SystemClock
from volutus.errors import Unavailable
from volutus.network.ovn import OvsdbClient

MEMBERS = 3
STATUS = [{"op": "select", "table": "Database", "where": [["name", "==", "OVN_Northbound"]]}]


class Cluster:
    """Members are numbered from 0; sockets instead of addresses, as OVSDB allows for tests."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._processes: dict[int, Process] = {}

    def start(self) -> None:
        """Make the files, start all, and wait until one leads."""
        first = self._raft(0)
        self._tool("create-cluster", self._file(0), NORTHBOUND_SCHEMA, first)
        for number in range(1, MEMBERS):
            self._tool("join-cluster", self._file(number), "OVN_Northbound", self._raft(number), first)
        for number in range(MEMBERS):
            self.start_member(number)
        wait_for(lambda: len(self.leaders()) == 1 and self._joined(), "a cluster with a leader")

    def start_member(self, number: int) -> None:
        """Start one again, or for the first time."""
        self.socket(number).unlink(missing_ok=True)
        self._processes[number] = Process(
            f"nb{number}",
            [
                "ovsdb-server",
                self._file(number),
                f"--remote=punix:{self.socket(number)}",
                f"--unixctl={self._directory}/nb{number}.ctl",
                "--no-chdir",
                "-vconsole:warn",
            ],
            self._directory,
            {},
        )

    def stop(self) -> None:
        for process in self._processes.values():
            process.send(signal.SIGCONT)
            process.stop()

    def send(self, number: int, with_signal: signal.Signals) -> None:
        """Kill, stop or continue one member."""
        self._processes[number].send(with_signal)

    def socket(self, number: int) -> Path:
        return self._directory / f"nb{number}.sock"

    def remote(self, *order: int) -> str:
        """All members as a client is told them, in this order."""
        return ",".join(f"unix:{self.socket(number)}" for number in order)

    def leaders(self) -> list[int]:
        return [number for number in range(MEMBERS) if self._status(number).get("leader")]

    def _joined(self) -> bool:
        return all(self._status(number).get("connected") for number in range(MEMBERS))

    def _status(self, number: int) -> dict:
        client = OvsdbClient(f"unix:{self.socket(number)}", SystemClock(), database="_Server", timeout_s=1)
        with contextlib.suppress(Unavailable), contextlib.closing(client):
            return next(iter(client.transact(STATUS)[0]["rows"]), {})
        return {}

    def _file(self, number: int) -> str:
        return str(self._directory / f"nb{number}.db")

    def _raft(self, number: int) -> str:
        return f"unix:{self._directory}/raft{number}.sock"

    @staticmethod
    def _tool(*words: str) -> None:
        subprocess.run(["ovsdb-tool", *words], check=True, capture_output=True, timeout=10)
