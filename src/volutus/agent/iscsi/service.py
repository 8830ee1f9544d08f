"""The iSCSI service of a host: tgtd and the QEMU storage daemon behind it, as one process to start and stop.

`run` never returns while both live, and ends both when one dies: who supervises it starts it anew, and the
agent then tells the new daemons everything again. In between, initiators wait and try again.

- It is the first process of a mount namespace of its own (see `layout`), which it furnishes as root.
- Both daemons run as QEMU's user. The storage daemon keeps the one capability without which it may show no
  file; tgtd, which hears the network, keeps none.
- tgtd obeys only its own user, so this process, having become that user, hands on what comes through a door
  that root alone may open.
"""

import os
import pwd
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from volutus.agent import config as configuration
from volutus.agent.config import AgentConfig
from volutus.agent.iscsi.layout import TGT_SOCKET, VIEW, Layout

STORAGE = "qemu-storage-daemon"
TARGET = "tgtd"
# A disk's requests all end in one thread of the storage daemon: tgtd's own default of 16 would only wait.
THREADS_PER_DISK = "4"
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0
LOOK_S = 0.5
TALK_TIMEOUT_S = 10.0
REQUEST_BYTES_MAX = 16 << 10
_FUSE = (10, 229)


class ServiceFailed(Exception):
    """The service cannot run; the text says why."""


def command(config_file: Path) -> list[str]:
    """What to start, as root."""
    unshare = ["unshare", "--mount", "--propagation", "slave"]
    return [*unshare, sys.executable, "-m", __name__, str(config_file)]


def run(config: AgentConfig) -> None:
    """Serve until SIGTERM, or until one of the daemons dies."""
    layout, account = Layout(config.state_dir), pwd.getpwnam(config.qemu_user)
    _furnish(layout, account)
    # Each session and each disk takes a few.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    layout.pid_file.write_text(str(os.getpid()))
    door = _door(layout.door)
    ended: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: ended.append(number))
    storage = _start(account, _storage_command(layout), "sys_admin")
    target = _start(account, [TARGET, "-f", "-C", "0", "-t", THREADS_PER_DISK, "--iscsi", _portal(config)])
    os.setgroups([])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    try:
        while not ended and storage.poll() is None and target.poll() is None:
            _hand_on(door)
    finally:
        # tgtd first, and at once: the storage daemon then writes out what it has and closes all disks.
        target.kill()
        target.wait()
        storage.terminate()
        with suppress(subprocess.TimeoutExpired):
            storage.wait(STOP_TIMEOUT_S)
        storage.kill()
        storage.wait()
    if not ended:
        raise ServiceFailed(f"{TARGET} ended with {target.returncode}, {STORAGE} with {storage.returncode}")


def _furnish(layout: Layout, account: pwd.struct_passwd) -> None:
    """Make the directories, and the service's own view of them."""
    layout.agent_dir.chmod(0o711)
    shown = layout.shown("")
    shutil.rmtree(shown, ignore_errors=True)
    for directory in (layout.directory, shown):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chown(directory, account.pw_uid, account.pw_gid)
    for path in (layout.door, layout.monitor):
        path.unlink(missing_ok=True)
    _mount("-t", "tmpfs", "-o", "mode=755,size=1m", "tmpfs", str(VIEW))
    (VIEW / "agent").mkdir()
    # With the file systems that are mounted in it: pools may be some.
    _mount("--rbind", str(layout.agent_dir), str(VIEW / "agent"))
    TGT_SOCKET.parent.mkdir(mode=0o700)
    os.chown(TGT_SOCKET.parent, account.pw_uid, account.pw_gid)
    # Everybody may open it where udev rules; elsewhere only root, unless it is made anew.
    if Path("/dev/fuse").stat().st_mode & 0o006 != 0o006:
        fuse = VIEW / "fuse"
        os.mknod(fuse, 0o020666, os.makedev(*_FUSE))
        fuse.chmod(0o666)
        _mount("--bind", str(fuse), "/dev/fuse")


def _mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True)
    if done.returncode:
        raise ServiceFailed(done.stderr.strip())


def _start(account: pwd.struct_passwd, words: list[str], *capabilities: str) -> subprocess.Popen[bytes]:
    """As the unprivileged user, ended with this process however that ends."""
    kept = ",".join(["-all", *(f"+{name}" for name in capabilities)])
    user = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", "--no-new-privs"]
    capable = [f"--inh-caps={kept}", f"--ambient-caps={kept}", f"--bounding-set={kept}"]
    environment = os.environ | {"TGT_IPC_SOCKET": str(TGT_SOCKET)}
    return subprocess.Popen(
        ["setpriv", *user, *capable, "--pdeathsig=KILL", "--", *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def _storage_command(layout: Layout) -> list[str]:
    path = str(layout.inside(layout.monitor))
    return [STORAGE, "--chardev", f"socket,id=m,path={path},server=on,wait=off", "--monitor", "chardev=m"]


def _portal(config: AgentConfig) -> str:
    """tgtd's argument. An address that it cannot have would make it listen on all of them, so it is tried."""
    host, _, port = config.iscsi_listen.rpartition(":")
    host = host.strip("[]")
    if not port.isdigit() or not 1024 <= int(port) < 1 << 16 or not host:
        raise ServiceFailed(
            f"iscsi_listen is ADDR:PORT with a port from 1024 on, not {config.iscsi_listen!r}"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, int(port)), family=family).close()
    except OSError as error:
        raise ServiceFailed(f"iscsi_listen: {error}") from error
    return f"portal={config.iscsi_listen}"


def _door(path: Path) -> socket.socket:
    """The socket that root alone may connect to."""
    before = os.umask(0o177)
    try:
        door = socket.socket(socket.AF_UNIX)
        door.bind(str(path))
    finally:
        os.umask(before)
    door.listen()
    door.settimeout(LOOK_S)
    return door


def _hand_on(door: socket.socket) -> None:
    """One request to tgtd, and its answer; nothing if none comes for a while."""
    try:
        client, _ = door.accept()
    except TimeoutError:
        return
    with client, suppress(OSError), socket.socket(socket.AF_UNIX) as target:
        for connection in (client, target):
            connection.settimeout(TALK_TIMEOUT_S)
        request = bytearray()
        while (piece := client.recv(REQUEST_BYTES_MAX)) and len(request) <= REQUEST_BYTES_MAX:
            request += piece
        if request:
            _connect(target)
            target.sendall(request)
            while piece := target.recv(1 << 16):
                client.sendall(piece)


def _connect(target: socket.socket) -> None:
    """tgtd may just be starting."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            target.connect(f"{TGT_SOCKET}.0")
            return
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    try:
        run(configuration.load(Path(sys.argv[1])))
    except ServiceFailed as failure:
        sys.exit(str(failure))
