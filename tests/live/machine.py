"""A machine of its own for one cloud: a network namespace, with a way to the outside.

The state lies in a new directory, devices and processes are told apart by the network namespace, so that a
test can say what a cloud left behind whatever else runs here.
"""

import os
import secrets
import shlex
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.printed import documents
from tests.rules.sources import ROOT
from volutus.settings import Settings
from volutus.supervise import names

CLIENT = ROOT / ".cache" / "client" / "bin" / "openstack"
VOLUTUS = ROOT / "volutus"
COMMAND_TIMEOUT_S = 240
# A guest under emulation on two busy cores takes a minute to its SSH server.
SSH_WITHIN_S = 300.0
SETTLED_WITHIN_S = 120.0
_SSH_OPTIONS = (
    *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
    *("-o", "LogLevel=ERROR", "-o", "ConnectTimeout=5"),
)


class Failed(AssertionError):
    """A command failed; the text has all it said."""


@dataclass
class Machine:
    """`outside` is an address beyond the machine; `port` is free there for a server of the test's."""

    directory: Path
    holder: subprocess.Popen[str]
    outside: str
    name: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def state_dir(self) -> Path:
        return self.directory / "cloud"

    @property
    def tag(self) -> str:
        """What the cloud adds to names that all clouds of the real machine share."""
        return names.tag(replace(Settings(), state_dir=self.state_dir))

    def run(self, *argv: str, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        """Standard output of a command run on the machine. Raises Failed."""
        where = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]
        done = subprocess.run(
            [*where, *argv],
            cwd=self.directory,
            env=_a_users_environment() | self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        if done.returncode != 0:
            raise Failed(f"{shlex.join(argv)}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def shell(self, command: str, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        """A line as a user types it."""
        return self.run("bash", "-euo", "pipefail", "-c", command, timeout_s=timeout_s)

    def volutus(self, *words: str) -> str:
        """Our command on this machine's state directory."""
        return self.run(str(VOLUTUS), *words, "--state-dir", str(self.state_dir))

    def login(self, address: str, command: str) -> str:
        """What a command says on the guest there, tried until its SSH server answers; its key is `me.pem`."""
        deadline = time.monotonic() + SSH_WITHIN_S
        while True:
            try:
                self.run("ssh", *_SSH_OPTIONS, "-i", "me.pem", f"volutus@{address}", "true", timeout_s=60)
                break
            except Failed:
                if time.monotonic() > deadline:
                    raise
                time.sleep(2)
        return self.run("ssh", *_SSH_OPTIONS, "-i", "me.pem", f"volutus@{address}", command)

    def becomes(self, command: str, wanted: str) -> None:
        """Wait until a command says that; never `error`."""
        deadline = time.monotonic() + SETTLED_WITHIN_S
        while (seen := self.shell(command).strip()) != wanted:
            assert seen.lower() != "error", f"{command}: {seen}"
            assert time.monotonic() < deadline, f"{command}: still {seen}, not {wanted}"
            time.sleep(1)

    def be_user(self) -> None:
        """From now on commands are those of the cloud's tenant, with the stock client."""
        self.environment |= {
            "OS_CLIENT_CONFIG_FILE": f"{self.state_dir}/clouds.yaml",
            "OS_CLOUD": "volutus",
            "PATH": f"{CLIENT.parent}:/usr/sbin:/usr/bin:/sbin:/bin",
        }

    def documents(self, *commands: str) -> list[Any]:
        """What commands of the stock client print with `-f json`, all given to one process. How it ends says
        nothing of them."""
        lines = "\n".join([*commands, "quit"])
        said = self.shell(f"openstack 2>&1 <<'END' || true\n{lines}\nEND\n")
        found = list(documents(said))
        assert len(found) == len(commands), said
        return found

    def traces(self) -> dict[str, list[str]]:
        """What a cloud could leave behind: processes, devices, namespaces, mounts, packet filters, files."""
        return {
            "processes": self._processes(),
            "devices": [line.split(":")[1] for line in self.run("ip", "-o", "link").splitlines()],
            "namespaces": sorted(path.name for path in Path("/run/netns").glob(f"*-{self.tag}-*")),
            "mounts": [
                line for line in self.run("cat", "/proc/self/mountinfo").splitlines() if self.name in line
            ],
            "filters": self.run("nft", "list", "tables").splitlines(),
            "files": sorted(str(path) for path in self.directory.rglob("*")),
        }

    def close(self) -> None:
        """Take the machine away, and the way out with it."""
        self.holder.kill()
        self.holder.wait()
        subprocess.run(["nft", "delete", "table", "ip", self.name], check=True)
        subprocess.run(["ip", "link", "delete", self.name], check=False, capture_output=True)
        shutil.rmtree(self.directory)

    def _processes(self) -> list[str]:
        here = os.stat(f"/proc/{self.holder.pid}/ns/net").st_ino
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if os.stat(process / "ns/net").st_ino == here and int(process.name) != self.holder.pid:
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue  # It ended, or is a zombie.
        return sorted(found)


def _a_users_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("VOLUTUS_", "OS_"))}


def make() -> Machine:
    """A machine with loopback and one uplink, masqueraded behind this one."""
    name = f"vt{secrets.token_hex(3)}"
    # In /tmp and not below pytest's directory: sockets' paths have a limit, as a user's do.
    directory = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    command = ["unshare", "--net", "sh", "-euc", "ip link set lo up; echo ready; exec sleep infinity"]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"
    second, third = secrets.randbelow(100) + 100, secrets.randbelow(250)
    outside, inside = f"10.{second}.{third}.1", f"10.{second}.{third}.2"
    machine = Machine(directory, holder, outside, name)
    _connect(machine, inside)
    return machine


def _connect(machine: Machine, inside: str) -> None:
    peer = ["peer", "name", "uplink", "netns", str(machine.holder.pid)]
    subprocess.run(["ip", "link", "add", machine.name, "type", "veth", *peer], check=True)
    subprocess.run(["ip", "address", "add", f"{machine.outside}/30", "dev", machine.name], check=True)
    subprocess.run(["ip", "link", "set", machine.name, "up"], check=True)
    machine.run("ip", "address", "add", f"{inside}/30", "dev", "uplink")
    machine.run("ip", "link", "set", "uplink", "up")
    machine.run("ip", "route", "add", "default", "via", machine.outside)
    rules = f"""table ip {machine.name} {{ chain out {{ type nat hook postrouting priority srcnat;
        ip saddr {inside} oifname != "{machine.name}" masquerade;
    }}
    }}"""
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
