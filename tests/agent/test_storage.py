"""The directory of qcow2 files by itself: what it refuses, and what faults say."""

import getpass
import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from volutus.agent.faults import HostFault
from volutus.agent.storage import disk_tool, images
from volutus.agent.storage.directory import backing_name
from volutus.agent.storage.disk_tool import Disk
from volutus.agent.storage.host_storage import HostStorage, Options
from volutus.agent.storage.qcow2 import read_header
from volutus.agent.storage.qemu_img import Limits
from volutus.wire import DiskSource, DiskSpec, ImageSpec

MIB = 1 << 20
KEY = b"0123456789abcdef"


@pytest.fixture
def storage(tmp_path: Path) -> HostStorage:
    return HostStorage(tmp_path, getpass.getuser())


class Uploads:
    """Images as the control plane would send them."""

    def __init__(self, **content: bytes) -> None:
        self.content = content
        self.fetches = 0

    @contextmanager
    def fetch(self, image_id: str) -> Iterator[Iterator[bytes]]:
        self.fetches += 1
        yield iter([self.content[image_id]])


def qcow2(path: Path, *options: str) -> bytes:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, str(path), "2M"], check=True)
    return path.read_bytes()


def spec(size: int = 4 * MIB, **source: str) -> DiskSpec:
    return DiskSpec(id="disk", size_bytes=size, source=DiskSource(**source) if source else None)


def test_a_disk_on_an_image_names_it_relative_to_itself(storage: HostStorage, tmp_path: Path) -> None:
    uploads = Uploads(image=qcow2(tmp_path / "upload"))
    digest = hashlib.sha256(uploads.content["image"]).hexdigest()
    made = spec(image_id="image", image_format="qcow2", sha256=digest)
    storage.create(made, uploads.fetch)
    path = storage.location("disk").place
    assert backing_name(path) == "../images/image.qcow2"
    header = read_header(path)
    assert header is not None and header.size_bytes == 4 * MIB
    assert (tmp_path / "images" / "image.qcow2").stat().st_mode & 0o222 == 0


def test_an_image_in_use_is_kept_and_another_dropped(
    storage: HostStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "UNUSED_KEPT_S", -1)
    uploads = Uploads(used=bytes(MIB), unused=bytes(MIB))
    storage.create(spec(image_id="used", image_format="raw"), uploads.fetch)
    storage.boot_file(DiskSource(image_id="unused"), uploads.fetch)
    storage.tidy(frozenset({"unused"}))
    storage.boot_file(DiskSource(image_id="unused"), uploads.fetch)
    assert uploads.fetches == 2
    storage.tidy(frozenset())
    storage.boot_file(DiskSource(image_id="unused"), uploads.fetch)
    assert uploads.fetches == 3
    assert read_header(storage.location("disk").place) is not None


def test_images_are_cached_beforehand_and_dropped_when_no_disk_is_on_them(storage: HostStorage) -> None:
    uploads = Uploads(used=bytes(MIB), unused=bytes(MIB), kernel=b"kernel")
    for image_id in ("used", "unused"):
        source = DiskSource(image_id=image_id, image_format="raw")
        storage.cache(ImageSpec(id=image_id, source=source), uploads.fetch)
    storage.cache(ImageSpec(id="kernel", source=DiskSource(image_id="kernel"), boots=True), uploads.fetch)
    storage.create(spec(image_id="used", image_format="raw"), uploads.fetch)
    assert uploads.fetches == 3
    seen = storage.images()
    assert {image_id: image.disks for image_id, image in seen.items()} == {
        "used": 1,
        "unused": 0,
        "kernel": 0,
    }
    assert all(0 < image.cached_at <= image.used_at for image in seen.values())
    for image_id in seen:
        storage.drop_image(image_id)
    assert storage.images().keys() == {"used"}
    storage.destroy("disk")
    storage.drop_image("used")
    assert storage.images() == {}


REFUSED = {
    "a backing file": ("qcow2", ["-F", "raw", "-b", "/etc/passwd"]),
    "an external data file": ("qcow2", ["-o", "data_file={dir}/data.raw,data_file_raw=on"]),
    "another format": ("qcow2", None),
    "an unknown format": ("iso", None),
    "what cannot be read": ("vmdk", None),
}


@pytest.mark.parametrize("what", REFUSED)
def test_an_image_is_refused_for(storage: HostStorage, tmp_path: Path, what: str) -> None:
    image_format, options = REFUSED[what]
    options = options and [option.format(dir=tmp_path) for option in options]
    content = qcow2(tmp_path / "upload", *options) if options is not None else b"no image at all" * 999
    uploads = Uploads(image=content)
    with pytest.raises(HostFault):
        storage.create(spec(image_id="image", image_format=image_format), uploads.fetch)
    assert storage.disks() == {}
    assert list((tmp_path / "images").iterdir()) == []


def test_bytes_that_changed_on_the_way_are_refused(storage: HostStorage, tmp_path: Path) -> None:
    with pytest.raises(HostFault, match="arrived damaged"):
        wrong = spec(image_id="image", image_format="raw", sha256="0" * 64)
        storage.create(wrong, Uploads(image=bytes(MIB)).fetch)
    assert list((tmp_path / "images").iterdir()) == []


def test_a_full_pool_is_said(storage: HostStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "RESERVE_BYTES", 1 << 60)
    with pytest.raises(HostFault, match="disk pool is full"):
        storage.create(spec(), Uploads().fetch)


def test_a_raw_disk_is_never_taken_for_something_else(storage: HostStorage, tmp_path: Path) -> None:
    """A guest's disk that begins like a qcow2 file is data, because the format is always named."""
    inner = qcow2(tmp_path / "upload", "-F", "raw", "-b", "/etc/passwd")
    storage.create(spec(image_id="image", image_format="raw"), Uploads(image=inner).fetch)
    flat = tmp_path / "images" / "image.qcow2"
    header = read_header(flat)
    assert header is not None and not header.refers
    assert len(inner) <= header.size_bytes < len(inner) + 512


FORMATTED = [
    (DiskSpec(id="disk", size_bytes=40 << 30, filesystem="ext4", label="ephemeral0"), "ext4", "ephemeral0"),
    (DiskSpec(id="disk", size_bytes=1 << 30, filesystem="ext3", label="ephemeral1"), "ext3", "ephemeral1"),
    (DiskSpec(id="disk", size_bytes=100 * MIB, filesystem="swap"), "swap", ""),
    (DiskSpec(id="disk", size_bytes=1 << 30, filesystem="ext4", encrypted=True), "ext4", ""),
]


@pytest.mark.parametrize(("made", "kind", "label"), FORMATTED)
def test_a_disk_comes_with_an_empty_file_system(
    tmp_path: Path, made: DiskSpec, kind: str, label: str
) -> None:
    storage = HostStorage(tmp_path / "agent", getpass.getuser(), Options(keys=lambda disk_id: KEY))
    left = tmp_path / "agent" / "disks" / "other.qcow2.fill"
    left.touch()
    storage.create(made, Uploads().fetch)
    where = storage.location("disk")
    seen = storage.disks()["disk"]
    assert (seen.size_bytes, where.encrypted) == (made.size_bytes, made.encrypted)
    assert seen.allocated_bytes < 64 * MIB
    raw = tmp_path / "raw"
    source = Disk(where.place, where.format, KEY if made.encrypted else None)
    disk_tool.copy(source, Disk(raw, "raw"), "not copied", Limits(60))
    told = subprocess.run(
        ["/sbin/blkid", "-p", "-o", "export", raw], check=True, capture_output=True, text=True
    )
    found = dict(line.split("=", 1) for line in told.stdout.splitlines() if "=" in line)
    assert (found["TYPE"], found.get("LABEL", "")) == (kind, label)
    if kind != "swap":
        subprocess.run(["/sbin/e2fsck", "-fn", raw], check=True, capture_output=True)
    # Made anew it is empty again, in the same place; what was interrupted is put away.
    storage.create(replace(made, revision=1), Uploads().fetch)
    storage.tidy(frozenset())
    assert storage.disks()["disk"].revision == 1
    assert sorted(path.name for path in left.parent.iterdir()) == ["disk.1.qcow2", "released"]
