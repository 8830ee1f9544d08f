"""A control plane of one file: serves a document that the test writes by hand, and keeps what it is told."""

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec

from tests.agent.machine import Machine
from volutus.agent.network.links import within
from volutus.wire import Assignment, Desired, DiskSpec, Gone, GuestObserved, GuestSpec, HostFacts, Observed

Item = object


class ControlPlane:
    """Listens on the loopback of a namespace. `order` raises the document; `wait_for` waits for a report."""

    def __init__(self, images: dict[str, Path] | None = None, namespace: str | None = None) -> None:
        self.images = images or {}
        self.orders: dict[tuple[str, str], Assignment] = {}
        self.generation = 0
        self.items: dict[tuple[str, str], Item] = {}
        self.strangers: list[str] = []
        self.facts: HostFacts | None = None
        self.consoles: dict[str, bytes] = {}
        self.reports = 0
        self.fetches = 0
        self.away = False
        self.callers: set[str] = set()
        self.changed = threading.Condition()

        def listen() -> http.server.ThreadingHTTPServer:
            return http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

        self._server = within(namespace, listen) if namespace else listen()
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def order(
        self, spec: GuestSpec | DiskSpec | None, *, tombstone: tuple[str, str] | None = None
    ) -> Assignment:
        kind = "guest" if isinstance(spec, GuestSpec) else "disk"
        key = tombstone or (kind, spec.id if spec else "")
        with self.changed:
            self.generation += 1
            self.orders[key] = Assignment(
                kind=key[0],
                key=key[1],
                generation=self.generation,
                spec=spec,
                tombstone=tombstone is not None,
            )
            self.changed.notify_all()
            return self.orders[key]

    def desired(self, seen: int, wait_s: float) -> Desired:
        deadline = time.monotonic() + wait_s
        with self.changed:
            while self.generation <= seen and time.monotonic() < deadline and not self.away:
                self.changed.wait(min(0.5, wait_s))
            newer = [order for order in self.orders.values() if order.generation > seen]
            return Desired(generation=self.generation, full=seen == 0, assignments=newer)

    def observe(self, observed: Observed) -> None:
        with self.changed:
            self.reports += 1
            self.facts = observed.facts or self.facts
            self.strangers = observed.strangers
            for item in observed.items:
                if isinstance(item, Gone):
                    self.orders.pop((item.what, item.id), None)
                    self.items[(item.what, item.id)] = item
                else:
                    kind = "guest" if isinstance(item, GuestObserved) else "disk"
                    self.items[(kind, item.id)] = item
            self.changed.notify_all()

    def append(self, guest_id: str, offset: int, data: bytes) -> int:
        with self.changed:
            have = self.consoles.get(guest_id, b"")
            if offset <= len(have):
                have += data[len(have) - offset :]
            self.consoles[guest_id] = have
            self.changed.notify_all()
            return len(have)

    def wait_for(self, what: str, happened, timeout_s: float = 30.0):
        """Wait until `happened()` is true after a report or console output."""
        deadline = time.monotonic() + timeout_s
        with self.changed:
            while not (result := happened()):
                if time.monotonic() > deadline:
                    raise AssertionError(f"not seen in {timeout_s} s: {what}; last: {self.items}")
                self.changed.wait(0.2)
            return result

    def enrol(self, body: bytes) -> bytes | None:
        """Nobody enrols here."""
        return None

    def guest(self, guest_id: str) -> GuestObserved | None:
        item = self.items.get(("guest", guest_id))
        return item if isinstance(item, GuestObserved) else None


def _handler(plane: ControlPlane) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if plane.away:
                self._refuse()
            elif parts.path.endswith("/desired"):
                wait = float(query.get("wait", 0))
                self._send(msgspec.json.encode(plane.desired(int(query["seen"]), wait)))
            else:
                plane.fetches += 1
                image = plane.images.get(parts.path.split("/")[-2])
                self._send(image.read_bytes()) if image else self._refuse()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            self._note_caller()
            if plane.away:
                self._refuse()
            elif parts.path.endswith("/enrol"):
                enrolled = plane.enrol(body)
                self._send(enrolled) if enrolled else self._refuse()
            elif parts.path.endswith("/observed"):
                plane.observe(msgspec.json.decode(body, type=Observed))
                self._send(b'{"resend_all": false}')
            else:
                offset = int(parse_qs(parts.query)["offset"][0])
                have = plane.append(parts.path.split("/")[-2], offset, body)
                self._send(json.dumps({"offset": have}).encode())

        def _note_caller(self) -> None:
            certificate = getattr(self.connection, "getpeercert", dict)() or {}
            names = dict(pair[0] for pair in certificate.get("subject", ()))
            plane.callers.add(names.get("commonName", ""))

        def _send(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            # An agent that was killed does not wait for its answer.
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def _refuse(self) -> None:
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Handler


@contextlib.contextmanager
def serving(host: Machine, images: dict[str, Path]) -> Iterator[ControlPlane]:
    """One with these images, whose agent runs on the host."""
    served = ControlPlane(images, host.namespace)
    host.configure_agent(served.url)
    host.start_agent()
    yield served
    served.close()
