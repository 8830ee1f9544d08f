"""Revisions, pools, encryption and backups on real files: content is compared, not only presence."""

import getpass
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.agent.test_storage import Uploads, qcow2
from volutus.agent.faults import HostFault
from volutus.agent.storage.backups import Backups
from volutus.agent.storage.directory import DirectoryStorage, Options
from volutus.agent.storage.disk_tool import Disk
from volutus.agent.storage.nbd import opened
from volutus.wire import BackupSpec, DiskSource, DiskSpec, UploadSpec

MIB = 1 << 20
KEY = b"k" * 43
NOTHING = Uploads().fetch


@pytest.fixture
def storage(tmp_path: Path) -> DirectoryStorage:
    return DirectoryStorage(tmp_path, getpass.getuser(), Options(("bulk",), lambda _disk: KEY))


def file_of(storage: DirectoryStorage, disk_id: str) -> Disk:
    found = storage.location(disk_id)
    return Disk(found.path, found.format, KEY if found.encrypted else None)


def write(storage: DirectoryStorage, disk_id: str, **pieces: bytes) -> None:
    """`at_3=…` writes at 3 MiB."""
    with opened(file_of(storage, disk_id), writable=True) as content:
        for name, data in pieces.items():
            content.write(int(name.removeprefix("at_")) * MIB, data)
        content.flush()


def read(storage: DirectoryStorage, disk_id: str) -> bytes:
    with opened(file_of(storage, disk_id)) as content:
        return content.read(0, content.size_bytes)


def make(storage: DirectoryStorage, disk_id: str = "disk", **fields: object) -> None:
    storage.create(DiskSpec(id=disk_id, size_bytes=8 * MIB, **fields), NOTHING)  # type: ignore[arg-type]


def test_a_higher_revision_takes_the_place_of_the_disk(storage: DirectoryStorage, tmp_path: Path) -> None:
    make(storage)
    write(storage, "disk", at_1=b"one" * 1000)
    before = read(storage, "disk")
    make(storage, "copy", source=DiskSource(disk_id="disk"))
    write(storage, "disk", at_1=b"two" * 1000)
    moved = DiskSource(disk_id="disk")
    make(storage, revision=1, pool="bulk", format="raw", source=moved)
    assert storage.location("disk").path == tmp_path / "bulk" / "disk.1.raw"
    assert read(storage, "disk")[MIB : MIB + 3000] == b"two" * 1000
    make(storage, revision=2, source=DiskSource(disk_id="copy"))
    assert read(storage, "disk") == before
    assert [path.name for path in (tmp_path / "bulk").iterdir()] == ["released"]
    assert storage.disks()["disk"].revision == 2
    storage.destroy("disk")
    assert set(storage.disks()) == {"copy"}


def test_a_released_disk_is_seen_no_more_until_it_is_adopted(storage: DirectoryStorage) -> None:
    make(storage)
    write(storage, "disk", at_0=b"kept")
    storage.release("disk")
    storage.release("disk")
    assert storage.disks() == {}
    with pytest.raises(HostFault, match="another storage class"):
        make(storage, "other", pool="bulk", source=DiskSource(adopted_id="disk"))
    make(storage, "other", source=DiskSource(adopted_id="disk"))
    assert read(storage, "other")[:4] == b"kept"
    with pytest.raises(HostFault, match="put aside"):
        make(storage, "third", source=DiskSource(adopted_id="disk"))


def test_an_encrypted_disk_and_its_backup_show_nothing(storage: DirectoryStorage, tmp_path: Path) -> None:
    uploads = Uploads(image=qcow2(tmp_path / "upload"))
    source = DiskSource(image_id="image", image_format="qcow2")
    storage.create(DiskSpec(id="disk", size_bytes=8 * MIB, encrypted=True, source=source), uploads.fetch)
    write(storage, "disk", at_2=b"secret words" * 5000)
    assert storage.location("disk").encrypted
    storage.grow("disk", 16 * MIB)
    copy = DiskSource(disk_id="disk")
    storage.create(DiskSpec(id="copy", size_bytes=16 * MIB, encrypted=True, source=copy), NOTHING)
    storage.back_up(BackupSpec(id="backup", disk_id="copy"))
    restored = DiskSource(backup_id="backup")
    storage.create(DiskSpec(id="again", size_bytes=16 * MIB, encrypted=True, source=restored), NOTHING)
    assert read(storage, "again") == read(storage, "disk")
    with pytest.raises(HostFault, match="could not be restored"):
        storage.create(DiskSpec(id="plain", size_bytes=16 * MIB, source=restored), NOTHING)
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name != "upload":
            assert b"secret words" not in path.read_bytes(), path


def test_an_image_of_an_encrypted_disk_can_be_read(storage: DirectoryStorage) -> None:
    make(storage, encrypted=True)
    write(storage, "disk", at_1=b"for others" * 100)
    storage.capture(UploadSpec(id="image", disk_id="disk", format="raw"))
    assert storage.captured("image").read_bytes()[MIB : MIB + 1000] == b"for others" * 100


def test_increments_hold_only_what_changed_and_restore_to_each_moment(storage: DirectoryStorage) -> None:
    make(storage)
    moments = []
    for number, backup in enumerate(("full", "first", "second")):
        write(storage, "disk", **{f"at_{number}": os.urandom(MIB), "at_6": bytes(MIB)})
        parent = ("full", "first")[number - 1] if number else None
        storage.back_up(BackupSpec(id=backup, disk_id="disk", parent_id=parent))
        moments.append((backup, read(storage, "disk")))
    assert {name: seen.stored_bytes for name, seen in storage.backups().items()} == {
        "full": MIB,
        "first": MIB,
        "second": MIB,
    }
    for backup, content in moments:
        make(storage, f"from-{backup}", format="raw", source=DiskSource(backup_id=backup))
        assert read(storage, f"from-{backup}") == content
    storage.drop_backup("second")
    assert set(storage.backups()) == {"full", "first"}


def test_a_damaged_backup_is_not_restored(storage: DirectoryStorage, tmp_path: Path) -> None:
    make(storage)
    write(storage, "disk", at_0=b"x" * MIB)
    storage.back_up(BackupSpec(id="backup", disk_id="disk"))
    data = tmp_path / "backups" / "backup" / "data"
    data.write_bytes(data.read_bytes()[:-1] + b"y")
    with pytest.raises(HostFault, match="damaged"):
        make(storage, "again", source=DiskSource(backup_id="backup"))
    assert "again" not in storage.disks()


_BACK_UP = """
import getpass, sys
from pathlib import Path
from volutus.agent.storage.directory import DirectoryStorage
from volutus.wire import BackupSpec
DirectoryStorage(Path(sys.argv[1]), getpass.getuser()).back_up(BackupSpec(id="backup", disk_id="disk"))
"""


@pytest.mark.parametrize("after_s", [0.15, 0.3, 0.4])
def test_a_backup_killed_midway_is_begun_anew(
    storage: DirectoryStorage, tmp_path: Path, after_s: float
) -> None:
    make(storage)
    write(storage, "disk", **{f"at_{number}": os.urandom(MIB) for number in range(8)})
    # A child of its own session, so that its qemu-nbd dies with it.
    child = subprocess.Popen([sys.executable, "-c", _BACK_UP, str(tmp_path)], start_new_session=True)
    time.sleep(after_s)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    again = DirectoryStorage(tmp_path, getpass.getuser())
    assert again.backups().keys() <= {"backup"}
    again.back_up(BackupSpec(id="backup", disk_id="disk"))
    make(again, "restored", source=DiskSource(backup_id="backup"))
    assert read(again, "restored") == read(again, "disk")
    assert [path.name for path in (tmp_path / "backups").iterdir()] == ["backup"]


def test_a_target_that_is_not_there_is_told(storage: DirectoryStorage, tmp_path: Path) -> None:
    make(storage)
    shutil.rmtree(tmp_path / "backups")
    with pytest.raises(HostFault, match="could not be made"):
        storage.back_up(BackupSpec(id="backup", disk_id="disk"))
    with pytest.raises(HostFault, match="not in the host's backup target"):
        Backups(tmp_path / "elsewhere").restore("backup", file_of(storage, "disk"))


@pytest.mark.parametrize("fields", [{}, {"encrypted": True}, {"format": "raw"}])
def test_a_disk_is_read_from_anywhere_and_its_zeros_are_told(
    storage: DirectoryStorage, fields: dict[str, object]
) -> None:
    make(storage, **fields)
    write(storage, "disk", at_1=b"one" * 1000, at_5=b"x" * (2 * MIB))
    whole = read(storage, "disk")
    for begin in (0, MIB + 1000, 6 * MIB, 8 * MIB):
        # What is read is there until the next is asked for.
        spans = [span if isinstance(span, int) else bytes(span) for span in storage.read("disk", begin)]
        assert b"".join(bytes(span) if isinstance(span, int) else span for span in spans) == whole[begin:]
        assert sum(span for span in spans if isinstance(span, int)) >= (MIB if begin < 8 * MIB else 0)


def test_what_an_overlay_leaves_to_its_image_is_read(storage: DirectoryStorage) -> None:
    content = b"beneath" * 1000 + bytes(MIB - 7000)
    source = DiskSource(image_id="image", image_format="raw", sha256=hashlib.sha256(content).hexdigest())
    storage.create(DiskSpec(id="disk", size_bytes=8 * MIB, source=source), Uploads(image=content).fetch)
    first = next(iter(storage.read("disk", 0)))
    assert isinstance(first, memoryview) and bytes(first).startswith(b"beneath" * 1000)
