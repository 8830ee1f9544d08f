"""Exports by iSCSI: what is decided, and then real daemons and a real initiator, whatever dies in between."""

import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.machine import wait_until
from tests.agent.world import EPOCH, World, no_image
from tests.ceph import Cluster
from volutus.agent.converge import DISK, EXPORT, GUEST
from volutus.agent.host import Drivers, Host
from volutus.agent.hypervisor.daemon import QEMU_USER
from volutus.agent.hypervisor.pidwatch import PidWatch
from volutus.agent.hypervisor.simulated import SimulatedHypervisor
from volutus.agent.iscsi import service
from volutus.agent.iscsi.exports import TgtExports
from volutus.agent.iscsi.layout import Layout
from volutus.agent.network.simulated import SimulatedNetwork
from volutus.agent.records import MemoryRecords
from volutus.agent.storage.ceph import Ceph
from volutus.agent.storage.host_storage import HostStorage, Options
from volutus.wire import (
    Assignment,
    Desired,
    DiskSource,
    DiskSpec,
    ExportObserved,
    ExportSpec,
    Gone,
    GuestDisk,
    GuestState,
)

MIB = 1 << 20
PASSWORD = "aB3aB3aB3aB3aB3x"
DISK_KEY = b"k" * 43


def order(export_id: str, disk_id: str, *, read_only: bool = False) -> ExportSpec:
    target = f"iqn.2026-01.org.volutus:{export_id}"
    return ExportSpec(id=export_id, disk_id=disk_id, target=target, user=export_id, read_only=read_only)


def said(host: Host, export_id: str) -> ExportObserved:
    item = host.said()[(EXPORT, export_id)]
    assert isinstance(item, ExportObserved)
    return item


def test_a_disk_is_exported_or_in_a_guest_and_comes_back_by_itself() -> None:
    world = World()
    guest_id = world.make_guest()
    world.settle()
    used = world.spec(guest_id).disks[0].disk_id
    world.order(EXPORT, "e1", order("e1", used))
    world.settle()
    assert world.exports.exports() == {} and not said(world.host, "e1").ready
    free = world.make_disk()
    world.order(EXPORT, "e2", order("e2", free))
    world.settle()
    assert said(world.host, "e2").ready and said(world.host, "e2").generation == world.generation
    # Once the guest is gone its disk is served; what is served is in no other guest.
    world.order(GUEST, guest_id, None, tombstone=True)
    world.settle()
    assert world.exports.exports().keys() == {"e1", "e2"}
    second = world.make_guest(disks=[GuestDisk(disk_id=free, target="vda")])
    world.settle()
    assert world.state(second) is not GuestState.RUNNING
    # The daemons died; then the whole host.
    world.exports.end()
    world.host.look(world.now)
    assert not said(world.host, "e2").ready
    world.settle()
    world.reboot_host()
    world.settle()
    assert world.exports.exports().keys() == {"e1", "e2"}
    for export_id in ("e1", "e2"):
        world.order(EXPORT, export_id, None, tombstone=True)
    world.settle()
    assert world.exports.exports() == {} and not [key for key in world.orders if key[0] == EXPORT]
    assert world.state(second) is GuestState.RUNNING


class Served:
    """A host whose disks and exports are real, and which is told what to have."""

    def __init__(self, directory: Path, port: int, ceph: Ceph | None = None) -> None:
        self.directory, self.portal = directory, f"127.0.0.1:{port}"
        self.config = directory / "agent.toml"
        self.config.write_text(f'control_plane = "https://c"\niscsi_listen = "{self.portal}"\n')
        self.log = (directory / "log").open("ab")
        self.asked: list[str] = []
        self.now, self.orders, self.generation = 0.0, {}, 0
        self.storage = HostStorage(directory, QEMU_USER, Options(keys=lambda _: DISK_KEY, ceph=ceph))
        self.start_service()
        self.start_agent()

    def start_service(self) -> None:
        command = service.command(self.config)
        self.service = subprocess.Popen(command, stderr=self.log, stdout=self.log)

    def start_agent(self) -> None:
        self.hints: list[None] = []
        self.watch = PidWatch(lambda: self.hints.append(None))
        self.exports = TgtExports(self.directory, QEMU_USER, self.password, self.watch)
        touching = SimulatedHypervisor(), self.storage, SimulatedNetwork(), self.exports
        self.host = Host(
            Drivers(*touching, MemoryRecords(), no_image, lambda *_: None), "boot", lambda: EPOCH
        )
        self.deliver()

    def password(self, export_id: str) -> str:
        self.asked.append(export_id)
        return PASSWORD

    def order(self, kind: str, key: str, spec: DiskSpec | ExportSpec | None) -> None:
        self.generation += 1
        known = Assignment(kind=kind, key=key, generation=self.generation, spec=spec, tombstone=spec is None)
        self.orders[kind, key] = known
        self.deliver()

    def deliver(self) -> None:
        everything = list(self.orders.values())
        self.host.accept(Desired(generation=self.generation, full=True, assignments=everything))

    def settled(self) -> bool:
        """Whether one more look had nothing to do."""
        self.now += 60
        plan = self.host.look(self.now)
        return not [action for action in plan.actions if [self.host.perform(action, self.now)]]

    def settle(self) -> None:
        wait_until("the host is as ordered", self.settled)

    def daemon(self, name: str) -> int:
        """The process of that name below the service."""
        children = Path(f"/proc/{self.service.pid}/task/{self.service.pid}/children").read_text().split()
        return next(int(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text().startswith(name))

    def io(self, export_id: str, command: str, password: str = PASSWORD) -> str:
        """What qemu-io, an initiator of its own, says of the exported disk."""
        where = f"iscsi://{export_id}%{password}@{self.portal}/iqn.2026-01.org.volutus:{export_id}/1"
        words = [
            "qemu-io",
            "-f",
            "raw",
            *(["-r"] if command.startswith("read") else []),
            "-c",
            command,
            where,
        ]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr

    def session(self, export_id: str) -> "Session":
        return Session(f"iscsi://{export_id}%{PASSWORD}@{self.portal}/iqn.2026-01.org.volutus:{export_id}/1")


class Session:
    """An initiator that stays logged in, waiting for commands."""

    def __init__(self, where: str) -> None:
        words = ["qemu-io", "-f", "raw", where]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, bufsize=0)

    def tell(self, command: str, timeout_s: float = 30.0) -> str:
        """What it says of a command, as far as it comes in time."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(command.encode() + b"\n")
        said, deadline = b"", time.monotonic() + timeout_s
        while b" ops;" not in said and (left := deadline - time.monotonic()) > 0:
            if not select.select([self.process.stdout], [], [], left)[0]:
                break
            piece = os.read(self.process.stdout.fileno(), 4096)
            if not piece:
                break
            said += piece
        return said.decode()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


def secrets_in_sight() -> list[str]:
    """Command lines and environments that have a password or a key in them, but for the initiators'."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            text = (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
            is_initiator = (path / "comm").read_text().startswith("qemu-io")
        except OSError:
            continue
        if not is_initiator and (PASSWORD.encode() in text or DISK_KEY in text):
            found.append(text.decode(errors="replace"))
    return found


@pytest.fixture
def ceph() -> None:
    """None: disks are files, unless a test says otherwise."""


@pytest.fixture
def served(tmp_path: Path, ceph: Ceph | None) -> Iterator[Served]:
    # Nobody but root may enter above: the daemons have a view of their own.
    tmp_path.chmod(0o700)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    directory = tmp_path / "agent"
    directory.mkdir()
    made = Served(directory, port, ceph)
    yield made
    made.watch.close()
    made.service.terminate()
    made.service.wait(20)
    made.log.close()


@pytest.mark.machine
def test_real_disks_to_a_real_initiator(served: Served) -> None:
    for disk_id, format_, encrypted in (
        ("plain", "qcow2", False),
        ("sealed", "qcow2", True),
        ("raw", "raw", False),
    ):
        spec = DiskSpec(id=disk_id, size_bytes=8 * MIB, format=format_, encrypted=encrypted)
        served.order(DISK, disk_id, spec)
        served.order(EXPORT, f"e-{disk_id}", order(f"e-{disk_id}", disk_id, read_only=disk_id == "raw"))
    served.settle()
    exports = ["e-plain", "e-sealed", "e-raw"]
    assert all(said(served.host, one).ready for one in exports) and sorted(served.asked) == sorted(exports)
    # Only the right password opens one, only its own, and nobody is told which there are.
    assert "Authentication failure" in served.io("e-plain", "read 0 4k", "x" * 16)
    other = f"iscsi://e-sealed%{PASSWORD}@{served.portal}/iqn.2026-01.org.volutus:e-plain/1"
    assert "Authentication" in subprocess.run(["iscsi-inq", other], capture_output=True, text=True).stderr
    listed = subprocess.run(["iscsi-ls", f"iscsi://{served.portal}"], capture_output=True, text=True)
    assert "volutus:" not in listed.stdout + listed.stderr
    for one in ("e-plain", "e-sealed"):
        assert "wrote" in served.io(one, "write -P 0x5a 1M 2M")
    assert "wrote" not in served.io("e-raw", "write 0 4k") and "read 4096" in served.io("e-raw", "read 0 4k")
    # tgtd dies: the service ends, is started anew by whoever supervises it, and all is as before.
    os.kill(served.daemon("tgtd"), signal.SIGKILL)
    assert served.service.wait(20) != 0
    wait_until("the agent has heard of it", lambda: served.hints)
    assert served.host.look(served.now).actions and not said(served.host, "e-plain").ready
    served.start_service()
    served.settle()
    for one in ("e-plain", "e-sealed"):
        assert "read 2097152" in served.io(one, "read -P 0x5a 1M 2M")
    # Copies are of one instant, whatever is written meanwhile, and have the same key.
    for disk_id, encrypted in (("plain", False), ("sealed", True)):
        source = DiskSource(disk_id=disk_id)
        spec = DiskSpec(id=f"of-{disk_id}", size_bytes=8 * MIB, source=source, encrypted=encrypted)
        served.order(DISK, spec.id, spec)
    served.settle()
    for copy in ("of-plain", "of-sealed"):
        content = b"".join(bytes(span) for span in served.storage.read(copy, 0))
        assert content == bytes(MIB) + b"\x5a" * 2 * MIB + bytes(5 * MIB)
    # The agent dies and finds what it made; a session goes on.
    session = served.session("e-plain")
    assert "wrote 65536" in session.tell("write -f -P 0x11 0 64k")
    served.watch.close()
    served.start_agent()
    served.settle()
    assert all(said(served.host, one).ready for one in exports)
    assert "read 65536" in session.tell("read -P 0x11 0 64k")
    assert secrets_in_sight() == []
    assert PASSWORD not in (served.directory / "log").read_text()
    # The service is killed: nothing of it is left. The session waits, and goes on too.
    children = [served.daemon("tgtd"), served.daemon("qemu-storage")]
    served.service.kill()
    served.service.wait()
    wait_until("its daemons are gone", lambda: not any(alive(pid) for pid in children))
    served.start_service()
    served.settle()
    again = session.tell("read -P 0x11 0 64k")
    assert "read 65536" in again and "Pattern" not in again
    # Revoked, it is cut; the disk is whole, and its own again.
    served.order(EXPORT, "e-plain", None)
    served.settle()
    assert Gone(what=EXPORT, id="e-plain") in served.host.report(None)[0].items
    assert "wrote" not in session.tell("write -P 0x22 0 64k", 2)
    session.end()
    assert "read 4096" not in served.io("e-plain", "read 0 4k")
    image = str(served.storage.location("plain").place)
    patterns = ["-c", "read -P 0x5a 1M 2M", "-c", "read -P 0x11 0 64k"]
    read = subprocess.run(["qemu-io", "-f", "qcow2", *patterns, image], capture_output=True, text=True)
    assert read.returncode == 0 and "Pattern" not in read.stdout, read.stdout + read.stderr
    subprocess.run(["qemu-img", "check", "-q", image], check=True)
    assert not (Layout(served.directory).shown("e-plain")).exists()
    assert str(served.directory) not in Path("/proc/mounts").read_text()


@pytest.mark.ceph
class TestInCeph:
    @pytest.fixture
    def ceph(self, ceph_cluster: Cluster) -> Ceph:
        return ceph_cluster.as_seen_by_a_host()

    def test_disks_are_served_and_copied_meanwhile(self, served: Served, ceph_cluster: Cluster) -> None:
        disks = {"plain": False, "sealed": True}
        for disk_id, encrypted in disks.items():
            spec = DiskSpec(id=disk_id, size_bytes=8 * MIB, pool="ceph", encrypted=encrypted)
            served.order(DISK, disk_id, spec)
            served.order(EXPORT, f"e-{disk_id}", order(f"e-{disk_id}", disk_id))
        served.settle()
        for disk_id, encrypted in disks.items():
            assert "wrote" in served.io(f"e-{disk_id}", "write -P 0x5a 1M 2M")
            source = DiskSource(disk_id=disk_id)
            spec = DiskSpec(
                id=f"of-{disk_id}", size_bytes=8 * MIB, pool="ceph", source=source, encrypted=encrypted
            )
            served.order(DISK, spec.id, spec)
        served.settle()
        for disk_id in disks:
            assert "wrote" in served.io(f"e-{disk_id}", "write -P 0x11 1M 2M")
            content = b"".join(bytes(span) for span in served.storage.read(f"of-{disk_id}", 0))
            assert content[MIB : 3 * MIB] == b"\x5a" * 2 * MIB
        key = ceph_cluster.keyring.read_text().split("key = ")[1].strip()
        assert secrets_in_sight() == [] and key not in (served.directory / "log").read_text()
        os.kill(served.daemon("tgtd"), signal.SIGKILL)
        assert served.service.wait(20) != 0
        served.start_service()
        served.settle()
        for disk_id in disks:
            assert "read 2097152" in served.io(f"e-{disk_id}", "read -P 0x11 1M 2M")
            for known in (disk_id, f"of-{disk_id}"):
                served.order(DISK, known, None)
            served.order(EXPORT, f"e-{disk_id}", None)
        served.settle()
        assert served.storage.disks() == {} and ceph_cluster.images() == []


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
