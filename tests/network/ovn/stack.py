"""Real OVSDB and OVN processes for tests, each in a directory of its own and ended with the test."""

import os
import shutil
import signal
import socket
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
        self._arguments = arguments
        self._environment = os.environ | environment
        self._process = self._started()

    def revive(self) -> None:
        """Start it again if it died, as the cloud's supervisor would."""
        if self._process.poll() is not None:
            self._process = self._started()

    def send(self, which: signal.Signals) -> None:
        if self._process.poll() is None:
            self._process.send_signal(which)

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> None:
        self.send(with_signal)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)

    def _started(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as out:
            return subprocess.Popen(
                self._arguments, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=self._environment
            )


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
        wait_for(self._listens, f"{self.socket}")

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.stop(with_signal)
        self._process = None

    def _listens(self) -> bool:
        # The file is there a moment before the server listens on it.
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

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


CONF_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
SOUTHBOUND_SCHEMA = "/usr/share/ovn/ovn-sb.ovsschema"
HOST_ID = "h0"
PHYSICAL_NETWORK = "physnet1"
OUTSIDE = "172.24.4.254"


class OvnStack:
    """A whole host with OVN in a network namespace of its own: the namespace itself is the outside world,
    with `OUTSIDE` on the bridge of the physical network."""

    def __init__(self) -> None:
        self.directory = short_directory()
        # Names of namespaces are the machine's, so they carry our process id.
        self.prefix = f"ovn-{os.getpid()}"
        self.namespace = f"{self.prefix}-host"
        self.conf = OvsdbServer(self.directory, CONF_SCHEMA, "conf")
        self.northbound = OvsdbServer(self.directory, NORTHBOUND_SCHEMA, "nb")
        self.southbound = OvsdbServer(self.directory, SOUTHBOUND_SCHEMA, "sb")
        self._processes: dict[str, Process] = {}
        where = str(self.directory)
        names = ("RUNDIR", "DBDIR", "SYSCONFDIR", "LOGDIR")
        self.environment = {f"{tool}_{name}": where for tool in ("OVS", "OVN") for name in names}

    def start(self) -> None:
        run("ip", "netns", "add", self.namespace)
        self.inside("ip", "link", "set", "lo", "up")
        for server in (self.conf, self.northbound, self.southbound):
            server.start(environment=self.environment)
        self.vsctl("--no-wait", "init")
        settings = {
            "system-id": HOST_ID,
            "ovn-remote": self.southbound.remote,
            "ovn-encap-type": "geneve",
            "ovn-encap-ip": "127.0.0.1",
            "ovn-bridge-datapath-type": "netdev",
            "ovn-bridge-mappings": f"{PHYSICAL_NETWORK}:br-ex",
            "ovn-monitor-all": "true",
        }
        quoted = [f'external-ids:{name}="{value}"' for name, value in settings.items()]
        self.vsctl("--no-wait", "set", "open", ".", *quoted)
        self._start("ovs-vswitchd", self.conf.remote, "--unixctl=vs.ctl")
        for bridge in ("br-int", "br-ex"):
            self.vsctl("add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev")
        self.inside("ip", "address", "add", f"{OUTSIDE}/24", "dev", "br-ex")
        self.inside("ip", "link", "set", "br-ex", "up")
        self._start(
            "ovn-northd",
            f"--ovnnb-db={self.northbound.remote}",
            f"--ovnsb-db={self.southbound.remote}",
            "--unixctl=nd.ctl",
        )
        self._start("ovn-controller", self.conf.remote)
        wait_for(lambda: HOST_ID in self.sbctl("--bare", "--columns=name", "list", "chassis"), "the chassis")
        self.sync()

    def stop(self) -> None:
        for name in reversed(self._processes):
            self._processes[name].stop()
        for server in (self.southbound, self.northbound, self.conf):
            server.stop()
        subprocess.run(["ip", "netns", "delete", self.namespace], timeout=10)
        remove(self.directory)

    def inside(self, *arguments: str, timeout_s: float = 10) -> str:
        """Run a command on the host, which to guests is the outside world."""
        return run("ip", "netns", "exec", self.namespace, *arguments, timeout_s=timeout_s)

    def vsctl(self, *arguments: str) -> str:
        return run("ovs-vsctl", "--timeout=10", f"--db={self.conf.remote}", *arguments)

    def nbctl(self, *arguments: str) -> str:
        return run("ovn-nbctl", "--timeout=10", f"--db={self.northbound.remote}", *arguments)

    def sbctl(self, *arguments: str) -> str:
        return run("ovn-sbctl", "--timeout=10", f"--db={self.southbound.remote}", *arguments)

    def sync(self) -> None:
        """Wait until the host has carried out all that the northbound database says."""
        wait_for(self._carries_out, "what the northbound database says")

    def _carries_out(self) -> bool:
        # Debian 12's ovn-controller dies of a segmentation fault in one of some fifty starts.
        self._processes["ovn-controller"].revive()
        wait = ("ovn-nbctl", "--timeout=2", f"--db={self.northbound.remote}", "--wait=hv", "sync")
        return subprocess.run(wait, capture_output=True, timeout=5).returncode == 0

    def _start(self, program: str, *arguments: str) -> None:
        control = [
            a.replace("=", f"={self.directory}/") if a.startswith("--unixctl") else a for a in arguments
        ]
        command = ["ip", "netns", "exec", self.namespace, program, *control, "--no-chdir", "-vconsole:warn"]
        self._processes[program] = Process(program, command, self.directory, self.environment)


def run(*arguments: str, timeout_s: float = 15) -> str:
    """A command that must succeed; its output. Raises AssertionError with what it complained about."""
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=timeout_s)
    assert done.returncode == 0, f"{' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout
