"""`kill -9` of any process while ten servers come and go. A failure prints its seed: `CHAOS_SEEDS=17 pytest
tests/chaos` runs that one again, `CHAOS_SEEDS=0-199` many."""

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from bench.client import Answer
from bench.cloud import Cloud, eventually
from bench.tenant import Tenant
from tests.chaos.order import ORDER_WITHIN_S, found_wrong

pytestmark = pytest.mark.machine

KILLED = ("api-1", "api-2", "agents", "reconcile", "postgres", "agent")
SERVERS = 10
UPLOAD_BYTES = 64 << 20
SETTLED_WITHIN_S = ORDER_WITHIN_S
ANSWERED_WITHIN_S = 30.0


def _seeds() -> list[int]:
    first, _, last = os.environ.get("CHAOS_SEEDS", "0-5").partition("-")
    return list(range(int(first), int(last or first) + 1))


class Killer(threading.Thread):
    """Kills one process, chosen by the seed, at moments chosen by dice: once or twice. More often would only
    try the supervisor's patience, which grows with each death."""

    def __init__(self, cloud: Cloud, seed: int) -> None:
        super().__init__(daemon=True)
        self.killed: list[str] = []
        self._cloud = cloud
        self._dice = random.Random(seed)
        self._seed = seed
        self._name = KILLED[seed % len(KILLED)]

    @property
    def told(self) -> str:
        return f"seed {self._seed}, killed {self.killed}"

    def run(self) -> None:
        for _ in range(self._dice.choice((1, 2))):
            time.sleep(self._dice.uniform(0.05, 1.2))
            if pid := self._cloud.pids().get(self._name):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                self.killed.append(self._name)


@contextmanager
def killing(cloud: Cloud, seed: int) -> Iterator[Killer]:
    """Kills while the block lasts, and waits until all processes are back."""
    killer = Killer(cloud, seed)
    killer.start()
    try:
        yield killer
    finally:
        killer.join()
    eventually(cloud.ready, f"all processes are back; {killer.told}")


@pytest.mark.parametrize("seed", _seeds())
def test_everything_ends_in_order(cloud: Cloud, tenant: Tenant, seed: int) -> None:
    dice = random.Random(seed)
    with killing(cloud, seed) as killer:
        deleted = _come_and_go(tenant, dice, seed)
    told = killer.told
    _settle(cloud, tenant, told)
    left = tenant.statuses()
    assert not deleted & left.keys(), told
    for server_id, status in left.items():
        assert status in ("ACTIVE", "ERROR"), (told, server_id)
        assert status != "ERROR" or _fault(tenant, server_id), (told, server_id)
    for server_id in left:
        _answered(tenant, "DELETE", f"/compute/v2.1/servers/{server_id}")
    _settle(cloud, tenant, f"{told}; after deleting all")
    assert not tenant.statuses(), told
    assert cloud.count("assignments") == cloud.count("guests") == cloud.count("claims") == 0, told


def test_an_upload_whose_worker_is_killed_leaves_no_half_image(cloud: Cloud, tenant: Tenant) -> None:
    order = {"name": "half", "disk_format": "raw", "container_format": "bare"}
    image_id = tenant.client.call("POST", "/image/v2/images", order).json()["id"]
    path, store = f"/image/v2/images/{image_id}", cloud.settings.image_dir
    with socket.create_connection(tenant.client.address) as sender:
        sender.sendall(
            f"PUT {path}/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {tenant.client.token}\r\n"
            f"Content-Type: application/octet-stream\r\nContent-Length: {UPLOAD_BYTES}\r\n\r\n".encode()
        )
        sender.sendall(bytes(range(256)) * (UPLOAD_BYTES // 512))
        eventually(lambda: any((store / "incoming").iterdir()), "bytes arrive")
        for name in ("api-1", "api-2"):
            os.kill(cloud.pids()[name], signal.SIGKILL)
    eventually(cloud.ready, "the workers are back")
    assert _answered(tenant, "GET", path).json()["status"] == "saving"
    assert not (store / image_id).exists()
    # What a collector finds after two minutes of silence, and of files after an hour.
    cloud.rows(
        "UPDATE images SET upload_seen_at = now() - interval '1 day' WHERE id = :id RETURNING id", id=image_id
    )
    for half in (store / "incoming").iterdir():
        os.utime(half, (0, 0))
    eventually(lambda: _answered(tenant, "GET", path).json()["status"] == "queued", "it is given up")
    eventually(lambda: not list((store / "incoming").glob("*-*")), "its bytes are collected")
    octets = {"Content-Type": "application/octet-stream"}
    assert tenant.client.call("PUT", f"{path}/file", b"whole", octets).status == 204
    assert _answered(tenant, "GET", path).json()["status"] == "active"
    assert tenant.client.call("GET", f"{path}/file").body == b"whole"
    _answered(tenant, "DELETE", path)


def _come_and_go(tenant: Tenant, dice: random.Random, seed: int) -> set[str]:
    """Order servers and delete some of them meanwhile; the deleted ones. An order whose answer was lost may
    have been carried out, and is made again: so there may be more servers than ten."""
    made: list[str] = []
    deleted: set[str] = set()
    for number in range(SERVERS):
        answer = _answered(tenant, "POST", "/compute/v2.1/servers", tenant.server(f"s-{seed}-{number}"))
        made.append(answer.json()["server"]["id"])
        if dice.random() < 0.4:
            victim = made.pop(dice.randrange(len(made)))
            _answered(tenant, "DELETE", f"/compute/v2.1/servers/{victim}")
            deleted.add(victim)
        time.sleep(dice.uniform(0, 0.2))
    return deleted


def _answered(tenant: Tenant, method: str, path: str, body: object = None) -> Answer:
    """The answer, asked for as a patient client does: again after a lost connection and after 503, which
    says when."""
    deadline = time.monotonic() + ANSWERED_WITHIN_S
    while time.monotonic() < deadline:
        try:
            answer = tenant.client.call(method, path, body)
        except (ConnectionError, TimeoutError):
            tenant.client.close()
            time.sleep(0.05)
            continue
        if answer.status == 503:
            assert int(answer.headers["retry-after"]) > 0
            time.sleep(0.2)
            continue
        assert answer.status < 500, answer
        if method == "DELETE" and answer.status == 404:
            return answer  # The answer to the first try was lost.
        assert answer.status < 400, answer
        return answer
    raise AssertionError(f"no answer to {method} {path}")


def _settle(cloud: Cloud, tenant: Tenant, told: str) -> None:
    """Wait until nothing is under way and nothing is wrong."""
    deadline = time.monotonic() + SETTLED_WITHIN_S
    statuses: dict[str, str] = {}
    wrong: dict[str, list[tuple[object, ...]]] = {"not looked yet": []}
    while time.monotonic() < deadline:
        statuses = tenant.statuses()
        if all(status in ("ACTIVE", "ERROR") for status in statuses.values()):
            wrong = found_wrong(cloud)
            if not wrong:
                return
        time.sleep(0.2)
    work = [tuple(row) for row in cloud.rows("SELECT kind, key, due_at, attempts, why FROM work LIMIT 20")]
    raise AssertionError(f"{told}: not settled: {statuses}, {wrong}, {work}")


def _fault(tenant: Tenant, server_id: str) -> str:
    server = tenant.client.call("GET", f"/compute/v2.1/servers/{server_id}").json()["server"]
    return str(server.get("fault", {}).get("message", ""))
