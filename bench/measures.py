"""The measurements themselves: each takes a cloud with a tenant and tells figures beside their goals.

Times are medians, seen from outside over kept connections. CPU per request is what all processes of the
control plane used, PostgreSQL's included, the hosts' not: on a busy machine believe it before the times.
"""

import json
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench import copies
from bench.client import Answer, Burst, burst, median_ms
from bench.cloud import Cloud, eventually
from bench.tenant import Tenant
from volutus import placement
from volutus.placement import Claim

CONNECTIONS = 16
CONTROL_PLANE = ("postgres", "api-", "agents", "reconcile")


@dataclass(frozen=True)
class Figure:
    """`goal` and `openstack` are in the same unit; where `more_is_better` the goal is a floor. CPU is per
    request or object."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    openstack: float | None = None
    cpu_ms: float | None = None
    more_is_better: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without one."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.more_is_better else self.value <= self.goal


@dataclass
class Bench:
    """A cloud, its tenant, how much to measure, and what was found so far."""

    cloud: Cloud
    tenant: Tenant
    quick: bool
    figures: list[Figure] = field(default_factory=list)

    def scaled(self, full: int, quick: int) -> int:
        """How many."""
        return quick if self.quick else full

    def told(self, figure: Figure) -> None:
        """Keep a figure."""
        self.figures.append(figure)


@dataclass
class Spent:
    """CPU seconds of the control plane, by process once the block has ended."""

    by_process: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return sum(self.by_process.values())


@contextmanager
def cpu(cloud: Cloud) -> Iterator[Spent]:
    """What the control plane spends within the block."""
    before = cloud.cpu_seconds()
    spent = Spent()
    yield spent
    for name, seconds in cloud.cpu_seconds().items():
        if name.startswith(CONTROL_PLANE):
            spent.by_process[name] = seconds - before.get(name, 0.0)


@dataclass(frozen=True)
class Goals:
    """What one call should take, and how many a second; and OpenStack's figures for both."""

    ms: float
    per_second: float | None = None
    openstack_ms: float | None = None
    openstack_per_second: float | None = None


def call(bench: Bench, name: str, request: Callable[[], bytes], goals: Goals, times: int = 0) -> None:
    """One kind of call, one after the other and then many at once."""
    client = bench.tenant.client
    connection = client.connect()
    from bench.client import exchange

    def act() -> Answer:
        return exchange(connection, request())

    times = times or bench.scaled(200, 60)
    took = median_ms(act, times)
    connection.close()
    with cpu(bench.cloud) as spent:
        many = burst(client, _endless(request), CONNECTIONS, bench.scaled(4, 1)).all_good()
    each = spent.seconds / len(many.answers) * 1000
    bench.told(Figure(name, took, "ms", goals.ms, goals.openstack_ms, each))
    if goals.per_second:
        bench.told(
            Figure(
                f"  … {CONNECTIONS} at once",
                many.per_second,
                "/s",
                goals.per_second,
                goals.openstack_per_second,
                each,
                more_is_better=True,
            )
        )


def identity(bench: Bench) -> None:
    """Checking a token, as a service does with each request."""
    tenant = bench.tenant
    request = tenant.client.request(
        "GET", "/identity/v3/auth/tokens", headers={"X-Subject-Token": tenant.client.token}
    )
    call(bench, "validate a token", lambda: request, Goals(2, 1500, 23.6, 92))


def flavors(bench: Bench) -> None:
    """The list every client asks for first."""
    request = bench.tenant.client.request("GET", "/compute/v2.1/flavors/detail")
    call(bench, "GET flavors/detail", lambda: request, Goals(3, None, 47))


def network(bench: Bench) -> None:
    """Making networks, security groups and ports."""
    tenant = bench.tenant
    client = tenant.client

    def post(path: str, body: dict[str, object]) -> Callable[[], bytes]:
        return lambda: client.request("POST", path, body)

    times = bench.scaled(100, 30)
    call(
        bench,
        "POST network",
        post("/network/v2.0/networks", {"network": {"name": "n"}}),
        Goals(10, 200, 140, 6.5),
        times,
    )
    call(
        bench,
        "POST security group",
        post("/network/v2.0/security-groups", {"security_group": {"name": "g"}}),
        Goals(10, 200, 152, 8.7),
        times,
    )
    call(
        bench,
        "POST port",
        post("/network/v2.0/ports", {"port": {"network_id": tenant.network_id}}),
        Goals(10, 200, 389, 4.0),
        times,
    )


def servers(bench: Bench) -> None:
    """One server from order to ACTIVE; then many; then reading them."""
    tenant = bench.tenant
    alone = [_until_active(tenant, f"alone-{number}") for number in range(bench.scaled(10, 5))]
    bench.told(Figure("POST server", statistics.median(a[0] for a in alone) * 1000, "ms", 25))
    bench.told(Figure("  … to ACTIVE, alone", statistics.median(a[1] for a in alone), "s", 0.2, 3.7))
    count = bench.scaled(2000, 200) - len(alone)
    with cpu(bench.cloud) as spent:
        began = time.perf_counter()
        ordered = burst(tenant.client, tenant.orders(count), CONNECTIONS).all_good()
        eventually(lambda: not tenant.any_with_status("BUILD"), "all servers are built", within_s=300)
        seconds = time.perf_counter() - began
    wrong = {status for status in tenant.statuses().values() if status != "ACTIVE"}
    if wrong:
        raise AssertionError(f"servers ended as {wrong}")
    each = spent.seconds / count * 1000
    name = f"{count} servers to ACTIVE"
    bench.told(Figure(name, count / seconds, "/s", 20, 0.52, each, more_is_better=True))
    bench.told(Figure("  … CPU for each, control plane", each, "ms", 50, 2800))
    for process, used in spent.by_process.items():
        bench.told(Figure(f"      of which {process}", used / count * 1000, "ms"))
    bench.told(Figure("  … POST answered meanwhile", _median_ms(ordered), "ms"))


def reading(bench: Bench) -> None:
    """One server, and all of them with details, and how many statements that takes."""
    tenant, client = bench.tenant, bench.tenant.client
    found = tenant.statuses()
    one = client.request("GET", f"/compute/v2.1/servers/{next(iter(found))}")
    call(bench, "GET a server", lambda: one, Goals(4, 500, 99, 18))
    path = "/compute/v2.1/servers/detail?limit=1000"
    took = median_ms(lambda: client.call("GET", path), bench.scaled(15, 5), warm=1)
    name = f"GET servers/detail, {len(found)} servers"
    bench.told(Figure(name, took, "ms", 100 * len(found) / 1000, 16_500 * len(found) / 1000))
    bench.told(Figure("  … SQL statements", _statements(bench, path), "", 10))
    few = _statements(bench, "/compute/v2.1/servers/detail?limit=2")
    bench.told(Figure("  … SQL statements for 2 servers", few, ""))


def listing(bench: Bench) -> None:
    """All of ten thousand servers, page by page as clients do it."""
    client, count = bench.tenant.client, bench.scaled(10_000, 1000)
    copies.many(bench.cloud, bench.tenant, count, "many")
    for path in ("/compute/v2.1/servers", "/compute/v2.1/servers/detail"):
        began, pages, found = time.perf_counter(), [], 0
        url: str | None = f"{path}?limit=1000"
        while url:
            answer = client.call("GET", url)
            body = answer.json()
            pages.append(answer.seconds * 1000)
            found += len(body["servers"])
            more = [link["href"] for link in body.get("servers_links", []) if link["rel"] == "next"]
            url = more[0][more[0].index("/compute") :] if more else None
        if found < count:
            raise AssertionError(f"{found} of {count} servers were listed")
        took = time.perf_counter() - began
        bench.told(Figure(f"GET {path.removeprefix('/compute/v2.1/')}, {found} by pages of 1,000", took, "s"))
        bench.told(Figure("  … first page", pages[0], "ms", 100))
        bench.told(Figure("  … slowest page", max(pages), "ms"))


def volumes(bench: Bench) -> None:
    """A volume from order to available."""
    tenant = bench.tenant
    taken = []
    for number in range(bench.scaled(20, 6)):
        body = {"volume": {"name": f"v-{number}", "size": 1}}
        began = time.perf_counter()
        made = tenant.client.call("POST", f"/volume/v3/{tenant.project_id}/volumes", body).json()
        path = f"/volume/v3/{tenant.project_id}/volumes/{made['volume']['id']}"
        while (status := tenant.client.call("GET", path).json()["volume"]["status"]) == "creating":
            time.sleep(0.005)
        if status != "available":
            raise AssertionError(f"the volume ended as {status}")
        taken.append(time.perf_counter() - began)
    bench.told(Figure("volume to available", statistics.median(taken), "s", 0.1, 1.0))


def idle(bench: Bench) -> None:
    """What the cloud costs when nobody asks anything of it."""
    seconds = bench.scaled(20, 5)
    time.sleep(2)
    with cpu(bench.cloud) as spent:
        time.sleep(seconds)
    sizes = bench.cloud.memory_mib()
    hosts = bench.cloud.hosts
    bench.told(Figure(f"idle CPU, {hosts} hosts", spent.seconds / seconds, "cores", 0.02, 0.1))
    for process, used in spent.by_process.items():
        if used / seconds > 0.002:
            bench.told(Figure(f"      of which {process}", used / seconds, "cores"))
    bench.told(Figure("memory (PSS)", sum(sizes.values()), "MiB", 300, 3038))
    for process, size in sizes.items():
        bench.told(Figure(f"      of which {process}", size, "MiB"))
    bench.told(Figure("processes", bench.cloud.process_count(), "", 15, 40))


def placing(bench: Bench) -> None:
    """Claims among many hosts, and what so many hosts cost while nothing happens."""
    database = bench.cloud.database()
    taken = []
    for _ in range(bench.scaled(200, 50)):
        wanted = Claim(str(uuid.uuid4()), "bench", "bench", mhz=1000, cores=1, memory_mib=512, disk_gib=1)
        began = time.perf_counter()
        with database.begin() as tx:
            placement.claim(tx, wanted)
        taken.append(time.perf_counter() - began)
    database.close()
    name = f"a claim among {bench.cloud.hosts} hosts"
    bench.told(Figure(name, statistics.median(taken) * 1000, "ms", 10, 3000))
    client = bench.tenant.admin
    path = "/placement/allocation_candidates?resources=VCPU:1,MEMORY_MB:512&limit=10"
    version = {"OpenStack-API-Version": "placement 1.36"}
    took = median_ms(lambda: client.call("GET", path, headers=version), bench.scaled(50, 15))
    bench.told(Figure("  … candidates, over the API", took, "ms", 5, 2600))


def _until_active(tenant: Tenant, name: str) -> tuple[float, float]:
    """Seconds until the order was answered, and until the server was ACTIVE."""
    began = time.perf_counter()
    answer = tenant.client.call("POST", "/compute/v2.1/servers", tenant.server(name))
    server_id = answer.json()["server"]["id"]
    while (status := tenant.status(server_id)) == "BUILD":
        time.sleep(0.005)
    if status != "ACTIVE":
        raise AssertionError(f"the server ended as {status}")
    return answer.seconds, time.perf_counter() - began


def _statements(bench: Bench, path: str) -> int:
    """How many SQL statements one request took: the log line of each request says so."""
    request_id = bench.tenant.client.call("GET", path).headers["x-openstack-request-id"]

    def told() -> int | None:
        for log in bench.cloud.settings.log_dir.glob("api-*.log"):
            for line in log.read_text().splitlines():
                if request_id in line and "statements" in line:
                    return int(json.loads(line)["statements"])
        return None

    return int(eventually(told, "the request is in the log"))


def _endless(request: Callable[[], bytes]) -> Iterator[bytes]:
    while True:
        yield request()


def _median_ms(many: Burst) -> float:
    return statistics.median(answer.seconds for answer in many.answers) * 1000
