"""How fast the control plane is, and what it costs: `python bench/control_plane.py [--quick] [--only NAME]`.

Starts a cloud of real processes on loopback with simulated hosts, measures it from outside, and prints each
figure beside its goal and beside what OpenStack's own services did on a machine with two cores. Durable: a
commit is on the disk. Needs root; takes more than ten minutes, with `--quick` about one.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from bench import measures
from bench.cloud import Cloud
from bench.console import console
from bench.images import images
from bench.measures import Bench, Figure
from bench.tenant import Tenant

HOSTS, MANY_HOSTS = 20, 6000
SMALL: dict[str, Callable[[Bench], None]] = {
    "idle": measures.idle,
    "identity": measures.identity,
    "flavors": measures.flavors,
    "volumes": measures.volumes,
    "servers": measures.servers,
    "reading": measures.reading,
    "listing": measures.listing,
    "network": measures.network,
    "images": images,
    "console": console,
}
LARGE: dict[str, Callable[[Bench], None]] = {
    "placing": measures.placing,
    "idle-many": measures.idle,
}


def main() -> int:
    """Measure and print; the exit status is 1 when something could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, 200 servers, 600 hosts")
    parser.add_argument("--only", nargs="+", choices=[*SMALL, *LARGE], help="only these parts")
    parser.add_argument("--json", action="store_true", help="for programs")
    arguments = parser.parse_args()
    failed = False
    for hosts, parts in ((HOSTS, SMALL), (600 if arguments.quick else MANY_HOSTS, LARGE)):
        chosen = {name: act for name, act in parts.items() if not arguments.only or name in arguments.only}
        if chosen:
            failed |= _measure(hosts, chosen, arguments)
    return int(failed)


def _measure(hosts: int, parts: dict[str, Callable[[Bench], None]], arguments: argparse.Namespace) -> bool:
    """Whether anything went wrong."""
    cloud = Cloud.make(hosts)
    failed = False
    try:
        cloud.start()
        bench = Bench(cloud, Tenant.make(cloud), arguments.quick)
        _say(arguments, f"\n{hosts} simulated hosts, ready after {cloud.started_in_s:.1f} s. {_machine()}")
        _say(arguments, _line("", "", "goal", "of goal", "OpenStack", "faster", "CPU each"))
        for name, act in parts.items():
            began = time.monotonic()
            try:
                act(bench)
            except (AssertionError, OSError, TimeoutError) as error:
                failed = True
                _say(arguments, f"{name}: could not be measured: {error}")
            _print(arguments, bench.figures)
            bench.figures.clear()
            _say(arguments, f"    ({name}: {time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f})")
    finally:
        if failed:
            kept = Path(f"/tmp/volutus-bench-logs-{os.getpid()}")
            kept.mkdir(exist_ok=True)
            for log in cloud.settings.log_dir.glob("*.log"):
                (kept / log.name).write_bytes(log.read_bytes())
            _say(arguments, f"logs are in {kept}")
        cloud.stop()
    return failed


def _machine() -> str:
    return f"{os.cpu_count()} cores, load {', '.join(f'{load:.1f}' for load in os.getloadavg())}."


def _print(arguments: argparse.Namespace, figures: list[Figure]) -> None:
    for figure in figures:
        if arguments.json:
            sys.stdout.write(json.dumps({**vars(figure), "met": figure.met}) + "\n")
        else:
            _say(arguments, _row(figure))


def _row(figure: Figure) -> str:
    ratio = figure.value / figure.goal if figure.goal else None
    faster = None
    if figure.openstack and figure.value:
        faster = figure.openstack / figure.value
        faster = 1 / faster if figure.more_is_better else faster
    return _line(
        figure.name,
        f"{_short(figure.value)} {figure.unit}",
        f"{'≥' if figure.more_is_better else '≤'} {_short(figure.goal)}" if figure.goal else "",
        f"{ratio:.2f}{'' if figure.met else ' !'}" if ratio is not None else "",
        _short(figure.openstack) if figure.openstack else "",
        f"{_short(faster)} ×" if faster else "",
        f"{figure.cpu_ms:.1f} ms" if figure.cpu_ms is not None else "",
    )


def _line(*cells: str) -> str:
    name, *others = cells
    widths = (12, 9, 8, 10, 9, 9)
    return f"{name:36}" + "".join(f"{cell:>{width}} " for cell, width in zip(others, widths, strict=True))


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.3f}"


def _say(arguments: argparse.Namespace, text: str) -> None:
    if not arguments.json:
        sys.stdout.write(text.rstrip() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
