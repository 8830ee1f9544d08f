"""The simulated northbound database: keeps units in memory and connects every port that names a host.

It knows no OVSDB and no packets. It is for the whole plane run with simulated hosts, where nothing but the
bookkeeping of networks is wanted; the same contract suite runs against it and against the real one.
"""

import threading
from collections.abc import Mapping, Sequence

from volutus.network.ovn.model import Kind
from volutus.network.ovn.northbound import Applied, Probed, Result, admit
from volutus.network.ovn.rows import Key, Unit

_WRITTEN = Applied(Result.WRITTEN)
_UNCHANGED = Applied(Result.UNCHANGED)


class MemoryNorthbound:
    """A `Northbound` that lasts as long as its process; after a restart the scan fills it again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._units: dict[Key, Unit] = {}
        self._present: set[str] = set()

    def apply(self, units: Sequence[Unit]) -> Mapping[Key, Applied]:
        """See `Northbound.apply`."""
        with self._lock:
            going, answers = admit(units, self._present)
            return answers | {unit.key: self._apply(unit) for unit in going}

    def read_index(self) -> Mapping[Key, str]:
        """See `Northbound.read_index`."""
        with self._lock:
            units = list(self._units.values())
        return {unit.key: unit.digest() for unit in units}

    def probed(self) -> Mapping[Probed, bool]:
        """See `Northbound.probed`: there is nobody to ask."""
        return {}

    def ports_up(self, port_ids: Sequence[str]) -> frozenset[str]:
        """See `Northbound.ports_up`."""
        with self._lock:
            return frozenset(port_id for port_id in port_ids if self._is_bound(port_id))

    def _apply(self, unit: Unit) -> Applied:
        before = self._units.get(unit.key)
        if before == unit or (before is None and not unit.rows):
            return _UNCHANGED
        if before is not None:
            self._present.difference_update(row.uuid for row in before.rows)
        if unit.rows:
            self._units[unit.key] = unit
            self._present.update(row.uuid for row in unit.rows)
        else:
            del self._units[unit.key]
            self._forget_what_hung_on(unit.key)
        return _WRITTEN

    def _forget_what_hung_on(self, key: Key) -> None:
        if key.kind is not Kind.NETWORK:
            return
        # A switch takes its ports with it.
        lost = [u for u in self._units.values() if any(row.switch_id == key.id for row in u.rows)]
        for unit in lost:
            del self._units[unit.key]
            self._present.difference_update(row.uuid for row in unit.rows)

    def _is_bound(self, port_id: str) -> bool:
        key = Key(Kind.PORT, port_id)
        unit = self._units.get(key)
        if unit is None:
            return False
        columns = unit.rows[0].columns
        return "requested-chassis" in columns["options"] and columns["enabled"] == (True,)
