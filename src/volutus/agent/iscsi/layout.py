"""Where the iSCSI service of a host has its files, as the host and as the service see them.

The service runs in a mount namespace of its own. What it mounts there (the agent's directory at a short path
that unprivileged users may enter, and each disk shown as a raw file) is seen nowhere else, and gone with the
last of its processes.
"""

from dataclasses import dataclass
from pathlib import Path

# In the service's namespace: a file system in memory, over a directory that every Linux has.
VIEW = Path("/mnt")
# The first control port is the only one: each cloud's tgtd has a socket in a namespace of its own.
TGT_SOCKET = VIEW / "run" / "tgt"


@dataclass(frozen=True)
class Layout:
    """The files of one host's service. `door` takes requests for tgtd, `monitor` those for the storage
    daemon; `pid_file` names the service's process; `shown` is where a disk appears as a raw file."""

    agent_dir: Path

    @property
    def directory(self) -> Path:
        return self.agent_dir / "iscsi"

    @property
    def door(self) -> Path:
        return self.directory / "door"

    @property
    def monitor(self) -> Path:
        return self.directory / "monitor"

    @property
    def pid_file(self) -> Path:
        return self.directory / "pid"

    def shown(self, export_id: str) -> Path:
        return self.directory / "disks" / export_id

    def inside(self, path: Path) -> Path:
        """A path below the agent's directory, as the service sees it."""
        return VIEW / "agent" / path.relative_to(self.agent_dir)
