"""Answers 169.254.169.254 and fe80::a9fe:a9fe in all namespaces of a host from one thread of the agent.

Who asks is known by the network whose namespace the request came through and by its source address, which
OVN's port security has checked. What the order's tree contains may be read, EC2's paths are derived from it;
and a guest may tell its password, once. Each address may ask only so often, and hold only so many
connections, so that a guest harms none but itself.
"""

import asyncio
import contextlib
import json
import logging
import re
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from volutus.agent.faults import HostFault
from volutus.agent.network import MetadataTrees, Passwords, links
from volutus.wire import MetadataPort

log = logging.getLogger(__name__)

REQUEST_BYTES_MAX = 8192
REQUEST_TIMEOUT_S = 10.0
# cloud-init asks some 40 times at boot; a script that polls each second stays far below.
BURST = 120.0
REQUESTS_PER_S = 20.0
CONNECTIONS_PER_ADDRESS = 8
CALLERS_MAX = 10_000
# What Nova takes, and the control plane keeps.
PASSWORD_BYTES_MAX = 1020
_PASSWORD = re.compile(r"/openstack/[^/]+/password/?")
_LENGTH = re.compile(r"^content-length: *(\d{1,9}) *$", re.MULTILINE | re.IGNORECASE)


@dataclass
class _Caller:
    """One address of one network: what it may still ask, as of `at`, and its open connections."""

    tokens: float
    at: float
    connections: int = 0


@dataclass(frozen=True)
class _Request:
    """`keep` says whether the connection may be used for another; `length` is the body's."""

    method: str
    path: str
    keep: bool
    length: int


class MetadataServer:
    """One event loop in a thread; its listening sockets are made in the namespaces. Methods may be called
    from any thread. Without `passwords` guests cannot tell theirs."""

    def __init__(self, passwords: Passwords | None = None) -> None:
        self._passwords = passwords
        self._trees: MetadataTrees = {}
        self._callers: dict[tuple[str, str], _Caller] = {}
        self._servers: dict[str, tuple[list[asyncio.Server], MetadataPort]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="metadata", daemon=True)
        self._thread.start()

    def publish(self, trees: MetadataTrees) -> None:
        """Replace what is served."""
        self._trees = trees

    def ports(self) -> dict[str, MetadataPort]:
        """Networks listened for, with the port that each was listened for."""
        return {network_id: port for network_id, (_, port) in list(self._servers.items())}

    def listen(
        self, network_id: str, namespace: str, addresses: Sequence[str], port: MetadataPort, device: str
    ) -> None:
        """Serve a network at these addresses of the device; again with another port replaces the first."""
        self.leave(network_id)
        listening = links.within(namespace, lambda: [_listening(one, device) for one in addresses])
        future = asyncio.run_coroutine_threadsafe(self._serve(network_id, listening), self._loop)
        self._servers[network_id] = (future.result(REQUEST_TIMEOUT_S), port)

    def leave(self, network_id: str) -> None:
        """Serve a network no longer."""
        server = self._servers.pop(network_id, None)
        if server is not None:
            # Waited for: the address must be free when the network is served anew.
            closing = asyncio.run_coroutine_threadsafe(_close(server[0]), self._loop)
            closing.result(REQUEST_TIMEOUT_S)

    def close(self) -> None:
        """Serve nothing any longer."""
        for network_id in list(self._servers):
            self.leave(network_id)
        asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result(REQUEST_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(REQUEST_TIMEOUT_S)
        self._loop.close()

    async def _serve(self, network_id: str, listening: Sequence[socket.socket]) -> list[asyncio.Server]:
        async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = writer.get_extra_info("peername")
            address = peer[0] if peer else ""
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await self._talk((network_id, address), reader, writer)
            with contextlib.suppress(OSError):
                writer.close()

        return [
            await asyncio.start_server(on_connection, sock=one, limit=REQUEST_BYTES_MAX) for one in listening
        ]

    async def _talk(
        self, who: tuple[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        caller = self._caller(who)
        if caller.connections >= CONNECTIONS_PER_ADDRESS:
            return
        caller.connections += 1
        try:
            while True:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), REQUEST_TIMEOUT_S)
                request = _parsed(head.decode("latin-1"))
                status, body = await self._answer(who, caller, request, reader)
                writer.write(_written(request, status, body))
                await asyncio.wait_for(writer.drain(), REQUEST_TIMEOUT_S)
                if not request.keep:
                    return
        except TimeoutError:
            return
        finally:
            caller.connections -= 1

    async def _answer(
        self, who: tuple[str, str], caller: _Caller, request: _Request, reader: asyncio.StreamReader
    ) -> tuple[str, bytes]:
        """Status and content."""
        if not _spend(caller):
            return "429 Too Many Requests", b""
        tree = self._trees.get(who, {})
        if self._passwords is not None and tree and _PASSWORD.fullmatch(request.path):
            return await self._password(self._passwords, tree, request, reader)
        if request.method not in ("GET", "HEAD"):
            return "405 Method Not Allowed", b""
        found = lookup(tree, request.path)
        return ("404 Not Found", b"") if found is None else ("200 OK", found.encode())

    async def _password(
        self,
        passwords: Passwords,
        tree: Mapping[str, str],
        request: _Request,
        reader: asyncio.StreamReader,
    ) -> tuple[str, bytes]:
        """As Nova has it: read, empty before it was told; told once, and then kept as it is."""
        told = b""
        if request.method == "POST":
            if not 0 < request.length <= PASSWORD_BYTES_MAX:
                return "400 Bad Request", b""
            told = await asyncio.wait_for(reader.readexactly(request.length), REQUEST_TIMEOUT_S)
            if not (told.isascii() and told.decode().isprintable()):
                return "400 Bad Request", b""
        elif request.method not in ("GET", "HEAD"):
            return "405 Method Not Allowed", b""
        guest_id = json.loads(tree["openstack/latest/meta_data.json"])["uuid"]
        try:
            kept = await asyncio.to_thread(passwords, guest_id, told)
        except HostFault as fault:
            log.warning("guest %s: %s %s", guest_id, fault.message, fault.detail)
            return "503 Service Unavailable", b""
        if told:
            return ("200 OK" if kept == told else "409 Conflict"), b""
        return "200 OK", kept

    def _caller(self, who: tuple[str, str]) -> _Caller:
        if who not in self._callers:
            if len(self._callers) >= CALLERS_MAX:
                self._callers = {k: c for k, c in self._callers.items() if c.connections}
            self._callers[who] = _Caller(BURST, time.monotonic())
        return self._callers[who]


def _parsed(head: str) -> _Request:
    line, _, headers = head.partition("\r\n")
    method, _, rest = line.partition(" ")
    target, _, version = rest.partition(" ")
    length = _LENGTH.search(headers.replace("\r", ""))
    lowered = headers.lower()
    # A body that nobody read would be taken for the next request.
    whole = method in ("GET", "HEAD") and "content-length" not in lowered
    keep = whole and version == "HTTP/1.1" and "connection: close" not in lowered
    return _Request(method, target.partition("?")[0], keep, int(length.group(1)) if length else 0)


def _written(request: _Request, status: str, content: bytes) -> bytes:
    kind = "application/json" if request.path.endswith(".json") else "text/plain; charset=utf-8"
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n"
    head += f"Connection: {'keep-alive' if request.keep else 'close'}\r\n\r\n"
    # In one write: a head sent alone is acknowledged 40 ms late, and the body waits for that.
    return head.encode() + (b"" if request.method == "HEAD" else content)


def lookup(tree: Mapping[str, str], path: str) -> str | None:
    """The content at a path, or the listing of a directory; None where there is nothing."""
    wanted = path.strip("/")
    for files in (tree, _ec2(tree)):
        if wanted in files:
            return files[wanted]
    names = {**dict.fromkeys(tree), **dict.fromkeys(_ec2(tree))}
    if not names:
        return None
    start = f"{wanted}/" if wanted else ""
    below = [name[len(start) :] for name in names if name.startswith(start)]
    entries = dict.fromkeys(name.split("/")[0] + ("/" if "/" in name else "") for name in below)
    return "\n".join(sorted(entries)) if entries else None


def _ec2(tree: Mapping[str, str]) -> dict[str, str]:
    """`latest/meta-data` and `latest/user-data` as EC2 has them, from OpenStack's own files."""
    try:
        data = json.loads(tree.get("openstack/latest/meta_data.json", "{}"))
    except ValueError:
        return {}
    files = {}
    if "uuid" in data:
        files["latest/meta-data/instance-id"] = str(data["uuid"])
    for name in ("hostname", "local-hostname"):
        if "hostname" in data:
            files[f"latest/meta-data/{name}"] = str(data["hostname"])
    keys = data.get("public_keys") or {}
    for number, (name, key) in enumerate(sorted(keys.items())):
        files["latest/meta-data/public-keys"] = f"{number}={name}"
        files[f"latest/meta-data/public-keys/{number}/openssh-key"] = str(key)
    if "openstack/latest/user_data" in tree:
        files["latest/user-data"] = tree["openstack/latest/user_data"]
    return files


def _spend(caller: _Caller) -> bool:
    now = time.monotonic()
    caller.tokens = min(BURST, caller.tokens + (now - caller.at) * REQUESTS_PER_S)
    caller.at = now
    if caller.tokens < 1:
        return False
    caller.tokens -= 1
    return True


async def _cancel_all() -> None:
    talks = asyncio.all_tasks() - {asyncio.current_task()}
    for talk in talks:
        talk.cancel()
    await asyncio.gather(*talks, return_exceptions=True)


async def _close(servers: Sequence[asyncio.Server]) -> None:
    for server in servers:
        server.close()


def _listening(address: str, device: str) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # A link-local address says nothing without its link.
    listening.bind((address, 80, 0, socket.if_nametoindex(device)) if ":" in address else (address, 80))
    listening.listen(64)
    listening.setblocking(False)
    return listening
