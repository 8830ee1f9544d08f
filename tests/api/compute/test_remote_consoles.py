"""Consoles from a browser's WebSocket to a guest's socket: through both APIs on real ports and the agent's
own tunnels. The guest is a unix socket that answers in capitals."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import uvicorn
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, RejectConnection, Request

from tests.api.compute.conftest import ROOT
from tests.api_client import ApiClient
from tests.compute.plane import Plane, add_image, add_network
from tests.conftest import make_caller
from volutus import compute, main
from volutus.agent.config import AgentConfig
from volutus.agent.connection import Channel
from volutus.agent.console_tunnels import ConsoleTunnels
from volutus.agent.hypervisor.simulated import SimulatedHypervisor
from volutus.clock import SystemClock
from volutus.compute.faults import ConsoleTokenInvalid
from volutus.http import agent, relay
from volutus.http.kernel import Kernel
from volutus.ids import Ids
from volutus.wire import ConsoleKind

WAIT_S = 10


class TalkingHypervisor(SimulatedHypervisor):
    """Its guests' screens and serial ports are one socket each."""

    directory: Path

    def vnc_socket(self, guest_id: str) -> str:
        return str(self.directory / "vnc.sock")

    def serial_socket(self, guest_id: str) -> str:
        return str(self.directory / "serial.sock")


def shouting_guest(path: Path) -> None:
    """Says hello, then repeats what it hears in capitals, to one visitor at a time."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()

    def serve() -> None:
        while True:
            visitor, _ = listening.accept()
            visitor.sendall(b"hello")
            while data := visitor.recv(100):
                visitor.sendall(data.upper())
            visitor.close()

    threading.Thread(target=serve, daemon=True).start()


class Browser:
    """A WebSocket client of a few lines."""

    def __init__(self, url: str, path: str, origin: str | None = None) -> None:
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname, address.port), timeout=WAIT_S)
        self._protocol = WSConnection(ConnectionType.CLIENT)
        headers = [(b"origin", origin.encode())] if origin else []
        request = Request(host=address.netloc, target=path, subprotocols=["binary"], extra_headers=headers)
        self._socket.sendall(self._protocol.send(request))
        self._events: list[object] = []
        self.answer = self.next()

    def next(self) -> object:
        while not self._events:
            data = self._socket.recv(65536)
            self._protocol.receive_data(data or None)
            self._events += self._protocol.events()
            if not data and not self._events:
                return None
        return self._events.pop(0)

    def hear(self, count: int) -> bytes:
        heard = b""
        while len(heard) < count:
            event = self.next()
            assert isinstance(event, BytesMessage), event
            heard += event.data
        return heard

    def say(self, data: bytes) -> None:
        self._socket.sendall(self._protocol.send(BytesMessage(data)))

    def leave(self) -> None:
        self._socket.close()


@contextlib.contextmanager
def served(app, **options) -> Iterator[str]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", **options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = server.force_exit = True
    thread.join(WAIT_S)


@dataclass
class Cloud:
    """Both ports, one host that polls, and a server on it."""

    nova: ApiClient
    server_id: str
    url: str
    tunnels: ConsoleTunnels

    def order(self, kind: str = "vnc") -> tuple[str, str]:
        """The page's URL, and the path of the socket."""
        wanted = {"remote_console": {"protocol": kind, "type": {"vnc": "novnc"}.get(kind, kind)}}
        url = self.nova.post(f"{ROOT}/servers/{self.server_id}/remote-consoles", wanted)
        assert url.status_code == 200, url.text
        page = url.json()["remote_console"]["url"]
        return page, "/" + parse_qs(urlsplit(page).query)["path"][0]

    def visit(self, kind: str = "vnc") -> Browser:
        return Browser(self.url, self.order(kind)[1])


@pytest.fixture
def cloud(shared_database, clock, authenticator, settings, tmp_path) -> Iterator[Cloud]:
    caller = make_caller()
    with shared_database.begin() as tx:
        compute.bootstrap(tx)
        add_image(tx)
        add_network(tx, caller)
    plane = Plane(shared_database, clock, caller)
    host = plane.add_host("host-1")
    server_id = plane.create().id
    settings.run_dir.mkdir()
    for name in ("vnc", "serial"):
        shouting_guest(tmp_path / f"{name}.sock")
    kernel = Kernel(
        main.plane(settings, shared_database, clock, Ids(), authenticator), main.dialects(), relay.routes()
    )
    agents = main.plane(settings, shared_database, SystemClock(), Ids(), agent.HostAuthenticator())
    agents.parts["heartbeats"] = agent.Heartbeats(agents.database)
    agents.parts["bell"] = agent.HostBell(shared_database.url)
    agents = Kernel(agents, [agent.dialect(trust_host_header=True)])
    with served(kernel, ws="wsproto") as url, served(agents) as agents_url:
        config = AgentConfig(control_plane=agents_url, state_dir=tmp_path, trusted_host_id=host.host_id)
        hypervisor = TalkingHypervisor()
        hypervisor.directory = tmp_path
        tunnels = ConsoleTunnels(config, hypervisor)
        stop = threading.Event()
        poller = threading.Thread(target=poll, args=(config, tunnels, stop), daemon=True)
        poller.start()
        with ApiClient.over(kernel, authenticator, caller) as api:
            nova = api.as_(caller, X_OpenStack_Nova_API_Version="2.6")
            yield Cloud(nova, server_id, url, tunnels)
        stop.set()
        poller.join(WAIT_S)


def poll(config: AgentConfig, tunnels: ConsoleTunnels, stop: threading.Event) -> None:
    channel, seen = Channel(config), 0
    while not stop.is_set():
        answer = channel.desired(seen, 1)
        seen = answer.generation
        tunnels.open(answer.consoles)
    channel.close()


def test_bytes_go_both_ways_and_the_token_is_good_once(cloud: Cloud):
    page, path = cloud.order()
    assert urlsplit(page).path == "/console/vnc"
    browser = Browser(cloud.url, path)
    assert isinstance(browser.answer, AcceptConnection)
    assert browser.answer.subprotocol == "binary"
    assert browser.hear(5) == b"hello"
    browser.say(b"typed")
    assert browser.hear(5) == b"TYPED"
    second = Browser(cloud.url, path)
    assert isinstance(second.answer, RejectConnection)
    assert second.answer.status_code == 403
    browser.leave()
    deadline = time.monotonic() + WAIT_S
    while cloud.tunnels._sessions and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not cloud.tunnels._sessions


def test_the_newest_visitor_takes_the_serial_port(cloud: Cloud):
    first = cloud.visit("serial")
    assert first.hear(5) == b"hello"
    second = cloud.visit("serial")
    assert second.hear(5) == b"hello"
    assert isinstance(first.next(), CloseConnection)


def test_what_opens_no_socket(cloud: Cloud):
    for path in ("/console/ws", "/console/ws?token=x", "/console/other", "/compute/v2.1/servers"):
        assert isinstance(Browser(cloud.url, path).answer, RejectConnection)
    other_page = Browser(cloud.url, cloud.order()[1], origin="http://elsewhere.example")
    assert isinstance(other_page.answer, RejectConnection)


def test_tokens_expire_and_go_with_the_server(nova, plane, clock, database):
    remote = compute.remote_consoles
    made = plane.create(image_id="11111111-2222-3333-4444-555555555555")
    with database.begin() as tx:
        token = remote.create(tx, plane.caller, made.id, ConsoleKind.VNC)
        assert remote.look_up(tx, token).server_id == made.id
    clock.advance(remote.TOKEN_LIFETIME.total_seconds() + 1)
    with database.begin() as tx, pytest.raises(ConsoleTokenInvalid):
        remote.open_(tx, token)
    with database.begin() as tx:
        token = remote.create(tx, plane.caller, made.id, ConsoleKind.SERIAL)
    plane.act(compute.actions.delete, made.id)
    plane.settle()
    with database.begin() as tx, pytest.raises(ConsoleTokenInvalid):
        remote.open_(tx, token)


REFUSED = [
    ("2.5", {"remote_console": {"protocol": "vnc", "type": "novnc"}}, 404),
    ("2.6", {"remote_console": {"protocol": "spice", "type": "spice-html5"}}, 400),
    ("2.6", {"remote_console": {"protocol": "vnc", "type": "serial"}}, 400),
    ("2.6", {"remote_console": {"protocol": "vnc"}}, 400),
]


@pytest.mark.parametrize(("version", "body", "status"), REFUSED)
def test_what_is_no_console(nova, plane, version, body, status):
    made = plane.create(image_id="11111111-2222-3333-4444-555555555555")
    client = nova.as_(make_caller(), X_OpenStack_Nova_API_Version=version)
    assert client.post(f"{ROOT}/servers/{made.id}/remote-consoles", body).status_code == status


def test_the_old_actions_and_a_server_that_is_off(nova, plane):
    made = plane.create(image_id="11111111-2222-3333-4444-555555555555")
    action = f"{ROOT}/servers/{made.id}/action"
    answer = nova.post(action, {"os-getVNCConsole": {"type": "novnc"}}).json()["console"]
    assert answer["type"] == "novnc" and "/console/vnc?token=" in answer["url"]
    answer = nova.post(action, {"os-getSerialConsole": {"type": "serial"}}).json()["console"]
    assert "/console/serial?token=" in answer["url"]
    token = parse_qs(urlsplit(answer["url"]).query)["token"][0]
    admin = nova.as_(make_caller(role="admin"), X_OpenStack_Nova_API_Version="2.31")
    shown = admin.get(f"{ROOT}/os-console-auth-tokens/{token}").json()["console"]
    assert shown["instance_uuid"] == made.id
    plane.act(compute.actions.stop, made.id)
    plane.settle()
    assert nova.post(action, {"os-getVNCConsole": {"type": "novnc"}}).status_code == 409
