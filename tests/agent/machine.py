"""A host of its own for tests that need root: a private libvirtd and Open vSwitch, in a network namespace.

Everything lies in one short directory and is removed at the end, whatever happened.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from volutus.agent.hypervisor.daemon import LibvirtDaemon, libvirt_configuration, libvirtd_command

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


def wait_until(what: str, happened: Callable[[], object], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline, f"not in {timeout_s} s: {what}"
        time.sleep(0.05)


@dataclass
class Machine:
    """`root` is the state directory, `instance` the name of this cloud here."""

    root: Path
    instance: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def agent_dir(self) -> Path:
        return self.root / "agent"

    @property
    def namespace(self) -> str:
        return f"agent-{self.instance}"

    @property
    def daemon(self) -> LibvirtDaemon:
        return LibvirtDaemon(self.root, str(uuid.uuid5(uuid.NAMESPACE_DNS, self.instance)))

    @property
    def switch(self) -> str:
        return f"unix:{self.root}/run/ovs/db.sock"

    def start(self, name: str, command: list[str]) -> None:
        log = (self.root / "log" / f"{name}.log").open("ab")
        inside = ["nsenter", f"--net=/run/netns/{self.namespace}", *command]
        self.processes[name] = subprocess.Popen(inside, stdout=log, stderr=log, start_new_session=True)
        log.close()

    def run(self, *command: str) -> str:
        inside = ["nsenter", f"--net=/run/netns/{self.namespace}", *command]
        return subprocess.run(inside, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout

    def stop(self, name: str, number: int = signal.SIGTERM) -> None:
        process = self.processes.pop(name)
        process.send_signal(number)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def vsctl(self, *arguments: str) -> str:
        command = ["ovs-vsctl", "--timeout=10", f"--db={self.switch}", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def start_switch(self) -> None:
        run, database = self.root / "run" / "ovs", self.root / "ovs" / "conf.db"
        for directory in (run, database.parent):
            directory.mkdir(parents=True)
        os.environ |= {"OVS_RUNDIR": str(run)}
        subprocess.run(["ovsdb-tool", "create", str(database), SCHEMA], check=True)
        remote = f"--remote=punix:{run}/db.sock"
        self.start("ovsdb", ["ovsdb-server", str(database), remote, f"--unixctl={run}/ovsdb.ctl"])
        wait_until("the switch's database", (run / "db.sock").exists)
        self.vsctl(
            "--no-wait", "init", "--", "set", "Open_vSwitch", ".", "external_ids:system-id=test-chassis"
        )
        vswitchd = ["ovs-vswitchd", self.switch, f"--unixctl={run}/vswitchd.ctl", "-vconsole:warn"]
        self.start("vswitchd", vswitchd)
        bridge = ["add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev"]
        self.vsctl(*bridge)

    def start_libvirtd(self) -> None:
        self.daemon.configuration_dir.mkdir(parents=True, exist_ok=True)
        for name, content in libvirt_configuration(self.daemon).items():
            (self.daemon.configuration_dir / name).write_text(content)
        self.start("libvirtd", libvirtd_command(self.daemon))
        wait_until("libvirtd", lambda: self.daemon.socket.exists() and _answers(self.daemon.uri))

    def configure_agent(self, url: str, **more: object) -> Path:
        self.agent_dir.mkdir(mode=0o711, exist_ok=True)
        path = self.agent_dir / "agent.toml"
        values = {
            "control_plane": url,
            "trusted_host_id": "test-host",
            "instance": self.instance,
            "accelerator": "tcg",
            "heartbeat_s": 2.0,
            **more,
        }
        text = [
            f"{name} = {value if isinstance(value, (int, float)) else repr(value)}"
            for name, value in values.items()
        ]
        path.write_text("\n".join(text).replace("'", '"'))
        return path

    def start_agent(self) -> None:
        self.start("agent", self.agent_call("run"))

    def agent_call(self, function: str) -> list[str]:
        """A Python process that calls one function of the agent's main with its configuration."""
        path = f"{self.agent_dir}/agent.toml"
        call = f"from volutus.agent import main; main.{function}(Path({path!r}))"
        # The tests find the package by their own path, which a new process does not know.
        code = f"import sys; from pathlib import Path; sys.path[:0] = {sys.path!r}; {call}"
        return [sys.executable, "-c", code]

    def qemu_pids(self) -> list[int]:
        files = (self.root / "run" / "libvirt" / "qemu").glob("*.pid")
        # Beside the guests' there is libvirtd's own.
        return [int(path.read_text()) for path in files if path.name != "driver.pid"]


def _answers(uri: str) -> bool:
    import libvirt

    with contextlib.suppress(libvirt.libvirtError):
        libvirt.open(uri).close()
        return True
    return False


@contextmanager
def machine() -> Iterator[Machine]:
    """A machine whose parts the test starts; what it started is ended."""
    root = Path(tempfile.mkdtemp(prefix="vt", dir="/tmp"))
    root.chmod(0o711)
    (root / "log").mkdir()
    host = Machine(root, f"t{secrets.token_hex(3)}")
    subprocess.run(["ip", "netns", "add", host.namespace], check=True)
    subprocess.run(["ip", "-n", host.namespace, "link", "set", "lo", "up"], check=True)
    try:
        yield host
    finally:
        _tear_down(host)


def _tear_down(host: Machine) -> None:
    pids = host.qemu_pids()
    if "agent" in host.processes:
        host.stop("agent")
    if "ovsdb" in host.processes and (host.agent_dir / "agent.toml").exists():
        host.run(*host.agent_call("clean_up"))
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for name in list(host.processes):
        host.stop(name)
    subprocess.run(["ip", "netns", "del", host.namespace], check=True)
    if os.environ.get("VOLUTUS_TEST_KEEP") is None:
        shutil.rmtree(host.root, ignore_errors=True)
