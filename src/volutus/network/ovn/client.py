"""A small synchronous client of an OVSDB server: one connection, one request at a time.

It transacts, answers the server's echoes and reconnects. It holds no replica and watches nothing: the
reconcilers ask for what they need. A server that is away is `Unavailable`, at once and until a back-off has
passed; a request whose answer was lost is `Unavailable` too, and may or may not have been carried out.
"""

import json
import select
import socket
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

import msgspec

from volutus.clock import Clock
from volutus.errors import Conflict, Unavailable

Operation = Mapping[str, Any]
Result = dict[str, Any]

TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 2.0
BACKOFF_MIN_S = 0.25
# A server restarts in a second; asking every few seconds is no load, and longer would be felt by tenants.
BACKOFF_MAX_S = 4.0
RECEIVE_BYTES = 1 << 20
# The whole northbound database of 100,000 ports is about half of this.
ANSWER_BYTES_MAX = 1 << 28

# Errors of the server that pass by themselves: a cluster without leader, a disk that was full.
PASSING = frozenset({"not leader", "timed out", "I/O error", "cluster error", "disconnecting"})


class Refused(Conflict):
    """OVSDB would not carry out a transaction; nothing of it was done."""

    code: ClassVar[str] = "network.ovn.refused"


class OvsdbClient:
    """Speaks to one database at `remote`: `unix:PATH` or `tcp:ADDR:PORT`, or several separated by commas:
    of these the leader of their cluster, or a relay that has one. May be shared by threads; their requests
    queue."""

    def __init__(
        self, remote: str, clock: Clock, *, database: str = "OVN_Northbound", timeout_s: float = TIMEOUT_S
    ) -> None:
        self._remotes = deque(part.strip() for part in remote.split(","))
        self._clock = clock
        self._database = database
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._buffer = bytearray()
        self._request = 0
        self._failures = 0
        self._not_before: datetime | None = None

    def transact(self, operations: Sequence[Operation]) -> list[Result]:
        """Carry out all operations or none; a result for each. Raises Refused or Unavailable."""
        answer = self._call("transact", [self._database, *operations])
        results: list[Result] = answer if isinstance(answer, list) else []
        failure = next((r for r in results if r and "error" in r), None)
        if failure is None and len(results) == len(operations):
            return results
        if failure is None:
            raise self._away("OVSDB answered something else than results", str(answer)[:500])
        detail = f"{failure['error']}: {failure.get('details', '')}"
        if failure["error"] in PASSING:
            # Whoever leads the cluster now is found when connecting.
            self.close()
            raise Unavailable("The network is not ready to be changed.", detail=detail, retry_after_s=1)
        raise Refused("The network would not take the change.", detail=detail)

    def close(self) -> None:
        """Hang up. The next request connects again."""
        with self._lock:
            self._hang_up()

    def _call(self, method: str, params: list[Any]) -> Any:
        with self._lock:
            connection = self._connected()
            try:
                message = self._exchange(connection, method, params, self._timeout_s)
            except OSError as error:
                # Another member of the cluster may answer where this one does not.
                self._remotes.rotate(-1)
                raise self._away("OVSDB hung up", str(error)) from error
            if message.get("error"):
                raise Refused("The network would not take the request.", detail=str(message["error"])[:500])
            return message.get("result")

    def _exchange(
        self, connection: socket.socket, method: str, params: list[Any], timeout_s: float
    ) -> dict[str, Any]:
        self._request += 1
        number = self._request
        deadline = self._clock.now() + timedelta(seconds=timeout_s)
        self._send(connection, {"method": method, "params": params, "id": number})
        while True:
            message = self._receive(connection, deadline)
            if message.get("id") == number and "method" not in message:
                return message
            self._answer_echo(connection, message)

    def _connected(self) -> socket.socket:
        if self._socket is not None and self._alive(self._socket):
            return self._socket
        now = self._clock.now()
        if self._not_before is not None and now < self._not_before:
            raise Unavailable(
                "The network is away.", detail="waiting before connecting to OVSDB again", retry_after_s=1
            )
        problems = []
        for remote in self._remotes:
            try:
                self._socket = self._reach(remote)
            except (OSError, ValueError) as error:
                problems.append(f"{remote}: {error}")
                continue
            self._failures = 0
            self._not_before = None
            return self._socket
        raise self._away("OVSDB cannot be reached", "; ".join(problems))

    def _reach(self, remote: str) -> socket.socket:
        connection = connect(remote)
        self._buffer.clear()
        try:
            if len(self._remotes) > 1 and not self._leads(connection):
                raise ConnectionError("is not the leader of its cluster")
        except OSError:
            connection.close()
            raise
        connection.settimeout(self._timeout_s)
        return connection

    def _leads(self, connection: socket.socket) -> bool:
        # A follower that lost its cluster would answer reads with what was, and writes never.
        where = [["name", "==", self._database]]
        select = {
            "op": "select",
            "table": "Database",
            "where": where,
            "columns": ["leader", "connected", "model"],
        }
        answer = self._exchange(connection, "transact", ["_Server", select], CONNECT_TIMEOUT_S)
        result = answer.get("result")
        rows = result[0].get("rows", []) if isinstance(result, list) else []
        return any(row["leader"] or (row["model"] == "relay" and row["connected"]) for row in rows)

    def _alive(self, connection: socket.socket) -> bool:
        # Between requests the server may have hung up, or asked whether we live: it must be told before
        # anything is sent, or a request would be lost in a dead connection.
        try:
            while select.select([connection], [], [], 0)[0]:
                chunk = connection.recv(RECEIVE_BYTES)
                if not chunk:
                    self._hang_up()
                    return False
                self._buffer += chunk
                while (message := _take_message(self._buffer)) is not None:
                    self._answer_echo(connection, message)
        except OSError:
            self._hang_up()
            return False
        return True

    def _send(self, connection: socket.socket, message: dict[str, Any]) -> None:
        connection.settimeout(self._timeout_s)
        connection.sendall(msgspec.json.encode(message))

    def _receive(self, connection: socket.socket, deadline: datetime) -> dict[str, Any]:
        while True:
            message = _take_message(self._buffer)
            if message is not None:
                return message
            left = (deadline - self._clock.now()).total_seconds()
            if left <= 0:
                raise TimeoutError(f"no answer within {self._timeout_s} s")
            connection.settimeout(left)
            chunk = connection.recv(RECEIVE_BYTES)
            if not chunk:
                raise ConnectionError("the connection was closed")
            self._buffer += chunk
            if len(self._buffer) > ANSWER_BYTES_MAX:
                raise ConnectionError("the answer is too large")

    def _answer_echo(self, connection: socket.socket, message: dict[str, Any]) -> None:
        if message.get("method") == "echo":
            reply = {"result": message.get("params", []), "error": None, "id": message.get("id")}
            self._send(connection, reply)

    def _away(self, what: str, detail: str) -> Unavailable:
        self._hang_up()
        wait_s = min(BACKOFF_MIN_S * 2**self._failures, BACKOFF_MAX_S)
        self._failures = min(self._failures + 1, 10)
        self._not_before = self._clock.now() + timedelta(seconds=wait_s)
        return Unavailable(
            "The network is away.", detail=f"{what}: {detail}", retry_after_s=max(1, int(wait_s))
        )

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._buffer.clear()


def connect(remote: str) -> socket.socket:
    """Reach an OVSDB server at `unix:PATH` or `tcp:ADDR:PORT`. Raises OSError; ValueError for other forms."""
    scheme, _, place = remote.partition(":")
    if scheme == "unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(CONNECT_TIMEOUT_S)
        try:
            connection.connect(place)
        except OSError:
            connection.close()
            raise
        return connection
    if scheme == "tcp":
        address, _, port = place.rpartition(":")
        connection = socket.create_connection((address.strip("[]"), int(port)), CONNECT_TIMEOUT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection
    raise ValueError("an OVSDB remote is unix:PATH or tcp:ADDR:PORT")


def _take_message(buffer: bytearray) -> dict[str, Any] | None:
    """Cut the first whole message off the buffer. OVSDB does not frame its messages: one ends where its
    braces do. Only what ends in a brace is tried, so that a long answer is not parsed at every chunk."""
    if not buffer.endswith(b"}"):
        return None
    try:
        message = msgspec.json.decode(buffer)
    except msgspec.DecodeError:
        text = buffer.decode(errors="replace")
        try:
            message, end = json.JSONDecoder().raw_decode(text)
        except json.JSONDecodeError:
            return None
        del buffer[: len(text[:end].encode())]
    else:
        buffer.clear()
    return message if isinstance(message, dict) else {}
