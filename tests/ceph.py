"""A Ceph cluster on this machine for tests: a monitor, a manager and a few OSDs, all in one directory, on
loopback addresses with ports that were free. Nothing of it is left at the end.

It keeps two copies of everything and goes on with one, so that a test may kill an OSD.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from volutus.agent.storage.ceph import Ceph

POOL = "volumes"
USER = "volutus"
# Of a file that takes up what is written to it.
OSD_BYTES = 24 << 30

_CONF = """\
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{ports[0]},v1:127.0.0.1:{ports[1]}]
mon initial members = a
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
ms bind ipv6 = false
auth allow insecure global id reclaim = false
"""
_DAEMONS = """
keyring = {root}/$name.keyring
run dir = {root}/run
admin socket = {root}/run/$name.$pid.asok
log file = {root}/log/$name.log
mon cluster log file = {root}/log/cluster.log
pid file = {root}/run/$name.pid
crash dir = {root}/crash
osd pool default size = 2
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool delete = true
mon data avail warn = 2
mon data avail crit = 1
mon osd adjust heartbeat grace = false
mon osd down out interval = 3600
osd heartbeat interval = 2
osd heartbeat grace = 6
[mon]
mon data = {root}/mon.a
[mgr]
mgr data = {root}/mgr.x
mgr initial modules =
[osd]
osd data = {root}/osd.$id
osd objectstore = bluestore
bluestore block size = {osd_bytes}
bluestore block create = true
bluestore block db size = 0
bluestore block wal size = 0
bluestore cache autotune = false
bluestore cache size = 33554432
osd memory target = 939524096
osd op num shards = 2
osd op num threads per shard = 1
osd max pg log entries = 500
osd min pg log entries = 250
"""


@dataclass
class Cluster:
    """`conf` and `keyring` are what an operator gives a host; the daemons have a file of their own.
    `namespace` is the file of the network namespace where it runs, if not here."""

    root: Path
    namespace: str = ""
    osds: int = 2
    fsid: str = field(default_factory=lambda: str(uuid.uuid4()))
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def conf(self) -> Path:
        return self.root / "ceph.conf"

    @property
    def keyring(self) -> Path:
        return self.root / f"ceph.client.{USER}.keyring"

    def run(self, *command: str, timeout_s: float = 60) -> str:
        """A tool of Ceph as its administrator."""
        inside = self._inside(*command)
        environment = os.environ | {"CEPH_CONF": str(self.root / "daemons.conf")}
        done = subprocess.run(inside, capture_output=True, text=True, timeout=timeout_s, env=environment)
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    def ask(self, *command: str) -> Any:
        """The answer of `ceph` or `rbd` in JSON."""
        return json.loads(self.run(*command, "--format", "json"))

    def images(self) -> list[str]:
        """Everything in the pool, deleted or not."""
        return [*self.ask("rbd", "ls", POOL), *(one["name"] for one in self.ask("rbd", "trash", "ls", POOL))]

    def as_seen_by_a_host(self) -> Ceph:
        """With a storage class `ceph`, as a host that no other test knows."""
        return Ceph({"ceph": POOL}, self.conf, self.keyring, USER, str(uuid.uuid4()))

    def content(self, disk_id: str) -> bytes:
        """The image of a disk, as the cluster has it."""
        (image,) = [name for name in self.ask("rbd", "ls", POOL) if f".{disk_id}." in name]
        path = self.root / "exported"
        self.run("rbd", "export", "--no-progress", f"{POOL}/{image}", str(path))
        found = path.read_bytes()
        path.unlink()
        return found

    def start(self) -> None:
        for name in ("run", "log", "mon.a", "mgr.x"):
            (self.root / name).mkdir()
        ports = self._free_ports()
        told = {"fsid": self.fsid, "ports": ports, "root": self.root, "osd_bytes": OSD_BYTES}
        self.conf.write_text(_CONF.format(**told))
        (self.root / "daemons.conf").write_text(_CONF.format(**told) + _DAEMONS.format(**told))
        self._start_monitor(ports)
        self.run("ceph", "--connect-timeout", "20", "mon", "enable-msgr2")
        manager = ("mon", "allow profile mgr", "osd", "allow *", "mds", "allow *")
        self.run("ceph", "auth", "get-or-create", "mgr.x", *manager, "-o", f"{self.root}/mgr.x.keyring")
        self.start_daemon("mgr.x")
        for number in range(self.osds):
            self._make_osd(number)
            self.start_daemon(f"osd.{number}")
        wait_until("the OSDs", lambda: self.ask("ceph", "osd", "stat")["num_up_osds"] == self.osds)
        self.run("ceph", "osd", "pool", "create", POOL, "8", "8")
        self.run("rbd", "pool", "init", POOL)
        caps = ("mon", "profile rbd", "osd", f"profile rbd pool={POOL}", "mgr", f"profile rbd pool={POOL}")
        self.run("ceph", "auth", "get-or-create", f"client.{USER}", *caps, "-o", str(self.keyring))
        self.keyring.chmod(0o600)
        self.await_health()

    def await_health(self) -> None:
        wait_until("whole data", self._healthy, 120)

    def start_daemon(self, name: str) -> None:
        kind, _, number = name.partition(".")
        command = self._inside(f"ceph-{kind}", "-i", number, "-f", "-c", str(self.root / "daemons.conf"))
        with (self.root / "log" / f"{name}.out").open("ab") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def kill_daemon(self, name: str) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop_daemon(self, name: str, number: int) -> None:
        """SIGSTOP and SIGCONT: a machine that is silent, and not dead."""
        self.processes[name].send_signal(number)

    def end(self) -> None:
        for name in list(self.processes):
            self.kill_daemon(name)

    def _inside(self, *command: str) -> list[str]:
        return [*(("nsenter", f"--net={self.namespace}") if self.namespace else ()), *command]

    def _free_ports(self) -> list[int]:
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
            for one in sockets:
                one.bind(("127.0.0.1", 0))
            return [one.getsockname()[1] for one in sockets]

    def _start_monitor(self, ports: list[int]) -> None:
        monitor, admin = f"{self.root}/mon.keyring", f"{self.root}/client.admin.keyring"
        everything = [word for kind in ("mon", "osd", "mds", "mgr") for word in ("--cap", kind, "allow *")]
        self.run("ceph-authtool", "--create-keyring", monitor, "--gen-key", "-n", "mon.", *everything[:3])
        self.run("ceph-authtool", "--create-keyring", admin, "--gen-key", "-n", "client.admin", *everything)
        self.run("ceph-authtool", monitor, "--import-keyring", admin)
        address = f"[v2:127.0.0.1:{ports[0]},v1:127.0.0.1:{ports[1]}]"
        found = f"{self.root}/monmap"
        self.run("monmaptool", "--create", "--addv", "a", address, "--fsid", self.fsid, found)
        self.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", found, "--keyring", monitor)
        shutil.copy(monitor, self.root / "mon.a" / "keyring")
        self.start_daemon("mon.a")

    def _make_osd(self, number: int) -> None:
        (self.root / f"osd.{number}").mkdir()
        name = str(uuid.uuid4())
        key = self.run("ceph-authtool", "--gen-print-key").strip()
        secret = self.root / "secret.json"
        secret.write_text(json.dumps({"cephx_secret": key}))
        self.run("ceph", "osd", "new", name, str(number), "-i", str(secret))
        secret.unlink()
        keyring = f"{self.root}/osd.{number}.keyring"
        self.run("ceph-authtool", "--create-keyring", keyring, "-n", f"osd.{number}", "--add-key", key)
        self.run("ceph-osd", "-i", str(number), "--mkfs", "--osd-uuid", name)

    def _healthy(self) -> bool:
        found = self.ask("ceph", "-s")["pgmap"]
        states = {one["state_name"]: one["count"] for one in found["pgs_by_state"]}
        return set(states) == {"active+clean"}


def wait_until(what: str, happened: Callable[[], object], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline, f"not in {timeout_s} s: {what}"
        time.sleep(0.3)


@contextmanager
def cluster(namespace: str = "") -> Iterator[Cluster]:
    """A healthy cluster with one pool and one user for it."""
    root = Path(tempfile.mkdtemp(prefix="vc", dir="/tmp"))
    root.chmod(0o711)
    made = Cluster(root, namespace)
    try:
        made.start()
        yield made
    finally:
        made.end()
        shutil.rmtree(root, ignore_errors=True)
