"""Large bodies over a real connection: they go past the event loop, and nobody can tell."""

import hashlib
import http.client
import os
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import uvicorn
from starlette.datastructures import Headers

from tests.conftest import make_caller
from volutus.http.direct import DirectProtocol
from volutus.http.listening import SharingServer
from volutus.http.sending import RangedResponse, Sendable

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


@contextmanager
def served(app):
    """Where the application answers while the block lasts."""
    listening = socket.create_server(("127.0.0.1", 0))
    # On a busy machine the test may think for longer than a server would wait for the next request.
    waits = {"timeout_keep_alive": 60}
    config = uvicorn.Config(app, log_config=None, lifespan="off", loop="uvloop", http=DirectProtocol, **waits)
    server = SharingServer(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield listening.getsockname()[:2]
    server.should_exit = server.force_exit = True
    thread.join(timeout=10)
    listening.close()


@pytest.fixture
def cloud(kernel, authenticator):
    with served(kernel) as address:
        yield Cloud(address, authenticator.issue(make_caller()))


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


def test_requests_may_come_before_the_answers(cloud, made):
    assert cloud.upload(made)[0].status == 204
    ranges = [(7, 9), (5 << 20, 28 << 20), (0, 6 << 20), (3, 4)]
    asked = []
    for begin, end in ranges:
        lines = [f"GET {ROOT}/{made}/file HTTP/1.1", "Host: here", f"X-Auth-Token: {cloud.token}"]
        lines += [f"Range: bytes={begin}-{end - 1}", *(["Connection: close"] if end == 4 else [])]
        asked.append("\r\n".join([*lines, "", ""]))
    with socket.create_connection(cloud.address, 20) as connection:
        connection.sendall("".join(asked).encode())
        answers = b"".join(iter(lambda: connection.recv(1 << 20), b""))
    for begin, end in ranges:
        head, _, answers = answers.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 206 "), (begin, end, head)
        assert answers[: end - begin] == CONTENT[begin:end]
        answers = answers[end - begin :]
    assert not answers


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


class MemoryDisk:
    """A disk that is no file: `CONTENT`, and nothing where it has ended."""

    def __init__(self):
        self.closed = False

    @property
    def size_bytes(self):
        return len(CONTENT)

    def readinto(self, at, view):
        assert not self.closed
        found = CONTENT[at : at + len(view)]
        view[: len(found)] = found
        return len(found)

    def close(self):
        self.closed = True


def test_what_is_no_file_comes_whole_however_slowly_it_is_taken():
    disks = []

    def opened():
        disks.append(MemoryDisk())
        return disks[-1]

    async def app(scope, receive, send):
        sent = Sendable(len(CONTENT) + 5, "etag", opened)
        await RangedResponse(sent, Headers(scope=scope))(scope, receive, send)

    with served(app) as address:
        kept = http.client.HTTPConnection(*address, timeout=20)
        for begin, end in ((0, len(CONTENT) + 5), (3, 6 << 20), (len(CONTENT) - 1, len(CONTENT) + 1), (0, 1)):
            kept.request("GET", "/", headers={"Range": f"bytes={begin}-{end - 1}"})
            answer, came = kept.getresponse(), bytearray()
            while piece := answer.read(1 << 20):
                came += piece
                time.sleep(0.005)
            assert came == (CONTENT + bytes(5))[begin:end]
        with socket.create_connection(address, 20) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            connection.recv(100)
        until(lambda: len(disks) == 5 and all(disk.closed for disk in disks))
