"""The Debian packages a cloud needs, and their installation. Nothing of theirs is started or configured.

`qemu-system-x86`, Open vSwitch, OVN, PostgreSQL and libvirt bring services of their own. They are kept from
starting: the cloud runs its own instances of those programs, in its own directories.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

# Package to what it is for.
NEEDED = {
    "python3-venv": "the virtual environment",
    "python3-dev": "compiling libvirt-python and psycopg",
    "gcc": "compiling libvirt-python and psycopg",
    "libc6-dev": "compiling libvirt-python and psycopg",
    "pkg-config": "compiling libvirt-python",
    "libvirt-dev": "compiling libvirt-python",
    "libpq-dev": "compiling psycopg",
    "postgresql": "the database",
    "openvswitch-switch": "the virtual switch",
    "ovn-central": "virtual networks: the databases and their translator",
    "ovn-host": "virtual networks: the host's controller",
    "libvirt-daemon-system": "the hypervisor's daemon",
    "qemu-system-x86": "the hypervisor",
    "qemu-utils": "disks and images",
    "tgt": "volumes by iSCSI",
    "ovmf": "UEFI for guests",
    "swtpm-tools": "trusted modules for guests",
    "swtpm": "trusted modules for guests",
    "nftables": "guests' way to the outside",
    "iproute2": "network devices and namespaces",
    "dnsmasq-base": "names in virtual networks",
    "wireguard-go": "VPN gateways",
    "ethtool": "offloads of virtual devices",
    "genisoimage": "config drives",
    "fonts-wqy-microhei": "invoices, in English and Chinese",
    "busybox-static": "the first image",
    "fdisk": "the first image",
    "e2fsprogs": "the first image, and ephemeral disks",
    "grub-pc-bin": "the first image",
    "xz-utils": "the first image",
    "cpio": "the first image",
}
NEEDED_BY_TESTS = {
    "openssh-client": "logging in to guests",
    "make": "the tests' entry",
    "qemu-block-extra": "volumes by iSCSI, as their users see them",
    "libiscsi-bin": "which volumes are offered by iSCSI",
    "tcpdump": "packets as the wire has them",
    "iputils-ping": "packets from the outside",
    "chromium": "the console's pages",
    "chromium-driver": "driving it",
}
# Only for who asks for them: 110 packages come with these.
NEEDED_FOR_CEPH = {
    "ceph-common": "volumes in Ceph: its tools",
    "qemu-block-extra": "volumes in Ceph: QEMU's way to them",
}
NEEDED_BY_TESTS_OF_CEPH = {
    "ceph-mon": "a cluster on this machine",
    "ceph-mgr": "a cluster on this machine",
    "ceph-osd": "a cluster on this machine",
}
# Only where there is no npm at all: Debian's cannot be installed beside another Node.js.
_NPM = "npm"
# Units of those packages that would run beside ours on a machine with systemd.
SERVICES = (
    "postgresql",
    "openvswitch-switch",
    "ovs-vswitchd",
    "ovsdb-server",
    "ovn-central",
    "ovn-host",
    "ovn-controller",
    "libvirtd",
    "libvirtd.socket",
    "libvirtd-ro.socket",
    "libvirtd-admin.socket",
    "virtlogd.socket",
    "virtlockd.socket",
    "libvirt-guests",
    "tgt",
)
_POLICY = Path("/usr/sbin/policy-rc.d")
_CREATE_CLUSTER = Path("/etc/postgresql-common/createcluster.conf")
_APT_TIMEOUT_S = 1800
_OPTIONS = (
    "-y",
    "--no-install-recommends",
    "-o",
    "Dpkg::Options::=--force-confold",
    "-o",
    "DPkg::Lock::Timeout=300",
)


class InstallationFailed(Exception):
    """Packages could not be installed; the text says what to do."""


def missing(*, develop: bool = False, ceph: bool = False) -> list[str]:
    """The needed packages that are not installed; those for tests and for Ceph only if asked for."""
    wanted = [*NEEDED, *(NEEDED_BY_TESTS if develop else ()), *([] if shutil.which(_NPM) else [_NPM])]
    if ceph:
        wanted += [*NEEDED_FOR_CEPH, *(NEEDED_BY_TESTS_OF_CEPH if develop else ())]
    query = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n", *wanted]
    done = subprocess.run(query, capture_output=True, text=True)
    installed = {line.split()[0] for line in done.stdout.splitlines() if line.split()[1:] == ["ii"]}
    return [package for package in wanted if package not in installed]


def install(packages: list[str], log: IO[bytes]) -> None:
    """Install them; what apt says goes to `log`."""
    if os.geteuid() != 0:
        raise InstallationFailed(f"run as root, or first: apt-get install {' '.join(packages)}")
    own_services = [name for name in SERVICES if not _known_to_systemd(name)]
    with _no_service_starts():
        _apt(["update"], log)
        _apt(["install", *_OPTIONS, *packages], log)
    if Path("/run/systemd/system").exists():
        subprocess.run(["systemctl", "disable", "--now", *own_services], stdout=log, stderr=log)


def _apt(words: list[str], log: IO[bytes]) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    command = ["apt-get", *words]
    done = subprocess.run(command, stdout=log, stderr=log, env=environment, timeout=_APT_TIMEOUT_S)
    if done.returncode != 0:
        raise InstallationFailed(f"`{' '.join(command)}` failed; see {log.name}")


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Debian asks this file before it starts a service; the cluster file keeps PostgreSQL from making a
    database."""
    had_policy = _POLICY.exists()
    if not _CREATE_CLUSTER.exists():
        _CREATE_CLUSTER.parent.mkdir(parents=True, exist_ok=True)
        _CREATE_CLUSTER.write_text("create_main_cluster = false\n")
    if not had_policy:
        _POLICY.write_text("#!/bin/sh\nexit 101\n")
        _POLICY.chmod(0o755)
    try:
        yield
    finally:
        if not had_policy:
            _POLICY.unlink()


def _known_to_systemd(name: str) -> bool:
    """Whether the service was there before us: then it is somebody's, and stays as it is."""
    unit = name if "." in name else f"{name}.service"
    return Path("/lib/systemd/system", unit).exists()
