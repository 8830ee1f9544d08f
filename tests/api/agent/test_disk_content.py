"""A disk's bytes on their whole way: from the agent by mutual TLS, past HTTP, to who downloads them."""

import os
import threading
import time

import pytest

from tests.api.agent.test_agent_api import plane  # noqa: F401 fixture
from tests.api.volume.foreign import empty_volume
from tests.conftest import make_caller
from volutus import volume
from volutus.agent.config import AgentConfig
from volutus.agent.disk_reads import DiskReads
from volutus.agent.faults import HostFault
from volutus.http.hosted import HostedDisk
from volutus.rawdisk import DiskUnreadable

MIB = 1 << 20
BLOCK = os.urandom(MIB)


class Disk:
    """Blocks of pseudo-random bytes, a hole, more blocks, and zeros at the end; read as by an agent."""

    def __init__(self, data_mib=24, hole_mib=100):
        self.spans = [*range(data_mib), hole_mib * MIB, *range(data_mib), 3 * MIB]
        self.size_bytes = sum(MIB if one < MIB else one for one in self.spans)
        self.begun, self.ended, self.breaks_at = [], threading.Event(), None

    def block(self, number):
        return number.to_bytes(8, "big") + BLOCK[8:]

    def read(self, disk_id, begin):
        self.begun.append(begin)
        at, buffer = 0, bytearray(MIB)
        try:
            for number, span in enumerate(self.spans):
                if number == self.breaks_at:
                    raise HostFault("It broke.", "errno 5")
                length = MIB if span < MIB else span
                if begin < at + length:
                    cut = max(begin - at, 0)
                    # One buffer for all, as the real reader has.
                    buffer[:] = self.block(span) if span < MIB else bytes(MIB)
                    yield memoryview(buffer)[cut:] if span < MIB else length - cut
                at += length
        finally:
            self.ended.set()

    def expected(self, begin, end):
        found, at = bytearray(), 0
        for span in self.spans:
            content = self.block(span) if span < MIB else bytes(span)
            found += content[max(begin - at, 0) : max(end - at, 0)]
            at += len(content)
        return found


def taken(disk, at, length):
    """What is read there, in a buffer that held something else."""
    view = memoryview(bytearray(b"x" * length))
    return view[: disk.readinto(at, view)]


@pytest.fixture
def hosted(plane):  # noqa: F811
    """Answers a disk of a host as one that can be read here, and stops the host afterwards."""
    plane.settings.run_dir.mkdir()
    host_id, path = plane.enrolled("one")
    origin = plane.url.removesuffix("/agent/v1")
    config = AgentConfig(
        origin, plane.tmp_path, ca=plane.settings.secrets_dir / "ca.pem", certificate=path, key=path
    )
    with plane.database.begin() as tx:
        volume_id = empty_volume(tx, None, make_caller())
        tx.execute(volume.tables.disks.update().values(host_id=host_id))
    stopped = threading.Event()
    threads = []

    def make(disk):
        reads = DiskReads(config, disk.read)

        def poll():
            while not stopped.wait(0.01):
                with plane.database.begin() as tx:
                    reads.begin(volume.reads.take(tx, host_id))

        threads.append(threading.Thread(target=poll))
        threads[-1].start()
        return HostedDisk(plane, volume_id, disk.size_bytes)

    yield make
    stopped.set()
    for thread in threads:
        thread.join()


def test_all_of_it_arrives_whatever_the_pieces(hosted):
    disk = Disk()
    found = hosted(disk)
    whole = bytearray()
    while len(whole) < disk.size_bytes:
        whole += taken(found, len(whole), 4 * MIB - 5)
    assert whole == disk.expected(0, disk.size_bytes)
    found.close()
    assert taken(found, 5 * MIB + 7, 30 * MIB) == disk.expected(5 * MIB + 7, 35 * MIB + 7)
    assert disk.begun == [0, 5 * MIB + 7]
    # Who stops taking ends it on the host, though there is more to send.
    disk.ended.clear()
    found.close()
    assert disk.ended.wait(10)


def test_a_host_that_cannot_go_on_ends_it(hosted):
    disk = Disk()
    disk.breaks_at = 10
    found = hosted(disk)
    assert taken(found, 0, 9 * MIB) == disk.expected(0, 9 * MIB)
    began = time.monotonic()
    with pytest.raises(DiskUnreadable):
        taken(found, 9 * MIB, 9 * MIB)
    assert time.monotonic() - began < 10
    disk.breaks_at = 0
    with pytest.raises(DiskUnreadable):
        taken(found, 0, 1)


def test_it_is_asked_for_by_an_upgrade_alone(plane):  # noqa: F811
    _, path = plane.enrolled("one")
    with plane.client(path) as client:
        assert client.put("/reads/x").status_code == 426
        upgrade = {"Upgrade": "volutus-disk", "Connection": "Upgrade"}
        assert client.put("/reads/x", headers=upgrade).status_code == 404
    with plane.anonymous() as client:
        assert client.put("/reads/x", headers=upgrade).status_code == 401
