"""How long a thousand ports take to reach the northbound database, and one more beside them.

`python bench/ovn_bulk.py [PORTS]`. Starts an ovsdb-server of its own; no root needed. Times are medians of
several runs; the ratios say more than the seconds on a busy machine.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from tests.network.ovn import views
from tests.network.ovn.stack import OvsdbServer, remove, short_directory
from volutus.clock import SystemClock
from volutus.network.ovn import MemoryNorthbound, Northbound, OvsdbClient, OvsdbNorthbound, compile_view
from volutus.network.ovn.compile import drop_group
from volutus.network.ovn.rows import Unit

RUNS = 5


def seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def measure(northbound: Northbound, count: int) -> dict[str, float]:
    """Seconds of each act, once, from empty to empty."""
    base = [drop_group(), *map(compile_view, (views.network(), views.group()))]
    shown = [views.port(number) for number in range(1, count + 2)]
    northbound.apply(base)
    took = {"compile": seconds(lambda: list(map(compile_view, shown)))}
    units = [compile_view(view) for view in shown]
    took["create all"] = seconds(lambda: northbound.apply(units[:-1]))
    took["one more"] = seconds(lambda: northbound.apply(units[-1:]))
    took["apply all again"] = seconds(lambda: northbound.apply(units))
    took["change a group"] = seconds(
        lambda: northbound.apply([compile_view(views.group(views.rule(1), views.rule(2)))])
    )
    took["read index"] = seconds(northbound.read_index)
    took["ports up"] = seconds(lambda: northbound.ports_up([view.id for view in shown]))
    took["delete all"] = seconds(lambda: northbound.apply([Unit(unit.key) for unit in units]))
    return took


def report(name: str, runs: list[dict[str, float]]) -> None:
    unit = statistics.median(run["one more"] for run in runs)
    print(f"{name}:")
    for act in runs[0]:
        median = statistics.median(run[act] for run in runs)
        print(f"  {act:16} {median * 1000:9.2f} ms   {median / unit:8.1f} × one port")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"{count} ports in one network, median of {RUNS} runs")
    directory = short_directory()
    server = OvsdbServer(directory)
    server.start()
    client = OvsdbClient(server.remote, SystemClock())
    try:
        report("ovsdb-server", [measure(OvsdbNorthbound(client), count) for _ in range(RUNS)])
        report("in memory", [measure(MemoryNorthbound(), count) for _ in range(RUNS)])
    finally:
        client.close()
        server.stop()
        remove(directory)


if __name__ == "__main__":
    main()
