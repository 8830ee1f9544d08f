"""Tools of storage end with the agent, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.agent.test_storage import qcow2
from tests.ceph import wait_until
from volutus.agent.storage.tools import tied

# The conversion takes minutes, of waiting; the disk is one that nobody reads on.
_WORK = """
import signal, sys, threading
from pathlib import Path
from volutus.agent.storage.disk_tool import Disk
from volutus.agent.storage.nbd import opened
from volutus.agent.storage.qemu_img import qemu_img
slow = "driver=null-co,size=1G,latency-ns=5000000000"
convert = ["convert", "-n", "--image-opts", "--target-image-opts", slow, "driver=null-co,size=1G"]
threading.Thread(target=lambda: qemu_img(convert, "cut off"), daemon=True).start()
with opened(Disk(Path(sys.argv[1]), "qcow2")) as content:
    assert content.read(0, 1000) == bytes(1000)
    print("open", flush=True)
    signal.pause()
"""


def test_no_tool_outlives_a_killed_agent(tmp_path: Path) -> None:
    qcow2(tmp_path / "disk")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", _WORK, str(tmp_path / "disk")]
    agent = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    try:
        assert agent.stdout is not None and agent.stdout.readline() == b"open\n"
        wait_until("tools", lambda: set(_children(agent.pid).values()) == {"qemu-img", "qemu-nbd"})
        tools = _children(agent.pid)
        assert [path.name for path in tmp_path.iterdir()] == ["disk"]
    finally:
        agent.send_signal(signal.SIGKILL)
        agent.communicate()
    wait_until("their end", lambda: not any(Path(f"/proc/{pid}").exists() for pid in tools), 10)
    assert [path.name for path in tmp_path.iterdir()] == ["disk"]


def test_a_tool_does_not_begin_when_the_agent_is_gone(tmp_path: Path) -> None:
    begin = tied(["touch", str(tmp_path / "begun")])
    subprocess.run(["sh", "-c", '"$@"; true', "sh", *begin], check=True)
    assert not (tmp_path / "begun").exists()
    subprocess.run(begin, check=True)
    assert (tmp_path / "begun").exists()


def _children(pid: int) -> dict[int, str]:
    """Process to name."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().partition("(")[2].rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if rest.split()[1] == str(pid):
            found[int(path.parent.name)] = name
    return found
