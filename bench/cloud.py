"""A whole cloud of real processes with simulated hosts, in a temporary directory: for benchmarks, and for
tests that kill its parts.

The real supervisor runs the real parts: a durable PostgreSQL, API workers, the agents' listener, the
reconciler and one process of simulated hosts, which are known by a header. OVN is left out: the northbound
database is the reconciler's memory. Everything listens on loopback alone. Needs root, as PostgreSQL runs as
its own user.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import volutus
from volutus.clock import SystemClock
from volutus.db import Database
from volutus.errors import Unavailable
from volutus.ids import Ids
from volutus.settings import Settings
from volutus.setup import directories, keys
from volutus.supervise import control, postgres, processes, record
from volutus.supervise.child import Guests

READY_WITHIN_S = 90.0
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_USER, _CHILDREN_SYSTEM = 11, 14  # positions in /proc/PID/stat after the command's closing bracket
_REGISTER = text(
    """
    WITH made AS (
        INSERT INTO hosts (id, hostname, zone, enrolled_at)
        SELECT id, 'simulated-' || number, 'nova', now()
        FROM unnest(CAST(:ids AS text[])) WITH ORDINALITY AS u(id, number) RETURNING id
    )
    INSERT INTO inventories (host_id) SELECT id FROM made
    """
)


@dataclass
class Cloud:
    """Not started until `start`. `stop` removes everything."""

    settings: Settings
    hosts: int
    host_ids: list[str] = field(default_factory=list)
    supervisor: subprocess.Popen[bytes] | None = None
    started_in_s: float = 0.0

    @classmethod
    def make(cls, hosts: int, **changed: Any) -> "Cloud":
        """A cloud with so many simulated hosts; `changed` are settings other than usual."""
        directory = Path(tempfile.mkdtemp(prefix="vcloud-", dir="/tmp"))
        settings = Settings(
            state_dir=directory,
            listen=f"127.0.0.1:{_free_port()}",
            agent_listen=f"127.0.0.1:{_free_port()}",
            trust_host_header=True,
            ovn_northbound="memory",
            simulated_hosts=hosts,
        )
        cloud = cls(replace(settings, **changed), hosts)
        cloud._prepare()
        return cloud

    def start(self) -> None:
        """Run the supervisor and wait until all is ready and every host has told what it has."""
        began = time.monotonic()
        argv = [sys.executable, "-m", "volutus.supervise", "--state-dir", str(self.settings.state_dir)]
        # Settings come from the file alone, whatever the shell or the tests have set.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("VOLUTUS_")}
        environment = {**inherited, "PYTHONPATH": str(Path(volutus.__file__).parent.parent)}
        with open(self.settings.log_dir / "supervisor.log", "ab") as log:
            self.supervisor = subprocess.Popen(
                argv, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        # As soon as there are tables, so that the agent finds itself known.
        eventually(self._registered, "the hosts are registered")
        eventually(self.ready, "all processes are ready")
        eventually(lambda: self.count("inventories WHERE mhz > 0") == self.hosts, "hosts report")
        self.started_in_s = time.monotonic() - began

    def stop(self) -> None:
        """End all processes and remove the directory."""
        left = record.read(self.settings.run_dir)
        if self.supervisor is not None:
            control.ask(self.settings.run_dir, {"command": "stop", "guests": Guests.KEPT.value})
            try:
                self.supervisor.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.supervisor.kill()
                self.supervisor.wait()
        for entry in left:
            if entry.process.alive:
                processes.signal_group(entry.pid, signal.SIGKILL)
        shutil.rmtree(self.settings.state_dir, ignore_errors=True)

    @property
    def url(self) -> str:
        """Where the APIs are."""
        return self.settings.url

    def password(self, user: str) -> str:
        """Of `admin` or `demo`."""
        return keys.password(self.settings, user)

    def children(self) -> dict[str, dict[str, Any]]:
        """Name to state, as the supervisor tells it."""
        answer = control.ask(self.settings.run_dir, {"command": "status"})
        return {child["name"]: child for child in answer["children"]} if answer else {}

    def ready(self) -> bool:
        """Whether all processes are."""
        children = self.children()
        return bool(children) and all(child["state"] in ("ready", "done") for child in children.values())

    def pids(self) -> dict[str, int]:
        """The running children."""
        return {name: child["pid"] for name, child in self.children().items() if child["pid"]}

    def count(self, table: str) -> int:
        """How many rows: of a table, with a condition if wanted."""
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])

    def rows(self, sql: str, **values: Any) -> list[Any]:
        """What a statement says, asked beside the cloud's own processes."""
        database = Database(self.settings.database, SystemClock(), Ids(), pool_size=1)
        try:
            with database.begin() as tx:
                return list(tx.rows(text(sql), values))
        finally:
            database.close()

    def database(self) -> Database:
        """For verbs that are called beside the cloud's own processes; close it."""
        return Database(self.settings.database, SystemClock(), Ids(), pool_size=2)

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time used so far by each child with all that descends from it."""
        return {name: sum(map(_cpu_seconds, family(pid))) for name, pid in self.pids().items()}

    def memory_mib(self) -> dict[str, float]:
        """Proportional set size of each child with all that descends from it, and of the supervisor."""
        sizes = {name: processes.memory_kib(pid) / 1024 for name, pid in self.pids().items()}
        if self.supervisor is not None:
            sizes["supervisor"] = processes.own_memory_kib(self.supervisor.pid) / 1024
        return sizes

    def process_count(self) -> int:
        """All processes, the supervisor's own too."""
        return 1 + sum(len(family(pid)) for pid in self.pids().values())

    def _prepare(self) -> None:
        directories.prepare(self.settings)
        kept = ("listen", "agent_listen", "ovn_northbound", "api_workers", "log_level")
        kept += ("ftp_listen", "ftp_certificate")
        lines = [f'{name} = "{getattr(self.settings, name)}"' for name in kept]
        lines += ["trust_host_header = true", f"simulated_hosts = {self.hosts}"]
        (self.settings.state_dir / "volutus.toml").write_text("\n".join(lines) + "\n")
        keys.create(self.settings)
        postgres.create(self.settings)
        self.host_ids = [str(uuid.uuid4()) for _ in range(self.hosts)]
        agent = self.settings.state_dir / "agent"
        (agent / "agent.toml").write_text(
            f'control_plane = "http://{self.settings.agent_listen}"\ntrusted_host_id = "by-header"\n'
            'log_level = "warning"\n'
        )
        for number, host_id in enumerate(self.host_ids):
            identity = agent / "simulated" / str(number)
            identity.mkdir(parents=True)
            (identity / "host-id").write_text(host_id)
            # Never shown to anybody: its being there says that this host has enrolled.
            (identity / "host.pem").touch()

    def _registered(self) -> bool:
        try:
            if self.count("pg_tables WHERE tablename IN ('hosts', 'inventories')") != 2:
                return False
            database = self.database()
            with database.begin() as tx:
                tx.execute(_REGISTER, {"ids": self.host_ids})
            database.close()
        except (Unavailable, DBAPIError):
            return False
        return True


def eventually(
    condition: Callable[[], Any], what: str | Callable[[], str], within_s: float = READY_WITHIN_S
) -> Any:
    """The first true value of the condition. Raises TimeoutError that says what was waited for, asked for at
    the end where it is a function."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise TimeoutError(f"not within {within_s:.0f} s: {what if isinstance(what, str) else what()}")


def family(pid: int) -> set[int]:
    """A process and all that descend from it."""
    parents = {
        int(entry.name): processes.parent_of(int(entry.name)) for entry in Path("/proc").glob("[0-9]*")
    }
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _cpu_seconds(pid: int) -> float:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    fields = stat[stat.rindex(")") + 2 :].split()
    return sum(map(int, fields[_USER : _CHILDREN_SYSTEM + 1])) * _TICK_S


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
