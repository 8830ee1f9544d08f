"""Large bodies over a real connection: they go past the event loop, and nobody can tell."""

import hashlib
import http.client
import os
import socket
import threading
import time
from dataclasses import dataclass

import pytest
import uvicorn

from tests.conftest import make_caller
from volutus.http.direct import DirectProtocol
from volutus.http.listening import SharingServer

CONTENT = os.urandom(20 << 20) + bytes(9 << 20) + b"the end"
ROOT = "/image/v2/images"


@dataclass
class Cloud:
    """The API as it is served, and its one caller's token."""

    address: tuple[str, int]
    token: str

    def connect(self):
        return http.client.HTTPConnection(*self.address, timeout=20)

    def call(self, method, path, body=None, connection=None, **headers):
        connection = connection or self.connect()
        headers = {"X-Auth-Token": self.token, **{k.replace("_", "-"): v for k, v in headers.items()}}
        connection.request(method, ROOT + path, body, headers)
        answer = connection.getresponse()
        return answer, answer.read()

    def head(self, made, **headers):
        lines = [f"PUT {ROOT}/{made}/file HTTP/1.1", "Host: here", f"X-Auth-Token: {self.token}"]
        lines += ["Content-Type: application/octet-stream", f"Content-Length: {len(CONTENT)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode()

    def upload(self, made):
        return self.call("PUT", f"/{made}/file", CONTENT, Content_Type="application/octet-stream")


@pytest.fixture
def cloud(kernel, authenticator):
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(kernel, log_config=None, lifespan="off", loop="uvloop", http=DirectProtocol)
    server = SharingServer(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield Cloud(listening.getsockname()[:2], authenticator.issue(make_caller()))
    server.should_exit = server.force_exit = True
    thread.join(timeout=10)
    listening.close()


@pytest.fixture
def made(api):
    order = {"name": "large", "disk_format": "raw", "container_format": "bare"}
    return api.post(ROOT, order).json()["id"]


def until(condition):
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_up_and_down(cloud, api, made):
    with socket.create_connection(cloud.address, 20) as connection:
        connection.sendall(cloud.head(made, Expect="100-continue"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(CONTENT)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 204 ") and b"connection: close" in answer
    image = api.get(f"{ROOT}/{made}").json()
    assert (image["status"], image["size"]) == ("active", len(CONTENT))
    assert image["checksum"] == hashlib.md5(CONTENT).hexdigest()
    assert image["os_hash_value"] == hashlib.sha256(CONTENT).hexdigest()
    kept = cloud.connect()
    # One connection serves them all: each answer ends where it says.
    for begin, end in ((0, len(CONTENT)), (5 << 20, 28 << 20), (7, 9), (len(CONTENT) - 4, len(CONTENT))):
        asked = f"bytes={begin}-{end - 1}"
        for part in ("file", "raw"):
            answer, came = cloud.call("GET", f"/{made}/{part}", connection=kept, Range=asked)
            assert (answer.status, came == CONTENT[begin:end]) == (206, True), (part, asked)
    kept.close()


def test_a_refusal_is_heard_though_all_was_sent(cloud, made):
    assert cloud.upload(made)[0].status == 204
    answer, told = cloud.upload(made)
    assert (answer.status, b"not allowed" in told) == (409, True)


def test_who_goes_away_leaves_nothing(cloud, api, made, settings):
    with socket.create_connection(cloud.address, 20) as connection:
        connection.sendall(cloud.head(made) + CONTENT[: 18 << 20])
        until(lambda: api.get(f"{ROOT}/{made}").json()["status"] == "saving")
    until(lambda: api.get(f"{ROOT}/{made}").json()["status"] == "queued")
    until(lambda: not [path for path in settings.image_dir.rglob("*") if path.is_file()])
    assert cloud.upload(made)[0].status == 204
    opened = len(os.listdir("/proc/self/fd"))
    with socket.create_connection(cloud.address, 20) as connection:
        head = f"GET {ROOT}/{made}/file HTTP/1.1\r\nHost: here\r\nX-Auth-Token: {cloud.token}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    until(lambda: len(os.listdir("/proc/self/fd")) <= opened)
