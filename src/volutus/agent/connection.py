"""The agent's way to the control plane: HTTPS with the host's certificate, always outwards.

Each thread has a `Channel` of its own, which keeps its connection. http.client and not a larger library: the
agent lives beside guests, and its memory is theirs. Whatever is wrong with the connection is
`ConnectionTrouble`; who calls waits and tries again, while guests run on.
"""

import http.client
import os
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import urlsplit

import msgspec

from volutus.agent.config import AgentConfig
from volutus.agent.faults import HostFault
from volutus.wire import Desired, Observed, Received

TIMEOUT_S = 15.0
# After the last byte of an image its sums are on disk and it is looked into before the answer comes.
SEND_TIMEOUT_S = 300.0
# The control plane answers a poll after this long at the latest.
POLL_WAIT_S = 30
IMAGE_PIECE_BYTES = 1 << 20
KEEPALIVE_S = 60
CONSOLE_PIECE_BYTES = 64 << 10
# A desired document of a host with a thousand guests, each with user data.
ANSWER_BYTES_MAX = 256 << 20
PREFIX = "/agent/v1"
# See `wire.DiskRead`.
DISK_UPGRADE = "volutus-disk"


class ConnectionTrouble(Exception):
    """The control plane could not be asked, or did not answer as agreed."""


class ConsoleAnswer(msgspec.Struct):
    """How many bytes of a console log the control plane has."""

    offset: int


T = TypeVar("T", Desired, Received, ConsoleAnswer)


@dataclass(frozen=True)
class Request:
    """One call. A file as body has its `length` said."""

    method: str
    path: str
    body: bytes | BinaryIO | Iterable[bytes] | None = None
    content_type: str = "application/json"
    length: int | None = None
    upgrade: str | None = None


class Channel:
    """One kept connection for one thread."""

    def __init__(self, config: AgentConfig, timeout_s: float | None = TIMEOUT_S) -> None:
        self._config = config
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None

    def desired(self, seen: int, wait_s: int) -> Desired:
        """What changed since `seen`; waits up to `wait_s` for something."""
        answer = self.call(Request("GET", f"{PREFIX}/desired?seen={seen}&wait={wait_s}"))
        return _decode(answer, Desired)

    def report(self, observed: Observed) -> Received:
        """Tell what is."""
        answer = self.call(Request("POST", f"{PREFIX}/observed", msgspec.json.encode(observed)))
        return _decode(answer, Received)

    def console(self, guest_id: str, offset: int, data: bytes) -> int:
        """Send console output; the offset to go on from."""
        path = f"{PREFIX}/guests/{guest_id}/console?offset={offset}"
        answer = self.call(Request("POST", path, data, "application/octet-stream"))
        return _decode(answer, ConsoleAnswer).offset

    def call(self, request: Request) -> bytes:
        """One call and its whole answer. A kept connection that the other side has closed meanwhile is opened
        anew once; every call may be made twice."""
        kept = self._connection is not None
        try:
            return self._exchange(request)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not kept or isinstance(error, TimeoutError):
                raise ConnectionTrouble(f"{request.method} {request.path}: {error!r}") from error
        try:
            return self._exchange(request)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise ConnectionTrouble(f"{request.method} {request.path}: {error!r}") from error

    @contextmanager
    def image(self, image_id: str) -> Iterator[Iterator[bytes]]:
        """An image's bytes in pieces."""
        request = Request("GET", f"{PREFIX}/images/{image_id}/file")
        try:
            answer = self._send(request)
            if answer.status != HTTPStatus.OK:
                raise HostFault("The image could not be fetched.", f"{answer.status} {answer.reason}")
            yield iter(lambda: answer.read(IMAGE_PIECE_BYTES), b"")
        except http.client.HTTPException as error:
            raise HostFault("The image could not be fetched.", repr(error)) from error
        except OSError as error:
            raise HostFault("The image could not be fetched.", str(error)) from error
        finally:
            self.close()

    def key(self, disk_id: str) -> bytes:
        """The key of an encrypted disk of this host. Raises HostFault."""
        return self._secret(f"disks/{disk_id}/key", "The disk's key is not to be had.")

    def export_secret(self, export_id: str) -> str:
        """The password with which initiators log in to an export of this host. Raises HostFault."""
        return self._secret(
            f"exports/{export_id}/password", "The export's password is not to be had."
        ).decode()

    def guest_password(self, guest_id: str, told: bytes) -> bytes:
        """Tell the password that a guest made, or with none only ask; what is kept. Raises HostFault."""
        path = f"{PREFIX}/guests/{guest_id}/password"
        try:
            return self.call(Request("POST", path, told, "application/octet-stream"))
        except ConnectionTrouble as error:
            raise HostFault("The guest's password could not be handed on.", str(error)) from error
        finally:
            self.close()

    def send_image(self, image_id: str, path: Path) -> None:
        """Send a file as an image's bytes; memory stays flat whatever its size."""
        request = Request("PUT", f"{PREFIX}/images/{image_id}/file", None, "application/octet-stream")
        message = "The image could not be sent."
        try:
            with path.open("rb") as file:
                self._exchange(replace(request, body=file, length=os.fstat(file.fileno()).st_size))
        except (OSError, http.client.HTTPException, ConnectionTrouble) as error:
            raise HostFault(message, str(error)) from error
        finally:
            self.close()

    def _secret(self, path: str, message: str) -> bytes:
        try:
            return self.call(Request("GET", f"{PREFIX}/{path}"))
        except ConnectionTrouble as error:
            raise HostFault(message, str(error)) from error
        finally:
            self.close()

    def console_output(self, session_id: str, pieces: Iterable[bytes]) -> None:
        """Send what a guest's console says, until there is no more."""
        request = Request("PUT", f"{PREFIX}/consoles/{session_id}/output", pieces, "application/octet-stream")
        self._stream(request, lambda answer: answer.read(ANSWER_BYTES_MAX))

    def disk_content(self, session_id: str, pieces: Iterable[bytes | memoryview]) -> None:
        """Send a disk's bytes to whoever downloads it, past HTTP: as a body they would cost much more. What
        `pieces` raises ends the connection."""
        request = Request("PUT", f"{PREFIX}/reads/{session_id}", upgrade=DISK_UPGRADE)

        def send(answer: http.client.HTTPResponse) -> None:
            connection = self._connection
            if answer.status != HTTPStatus.SWITCHING_PROTOCOLS or connection is None:
                raise ConnectionTrouble(f"{request.method} {request.path}: {answer.status}")
            for piece in pieces:
                connection.sock.sendall(piece)
            # What is on its way would be lost if this end closed first.
            connection.sock.recv(1)

        self._stream(request, send)

    def console_input(self, session_id: str, take: Callable[[bytes], None]) -> None:
        """Hand on what a guest's console is told, until the other side ends."""

        def read(answer: http.client.HTTPResponse) -> None:
            while answer.status == HTTPStatus.OK and (data := answer.read1(CONSOLE_PIECE_BYTES)):
                take(data)

        self._stream(Request("GET", f"{PREFIX}/consoles/{session_id}/input"), read)

    def _stream(self, request: Request, read: Callable[[http.client.HTTPResponse], object]) -> None:
        """A call that lasts for as long as somebody looks, of which nothing may be heard for hours."""
        try:
            read(self._send(request))
        except (OSError, http.client.HTTPException) as error:
            raise ConnectionTrouble(f"{request.method} {request.path}: {error!r}") from error
        finally:
            self.close()

    def close(self) -> None:
        """Drop the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def abort(self) -> None:
        """From another thread: end the call under way."""
        connection = self._connection
        sock = connection.sock if connection is not None else None
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    def _exchange(self, request: Request) -> bytes:
        answer = self._send(request)
        body = answer.read(ANSWER_BYTES_MAX)
        if answer.status != HTTPStatus.OK:
            text = body[:500].decode(errors="replace")
            raise ConnectionTrouble(f"{request.method} {request.path}: {answer.status} {text}")
        return body

    def _send(self, request: Request) -> http.client.HTTPResponse:
        if self._connection is None:
            self._connection = _connection(self._config, self._timeout_s)
        headers = {"Content-Type": request.content_type, "Accept": "application/json"}
        if self._config.trusted_host_id:
            headers["X-Volutus-Host"] = self._config.trusted_host_id
        if request.upgrade is not None:
            headers |= {"Connection": "Upgrade", "Upgrade": request.upgrade}
        if request.length is not None:
            headers["Content-Length"] = str(request.length)
        if (
            request.length is None
            and isinstance(request.body, Iterable)
            and not isinstance(request.body, bytes)
        ):
            headers["Transfer-Encoding"] = "chunked"
        chunked = "Transfer-Encoding" in headers
        self._connection.request(request.method, request.path, request.body, headers, encode_chunked=chunked)
        return self._connection.getresponse()


class _NamedConnection(http.client.HTTPSConnection):
    """HTTPS to an address whose certificate carries another name."""

    def __init__(
        self, host: str, port: int, context: ssl.SSLContext, name: str, timeout_s: float | None
    ) -> None:
        super().__init__(host, port, timeout=timeout_s, context=context)
        self._name = name
        self._tls = context

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), self.timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A console may be silent for hours: this keeps its connection open on routers, and notices its end.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self._name)


def tls_context(config: AgentConfig, *, with_certificate: bool = True) -> ssl.SSLContext:
    """Trusts the cloud's own authority and nobody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(config.ca)
    if with_certificate:
        context.load_cert_chain(config.certificate, config.key)
    return context


def _connection(config: AgentConfig, timeout_s: float | None) -> http.client.HTTPConnection:
    parts = urlsplit(config.control_plane)
    host = parts.hostname or "127.0.0.1"
    if parts.scheme != "https":
        return http.client.HTTPConnection(host, parts.port, timeout=timeout_s)
    context = tls_context(config, with_certificate=config.certificate.exists())
    port = parts.port or http.client.HTTPS_PORT
    return _NamedConnection(host, port, context, config.server_name or host, timeout_s)


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise ConnectionTrouble(f"the control plane's answer is not as agreed: {error}") from error
