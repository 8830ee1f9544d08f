"""Image bytes over HTTP: upload, download, staging, refusals, and what happens in between."""

import hashlib
import subprocess

import pytest

from tests.api.image.test_images import ROOT, make, patch
from tests.conftest import make_caller
from volutus import image, quota
from volutus.errors import Unavailable
from volutus.image import ImageCollector, ImageImporter, ImageStore, ImportRules
from volutus.reconcile import Worker

BYTES = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def store(settings) -> ImageStore:
    return ImageStore(settings.image_dir)


def files(settings):
    return (
        sorted(p.name for p in settings.image_dir.rglob("*") if p.is_file())
        if settings.image_dir.exists()
        else []
    )


def queued(api, disk_format="raw", **body):
    return make(api, name="one", disk_format=disk_format, container_format="bare", **body)


def put(api, made, content, end="file", headers=BYTES):
    return api.request("PUT", f"{ROOT}/images/{made['id']}/{end}", content=content, headers=headers)


def used_bytes(database):
    with database.begin() as tx:
        return quota.usage(tx, "project-a")["image_bytes"]


def show(api, made):
    return api.get(f"{ROOT}/images/{made['id']}").json()


def test_bytes_go_in_and_come_out(api, settings, database):
    made = queued(api)
    content = bytes(range(256)) * 5000
    assert api.get(f"{ROOT}/images/{made['id']}/file").status_code == 204
    assert put(api, made, content).status_code == 204
    after = show(api, made)
    assert (after["status"], after["size"], after["virtual_size"]) == ("active", len(content), len(content))
    assert after["checksum"] == hashlib.md5(content).hexdigest()
    assert (after["os_hash_algo"], after["os_hash_value"]) == ("sha256", hashlib.sha256(content).hexdigest())
    assert after["stores"] == "local"
    answer = api.get(f"{ROOT}/images/{made['id']}/file")
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["Content-MD5"] == after["checksum"]
    assert answer.headers["Content-Length"] == str(len(content))
    assert files(settings) == [made["id"]]
    assert used_bytes(database) == len(content)


def test_a_range_may_be_asked_for(api):
    made = queued(api)
    put(api, made, b"0123456789")
    answer = api.get(f"{ROOT}/images/{made['id']}/file", headers={"Range": "bytes=2-4"})
    assert (answer.status_code, answer.content) == (206, b"234")


def test_a_stream_of_unknown_length_is_taken(api):
    made = queued(api)
    assert put(api, made, (b"x" * 70_000 for _ in range(40))).status_code == 204
    assert show(api, made)["size"] == 40 * 70_000


def test_data_come_once(api, settings):
    made = queued(api)
    put(api, made, b"first")
    assert put(api, made, b"second").status_code == 409
    assert put(api, made, b"third", "stage").status_code == 409
    assert api.get(f"{ROOT}/images/{made['id']}/file").content == b"first"
    assert files(settings) == [made["id"]]


def test_formats_are_needed_first_and_fixed_then(api):
    made = make(api, name="one")
    assert put(api, made, b"x").status_code == 400
    for key, value in (("disk_format", "raw"), ("container_format", "bare")):
        assert patch(api, made, {"op": "replace", "path": f"/{key}", "value": value}).status_code == 200
    assert put(api, made, b"x").status_code == 204
    assert patch(api, made, {"op": "replace", "path": "/disk_format", "value": "iso"}).status_code == 403


def test_only_bytes_are_bytes(api):
    made = queued(api)
    assert put(api, made, b"{}", headers={"Content-Type": "application/json"}).status_code == 415
    assert show(api, made)["status"] == "queued"


def test_an_upload_is_the_owners_alone(api):
    made = queued(api, visibility="community")
    assert put(api.as_(make_caller("project-b")), made, b"x").status_code == 403
    assert put(api.as_(make_caller(role="reader")), made, b"x").status_code == 403
    assert put(api, {"id": "5f2a1d4e-7a3c-4c1b-9f0e-0d6b8a7c9e11"}, b"x").status_code == 404


@pytest.mark.parametrize(
    ("disk_format", "content"),
    [("qcow2", b"x" * 4096), ("raw", b"QFI\xfb" + b"\0" * 600), ("iso", b"\0" * 70_000)],
)
def test_a_disk_that_is_not_what_it_is_said_to_be_is_refused(api, settings, disk_format, content):
    made = queued(api, disk_format)
    answer = put(api, made, content)
    assert answer.status_code == 400
    assert "Image" in answer.json()["message"]
    assert show(api, made)["status"] == "queued"
    assert files(settings) == []


def test_a_backing_file_is_refused_though_qemu_would_open_it(api, settings, tmp_path):
    disk = tmp_path / "disk.qcow2"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "/etc/passwd", disk, "1M"], check=True
    )
    made = queued(api, "qcow2")
    assert "backing file" in put(api, made, disk.read_bytes()).json()["message"]
    assert files(settings) == []


def test_a_good_disk_tells_its_size(api, tmp_path):
    disk = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "5G"], check=True)
    made = queued(api, "qcow2")
    assert put(api, made, disk.read_bytes()).status_code == 204
    assert show(api, made)["virtual_size"] == 5 << 30


def test_staged_bytes_are_imported(api, database, store):
    made = queued(api)
    path = f"{ROOT}/images/{made['id']}"
    ask = {"method": {"name": "glance-direct"}, "all_stores": True}
    assert api.post(f"{path}/import", ask).status_code == 409
    assert put(api, made, b"staged", "stage").status_code == 204
    assert show(api, made)["status"] == "uploading"
    assert api.get(f"{path}/file").status_code == 204
    assert put(api, made, b"again", "stage").status_code == 409
    assert (
        api.post(f"{path}/import", {"method": {"name": "web-download", "uri": "http://x/"}}).status_code
        == 400
    )
    assert api.post(f"{path}/import", ask | {"stores": ["elsewhere"]}).status_code == 400
    assert api.post(f"{path}/import", ask).status_code == 202
    assert show(api, made)["status"] == "importing"
    assert api.post(f"{path}/import", ask).status_code == 409
    (task,) = api.get(f"{path}/tasks").json()["tasks"]
    ImageImporter(database, store, ImportRules()).run(task["id"])
    assert show(api, made)["status"] == "active"
    assert api.get(f"{path}/file").content == b"staged"
    assert api.post(f"{path}/import", ask).status_code == 409


def test_a_deactivated_image_is_not_handed_out(api):
    made = queued(api)
    path = f"{ROOT}/images/{made['id']}"
    assert api.post(f"{path}/actions/deactivate").status_code == 403
    put(api, made, b"bytes")
    assert api.post(f"{path}/actions/deactivate").status_code == 204
    assert show(api, made)["status"] == "deactivated"
    assert api.get(f"{path}/file").status_code == 403
    assert api.as_(make_caller("x", "admin")).get(f"{path}/file").status_code == 200
    assert api.post(f"{path}/actions/reactivate").status_code == 204
    assert api.get(f"{path}/file").content == b"bytes"


def test_an_upload_whose_image_is_deleted_meanwhile_leaves_nothing(api, settings, monkeypatch):
    made = queued(api)

    def deleting_check(upload, incoming):
        assert api.delete(f"{ROOT}/images/{made['id']}").status_code == 204

    monkeypatch.setattr(image.data, "check", deleting_check)
    assert put(api, made, b"bytes").status_code == 410
    assert files(settings) == []


def test_deleting_gives_the_bytes_back_after_a_grace_time(api, settings, store, database, clock):
    made = queued(api)
    put(api, made, b"bytes")
    api.delete(f"{ROOT}/images/{made['id']}")
    assert used_bytes(database) == 0
    collector = ImageCollector(database, store)
    with database.begin() as tx:
        assert image.file_path(tx, store, made["id"]).read_bytes() == b"bytes"
        assert made["id"] not in collector.scan(tx)
    clock.advance(301)
    with database.begin() as tx:
        assert made["id"] in collector.scan(tx)
    Worker(database, [collector]).run_once()
    assert files(settings) == []


def test_the_database_failing_at_the_end_leaves_the_image_queued(api, settings, monkeypatch):
    made = queued(api)

    def away(*_):
        raise Unavailable("The cloud's database does not answer.")

    monkeypatch.setattr(image.data, "finish", away)
    answer = put(api, made, b"bytes")
    assert answer.status_code == 503
    assert show(api, made)["status"] == "queued"
    assert files(settings) == []
