"""The reconcilers with a table of views above them and no queue: tests of steps and of packets drive it."""

from collections.abc import Sequence

from tests.conftest import FakeClock
from volutus.network.ovn import Kind, Northbound, OvnReconciler, View, compile_view, reconcilers
from volutus.network.ovn.compile import drop_group
from volutus.network.ovn.reconcile import DRIFT_SCAN_S
from volutus.reconcile import Item, Outcome


class TableOfViews:
    """A `Topology` that a test edits."""

    def __init__(self, *shown: tuple[Kind, View]) -> None:
        self.shown = {(kind, view.id): view for kind, view in shown}

    def put(self, kind: Kind, view: View) -> None:
        self.shown[kind, view.id] = view

    def views(self, kind: Kind, ids: Sequence[str]) -> Sequence[View]:
        return [self.shown[kind, i] for i in ids if (kind, i) in self.shown]

    def page(self, kind: Kind, after: str, limit: int) -> Sequence[View]:
        ids = sorted(i for k, i in self.shown if k is kind and i > after)
        return self.views(kind, ids[:limit])


class Plane:
    """A queue without a database: what is woken is stepped until nothing is left."""

    def __init__(self, northbound: Northbound, topology: TableOfViews) -> None:
        self.clock = FakeClock()
        self.northbound = northbound
        self.topology = topology
        self.by_kind: dict[Kind, OvnReconciler] = {
            Kind(one.kind): one for one in reconcilers(topology, northbound, self.clock)
        }

    def step(self, kind: Kind, *ids: str, attempts: int = 1) -> dict[str, Outcome]:
        return dict(self.by_kind[kind].step([Item(kind.value, i, 1, 1, attempts, False) for i in ids]))

    def settle(self, rounds: int = 6) -> None:
        """Scan and step until nothing has drifted."""
        for _ in range(rounds):
            self.clock.advance(DRIFT_SCAN_S)
            woken = {kind: one.scan(None) for kind, one in self.by_kind.items()}
            if not any(woken.values()):
                return
            for kind, ids in woken.items():
                if ids:
                    self.step(kind, *ids)
        raise AssertionError(f"still drifting: {woken}")

    def assert_right(self) -> None:
        units = [drop_group(), *map(compile_view, self.topology.shown.values())]
        assert self.northbound.read_index() == {unit.key: unit.digest() for unit in units if unit.rows}
