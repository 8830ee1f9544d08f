"""How long orders of the network API take: `PYTHONPATH=src python -m bench.network`.

A PostgreSQL of its own that syncs as in production, one API process, real HTTP over loopback; first one
client alone, then four at once. Tokens come from a table: what a token costs is measured elsewhere.
"""

import argparse
import http.client
import json
import multiprocessing
import socket
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvicorn

from tests import postgres
from tests.api_client import TableAuthenticator
from tests.conftest import make_caller
from volutus import main, quota
from volutus.clock import SystemClock
from volutus.db import Database
from volutus.db.migrate import upgrade
from volutus.http.kernel import Kernel, Plane
from volutus.http.openstack import network
from volutus.ids import Ids
from volutus.settings import Settings

PORT = 18179
TOKEN = "bench"
CLIENTS = 4
START_TIMEOUT_S = 60
V2 = "/network/v2.0"


def serve(url: str, state_dir: Path) -> None:
    """One API process, as `volutus control api` runs it."""
    settings = Settings(state_dir=state_dir)
    database = Database(url, SystemClock(), Ids(), pool_size=settings.api_threads)
    authenticator = TableAuthenticator()
    authenticator._callers[TOKEN] = make_caller("bench")
    plane = Plane(settings, database, SystemClock(), Ids(), main.policy(settings), authenticator)
    config = uvicorn.Config(
        Kernel(plane, [network.dialect()]),
        port=PORT,
        log_level="error",
        lifespan="off",
        loop="uvloop",
        http="httptools",
    )
    uvicorn.Server(config).run()


class Client:
    """One connection that stays open."""

    def __init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", PORT)

    def send(self, method: str, path: str, body: object = None) -> dict:
        self.connection.request(method, V2 + path, body and json.dumps(body), headers={"X-Auth-Token": TOKEN})
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status < 300, text
        return json.loads(text) if text else {}


def measure(name: str, count: int, method: str, path: str, body: object = None) -> None:
    """Print the median of single requests, and how many a second four clients get through."""
    client = Client()
    times = []
    for _ in range(count):
        began = time.perf_counter()
        client.send(method, path, body)
        times.append(time.perf_counter() - began)

    def run(client: Client) -> None:
        for _ in range(count // 2):
            client.send(method, path, body)

    clients = [Client() for _ in range(CLIENTS)]
    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(run, clients))
    rate = CLIENTS * (count // 2) / (time.perf_counter() - began)
    print(f"{name:28} {statistics.median(times) * 1000:6.1f} ms   {rate:6.0f} a second")


def prepare(url: str) -> None:
    """The schema, and a project without limits."""
    database = Database(url, SystemClock(), Ids(), pool_size=2)
    upgrade(database)
    with database.begin() as tx:
        quota.set_limits(tx, "bench", dict.fromkeys(quota.DEFAULTS, quota.UNLIMITED))
    database.close()


def run(count: int) -> None:
    """All measurements in a /16 that fills as they go."""
    client = Client()
    measure("POST network", count, "POST", "/networks", {"network": {"name": "n"}})
    group = {"security_group": {"name": "g"}}
    measure("POST security group", count, "POST", "/security-groups", group)
    made = client.send("POST", "/networks", {"network": {"name": "wide"}})["network"]
    subnet = {"network_id": made["id"], "ip_version": 4, "cidr": "10.0.0.0/16"}
    client.send("POST", "/subnets", {"subnet": subnet})
    order = {"network_id": made["id"]}
    measure("POST port", count, "POST", "/ports", {"port": order})
    began = time.perf_counter()
    for _ in range(10):
        client.send("POST", "/ports", {"ports": [order] * 500})
    print(f"{'POST 500 ports at once':28} {(time.perf_counter() - began) / 5:6.1f} ms each")
    measure("POST port, 6,000 are there", count, "POST", "/ports", {"port": order})
    port = client.send("POST", "/ports", {"port": order})["port"]
    measure("GET port", count, "GET", f"/ports/{port['id']}")
    measure("GET 1,000 ports", 6, "GET", "/ports?limit=1000")


def wait_for_port() -> None:
    """Until the API listens; a busy machine takes its time to import it all."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", PORT), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, "the API did not start"
            time.sleep(0.1)


def bench() -> None:
    """Set up, measure, take down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    count = parser.parse_args().count
    postgres._SETTINGS.update({"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"})
    cluster = postgres.Cluster()
    try:
        cluster.create("bench")
        prepare(cluster.url("bench"))
        server = multiprocessing.get_context("spawn").Process(
            target=serve, args=(cluster.url("bench"), cluster.directory), daemon=True
        )
        server.start()
        wait_for_port()
        run(count)
        server.kill()
    finally:
        cluster.stop()


if __name__ == "__main__":
    bench()
