"""How long a real guest takes from order to a running QEMU: `python bench/launch.py STATE_DIR [--servers N]`.

Asks a cloud that runs, as its project `demo`, for servers one at a time and sixteen at once; says for each
the seconds from POST to ACTIVE (the host has seen QEMU run), and of the median server each stage. Deletes
them. The project needs quota for so many.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from bench.client import Client, burst
from bench.cloud import eventually
from volutus.settings import load
from volutus.setup import keys

AT_ONCE = 16
FLAVOR = "500mhz-1c-128m"
SERVERS = "/compute/v2.1/servers"
NEWEST = {"X-OpenStack-Nova-API-Version": "2.96"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("state_dir", type=Path)
    parser.add_argument("--servers", type=int, default=5, help="how many are ordered one at a time")
    arguments = parser.parse_args()
    settings = load(arguments.state_dir, {}, {})
    client = Client(settings.url).sign_in("demo", keys.password(settings, "demo"), "demo")
    order = {
        "flavorRef": FLAVOR,
        "imageRef": client.call("GET", "/image/v2/images?name=micro").json()["images"][0]["id"],
        "networks": [
            {"uuid": client.call("GET", "/network/v2.0/networks?name=private").json()["networks"][0]["id"]}
        ],
    }
    for each, rounds in ((1, arguments.servers), (AT_ONCE, 1)):
        launches = [launch for _ in range(rounds) for launch in _launched(client, order, each)]
        _print(each, launches)


def _launched(client: Client, order: dict[str, Any], count: int) -> list[dict[str, float]]:
    """The seconds of each server by stage, with `total`; the servers are deleted."""
    requests = (
        client.request("POST", SERVERS, {"server": {**order, "name": f"launch-{number}"}})
        for number in range(count)
    )
    answers = burst(client, requests, connections=count).all_good().answers
    ids = [answer.json()["server"]["id"] for answer in answers]
    eventually(lambda: not _building(client, ids), "all servers run", within_s=300)
    launches = [_stages(client, server_id) for server_id in ids]
    for server_id in ids:
        client.call("DELETE", f"{SERVERS}/{server_id}")
    eventually(lambda: not _existing(client, ids), "all servers are gone", within_s=120)
    time.sleep(1)
    return launches


def _building(client: Client, ids: list[str]) -> bool:
    found = {one["id"]: one["status"] for one in _details(client)}
    if "ERROR" in {found[server_id] for server_id in ids}:
        raise AssertionError("a server could not be built")
    return any(found[server_id] == "BUILD" for server_id in ids)


def _existing(client: Client, ids: list[str]) -> bool:
    return bool({one["id"] for one in _details(client)} & set(ids))


def _details(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.call("GET", f"{SERVERS}/detail").json()["servers"]
    return found


def _stages(client: Client, server_id: str) -> dict[str, float]:
    """From the server's own history, so that asking for it does not count."""
    path = f"{SERVERS}/{server_id}/os-instance-actions"
    (made,) = client.call("GET", path, None, NEWEST).json()["instanceActions"]

    def told() -> Any:
        answer = client.call("GET", f"{path}/{made['request_id']}", None, NEWEST)
        events = answer.json()["instanceAction"]["events"]
        return events if all(event["finish_time"] for event in events) else None

    events = eventually(told, "the launch is over in the history")
    seconds = {event["event"]: _at(event["finish_time"]) - _at(event["start_time"]) for event in events}
    return {"total": seconds.pop("compute__do_build_and_run_instance"), **seconds}


def _at(text: str) -> float:
    return time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) + float(f"0{text[19:]}")


def _print(at_once: int, launches: list[dict[str, float]]) -> None:
    totals = sorted(launch["total"] for launch in launches)
    parts = {
        name: statistics.median(launch[name] for launch in launches)
        for name in launches[0]
        if name != "total"
    }
    stages = ", ".join(f"{name} {seconds:.2f}" for name, seconds in parts.items())
    print(
        f"{at_once} at once, {len(launches)} servers: POST to QEMU running, median "
        f"{statistics.median(totals):.2f} s, slowest {totals[-1]:.2f} s ({stages})"
    )


if __name__ == "__main__":
    main()
