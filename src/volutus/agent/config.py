"""What an agent is told about its host: `agent.toml`. Relative paths count from its directory.

Written at set-up and by whoever joins a host; nothing here is changed by the agent itself.
"""

import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from volutus.agent import devices
from volutus.agent.storage.pools import FIRST, FIRST_DIRECTORY

FILE_NAME = "agent.toml"
# As `rbd` and QEMU take them without quoting.
_CEPH_POOL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,60}")
_POOL = re.compile(r"[a-z][a-z0-9-]{0,30}")


# What tomllib gives for the types of fields.
_ACCEPTED: dict[object, Any] = {str: str, int: int, float: (float, int)}


class BadConfig(Exception):
    """The file cannot be used; the text says which key and why."""


@dataclass(frozen=True)
class AgentConfig:
    """`control_plane` is its origin (`https://ADDR:PORT`). `state_dir` is the agent's own directory, by
    default the file's. `instance` names this cloud in namespaces and notes on interfaces: short, and unique
    on the machine. `mhz_per_core` over 0 replaces the measurement. `trusted_host_id` is sent as a header
    instead of a certificate; only a control plane for tests takes it. `server_name` is what the control
    plane's certificate says if that is not the address. `starting_at_once` bounds guests being started, 0
    chooses by accelerator. `pools` names, with commas between, directories below `state_dir` that are
    storage classes besides the first. `backup_dir` is the backup target. `pci_devices` are those that guests
    get for themselves, by class: `gpu=10de:2204, fpga=10ee:5000`. Disks are served by iSCSI at `iscsi_listen`
    (ADDR:PORT); without it they are not. `rbd_pools` are storage classes in a Ceph cluster with their pools
    there, `ceph=volumes, fast=nvme`; the cluster is that of `ceph_conf`, which `ceph_user` enters with
    `ceph_keyring`.
    """

    control_plane: str
    state_dir: Path
    instance: str = "0"
    ca: Path = Path("ca.pem")
    certificate: Path = Path("host.pem")
    key: Path = Path("host.key")
    join_token: str = ""
    trusted_host_id: str = ""
    server_name: str = ""
    libvirt_run_dir: Path = Path("../run/libvirt")
    ovs_database: Path = Path("../run/ovs/db.sock")
    bridge: str = "br-int"
    datapath_type: str = "netdev"
    address: str = "127.0.0.1"
    hostname: str = ""
    qemu_user: str = "libvirt-qemu"
    guest_view: Path = Path("/var/lib/libvirt/agent")
    mhz_per_core: int = 0
    accelerator: str = ""
    starting_at_once: int = 0
    pools: str = "bulk"
    backup_dir: Path = Path("backups")
    pci_devices: str = ""
    iscsi_listen: str = ""
    rbd_pools: str = ""
    ceph_conf: Path = Path("/etc/ceph/ceph.conf")
    ceph_user: str = "volutus"
    ceph_keyring: Path = Path("/etc/ceph/ceph.client.volutus.keyring")
    heartbeat_s: float = 10.0
    log_level: str = "info"

    @property
    def libvirt_uri(self) -> str:
        """The private libvirtd's address."""
        return f"qemu:///system?socket={self.libvirt_run_dir}/libvirt-sock"

    @property
    def pool_names(self) -> tuple[str, ...]:
        """Names of the pools besides the first."""
        return tuple(name.strip() for name in self.pools.split(",") if name.strip())

    @property
    def pool_views(self) -> tuple[Path, ...]:
        """Where QEMU sees the pools of disks that are directories."""
        return tuple(self.guest_view / name for name in (FIRST_DIRECTORY, *self.pool_names))

    @property
    def ceph_pools(self) -> dict[str, str]:
        """Storage classes in Ceph, with the pools there."""
        return _rbd_pools(self.rbd_pools)

    @property
    def iscsi_portal(self) -> str:
        """Where initiators connect to: a service that listens on all addresses is reached at the host's."""
        host, _, port = self.iscsi_listen.rpartition(":")
        anywhere = host in ("0.0.0.0", "[::]")  # noqa: S104 compared with, not bound to
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}:{port}" if anywhere else self.iscsi_listen

    @property
    def pid_dir(self) -> Path:
        """Where libvirtd keeps the pid files of QEMU."""
        return self.libvirt_run_dir / "qemu"


def load(path: Path) -> AgentConfig:
    """Read the file. Raises BadConfig."""
    try:
        values = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadConfig(f"{path}: {error}") from error
    return parse(values, path.absolute().parent)


def parse(values: dict[str, Any], directory: Path) -> AgentConfig:
    """The configuration from what a file in `directory` says. Raises BadConfig."""
    known = {f.name: f for f in fields(AgentConfig)}
    for name in values:
        if name not in known:
            raise BadConfig(f"there is no key {name!r}")
    if not values.get("control_plane"):
        raise BadConfig("control_plane is missing")
    values = {"state_dir": directory, **values}
    typed: dict[str, Any] = {}
    for name, field in known.items():
        value = values.get(name, field.default)
        if field.type is Path:
            # Symbolic links stay as they are, but `..` goes: sockets' paths must stay short.
            value = _normal(directory / value)
        elif not isinstance(value, _ACCEPTED[field.type]):
            raise BadConfig(f"{name} should be {_ACCEPTED[field.type]}")
        typed[name] = value
    _check_pools(typed["pools"])
    _check_rbd_pools(typed["rbd_pools"], typed["pools"])
    try:
        devices.parse(typed["pci_devices"])
    except ValueError as error:
        raise BadConfig(f"pci_devices: {error}") from error
    return AgentConfig(**typed)


def _check_pools(text: str) -> None:
    for name in text.split(","):
        if name.strip() and not _POOL.fullmatch(name.strip()):
            raise BadConfig(f"pools: {name.strip()!r} is no name of a directory")


def _rbd_pools(text: str) -> dict[str, str]:
    pairs = (one.partition("=") for one in text.split(",") if one.strip())
    return {name.strip(): pool.strip() for name, _, pool in pairs}


def _check_rbd_pools(text: str, directories: str) -> None:
    found = _rbd_pools(text)
    taken = {FIRST, *(name.strip() for name in directories.split(","))}
    for name, pool in found.items():
        if not _POOL.fullmatch(name) or name in taken or not _CEPH_POOL.fullmatch(pool):
            raise BadConfig(f"rbd_pools: {name}={pool} is no CLASS=POOL, or the class is a directory's")
    if len(set(found.values())) < len(found):
        raise BadConfig("rbd_pools: each class needs a pool of its own")


def _normal(path: Path) -> Path:
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return Path(*parts)
