"""What every kind of pool promises, on directories and, in `make test-ceph`, on a Ceph cluster alike.

Content is compared, not only presence; and after each test everything is destroyed and nothing may be left.
"""

import getpass
import hashlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.agent.test_storage import Uploads, qcow2
from tests.ceph import Cluster, wait_until
from volutus.agent.faults import HostFault
from volutus.agent.state import CaptureState
from volutus.agent.storage import Holder, RbdImage, disk_tool, images, rbd
from volutus.agent.storage.ceph import Ceph
from volutus.agent.storage.disk_tool import Disk
from volutus.agent.storage.host_storage import HostStorage, Options
from volutus.agent.storage.nbd import opened
from volutus.agent.storage.qemu_img import Limits
from volutus.wire import BackupSpec, DiskSource, DiskSpec, UploadSpec

MIB = 1 << 20
KEY = b"k" * 43
NOTHING = Uploads().fetch
PLAIN: list[dict[str, object]] = [{}, {"format": "raw"}]
FORMATS: list[dict[str, object]] = [*PLAIN, {"encrypted": True}]


@dataclass
class Backend:
    """One host's storage; `pool` is of the kind under test, `other` a directory besides."""

    storage: HostStorage
    agent_dir: Path
    pool: str
    ceph: Ceph | None = None
    cluster: Cluster | None = None
    other: str = "bulk"

    def again(self) -> "Backend":
        """As an agent that was started anew sees it."""
        options = Options((self.other,), lambda _disk: KEY, ceph=self.ceph)
        return replace(self, storage=HostStorage(self.agent_dir, getpass.getuser(), options))

    def make(self, disk_id: str = "disk", uploads: Uploads | None = None, **fields: object) -> None:
        told = {"id": disk_id, "size_bytes": 8 * MIB, "pool": self.pool, **fields}
        self.storage.create(DiskSpec(**told), uploads.fetch if uploads else NOTHING)  # type: ignore[arg-type]

    def disk(self, disk_id: str) -> Disk:
        """The disk for tools that run as root."""
        found = self.storage.location(disk_id)
        place = found.place
        if isinstance(place, RbdImage):
            place = replace(place, conf=self.agent_dir / "ceph" / "agent.conf")
        return Disk(place, found.format, KEY if found.encrypted else None)

    def write(self, disk_id: str, **pieces: bytes) -> None:
        """`at_3=…` writes at 3 MiB."""
        with opened(self.disk(disk_id), writable=True) as content:
            for name, data in pieces.items():
                content.write(int(name.removeprefix("at_")) * MIB, data)
            content.flush()

    def read(self, disk_id: str) -> bytes:
        with opened(self.disk(disk_id)) as content:
            return content.read(0, content.size_bytes)

    def left(self) -> list[str]:
        """Everything that there is in the pools."""
        found = [path.name for name in ("disks", "bulk") for path in (self.agent_dir / name).rglob("*.*")]
        if self.ceph is not None and self.cluster is not None:
            found += [name for name in self.cluster.images() if name.startswith(self.ceph.host_id)]
        return found

    def tidied(self) -> list[str]:
        """What is left once tidying, which may go on in the background, has done its work."""
        before = time.monotonic()
        self.storage.tidy(frozenset())
        while (left := self.left()) and time.monotonic() < before + 60:
            time.sleep(0.3)
            self.storage.tidy(frozenset())
        return left


@pytest.fixture(params=["directory", pytest.param("ceph", marks=pytest.mark.ceph)])
def backend(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Backend]:
    made = Backend(None, tmp_path, "")  # type: ignore[arg-type]
    if request.param == "ceph":
        running = request.getfixturevalue("ceph_cluster")
        made = replace(made, pool="ceph", ceph=running.as_seen_by_a_host(), cluster=running)
    made = made.again()
    yield made
    made = made.again()
    for disk_id in made.storage.disks():
        made.storage.destroy(disk_id)
    monkeypatch.setattr(images, "UNUSED_KEPT_S", -1)
    assert made.tidied() == []


def test_a_disk_is_made_once_grown_and_destroyed(backend: Backend) -> None:
    backend.make()
    backend.write("disk", at_7=b"end")
    backend.make()
    backend.storage.grow("disk", 16 * MIB)
    backend.storage.grow("disk", 12 * MIB)
    assert backend.storage.disks()["disk"].size_bytes == 16 * MIB
    whole = backend.read("disk")
    assert len(whole) == 16 * MIB and whole[7 * MIB :].rstrip(b"\0") == b"end"
    again = backend.again()
    assert again.storage.disks().keys() == {"disk"}
    again.storage.destroy("disk")
    again.storage.destroy("disk")
    assert again.storage.disks() == {}
    with pytest.raises(HostFault, match="not on the host"):
        again.storage.location("disk")


def test_pools_say_their_size_and_others_are_refused(backend: Backend) -> None:
    sizes = backend.storage.pools()
    assert sizes[backend.pool or "directory"] > 0 and next(iter(sizes)) == "directory"
    with pytest.raises(HostFault, match="no storage class nowhere"):
        backend.make(pool="nowhere")


@pytest.mark.parametrize("fields", PLAIN)
def test_disks_made_from_an_image_start_as_it_and_part(
    backend: Backend, tmp_path: Path, fields: dict[str, object]
) -> None:
    content = b"beneath" * 1000 + bytes(MIB - 7000)
    uploads = Uploads(image=content)
    digest = hashlib.sha256(content).hexdigest()
    source = DiskSource(image_id="image", image_format="raw", sha256=digest)
    backend.make("one", uploads, source=source, **fields)
    backend.make("two", uploads, source=source, **fields)
    backend.write("one", at_0=b"changed")
    assert uploads.fetches == 1
    assert backend.read("two")[: len(content)] == content
    assert backend.read("one")[:MIB] == b"changed" + content[7:]
    assert backend.storage.disks()["two"].size_bytes == 8 * MIB
    with pytest.raises(HostFault, match="smaller than its image"):
        backend.make("small", uploads, source=source, size_bytes=MIB // 2, **fields)
    first = next(iter(backend.storage.read("two", 0)))
    assert isinstance(first, memoryview) and bytes(first).startswith(b"beneath" * 1000)


def test_a_copy_outlives_what_it_was_made_of(backend: Backend) -> None:
    """Also a copy of a copy, many times, whichever goes first."""
    backend.make("0")
    backend.write("0", at_1=b"first" * 1000)
    for number in range(1, rbd.DEPTH_MAX + 3):
        before = str(number - 1)
        backend.make(str(number), source=DiskSource(disk_id=before), size_bytes=(8 + number) * MIB)
        backend.write(before, at_1=b"later" * 1000)
        if number % 2:
            backend.storage.destroy(before)
    for disk_id, disk in backend.storage.disks().items():
        last = int(disk_id) == rbd.DEPTH_MAX + 2
        assert disk.size_bytes == (8 + int(disk_id)) * MIB
        assert backend.read(disk_id)[MIB : MIB + 5000] == (b"first" if last else b"later") * 1000


@pytest.mark.parametrize("fields", PLAIN)
def test_a_disk_moves_between_classes_and_back(backend: Backend, fields: dict[str, object]) -> None:
    backend.make(**fields)
    backend.write("disk", at_1=b"one" * 1000, at_7=b"two" * 1000)
    before = backend.read("disk")[MIB : MIB + 3000]
    moved = {"source": DiskSource(disk_id="disk"), **fields}
    backend.make(revision=1, **{**moved, "pool": backend.other})
    assert isinstance(backend.storage.location("disk").place, Path)
    assert backend.storage.disks()["disk"].revision == 1
    backend.make(revision=2, **moved)
    assert backend.read("disk")[MIB : MIB + 3000] == before
    assert backend.read("disk")[7 * MIB : 7 * MIB + 6] == b"twotwo"
    assert backend.again().storage.disks()["disk"].revision == 2
    assert len(backend.left()) == 1
    assert backend.storage.disks()["disk"].size_bytes == 8 * MIB


def test_a_disk_is_made_encrypted_and_plain_again(backend: Backend) -> None:
    backend.make()
    backend.write("disk", at_1=b"one" * 1000)
    before = backend.read("disk")
    same = DiskSource(disk_id="disk")
    for revision, pool in ((1, backend.pool), (2, backend.other), (3, backend.pool)):
        backend.make(revision=revision, encrypted=True, source=same, pool=pool)
        assert backend.storage.location("disk").encrypted and backend.read("disk") == before
        assert backend.storage.disks()["disk"].size_bytes == 8 * MIB
    assert backend.storage.keys("disk").disk == KEY
    backend.make(revision=4, source=same)
    assert not backend.storage.location("disk").encrypted and backend.read("disk") == before
    assert backend.storage.keys("disk").disk is None


def test_a_disk_goes_back_to_what_a_copy_of_it_was(backend: Backend) -> None:
    backend.make()
    backend.write("disk", at_1=b"one" * 1000)
    before = backend.read("disk")
    backend.make("copy", source=DiskSource(disk_id="disk"))
    backend.write("disk", at_1=b"two" * 1000)
    backend.make(revision=1, source=DiskSource(disk_id="copy"))
    assert backend.read("disk") == before and backend.storage.disks()["disk"].revision == 1
    backend.storage.destroy("disk")
    assert set(backend.storage.disks()) == {"copy"} and backend.read("copy") == before


def test_a_released_disk_is_seen_no_more_until_it_is_adopted(backend: Backend) -> None:
    backend.make()
    backend.write("disk", at_0=b"kept")
    backend.storage.release("disk")
    backend.storage.release("disk")
    assert backend.storage.disks() == {}
    adopted = DiskSource(adopted_id="disk")
    with pytest.raises(HostFault, match=r"another storage class|put aside"):
        backend.make("other", pool=backend.other, source=adopted)
    backend.make("other", source=adopted)
    backend.make("other", source=adopted)
    assert backend.read("other")[:4] == b"kept"
    with pytest.raises(HostFault, match="put aside"):
        backend.make("third", source=adopted)


def holder_of(backend: Backend, disk_id: str, seen: list[str]) -> Holder:
    """Who has a disk open and copies it in its own way, noting what it was asked."""

    def copy(target: Path) -> None:
        seen.append("copy")
        target.unlink()
        source = backend.disk(disk_id)
        disk_tool.copy(source, Disk(target, "qcow2", source.key), "no copy", Limits())

    @contextmanager
    def at_rest() -> Iterator[None]:
        seen.append("rest")
        yield
        seen.append("go")

    return Holder(copy, at_rest)


@pytest.mark.parametrize("fields", FORMATS)
def test_a_disk_that_is_open_is_copied_backed_up_and_captured(
    backend: Backend, fields: dict[str, object]
) -> None:
    backend.make(**fields)
    backend.write("disk", **{f"at_{number}": os.urandom(1000) for number in range(8)})
    whole, seen = backend.read("disk"), []
    holder = holder_of(backend, "disk", seen)
    told = {"id": "copy", "size_bytes": 8 * MIB, "source": DiskSource(disk_id="disk"), **fields}
    backend.storage.create(DiskSpec(**told, pool=backend.pool), NOTHING, holder)  # type: ignore[arg-type]
    backend.storage.create(DiskSpec(**(told | {"id": "far"}), pool="bulk"), NOTHING, holder)  # type: ignore[arg-type]
    backend.storage.back_up(BackupSpec(id="backup", disk_id="disk"), holder)
    backend.storage.capture(UploadSpec(id="image", disk_id="disk", format="raw"), holder)
    assert seen == (["rest", "go"] if backend.ceph else ["copy"]) * 4
    backend.make("restored", source=DiskSource(backup_id="backup"), **fields)
    assert whole == backend.read("copy") == backend.read("far") == backend.read("restored")
    assert whole == backend.storage.captured("image").read_bytes()


@pytest.mark.parametrize("format_", ["raw", "qcow2"])
def test_a_disk_becomes_an_image_that_anybody_can_read(backend: Backend, format_: str) -> None:
    backend.make(encrypted=True)
    backend.write("disk", at_1=b"for others" * 100)
    backend.storage.capture(UploadSpec(id="image", disk_id="disk", format=format_))
    assert backend.storage.captures() == {"image": CaptureState.MADE}
    with opened(Disk(backend.storage.captured("image"), format_)) as content:
        assert content.read(MIB, 1000) == b"for others" * 100


def test_an_encrypted_disk_and_its_backup_show_nothing(backend: Backend, tmp_path: Path) -> None:
    source = DiskSource(image_id="image", image_format="qcow2")
    backend.make(uploads=Uploads(image=qcow2(tmp_path / "upload")), encrypted=True, source=source)
    backend.write("disk", at_2=b"secret words" * 5000)
    backend.storage.grow("disk", 16 * MIB)
    copied = {"size_bytes": 16 * MIB, "encrypted": True}
    backend.make("copy", source=DiskSource(disk_id="disk"), **copied)
    backend.storage.back_up(BackupSpec(id="backup", disk_id="copy"))
    restored = DiskSource(backup_id="backup")
    backend.make("again", source=restored, **copied)
    assert backend.read("again") == backend.read("disk")
    with pytest.raises(HostFault, match="could not be restored"):
        backend.make("plain", size_bytes=16 * MIB, source=restored)
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name != "upload":
            assert b"secret words" not in path.read_bytes(), path
    below = backend.disk("disk")
    with opened(Disk(below.place, "raw")) as content:
        assert b"secret words" not in content.read(0, content.size_bytes)


def test_increments_hold_only_what_changed_and_restore_to_each_moment(backend: Backend) -> None:
    backend.make()
    moments = []
    for number, backup in enumerate(("full", "first", "second")):
        backend.write("disk", **{f"at_{number}": os.urandom(MIB), "at_6": bytes(MIB)})
        parent = ("full", "first")[number - 1] if number else None
        backend.storage.back_up(BackupSpec(id=backup, disk_id="disk", parent_id=parent))
        moments.append((backup, backend.read("disk")))
    stored = {name: seen.stored_bytes for name, seen in backend.storage.backups().items()}
    assert stored == {"full": MIB, "first": MIB, "second": MIB}
    for backup, content in moments:
        backend.make(f"from-{backup}", format="raw", source=DiskSource(backup_id=backup))
        assert backend.read(f"from-{backup}") == content
    backend.storage.drop_backup("second")
    assert set(backend.storage.backups()) == {"full", "first"}


@pytest.mark.parametrize("fields", FORMATS)
def test_a_disk_is_read_from_anywhere(backend: Backend, fields: dict[str, object]) -> None:
    backend.make(**{"size_bytes": 24 * MIB, **fields})
    backend.write("disk", at_1=b"one" * 1000, at_5=b"x" * (2 * MIB), at_17=b"y")
    whole = backend.read("disk")
    for begin in (0, MIB + 1000, 6 * MIB, 24 * MIB):
        # What is read is there until the next is asked for.
        spans = [
            span if isinstance(span, int) else bytes(span) for span in backend.storage.read("disk", begin)
        ]
        assert b"".join(bytes(span) if isinstance(span, int) else span for span in spans) == whole[begin:]
        if not (backend.ceph and fields):
            # Where nothing was written, zeros are told; but not of what is encrypted or shared in Ceph.
            assert sum(span for span in spans if isinstance(span, int)) >= (8 * MIB if begin < 8 * MIB else 0)


_WORK = """
import getpass, sys
from pathlib import Path
import msgspec
from tests.agent.test_storage import Uploads
from volutus.agent.storage.host_storage import HostStorage, Options
from volutus.agent.storage.qemu_img import Limits
from volutus.agent.storage.ceph import Ceph
from volutus.wire import DiskSource, DiskSpec
ceph = Ceph({"ceph": "volumes"}, Path(sys.argv[2]), Path(sys.argv[3]), "volutus", sys.argv[4])
options = Options(("bulk",), lambda _: b"k" * 43, ceph=ceph if sys.argv[4] else None)
storage = HostStorage(Path(sys.argv[1]), getpass.getuser(), options)
print("ready", flush=True)
make = lambda disk_id, **fields: storage.create(
    DiskSpec(id=disk_id, size_bytes=32 << 20, pool=sys.argv[5], **fields),
    Uploads(image=b"image" * 1000000).fetch)
make("disk", revision=1, source=DiskSource(disk_id="disk"))
make("copy", source=DiskSource(disk_id="disk"))
make("of-image", source=DiskSource(image_id="image", image_format="raw"))
make("secret", encrypted=True, source=DiskSource(disk_id="disk"))
storage.destroy("copy")
storage.release("of-image")
print("done", flush=True)
"""


def test_killed_at_any_step_it_leaves_the_old_or_the_new(backend: Backend, tmp_path: Path) -> None:
    dice = random.Random(5)
    backend.make(size_bytes=32 * MIB)
    backend.write("disk", at_1=os.urandom(MIB), at_30=b"end")
    whole = backend.read("disk")
    ceph = backend.ceph
    words = [str(ceph.conf), str(ceph.keyring), ceph.host_id] if ceph else ["", "", ""]
    command = [sys.executable, "-c", _WORK, str(tmp_path), *words, backend.pool]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for _ in range(10 if ceph else 6):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        time.sleep(dice.uniform(0.0, 3.0 if ceph else 1.0))
        child.kill()
        child.communicate()
        again = backend.again()
        assert set(again.storage.disks()) <= {"disk", "copy", "of-image", "secret"}
        for disk_id in set(again.storage.disks()) - {"of-image"}:
            assert again.read(disk_id) == whole, disk_id
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.stdout.endswith("done\n"), done.stderr
    again = backend.again()
    again.storage.tidy(frozenset({"image"}))
    assert set(again.storage.disks()) == {"disk", "secret"}
    assert again.read("disk") == again.read("secret") == whole
    wait_until("work in progress dropped", lambda: not _in_progress(again), 120)
    again.make("again", source=DiskSource(adopted_id="of-image"), size_bytes=32 * MIB)
    assert again.read("again")[:5000000] == b"image" * 1000000


def _in_progress(backend: Backend) -> list[str]:
    """What is left of it. An agent looks at its disks every few seconds, and drops then what the cluster did
    not let go of at first, because it took who was killed for alive."""
    backend.storage.disks()
    return [name for name in backend.left() if ".part" in name]
