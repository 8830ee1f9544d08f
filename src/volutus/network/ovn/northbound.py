"""What a reconciler can do with the northbound database, whichever it is: the real one or the simulated.

A unit is all rows of one object. It is applied as a whole: afterwards its rows are as wanted and nothing
else of it is left, whatever was there before.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from volutus.network.ovn.rows import Key, Unit


class Probed(NamedTuple):
    """A member of a load balancer as OVN asks it; `protocol` is `tcp` or `udp`."""

    port_id: str
    address: str
    port: int
    protocol: str


class Result(Enum):
    """BLOCKED: a row of another unit must be there first. REFUSED: OVN's schema does not allow the rows."""

    UNCHANGED = "unchanged"
    WRITTEN = "written"
    BLOCKED = "blocked"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Applied:
    """How applying one unit went; `why` names what it waits for or what was refused."""

    result: Result
    why: str = ""


def admit(units: Sequence[Unit], present: Collection[str]) -> tuple[list[Unit], dict[Key, Applied]]:
    """Part units into those whose needs are there or come with them, and those that must wait for others."""
    blocked: dict[Key, Applied] = {}
    while True:
        going = [unit for unit in units if unit.key not in blocked]
        coming = {row.uuid for unit in going for row in unit.rows}
        late = {
            unit.key: Applied(Result.BLOCKED, ", ".join(missing))
            for unit in going
            if (missing := [n.what for n in unit.needs if n.uuid not in coming and n.uuid not in present])
        }
        if not late:
            return going, blocked
        blocked |= late


class Northbound(Protocol):
    """Every method raises `Unavailable` when OVN is away; a call can always be repeated."""

    def apply(self, units: Sequence[Unit]) -> Mapping[Key, Applied]:
        """Make all units as they are wanted, in one transaction; those that cannot be are left out of it."""

    def read_index(self) -> Mapping[Key, str]:
        """The digest of every unit that has rows, computed from what the rows really are: equal to
        `Unit.digest()` of what is wanted, or the unit has drifted."""

    def probed(self) -> Mapping[Probed, bool]:
        """What OVN's own health checks find: whether each member that is asked answers. One not asked yet is
        left out."""

    def ports_up(self, port_ids: Sequence[str]) -> frozenset[str]:
        """Which of these ports are bound on a host and connected."""
