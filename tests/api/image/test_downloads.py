"""Downloads over HTTP: ranges, resuming, and any disk as RAW."""

import os
import subprocess

import pytest

from tests.api.image.test_data import ROOT, put, queued
from tests.conftest import make_caller
from tests.image.test_inspection import MADE, SIZE, qemu_img

CONTENT = os.urandom(5_000_000)


@pytest.fixture
def file(api):
    made = queued(api)
    put(api, made, CONTENT)
    return f"{ROOT}/images/{made['id']}/file"


@pytest.mark.parametrize(
    ("asked", "status", "begin", "end"),
    [
        (None, 200, 0, 5_000_000),
        ("bytes=0-", 206, 0, 5_000_000),
        ("bytes=4999999-", 206, 4_999_999, 5_000_000),
        ("bytes=10-19", 206, 10, 20),
        ("bytes=10-99999999", 206, 10, 5_000_000),
        ("bytes=-7", 206, 4_999_993, 5_000_000),
        ("bytes=-99999999", 206, 0, 5_000_000),
        ("bytes=5000000-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
        ("bytes=9-5", 200, 0, 5_000_000),
        ("bytes=-", 200, 0, 5_000_000),
        ("bytes=0-1,5-6", 200, 0, 5_000_000),
        ("lines=1-2", 200, 0, 5_000_000),
        ("bytes=" + "9" * 5000 + "-", 200, 0, 5_000_000),
    ],
)
def test_ranges(api, file, asked, status, begin, end):
    answer = api.get(file, headers={"Range": asked} if asked else {})
    assert (answer.status_code, answer.content == CONTENT[begin:end]) == (status, True)
    assert answer.headers["Content-Length"] == str(end - begin)
    assert answer.headers["Accept-Ranges"] == "bytes"
    told = {200: None, 206: f"bytes {begin}-{end - 1}/5000000", 416: "bytes */5000000"}[status]
    assert answer.headers.get("Content-Range") == told


def test_a_download_goes_on_only_while_the_data_are_the_same(api, file):
    tag = api.get(file, headers={"Range": "bytes=0-9"}).headers["ETag"]
    rest = {"Range": "bytes=10-"}
    assert api.get(file, headers={**rest, "If-Range": tag}).status_code == 206
    assert api.get(file, headers={**rest, "If-Range": '"another"'}).status_code == 200
    assert api.get(file, headers={"If-None-Match": tag}).status_code == 304
    head = api.request("HEAD", file)
    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", "5000000")


@pytest.mark.parametrize(("disk_format", "driver", "options"), MADE)
def test_any_disk_comes_as_raw(api, tmp_path, disk_format, driver, options):
    made = queued(api, disk_format)
    path = f"{ROOT}/images/{made['id']}/raw"
    assert api.get(path).status_code == 409
    assert put(api, made, qemu_img(tmp_path, driver, options)).status_code == 204
    whole = (b"some data" * 1000).ljust(SIZE, b"\0")
    answer = api.get(path)
    assert answer.headers["Content-Length"] == str(SIZE)
    assert answer.content == whole
    part = api.get(path, headers={"Range": "bytes=8990-9019", "If-Range": answer.headers["ETag"]})
    assert (part.status_code, part.content) == (206, whole[8990:9020])
    assert api.request("HEAD", path).headers["Content-Length"] == str(SIZE)
    assert api.as_(make_caller("project-b")).get(path).status_code == 404


def test_data_in_the_middle_and_zeros_around(api, tmp_path):
    disk = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "1G"], check=True)
    write = ["-c", "write -P 7 700M 3M", "-c", "write -z 900M 1M"]
    subprocess.run(["qemu-io", "-f", "qcow2", *write, disk], check=True, stdout=subprocess.DEVNULL)
    made = queued(api, "qcow2")
    put(api, made, disk.read_bytes())
    at = 700 << 20
    answer = api.get(
        f"{ROOT}/images/{made['id']}/raw", headers={"Range": f"bytes={at - 5_000_000}-{at + 4_999_999}"}
    )
    assert answer.content == bytes(5_000_000) + b"\7" * (3 << 20) + bytes(5_000_000 - (3 << 20))


def test_a_file_that_is_missing_is_told(api, settings):
    made = queued(api, "raw")
    put(api, made, b"bytes")
    (settings.image_dir / made["id"]).unlink()
    assert api.get(f"{ROOT}/images/{made['id']}/raw").status_code == 404


def test_what_is_no_disk_has_no_raw_form(api):
    made = queued(api, "aki")
    put(api, made, b"a kernel")
    assert api.get(f"{ROOT}/images/{made['id']}/raw").status_code == 409


def test_nothing_is_left_running(api, tmp_path):
    made = queued(api, "vdi")
    put(api, made, qemu_img(tmp_path, "vdi"))
    before = set(os.listdir("/proc/self/fd"))
    api.get(f"{ROOT}/images/{made['id']}/raw", headers={"Range": "bytes=0-0"})
    assert set(os.listdir("/proc/self/fd")) == before
    children = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "comm="], capture_output=True, text=True
    )
    assert "qemu-nbd" not in children.stdout
