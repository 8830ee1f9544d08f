"""The image domain's verbs, where the API's tests do not reach: uploads that race or die, what servers start
from, images built on this machine, and constraints."""

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.conftest import make_caller
from volutus import audit, image
from volutus.db import Page
from volutus.errors import NotFound, Unavailable
from volutus.image import ImageCollector, ImageFields, ImageStore, data, faults
from volutus.image.store import Incoming
from volutus.imagebuild import BuiltImage
from volutus.reconcile import Worker

RAW = ImageFields(name="one", disk_format="raw", container_format="bare")
MEMBER = make_caller()
ADMIN = make_caller("project-admin", "admin", user="admin")


@pytest.fixture
def store(tmp_path) -> ImageStore:
    return ImageStore(tmp_path / "images")


def fill(tx, store: ImageStore, image_id, content=b"bytes", caller=MEMBER):
    upload = data.begin(tx, caller, image_id)
    incoming = store.receive(upload.id)
    incoming.write(content)
    sums = incoming.complete()
    data.finish(tx, caller, upload, sums, data.check(upload, incoming))
    store.keep(incoming.path, image_id)


def active(tx, store, fields=RAW, content=b"bytes", caller=MEMBER):
    made = image.create(tx, caller, fields)
    fill(tx, store, made.id, content, caller)
    return image.get(tx, caller, made.id)


def test_an_active_image_has_what_a_host_checks(tx, store):
    made = active(tx, store)
    assert made.status == "active"
    assert len(made.sha256) == 64
    assert image.file_path(tx, store, made.id).read_bytes() == b"bytes"
    with image.open_file(store, made) as file:
        assert file.read() == b"bytes"


def test_every_change_is_on_record(tx, store):
    made = active(tx, store)
    image.change(tx, MEMBER, made.id, lambda now: replace(now, name="two"))
    image.set_deactivated(tx, MEMBER, made.id, True)
    image.delete(tx, MEMBER, made.id)
    actions = [row.action for row in audit.of_object(tx, "image", made.id)]
    assert actions == ["delete", "deactivate", "change", "upload", "create"]


def test_without_data_there_is_no_file(tx, store):
    made = image.create(tx, MEMBER, RAW)
    with pytest.raises(NotFound):
        image.file_path(tx, store, made.id)
    with pytest.raises(faults.NotReady):
        image.open_file(store, made)


def test_only_one_of_two_uploads_gets_the_image(shared_database):
    with shared_database.begin() as tx:
        made = image.create(tx, MEMBER, RAW)
    together, results = threading.Barrier(8), []

    def upload() -> None:
        together.wait()
        try:
            with shared_database.begin() as tx:
                results.append(data.begin(tx, MEMBER, made.id))
        except faults.WrongStatus as error:
            results.append(error)

    threads = [threading.Thread(target=upload) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert sum(isinstance(result, data.Upload) for result in results) == 1


def test_an_upload_that_dies_is_taken_back_and_can_do_no_harm(database, store, clock):
    with database.begin() as tx:
        made = image.create(tx, MEMBER, RAW)
        dead = data.begin(tx, MEMBER, made.id)
        half = store.receive(dead.id)
        half.write(b"half")
    worker = Worker(database, [ImageCollector(database, store)])
    clock.advance(60)
    with database.begin() as tx:
        data.alive(tx, dead)
    clock.advance(100)
    worker.scan()
    worker.drain()
    with database.begin() as tx:
        assert image.get(tx, MEMBER, made.id).status == "saving"
    clock.advance(100)
    worker.scan()
    worker.drain()
    with database.begin() as tx:
        assert image.get(tx, MEMBER, made.id).status == "queued"
        fill(tx, store, made.id, b"whole")
    with database.begin() as tx, pytest.raises(faults.UploadLost):
        data.finish(tx, MEMBER, dead, half.complete(), None)
    with database.begin() as tx, pytest.raises(faults.UploadLost):
        data.alive(tx, dead)
    with database.begin() as tx:
        data.abandon(tx, dead)
        assert image.get(tx, MEMBER, made.id).status == "active"
        assert image.file_path(tx, store, made.id).read_bytes() == b"whole"


def test_files_that_belong_to_no_image_are_collected_when_old(database, store, tmp_path):

    with database.begin() as tx:
        kept = active(tx, store)
    incoming = store.receive("half")
    incoming.write(b"half")
    stray = store.path("5f2a1d4e-7a3c-4c1b-9f0e-0d6b8a7c9e11")
    stray.write_bytes(b"nobody's")
    worker = Worker(database, [ImageCollector(database, store)])
    worker.scan()
    worker.drain()
    assert stray.exists() and incoming.path.exists(), "too young to be judged"
    for path in (stray, incoming.path, store.path(kept.id)):
        os.utime(path, (0, 0))
    worker.scan()
    worker.drain()
    assert not stray.exists()
    assert not incoming.path.exists()
    assert store.path(kept.id).exists()


USES = [
    ({}, {}, None),
    ({"min_ram_mib": 128}, {"memory_mib": 128}, None),
    ({"min_ram_mib": 128}, {"memory_mib": 127}, faults.TooLittleMemory),
    ({"min_disk_gib": 2}, {"disk_gib": 2}, None),
    ({"min_disk_gib": 2}, {"disk_gib": 1}, faults.TooLittleDisk),
    ({"min_disk_gib": 2}, {"disk_gib": 0}, None),
    ({"container_format": "docker"}, {}, faults.NotBootable),
    ({"disk_format": "aki", "container_format": "aki"}, {}, faults.NotBootable),
]


@pytest.mark.parametrize(("fields", "wanted", "error"), USES)
def test_what_a_disk_can_be_made_from(tx, store, fields, wanted, error):
    made = active(tx, store, replace(RAW, **fields))
    if error is None:
        assert image.get_usable(tx, MEMBER, made.id, **wanted).id == made.id
    else:
        with pytest.raises(error):
            image.get_usable(tx, MEMBER, made.id, **wanted)


def test_an_image_larger_than_the_disk_does_not_fit(tx, store):
    made = active(tx, store)
    tx.execute(text("UPDATE images SET virtual_size_bytes = 3221225472 WHERE id = :id"), {"id": made.id})
    assert image.get_usable(tx, MEMBER, made.id, disk_gib=3)
    with pytest.raises(faults.TooLittleDisk):
        image.get_usable(tx, MEMBER, made.id, disk_gib=2)


@pytest.mark.parametrize("spoil", ["queue", "deactivate", "delete", "hide"])
def test_what_is_not_active_or_not_seen_is_not_usable(tx, store, spoil):
    made = image.create(tx, MEMBER, RAW) if spoil == "queue" else active(tx, store)
    caller = make_caller("project-b") if spoil == "hide" else MEMBER
    if spoil == "deactivate":
        image.set_deactivated(tx, MEMBER, made.id, True)
    if spoil == "delete":
        image.delete(tx, MEMBER, made.id)
    with pytest.raises((faults.NotReady, faults.ImageNotFound)):
        image.get_usable(tx, caller, made.id)


def test_the_parts_of_direct_boot(tx, store):
    kernel = active(tx, store, replace(RAW, disk_format="aki", container_format="aki"), b"kernel")
    named = {"kernel_id": kernel.id, "os_command_line": "quiet"}
    disk = active(tx, store, replace(RAW, properties=named))
    parts = image.boot_parts(tx, MEMBER, disk)
    assert (parts.kernel.id, parts.kernel.driver, parts.ramdisk, parts.command_line) == (
        kernel.id,
        "raw",
        None,
        "quiet",
    )
    assert image.boot_parts(tx, MEMBER, active(tx, store)).kernel is None
    image.delete(tx, MEMBER, kernel.id)
    with pytest.raises(faults.ImageNotFound):
        image.boot_parts(tx, MEMBER, disk)


@pytest.fixture
def built(tmp_path: Path) -> BuiltImage:
    files = {name: tmp_path / name for name in ("disk", "kernel", "ramdisk", "manifest")}
    for name, path in files.items():
        path.write_bytes(name.encode())
    return BuiltImage(
        name="micro",
        **files,
        kernel_command_line="root=LABEL=x",
        default_user="volutus",
        min_disk_gib=1,
        min_ram_mib=128,
        disk_format="raw",
    )


def test_a_built_image_is_offered_to_everybody_once(tx, store, built):
    first = image.register_built(tx, store, built)
    assert image.register_built(tx, store, built) == first
    shown = image.page(tx, MEMBER, image.ImageFilter(), Page())
    assert [(one.name, one.status) for one in shown] == [("micro", "active")]
    assert shown[0].properties["os_admin_user"] == "volutus"
    usable = image.get_usable(tx, MEMBER, first.id, disk_gib=1, memory_mib=128)
    parts = image.boot_parts(tx, MEMBER, usable)
    assert parts.command_line == "root=LABEL=x"
    assert image.file_path(tx, store, parts.kernel.id).read_bytes() == b"kernel"
    assert image.file_path(tx, store, parts.ramdisk.id).read_bytes() == b"ramdisk"
    with pytest.raises(faults.ImageNotYours):
        image.delete(tx, MEMBER, first.id)


def test_a_newer_build_takes_the_place_of_the_older(tx, store, built):
    older = image.register_built(tx, store, built)
    built.manifest.write_text("newer")
    newer = image.register_built(tx, store, built)
    shown = image.page(tx, MEMBER, image.ImageFilter(), Page())
    assert [one.id for one in shown] == [newer.id]
    assert image.get_usable(tx, MEMBER, older.id)


def test_a_full_disk_is_told_and_leaves_nothing(store, monkeypatch):
    class Full:
        def write(self, _: bytes) -> int:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            return

    incoming = store.receive("upload")
    monkeypatch.setattr(incoming, "_file", Full())
    with pytest.raises(faults.StoreFull):
        incoming.write(b"x")
    incoming.discard()
    assert not incoming.path.exists()


def test_an_upload_leaves_room_for_the_control_plane(store, monkeypatch):
    incoming = store.receive("upload")
    monkeypatch.setattr("volutus.image.store.FREE_BYTES_MIN", 1 << 60)
    with pytest.raises(faults.StoreFull):
        incoming.write(b"x")


def test_no_image_is_larger_than_the_room_there_is(store):
    incoming: Incoming = store.receive("upload", room_bytes=10)
    incoming.write(b"0123456789")
    with pytest.raises(faults.ImageTooLarge):
        incoming.write(b"x")


def test_a_store_that_cannot_be_written_is_unavailable(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable):
        ImageStore(tmp_path / "file").receive("upload")


BROKEN = [
    "UPDATE images SET visibility = 'secret'",
    "UPDATE images SET min_disk_gib = -1",
    "UPDATE images SET min_ram_mib = -1",
    "UPDATE images SET size_bytes = -1",
    "UPDATE images SET activated_at = now()",
    "UPDATE images SET staged_at = now()",
    "UPDATE images SET upload_id = 'x'",
    "UPDATE images SET upload_seen_at = now()",
    "UPDATE images SET activated_at = now(), upload_id = 'x', upload_seen_at = now(), size_bytes = 1,"
    " md5 = 'x', sha256 = 'x', sha512 = 'x'",
    "INSERT INTO image_members SELECT id, 'p', 'perhaps', now(), now() FROM images",
    "INSERT INTO image_members VALUES ('none', 'p', 'pending', now(), now())",
]


@pytest.mark.parametrize("statement", BROKEN)
def test_constraints_hold(tx, statement):
    image.create(tx, MEMBER, RAW)
    with pytest.raises(IntegrityError), tx.savepoint():
        tx.execute(text(statement))
