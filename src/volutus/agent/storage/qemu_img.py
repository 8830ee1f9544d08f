"""Runs qemu-img, bounded in memory, time and file size, because it reads what tenants uploaded."""

import subprocess
from dataclasses import dataclass

from volutus.agent.faults import HostFault
from volutus.agent.storage.tools import tied

ADDRESS_SPACE_BYTES_MAX = 2 << 30
CPU_S_MAX = 1800
QUICK_TIMEOUT_S = 60
CONVERT_TIMEOUT_S = 3600

DISK_FULL = "The host's disk pool is full."


@dataclass(frozen=True)
class Limits:
    """`timeout_s` of wall time; no file may grow over `file_bytes_max`. `pass_fds` stay open in the tool."""

    timeout_s: int = QUICK_TIMEOUT_S
    file_bytes_max: int | None = None
    pass_fds: tuple[int, ...] = ()


def qemu_img(arguments: list[str], message: str, limits: Limits = Limits()) -> None:
    """Run it; a failure is a HostFault with `message`, or with that of a full pool."""

    # By prlimit and not in the child before exec, as in `tied`.
    bounds = [f"--as={ADDRESS_SPACE_BYTES_MAX}", f"--cpu={CPU_S_MAX}"]
    if limits.file_bytes_max is not None:
        bounds.append(f"--fsize={limits.file_bytes_max}")
    command = tied(["prlimit", *bounds, "qemu-img", *arguments])
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=limits.timeout_s, pass_fds=limits.pass_fds
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostFault(message, str(error)) from error
    if done.returncode != 0:
        detail = done.stderr.decode(errors="replace").strip()
        # The words are strerror's of ENOSPC: qemu-img passes no number on.
        raise HostFault(DISK_FULL if "No space left on device" in detail else message, detail)
