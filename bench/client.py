"""A keep-alive HTTP client that costs little itself, so that what is measured is the cloud.

It speaks just enough HTTP/1.1 for answers with a stated length.
"""

import json
import selectors
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 60.0
_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """`seconds` from the first byte sent to the last received."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:
        """The document. Raises for an answer that is a failure."""
        if self.status >= 400:
            raise AssertionError(f"{self.status} {self.body[:500]!r}")
        return json.loads(self.body) if self.body else None


class Client:
    """One caller of the cloud: an origin, a token, a kept connection."""

    def __init__(self, origin: str, token: str = "") -> None:
        parts = urlsplit(origin)
        self.address = (parts.hostname or "", parts.port or 80)
        self.token = token
        self._connection: socket.socket | None = None

    def with_token(self, token: str) -> "Client":
        """The same cloud as somebody else."""
        return Client(f"http://{self.address[0]}:{self.address[1]}", token)

    def sign_in(self, user: str, password: str, project: str) -> "Client":
        """A client with a token for the project."""
        who = {"name": user, "domain": {"id": "default"}, "password": password}
        scope = {"project": {"name": project, "domain": {"id": "default"}}}
        auth = {"identity": {"methods": ["password"], "password": {"user": who}}, "scope": scope}
        answer = self.call("POST", "/identity/v3/auth/tokens", {"auth": auth})
        answer.json()
        return self.with_token(answer.headers["x-subject-token"])

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """One request. A connection that was closed meanwhile is opened anew, once."""
        request = self.request(method, path, body, headers)
        for fresh in (False, True):
            if self._connection is None or fresh:
                self._connection = self.connect()
            try:
                return exchange(self._connection, request)
            except (ConnectionResetError, BrokenPipeError):
                if fresh:
                    raise
        raise AssertionError

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> bytes:
        """The bytes of a request; `body` is encoded unless it is bytes."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: bench", f"Content-Length: {len(content)}"]
        all_headers = {"Content-Type": "application/json", **(headers or {})}
        if self.token:
            all_headers = {"X-Auth-Token": self.token, **all_headers}
        lines += [f"{name}: {value}" for name, value in all_headers.items()]
        return "\r\n".join(lines).encode() + _END + content

    def connect(self) -> socket.socket:
        """A new connection."""
        connection = socket.create_connection(self.address, timeout=TIMEOUT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def close(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def exchange(connection: socket.socket, request: bytes) -> Answer:
    """Send and receive on a connection."""
    began = time.perf_counter()
    connection.sendall(request)
    received = b""
    while (answer := _parse(received)) is None:
        more = connection.recv(1 << 20)
        if not more:
            raise ConnectionResetError("closed in the middle of an answer")
        received += more
    status, headers, body = answer
    return Answer(status, headers, body, time.perf_counter() - began)


def median_ms(act: Callable[[], Answer], times: int, warm: int = 3) -> float:
    """The median of so many calls one after the other, every one of which must succeed."""
    for _ in range(warm):
        act().json()
    answers = [act() for _ in range(times)]
    for answer in answers:
        answer.json()
    return statistics.median(answer.seconds for answer in answers) * 1000


@dataclass(frozen=True)
class Burst:
    """What came of many calls at once."""

    answers: list[Answer]
    seconds: float

    @property
    def per_second(self) -> float:
        return len(self.answers) / self.seconds

    def all_good(self) -> "Burst":
        """Itself. Raises for the first answer that is a failure."""
        for answer in self.answers:
            answer.json()
        return self


def burst(client: Client, requests: Iterator[bytes], connections: int = 16, seconds: float = 1e9) -> Burst:
    """Send the requests over so many connections, each the next as soon as it has its answer, until there
    are no more or the time is over."""
    selector = selectors.DefaultSelector()
    answers: list[Answer] = []
    began = time.perf_counter()
    flying: dict[socket.socket, tuple[float, bytearray]] = {}

    def send(connection: socket.socket) -> bool:
        request = next(requests, None) if time.perf_counter() - began < seconds else None
        if request is None:
            return False
        flying[connection] = (time.perf_counter(), bytearray())
        connection.sendall(request)
        return True

    opened = [client.connect() for _ in range(connections)]
    for connection in opened:
        selector.register(connection, selectors.EVENT_READ)
        send(connection)
    while flying:
        for key, _ in selector.select(TIMEOUT_S):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            sent, buffer = flying[connection]
            more = connection.recv(1 << 20)
            if not more:
                raise ConnectionResetError("closed in the middle of an answer")
            buffer += more
            if (parsed := _parse(bytes(buffer))) is not None:
                del flying[connection]
                answers.append(Answer(*parsed, time.perf_counter() - sent))
                send(connection)
    elapsed = time.perf_counter() - began
    for connection in opened:
        connection.close()
    return Burst(answers, elapsed)


def _parse(received: bytes) -> tuple[int, dict[str, str], bytes] | None:
    """Status, headers and body once all is there."""
    head, found, body = received.partition(_END)
    if not found:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if len(body) < int(headers.get("content-length", "0")):
        return None
    return int(first.split(" ")[1]), headers, body
