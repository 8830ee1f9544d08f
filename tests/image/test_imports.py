"""Imports as they are carried out: what changes on its way in, what fails, and what is left."""

import hashlib
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from tests.conftest import make_caller
from tests.image.ova import machine
from tests.image.test_inspection import SIZE, patched, qemu_img
from tests.image.web import serving
from volutus import image, quota
from volutus.errors import Conflict, Invalid
from volutus.image import (
    ImageCollector,
    ImageFields,
    ImageImporter,
    ImageStore,
    ImportRules,
    Reach,
    data,
    imports,
    tasks,
)
from volutus.image.imports import Content, ImportOrder
from volutus.image.sums import Sums
from volutus.reconcile import Worker

MEMBER = make_caller()
CONTENT = b"some data" * 1000
FOREIGN = [
    ("vmdk", "vmdk", "subformat=streamOptimized"),
    ("vdi", "vdi", ""),
    ("vhd", "vpc", "subformat=dynamic,force_size=on"),
    ("vhdx", "vhdx", ""),
]
# Options of disks that name another file, and what is said of them.
REACHING = [
    ("backing_file=base,backing_fmt=raw", "backing file"),
    ("data_file=outside,data_file_raw=on", "external data file"),
]


@pytest.fixture
def store(tmp_path) -> ImageStore:
    return ImageStore(tmp_path / "images")


@pytest.fixture
def importer(database, store):
    return ImageImporter(database, store, ImportRules(convert_to="qcow2"))


def staged(database, store, content, disk_format, container_format="bare"):
    with database.begin() as tx:
        made = image.create(
            tx, MEMBER, ImageFields(disk_format=disk_format, container_format=container_format)
        )
        upload = data.begin(tx, MEMBER, made.id, staging=True)
    incoming = store.receive(upload.id)
    incoming.write(content)
    with database.begin() as tx:
        data.finish(tx, MEMBER, upload, incoming.complete(), data.check(upload, incoming))
        store.keep(incoming.path, made.id)
    return made.id


def ordered(database, image_id, rules, method=imports.DIRECT, uri=None):
    asked = {"import_req": {"method": {"name": method, "uri": uri}}}
    with database.begin() as tx:
        return imports.order(tx, MEMBER, image_id, rules, ImportOrder(method, uri, asked=asked)).id


def look(database, image_id, task_id=None):
    with database.begin() as tx:
        return image.get(tx, MEMBER, image_id), task_id and tasks.get(tx, MEMBER, task_id)


def used(database):
    with database.begin() as tx:
        return quota.usage(tx, "project-a")["image_bytes"]


def files(store):
    return sorted(path.name for path in store.path("x").parent.rglob("*") if path.is_file())


def raw(path, disk_format):
    subprocess.run(["qemu-img", "convert", "-f", disk_format, "-O", "raw", path, f"{path}.raw"], check=True)
    content = path.with_name(f"{path.name}.raw").read_bytes()
    path.with_name(f"{path.name}.raw").unlink()
    return content


@pytest.mark.parametrize(("disk_format", "driver", "options"), FOREIGN)
def test_other_formats_become_the_backends(database, store, importer, tmp_path, disk_format, driver, options):
    image_id = staged(database, store, qemu_img(tmp_path, driver, options), disk_format)
    task_id = ordered(database, image_id, ImportRules(convert_to="qcow2"))
    assert look(database, image_id, task_id)[0].status == "importing"
    importer.run(task_id)
    made, task = look(database, image_id, task_id)
    assert (made.status, made.disk_format, made.virtual_size_bytes) == ("active", "qcow2", SIZE)
    assert (task.state, task.message) == ("success", "")
    path = store.path(image_id)
    assert raw(path, "qcow2") == CONTENT.ljust(SIZE, b"\0")
    assert store.measure(path, lambda: None).sha256 == made.sha256
    assert (path.stat().st_uid, path.stat().st_size, used(database)) == (
        os.getuid(),
        made.size_bytes,
        made.size_bytes,
    )
    assert files(store) == [image_id]


def test_the_disk_of_a_machine_becomes_an_image(database, store, importer, tmp_path):
    content = machine(qemu_img(tmp_path, "vmdk", "subformat=streamOptimized"))
    image_id = staged(database, store, content, "vmdk", "ova")
    task_id = ordered(database, image_id, ImportRules(convert_to="qcow2"))
    importer.run(task_id)
    made, _ = look(database, image_id, task_id)
    assert (made.status, made.disk_format, made.container_format) == ("active", "qcow2", "bare")
    assert raw(store.path(image_id), "qcow2") == CONTENT.ljust(SIZE, b"\0")
    assert files(store) == [image_id]


@pytest.mark.parametrize(("disk_format", "driver"), [("raw", "raw"), ("qcow2", "qcow2")])
def test_what_the_backend_takes_stays_as_it_came(database, store, importer, tmp_path, disk_format, driver):
    content = qemu_img(tmp_path, driver)
    image_id = staged(database, store, content, disk_format)
    assert look(database, image_id)[0].virtual_size_bytes is None
    task_id = ordered(database, image_id, ImportRules(convert_to="qcow2"))
    importer.run(task_id)
    made, task = look(database, image_id, task_id)
    assert (made.status, made.disk_format, task.state) == ("active", disk_format, "success")
    assert (made.virtual_size_bytes, made.size_bytes, used(database)) == (SIZE, len(content), len(content))
    assert (store.path(image_id).read_bytes(), files(store)) == (content, [image_id])
    assert made.sha256 == hashlib.sha256(content).hexdigest()
    with pytest.raises(Conflict):
        ordered(database, image_id, ImportRules())


def test_a_cloud_may_want_raw_disks(database, store, tmp_path):
    rules = ImportRules(convert_to="raw")
    image_id = staged(database, store, qemu_img(tmp_path, "qcow2"), "qcow2")
    task_id = ordered(database, image_id, rules)
    ImageImporter(database, store, rules).run(task_id)
    made, _ = look(database, image_id, task_id)
    assert (made.disk_format, made.size_bytes) == ("raw", SIZE)
    assert store.path(image_id).stat().st_blocks * 512 < SIZE // 8


def test_a_broken_disk_fails_and_leaves_the_image_queued(database, store, importer, tmp_path):
    whole = qemu_img(tmp_path, "vmdk", "subformat=streamOptimized", os.urandom(2 << 20))
    content = patched(whole, len(whole) // 2, b"\xff" * 4096)
    image_id = staged(database, store, content, "vmdk")
    task_id = ordered(database, image_id, ImportRules(convert_to="qcow2"))
    importer.run(task_id)
    made, task = look(database, image_id, task_id)
    assert (made.status, made.import_state, made.size_bytes) == ("queued", "failure", None)
    assert task.state == "failure"
    assert "could not be converted" in task.message
    assert (used(database), files(store)) == (0, [])


@pytest.mark.parametrize(("options", "fault"), REACHING)
def test_what_reaches_beyond_itself_is_refused_when_imported(
    database, store, importer, tmp_path, options, fault
):
    disk = tmp_path / "disk"
    (tmp_path / "base").write_bytes(b"x" * 512)
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-o", options, disk, "1M"], cwd=tmp_path, check=True
    )
    image_id = staged(database, store, disk.read_bytes(), "qcow2")
    task_id = ordered(database, image_id, ImportRules(convert_to="qcow2"))
    importer.run(task_id)
    made, task = look(database, image_id, task_id)
    assert (made.status, made.import_state, task.state) == ("queued", "failure", "failure")
    assert fault in task.message
    assert (used(database), files(store)) == (0, [])


def test_what_grows_over_the_quota_is_refused(database, store, tmp_path):
    content = qemu_img(tmp_path, "vmdk", "subformat=streamOptimized", os.urandom(1 << 20) + b"x" * (20 << 20))
    image_id = staged(database, store, content, "vmdk")
    with database.begin() as tx:
        quota.set_limits(tx, "project-a", {"image_bytes": len(content) + 100})
    task_id = ordered(database, image_id, ImportRules(convert_to="qcow2"))
    ImageImporter(database, store, ImportRules(convert_to="qcow2")).run(task_id)
    made, task = look(database, image_id, task_id)
    assert (made.status, task.state) == ("queued", "failure")
    assert (used(database), files(store)) == (0, [])


@pytest.fixture
def web(tmp_path):
    content = {
        "/good": qemu_img(tmp_path, "qcow2"),
        "/foreign": qemu_img(tmp_path, "vdi"),
        "/bad": b"x" * 999,
    }
    with serving(content) as url:
        yield url


@pytest.fixture
def rules(web):
    reach = Reach((web.removeprefix("http://"),), is_inner=lambda address: not address.is_loopback)
    return ImportRules(reach, "qcow2")


def queued(database, disk_format="qcow2"):
    with database.begin() as tx:
        return image.create(tx, MEMBER, ImageFields(disk_format=disk_format, container_format="bare")).id


@pytest.mark.parametrize(("path", "disk_format"), [("/good", "qcow2"), ("/foreign", "vdi")])
def test_an_image_is_fetched(database, store, web, rules, path, disk_format):
    image_id = queued(database, disk_format)
    task_id = ordered(database, image_id, rules, imports.DOWNLOAD, web + path)
    Worker(database, [ImageImporter(database, store, rules)]).run_once()
    for thread in threading.enumerate():
        if thread.name == "import":
            thread.join()
    made, task = look(database, image_id, task_id)
    assert (made.status, made.disk_format, task.state, task.message) == ("active", "qcow2", "success", "")
    assert raw(store.path(image_id), "qcow2") == CONTENT.ljust(SIZE, b"\0")
    assert files(store) == [image_id]


@pytest.mark.parametrize(
    ("path", "reason"), [("/none", "answered 404"), ("/bad", "does not match"), ("/short", "fe")]
)
def test_what_cannot_be_had_is_told(database, store, web, rules, path, reason):
    image_id = queued(database)
    task_id = ordered(database, image_id, rules, imports.DOWNLOAD, web + path)
    ImageImporter(database, store, rules).run(task_id)
    made, task = look(database, image_id, task_id)
    assert (made.status, task.state) == ("queued", "failure")
    assert reason in task.message
    assert files(store) == []


def test_nothing_is_fetched_unless_the_operator_allows_it(database, web, rules):
    image_id = queued(database)
    with pytest.raises(Invalid, match="Unknown import method"):
        ordered(database, image_id, ImportRules(), imports.DOWNLOAD, web)
    with pytest.raises(Invalid, match="has not allowed"):
        ordered(database, image_id, rules, imports.DOWNLOAD, "https://elsewhere.test/")


def test_an_image_deleted_meanwhile_ends_its_import(database, store, importer, tmp_path):
    image_id = staged(database, store, qemu_img(tmp_path, "vdi"), "vdi")
    task_id = ordered(database, image_id, ImportRules(convert_to="qcow2"))
    with database.begin() as tx:
        image.delete(tx, MEMBER, image_id)
    importer.run(task_id)
    with database.begin() as tx:
        assert tasks.get(tx, MEMBER, task_id).state == "failure"
    assert used(database) == 0


def test_an_import_whose_process_died_is_done_by_the_next(database, store, importer, clock, tmp_path):
    image_id = staged(database, store, qemu_img(tmp_path, "vdi"), "vdi")
    task_id = ordered(database, image_id, ImportRules(convert_to="qcow2"))
    with database.begin() as tx:
        dead = imports.take(tx, task_id)
        assert dead is not None
        store.incoming(dead.upload.id).write_bytes(b"half")
    importer.run(task_id)
    assert look(database, image_id, task_id)[0].status == "importing"
    clock.advance(121)
    with database.begin() as tx:
        assert importer.scan(tx) == [task_id]
    importer.run(task_id)
    assert look(database, image_id, task_id)[0].status == "active"
    with database.begin() as tx, pytest.raises(image.faults.UploadLost):
        imports.finish(tx, store, dead, Content(Sums(1, "", ""), "qcow2", "bare", 1))


def test_ended_tasks_are_forgotten_after_two_days(database, store, importer, clock):
    image_id = staged(database, store, b"raw", "raw")
    task_id = ordered(database, image_id, ImportRules())
    importer.run(task_id)
    Worker(database, [ImageCollector(database, store)]).scan()
    clock.advance(tasks.KEPT.total_seconds() + 1)
    Worker(database, [ImageCollector(database, store)]).run_once()
    with database.begin() as tx, pytest.raises(image.faults.TaskNotFound):
        tasks.get(tx, MEMBER, task_id)


def test_qemu_img_runs_under_limits(database, store, importer, tmp_path, monkeypatch):
    """As nobody, without network, with bounds: asked of the running process."""
    seen = {}
    real = subprocess.Popen

    def stopped(command, **kw):
        process = real([*command[:-7], "sleep", "5"], **kw)
        of_process = Path(f"/proc/{process.pid}")
        for _ in range(200):
            if (of_process / "comm").read_text().strip() == "sleep":
                break
            threading.Event().wait(0.01)
        seen["status"] = (of_process / "status").read_text()
        seen["limits"] = (of_process / "limits").read_text()
        seen["net"] = (of_process / "ns/net").readlink() != Path("/proc/self/ns/net").readlink()
        process.send_signal(signal.SIGKILL)
        return process

    image_id = staged(database, store, qemu_img(tmp_path, "vdi"), "vdi")
    task_id = ordered(database, image_id, ImportRules(convert_to="qcow2"))
    monkeypatch.setattr("volutus.image.conversion.subprocess.Popen", stopped)
    importer.run(task_id)
    assert look(database, image_id, task_id)[1].state == "failure"
    assert "Uid:\t65534\t65534\t65534\t65534" in seen["status"]
    assert "CapEff:\t0000000000000000" in seen["status"]
    assert "NoNewPrivs:\t1" in seen["status"]
    assert seen["net"]
    lines = {line.split("  ")[0]: line.split() for line in seen["limits"].splitlines()}
    assert lines["Max address space"][3] == str(2 << 30)
    assert lines["Max cpu time"][3] == "1800"
    assert int(lines["Max file size"][3]) < SIZE + (65 << 20)
