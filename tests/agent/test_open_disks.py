"""A disk belongs to a guest until the guest's process has closed it, whatever the hypervisor shows."""

import subprocess
from pathlib import Path

from volutus.agent.hypervisor.open_disks import OpenDisks
from volutus.agent.state import GuestSeen
from volutus.wire import GuestState

RUNNING = GuestSeen(GuestState.RUNNING)


def held_by(tmp_path: Path, *names: str) -> "subprocess.Popen[bytes]":
    """A process with these files open until its input ends."""
    files = [tmp_path / name for name in names]
    for path in files:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    opened = " ".join(f"{number}<>'{path}'" for number, path in enumerate(files, 3))
    return subprocess.Popen(["sh", "-c", f"exec {opened}; echo; read x"], stdin=-1, stdout=-1)


def test_it_is_a_guests_until_it_is_closed(tmp_path: Path) -> None:
    names = ("disks/leaving.2.qcow2", "disks/half.qcow2.part", "images/base.qcow2", "elsewhere/foreign.raw")
    process = held_by(tmp_path, *names)
    assert process.stdin is not None and process.stdout is not None
    process.stdout.readline()
    pids = {"guest": process.pid, "other": 0}
    told, restarted = (OpenDisks([tmp_path / "disks", tmp_path / "bulk"]) for _ in range(2))
    with_disk = {"guest": GuestSeen(GuestState.RUNNING, disks=frozenset({"leaving"}))}
    assert told.added(with_disk, pids)["guest"].disks == {"leaving"}
    for one in (told, told, restarted):
        assert one.added({"guest": RUNNING, "other": RUNNING}, pids) == {
            "guest": with_disk["guest"],
            "other": RUNNING,
        }
    process.stdin.close()
    process.wait()
    process.stdout.close()
    for one in (told, restarted):
        assert one.added({"guest": RUNNING}, pids) == {"guest": RUNNING}
