"""Empty file systems over whole disks, made in a sparse file by the ordinary tools: no loop device, no mount.

Only what the tools write takes room: the file is all zeros before, and they are told so.
"""

import os
import subprocess
from pathlib import Path

from volutus.agent.faults import HostFault
from volutus.agent.storage.tools import tied

SWAP = "swap"
EXTENDED = ("ext2", "ext3", "ext4")
TIMEOUT_S = 300.0
_MESSAGE = "The disk could not be formatted."
# Where Debian has them; an agent's own path need not lead there.
_MAKE_EXTENDED, _MAKE_SWAP = "/sbin/mke2fs", "/sbin/mkswap"


def make(path: Path, size_bytes: int, filesystem: str, label: str) -> None:
    """Make a raw file of this size with an empty file system, or swap's signature. Raises HostFault."""
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.truncate(size_bytes)
    named = ["-L", label] if label else []
    if filesystem == SWAP:
        command = [_MAKE_SWAP, "-q", *named, str(path)]
    elif filesystem in EXTENDED:
        options = ["-q", "-F", "-t", filesystem, "-E", "assume_storage_prezeroed=1,nodiscard"]
        command = [_MAKE_EXTENDED, *options, *named, str(path)]
    else:
        raise HostFault(_MESSAGE, f"{filesystem} is not known")
    try:
        done = subprocess.run(tied(command), capture_output=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostFault(_MESSAGE, str(error)) from error
    if done.returncode != 0:
        raise HostFault(_MESSAGE, done.stderr.decode(errors="replace").strip())
