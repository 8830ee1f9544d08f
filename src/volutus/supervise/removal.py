"""What `destroy` takes away after everything has been stopped: strays, devices, files."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from volutus.errors import Unavailable
from volutus.settings import Settings
from volutus.supervise import record, switch

_END_WITHIN_S = 5.0
_DATABASE_WITHIN_S = 10.0
# Those that run in mount namespaces of their own.
_PROGRAMS = ("postgres", "libvirtd", "qemu-system", "virtlogd", "tgtd", "qemu-storage")


def left_running(settings: Settings) -> bool:
    """Whether children of a killed supervisor still run."""
    return any(entry.process.alive for entry in record.read(settings.run_dir))


def remove(settings: Settings) -> None:
    """Remove all that this cloud made on the machine. Its supervisor has ended."""
    _kill_strays(settings.state_dir)
    if not settings.simulated_hosts:
        _clean_up_guests(settings)
        switch.close_external_network(settings)
    shutil.rmtree(settings.state_dir)


def strays(state_dir: Path) -> list[int]:
    """Daemons and guests that outlived everything: those for which parts of the state directory are mounted.

    Both the mount and the program's name must fit: anybody may have mounted something from there.
    """
    found = (int(entry.name) for entry in Path("/proc").glob("[0-9]*"))
    return [pid for pid in found if _works_in(pid, state_dir)]


def _clean_up_guests(settings: Settings) -> None:
    """Taps, ports and namespaces: the agent made them and knows their names."""
    if not (settings.state_dir / "agent" / "agent.toml").exists():
        return
    words = ["-m", "volutus", "--state-dir", str(settings.state_dir), "agent", "--clean-up"]
    with _switch_database(settings):
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise Unavailable("what guests left on the machine could not be removed", detail=done.stderr.strip())


@contextmanager
def _switch_database(settings: Settings) -> Iterator[None]:
    """The switch's database, running for a moment: it says which ports are guests'."""
    switch.create(settings)
    database = switch.switch_children(settings)[0]
    environment = os.environ | dict(database.environment)
    with subprocess.Popen(database.argv, env=environment, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + _DATABASE_WITHIN_S
        while not database.ready() and time.monotonic() < deadline:
            time.sleep(0.05)
        yield
        process.terminate()


def _kill_strays(state_dir: Path) -> None:
    deadline = time.monotonic() + _END_WITHIN_S
    while (pids := strays(state_dir)) and time.monotonic() < deadline:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.05)


def _works_in(pid: int, state_dir: Path) -> bool:
    try:
        program = Path(f"/proc/{pid}/comm").read_text()
        mounts = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    except OSError:
        return False
    return program.startswith(_PROGRAMS) and any(
        line.split()[3].startswith(f"{state_dir}/") for line in mounts
    )
