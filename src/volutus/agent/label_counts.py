"""What this host's switch counted for metering labels, summed over flows that come and go and over restarts.

A mark is one of labels when it is not one of a port alone. What its flows carry is added up under a `run`;
one that has no flow for long is forgotten, and begins another run should it come back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from volutus.agent.state import Carried
from volutus.wire import MarkCounted, MarksObserved

# Those below are marks of single ports; see the control plane's table of marks.
FIRST_MARK = 1 << 31
# At a heartbeat of ten seconds this is an hour: the control plane has long been told.
ABSENT_MAX = 360
NOTHING = Carried()


@dataclass(frozen=True)
class MarkCount:
    """`absent` is for how many readings there was no flow with the mark."""

    run: str
    total: Carried = NOTHING
    absent: int = 0


@dataclass(frozen=True)
class LabelCounts:
    """All that is remembered. `last` is what each flow said, by mark; None before the first reading."""

    marks: Mapping[int, MarkCount] = field(default_factory=dict)
    last: Mapping[int, Mapping[str, Carried]] | None = None

    def read(self, flows: Mapping[int, Mapping[str, Carried]], run: str) -> "LabelCounts":
        """After a reading. The very first says only where to count from: what it shows may have been counted
        by a run whose record is lost. What comes later counts from its beginning."""
        found = {mark: dict(carried) for mark, carried in flows.items() if mark >= FIRST_MARK}
        if self.last is None:
            return LabelCounts({mark: MarkCount(run) for mark in found}, found)
        marks = {}
        for mark in {**self.marks, **found}:
            before = self.marks.get(mark, MarkCount(run))
            if mark in found:
                marks[mark] = MarkCount(
                    before.run, _summed(before.total, found[mark], self.last.get(mark, {}))
                )
            elif before.absent < ABSENT_MAX:
                marks[mark] = replace(before, absent=before.absent + 1)
        return LabelCounts(marks, found)

    def observed(self) -> MarksObserved:
        """What is reported."""
        return MarksObserved(
            marks=[
                MarkCounted(mark=mark, run=one.run, bytes=one.total.bytes, packets=one.total.packets)
                for mark, one in sorted(self.marks.items())
            ]
        )


def _summed(total: Carried, flows: Mapping[str, Carried], before: Mapping[str, Carried]) -> Carried:
    for flow, carried in flows.items():
        total = total.plus(carried.since(before.get(flow)))
    return total
