"""A RAFT cluster of one of OVN's databases: three servers, each with its own file and socket."""

import contextlib
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.network.ovn.stack import NORTHBOUND_SCHEMA, Process, wait_for
from volutus.clock import SystemClock
from volutus.errors import Unavailable
from volutus.network.ovn import OvsdbClient

MEMBERS = 3


@dataclass(frozen=True)
class Database:
    """Which of the two, and where its members listen: for clients on `port` and the numbers after it, for
    each other on those three further. Without a port on sockets alone, as OVSDB allows for tests."""

    name: str = "OVN_Northbound"
    short: str = "nb"
    schema: str = NORTHBOUND_SCHEMA
    port: int = 0


class Cluster:
    """Members are numbered from 0. `within` is put before each command."""

    def __init__(self, directory: Path, database: Database = Database(), within: Sequence[str] = ()) -> None:
        self._directory = directory
        self._database = database
        self._within = within
        self._processes: dict[int, Process] = {}

    def start(self) -> None:
        """Make the files, start all, and wait until one leads."""
        first = self._raft(0)
        self._tool("create-cluster", self._file(0), self._database.schema, first)
        for number in range(1, MEMBERS):
            self._tool("join-cluster", self._file(number), self._database.name, self._raft(number), first)
        for number in range(MEMBERS):
            self.start_member(number)
        wait_for(lambda: len(self.leaders()) == 1 and self._joined(), "a cluster with a leader")

    def start_member(self, number: int) -> None:
        """Start one again, or for the first time."""
        self.socket(number).unlink(missing_ok=True)
        name = f"{self._database.short}{number}"
        listens = [f"punix:{self.socket(number)}"]
        listens += [f"ptcp:{self._database.port + number}:127.0.0.1"] if self._database.port else []
        self._processes[number] = Process(
            name,
            [
                *self._within,
                "ovsdb-server",
                self._file(number),
                *(f"--remote={remote}" for remote in listens),
                f"--unixctl={self._directory}/{name}.ctl",
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
        return self._directory / f"{self._database.short}{number}.sock"

    def remote(self, *order: int) -> str:
        """All members as a client is told them, in this order."""
        if port := self._database.port:
            return ",".join(f"tcp:127.0.0.1:{port + number}" for number in order)
        return ",".join(f"unix:{self.socket(number)}" for number in order)

    def leaders(self) -> list[int]:
        return [number for number in range(MEMBERS) if self._status(number).get("leader")]

    def _joined(self) -> bool:
        return all(self._status(number).get("connected") for number in range(MEMBERS))

    def _status(self, number: int) -> dict:
        client = OvsdbClient(f"unix:{self.socket(number)}", SystemClock(), database="_Server", timeout_s=1)
        status = {"op": "select", "table": "Database", "where": [["name", "==", self._database.name]]}
        with contextlib.suppress(Unavailable), contextlib.closing(client):
            return next(iter(client.transact([status])[0]["rows"]), {})
        return {}

    def _file(self, number: int) -> str:
        return str(self._directory / f"{self._database.short}{number}.db")

    def _raft(self, number: int) -> str:
        if port := self._database.port:
            return f"tcp:127.0.0.1:{port + MEMBERS + number}"
        return f"unix:{self._directory}/raft{number}.sock"

    @staticmethod
    def _tool(*words: str) -> None:
        subprocess.run(["ovsdb-tool", *words], check=True, capture_output=True, timeout=10)
