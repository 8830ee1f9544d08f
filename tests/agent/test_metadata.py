"""What the metadata service says, without a network."""

import asyncio
import http.client
import socket
from collections.abc import Iterator

import pytest

from volutus.agent.network import metadata_server
from volutus.agent.network.metadata_server import MetadataServer, lookup
from volutus.wire import MetadataPort

TREE = {
    "openstack/latest/meta_data.json": (
        '{"uuid": "u-1", "hostname": "h.local", "public_keys": {"me": "ssh-rsa A"}}'
    ),
    "openstack/latest/user_data": "#!/bin/sh\n",
    "openstack/2018-08-27/meta_data.json": "{}",
}

PATHS = {
    "/openstack/latest/user_data": "#!/bin/sh\n",
    "/openstack": "2018-08-27/\nlatest/",
    "/openstack/latest/": "meta_data.json\nuser_data",
    "/": "latest/\nopenstack/",
    "/latest/meta-data/instance-id": "u-1",
    "/latest/meta-data/hostname": "h.local",
    "/latest/meta-data/public-keys": "0=me",
    "/latest/meta-data/public-keys/0/openssh-key": "ssh-rsa A",
    "/latest/user-data": "#!/bin/sh\n",
    "/openstack/latest/vendor_data.json": None,
    "/openstack/late": None,
    "/../etc/passwd": None,
}


@pytest.mark.parametrize("path", PATHS)
def test_paths(path: str) -> None:
    assert lookup(TREE, path) == PATHS[path]


def test_who_has_no_tree_gets_nothing() -> None:
    assert lookup({}, "/") is None


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    monkeypatch.setattr(metadata_server.links, "within", lambda namespace, work: [listening])
    kept: dict[str, bytes] = {}

    def passwords(guest_id: str, told: bytes) -> bytes:
        return kept.setdefault(guest_id, told) if told else kept.get(guest_id, b"")

    server = MetadataServer(passwords)
    server.publish({("net", "127.0.0.1"): TREE})
    server.listen("net", "unused", [], MetadataPort(port_id="p", mac="m", addresses=[]), "unused")
    yield listening.getsockname()[1]
    server.close()


def ask(connection: http.client.HTTPConnection, method: str, path: str) -> tuple[int, bytes]:
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_one_connection_serves_many_requests(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    assert ask(connection, "GET", "/latest/meta-data/instance-id") == (200, b"u-1")
    assert ask(connection, "GET", "/nothing") == (404, b"")
    assert ask(connection, "HEAD", "/latest/meta-data/instance-id") == (200, b"")
    assert ask(connection, "POST", "/latest/meta-data/instance-id")[0] == 405
    connection.close()


def tell(port: int, path: str, password: bytes | None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET" if password is None else "POST", path, password)
    answer = connection.getresponse()
    told = answer.status, answer.read()
    connection.close()
    return told


def test_a_guest_tells_its_password_once(port: int) -> None:
    path = "/openstack/2013-10-17/password"
    assert tell(port, path, None) == (200, b"")
    for wrong in (b"", b"x" * (metadata_server.PASSWORD_BYTES_MAX + 1), "ü".encode(), b"two\nlines"):
        assert tell(port, path, wrong)[0] == 400
    assert [tell(port, path, said)[0] for said in (b"first", b"first", b"second")] == [200, 200, 409]
    assert tell(port, "/openstack/latest/password", None) == (200, b"first")


def test_a_guest_that_asks_without_end_is_slowed(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    answers = [ask(connection, "GET", "/openstack")[0] for _ in range(int(metadata_server.BURST) + 60)]
    assert answers[0] == 200 and 429 in answers
    connection.close()


def test_a_guest_that_hoards_connections_gets_no_more(port: int) -> None:
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    asyncio.run(asyncio.sleep(0.2))
    closed = 0
    for connection in held:
        connection.settimeout(0.05)
        try:
            closed += connection.recv(1) == b""
        except TimeoutError:
            continue
    assert closed == 20 - metadata_server.CONNECTIONS_PER_ADDRESS
    for connection in held:
        connection.close()


def test_nonsense_is_not_answered(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"x" * 20_000)
        assert connection.recv(100) == b""
    assert ask(http.client.HTTPConnection("127.0.0.1", port, timeout=5), "GET", "/openstack")[0] == 200
