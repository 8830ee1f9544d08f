"""What works on this machine and what does not, each with its mend. Looks only; changes and installs
nothing."""

import os
import platform
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from volutus.errors import VolutusError
from volutus.settings import Settings
from volutus.setup import directories, packages
from volutus.supervise.sockets import host_and_port
from volutus.supervise.supervisor import is_running

DISK_GIB_WANTED = 10
# The cloud itself idles at 400 MiB; a first small guest under emulation takes as much again.
MEMORY_MIB_WANTED = 1024


class Verdict(Enum):
    """`WORSE`: works, but slower or with less than it could."""

    GOOD = "good"
    WORSE = "worse"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `mend` is what a person can do about it."""

    subject: str
    verdict: Verdict
    text: str
    mend: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings, one after the other as they are known."""
    checks: tuple[Callable[[Settings], Finding], ...] = (
        _system,
        _root,
        _packages,
        _kvm,
        _datapath,
        _tun,
        _namespaces,
        _cgroups,
        _disk,
        _memory,
        _path_length,
        _ports,
        _forwarding,
    )
    for check in checks:
        yield check(settings)


def _system(_: Settings) -> Finding:
    release = platform.freedesktop_os_release()
    name = f"{release.get('PRETTY_NAME', 'unknown')}, Linux {platform.release()}, {platform.machine()}"
    if release.get("ID") == "debian" and int(release.get("VERSION_ID", "0")) >= 12:
        return Finding("system", Verdict.GOOD, name)
    return Finding(
        "system", Verdict.WORSE, name, "Debian 12 on x86-64 is what is tested; others may lack packages."
    )


def _root(_: Settings) -> Finding:
    if os.geteuid() == 0:
        return Finding("rights", Verdict.GOOD, "root")
    return Finding("rights", Verdict.BAD, "not root", "Run `volutus up` as root: it makes network devices.")


def _packages(_: Settings) -> Finding:
    missing = packages.missing()
    if not missing:
        return Finding("packages", Verdict.GOOD, f"all {len(packages.NEEDED)} Debian packages are installed")
    text = f"{len(missing)} Debian packages are missing: {', '.join(missing)}"
    return Finding(
        "packages", Verdict.WORSE, text, "`volutus up` installs them; `volutus install` does only that."
    )


def _kvm(_: Settings) -> Finding:
    from volutus.agent.hypervisor import kvm

    answer = kvm.probe()
    if answer.usable:
        return Finding("processor", Verdict.GOOD, "KVM runs guests")
    return Finding(
        "processor",
        Verdict.WORSE,
        f"KVM cannot be used ({answer.reason}): guests are emulated and run about ten times slower",
        "On hardware: switch on VT-x or AMD-V in the firmware and load kvm_intel or kvm_amd. "
        "In a virtual machine: allow nested virtualisation.",
    )


def _datapath(settings: Settings) -> Finding:
    kernel = Path("/sys/module/openvswitch").exists()
    if not kernel and shutil.which("modprobe") and os.geteuid() == 0:
        found = subprocess.run(["modprobe", "--dry-run", "--quiet", "openvswitch"], capture_output=True)
        kernel = found.returncode == 0
    chosen = f"this cloud uses `{settings.datapath_type}`"
    if kernel:
        return Finding("datapath", Verdict.GOOD, f"the kernel has Open vSwitch; {chosen}")
    text = f"the kernel lacks Open vSwitch, packets are switched by a process; {chosen}"
    return Finding("datapath", Verdict.WORSE, text, "Use a kernel with the module `openvswitch` for speed.")


def _tun(_: Settings) -> Finding:
    if Path("/dev/net/tun").exists():
        return Finding("taps", Verdict.GOOD, "/dev/net/tun is there")
    return Finding(
        "taps", Verdict.BAD, "/dev/net/tun is missing", "`modprobe tun`; in a container, pass the device in."
    )


def _namespaces(_: Settings) -> Finding:
    if os.geteuid() != 0:
        return Finding("namespaces", Verdict.WORSE, "not looked at", "Run `volutus doctor` as root.")
    done = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, text=True)
    if done.returncode == 0:
        return Finding("namespaces", Verdict.GOOD, "network and mount namespaces can be made")
    text = f"no namespaces: {done.stderr.strip()}"
    return Finding("namespaces", Verdict.BAD, text, "In a container, run it privileged.")


def _cgroups(_: Settings) -> Finding:
    first = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").parent.exists()
    controllers = Path("/sys/fs/cgroup/cgroup.controllers")
    second = controllers.exists() and "cpu" in controllers.read_text().split()
    if first or second:
        return Finding("cpu limits", Verdict.GOOD, f"control groups version {1 if first else 2}")
    text = "no `cpu` control group: guests get more MHz than ordered"
    return Finding("cpu limits", Verdict.BAD, text, "Mount it: `mount -t cgroup2 none /sys/fs/cgroup`.")


def _disk(settings: Settings) -> Finding:
    existing = next(path for path in (settings.state_dir, *settings.state_dir.parents) if path.exists())
    free_gib = shutil.disk_usage(existing).free / 1024**3
    text = f"{free_gib:.0f} GiB free at {existing}"
    if free_gib >= DISK_GIB_WANTED:
        return Finding("disk", Verdict.GOOD, text)
    mend = f"{DISK_GIB_WANTED} GiB are wanted: make room, or choose another place by --state-dir."
    return Finding("disk", Verdict.WORSE, text, mend)


def _memory(_: Settings) -> Finding:
    lines = Path("/proc/meminfo").read_text().splitlines()
    mib = next(int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable:"))
    if mib >= MEMORY_MIB_WANTED:
        return Finding("memory", Verdict.GOOD, f"{mib} MiB available")
    mend = f"{MEMORY_MIB_WANTED} MiB are wanted for the cloud and a first small server."
    return Finding("memory", Verdict.WORSE, f"{mib} MiB available", mend)


def _path_length(settings: Settings) -> Finding:
    length = len(str(settings.state_dir))
    if length <= directories.PATH_LENGTH_MAX:
        return Finding("state", Verdict.GOOD, f"in {settings.state_dir}")
    text = (
        f"the path of the state directory has {length} characters, {directories.PATH_LENGTH_MAX} at most fit"
    )
    return Finding("state", Verdict.BAD, text, "Choose a shorter one by --state-dir.")


def _ports(settings: Settings) -> Finding:
    if is_running(settings.run_dir):
        return Finding("ports", Verdict.GOOD, f"this cloud is up at {settings.listen}")
    taken = [address for address in (settings.listen, settings.agent_listen) if not _is_free(address)]
    if not taken:
        return Finding("ports", Verdict.GOOD, f"{settings.listen} and {settings.agent_listen} are free")
    text = f"in use by another program: {', '.join(taken)}"
    return Finding("ports", Verdict.BAD, text, "`volutus up --listen ADDR:PORT` takes another.")


def _forwarding(_: Settings) -> Finding:
    if Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() == "1":
        return Finding("forwarding", Verdict.GOOD, "the machine forwards IPv4")
    if os.geteuid() == 0:
        return Finding(
            "forwarding", Verdict.GOOD, "off; `volutus up` turns it on so that guests reach the outside"
        )
    return Finding(
        "forwarding", Verdict.WORSE, "off", "`sysctl net.ipv4.ip_forward=1`, or run `volutus up` as root."
    )


def _is_free(address: str) -> bool:
    try:
        host, port = host_and_port(address)
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, VolutusError):
        return False
    return True
