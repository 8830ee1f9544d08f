"""Asks members of load balancers by HTTP, from their own networks, and remembers which answer.

One thread decides whom to ask when; a few ask. Each question goes through the namespace in which the
network's metadata is served, so that it comes from an address of the tenant's own network and reaches
nothing else. A member that is moved elsewhere is asked by the other host.
"""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from volutus.agent.faults import HostFault
from volutus.agent.network import links
from volutus.wire import CheckSpec

AT_ONCE = 16
# How often it is looked whose turn it is.
TICK_S = 0.25
ANSWER_BYTES_MAX = 1 << 16


@dataclass
class _Asked:
    """One member: when it is asked next, and how many answers like the last it gave."""

    spec: CheckSpec
    due_at: float
    up: bool | None = None
    last: bool | None = None
    same: int = 0
    under_way: bool = False


class HealthChecks:
    """`namespace` says where a network is reached from; `hint` is called when a member's state changes."""

    def __init__(self, namespace: Callable[[str], str], hint: Callable[[], None]) -> None:
        self._namespace = namespace
        self._hint = hint
        self._lock = threading.Lock()
        self._asked: dict[str, _Asked] = {}
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="health")
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def check(self, members: Sequence[CheckSpec]) -> None:
        """Ask these from now on, and no others. One that is now asked differently begins anew."""
        now = time.monotonic()
        with self._lock:
            self._asked = {
                spec.id: known
                if (known := self._asked.get(spec.id)) is not None and known.spec == spec
                else _Asked(spec, now)
                for spec in members
            }
            if members and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="health", daemon=True)
                self._thread.start()

    def checked(self) -> dict[str, bool]:
        """Which members answer, of those that were asked often enough."""
        with self._lock:
            return {key: asked.up for key, asked in self._asked.items() if asked.up is not None}

    def close(self) -> None:
        """Ask nobody any more."""
        self._closing.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        while not self._closing.wait(TICK_S):
            now = time.monotonic()
            with self._lock:
                due = [a for a in self._asked.values() if a.due_at <= now and not a.under_way]
                for asked in due:
                    asked.under_way = True
                    asked.due_at = now + asked.spec.interval_s
            for asked in due:
                self._pool.submit(self._ask, asked)

    def _ask(self, asked: _Asked) -> None:
        answers = _answers(asked.spec, self._namespace(asked.spec.network_id))
        with self._lock:
            asked.under_way = False
            asked.same = asked.same + 1 if answers == asked.last else 1
            asked.last = answers
            enough = asked.spec.rise if answers else asked.spec.fall
            changed = asked.same >= enough and asked.up is not answers
            if changed:
                asked.up = answers
        if changed:
            self._hint()


def expected(codes: str, status: int) -> bool:
    """Whether a status is among `200`, `200,202` or `200-204`."""
    for part in codes.split(","):
        first, _, last = part.strip().partition("-")
        if int(first) <= status <= int(last or first):
            return True
    return False


def _answers(spec: CheckSpec, namespace: str) -> bool:
    connection = http.client.HTTPConnection(spec.address, spec.port, timeout=spec.timeout_s)
    try:
        connection.sock = links.within(namespace, lambda: _connected(spec))
        connection.request(
            spec.method, spec.path, headers={"User-Agent": "volutus-health", "Connection": "close"}
        )
        answer = connection.getresponse()
        answer.read(ANSWER_BYTES_MAX)
        return expected(spec.expected_codes, answer.status)
    except (OSError, http.client.HTTPException, HostFault):
        return False
    finally:
        connection.close()


def _connected(spec: CheckSpec) -> socket.socket:
    return socket.create_connection((spec.address, spec.port), timeout=spec.timeout_s)
