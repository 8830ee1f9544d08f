"""Revisions, pools, encryption and backups on real files: content is compared, not only presence."""

import getpass
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.agent.test_storage import Uploads
from volutus.agent.faults import HostFault
from volutus.agent.storage.backups import Backups
from volutus.agent.storage.disk_tool import Disk
from volutus.agent.storage.host_storage import HostStorage, Options
from volutus.agent.storage.nbd import opened
from volutus.wire import BackupSpec, DiskSource, DiskSpec

MIB = 1 << 20
KEY = b"k" * 43
NOTHING = Uploads().fetch


@pytest.fixture
def storage(tmp_path: Path) -> HostStorage:
    return HostStorage(tmp_path, getpass.getuser(), Options(("bulk",), lambda _disk: KEY))


def file_of(storage: HostStorage, disk_id: str) -> Disk:
    found = storage.location(disk_id)
    return Disk(found.place, found.format, KEY if found.encrypted else None)


def write(storage: HostStorage, disk_id: str, **pieces: bytes) -> None:
    """`at_3=…` writes at 3 MiB."""
    with opened(file_of(storage, disk_id), writable=True) as content:
        for name, data in pieces.items():
            content.write(int(name.removeprefix("at_")) * MIB, data)
        content.flush()


def read(storage: HostStorage, disk_id: str) -> bytes:
    with opened(file_of(storage, disk_id)) as content:
        return content.read(0, content.size_bytes)


def make(storage: HostStorage, disk_id: str = "disk", **fields: object) -> None:
    storage.create(DiskSpec(id=disk_id, size_bytes=8 * MIB, **fields), NOTHING)  # type: ignore[arg-type]


def test_a_damaged_backup_is_not_restored(storage: HostStorage, tmp_path: Path) -> None:
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
from volutus.agent.storage.host_storage import HostStorage
from volutus.wire import BackupSpec
HostStorage(Path(sys.argv[1]), getpass.getuser()).back_up(BackupSpec(id="backup", disk_id="disk"))
"""


@pytest.mark.parametrize("after_s", [0.15, 0.3, 0.4])
def test_a_backup_killed_midway_is_begun_anew(storage: HostStorage, tmp_path: Path, after_s: float) -> None:
    make(storage)
    write(storage, "disk", **{f"at_{number}": os.urandom(MIB) for number in range(8)})
    child = subprocess.Popen([sys.executable, "-c", _BACK_UP, str(tmp_path)])
    time.sleep(after_s)
    child.kill()
    child.wait()
    again = HostStorage(tmp_path, getpass.getuser())
    assert again.backups().keys() <= {"backup"}
    again.back_up(BackupSpec(id="backup", disk_id="disk"))
    make(again, "restored", source=DiskSource(backup_id="backup"))
    assert read(again, "restored") == read(again, "disk")
    assert [path.name for path in (tmp_path / "backups").iterdir()] == ["backup"]


def test_a_target_that_is_not_there_is_told(storage: HostStorage, tmp_path: Path) -> None:
    make(storage)
    shutil.rmtree(tmp_path / "backups")
    with pytest.raises(HostFault, match="could not be made"):
        storage.back_up(BackupSpec(id="backup", disk_id="disk"))
    with pytest.raises(HostFault, match="not in the host's backup target"):
        Backups(tmp_path / "elsewhere").restore("backup", file_of(storage, "disk"))
