"""Which labels count which packets: rules with prefixes made into parts of the traffic that do not overlap.

Prefixes of one IP version are nested or apart. So a packet's *cell* is the most specific of all prefixes that
rules name for its source, with the most specific of those for its destination; all packets of a cell are
counted by the same labels. OVN finds a packet's cell by priority: the deeper in the nests, the higher.
Pure: no SQL, no OVN.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from volutus.network.ovn.model import Direction

Prefix = IPv4Network | IPv6Network
_WHOLE: dict[int, Prefix] = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}


@dataclass(frozen=True, slots=True)
class CountingRule:
    """Counts what comes from `source` for `destination` under the label, or leaves it out."""

    label_id: str
    direction: Direction
    source: Prefix
    destination: Prefix
    excluded: bool

    @property
    def version(self) -> int:
        return self.source.version


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of the traffic: what has this source and destination, and is in no deeper cell. Without labels
    it is a hole in a cell that has some."""

    source: Prefix
    destination: Prefix
    depth: int
    label_ids: tuple[str, ...]


def counting(
    label_id: str, direction: str, prefixes: Sequence[str | None], *, excluded: bool
) -> CountingRule:
    """A rule from its remote, source and destination prefix."""
    remote, source, destination = prefixes
    way = Direction(direction)
    if remote is not None:
        source, destination = (remote, None) if way is Direction.EGRESS else (None, remote)
    named = [None if one is None else ip_network(one) for one in (source, destination)]
    version = next(one.version for one in named if one is not None)
    ends = [_WHOLE[version] if one is None else one for one in named]
    return CountingRule(label_id, way, ends[0], ends[1], excluded)


def overlap(one: CountingRule, other: CountingRule) -> bool:
    """Whether some packet is matched by both."""
    return (
        one.version == other.version
        and one.source.overlaps(other.source)
        and one.destination.overlaps(other.destination)
    )


def parts(rules: Iterable[CountingRule], direction: Direction, version: int) -> int:
    """How many cells the rules make of one direction and IP version."""
    space = _Space([rule for rule in rules if (rule.direction, rule.version) == (direction, version)])
    return len(space.sources) * len(space.destinations)


def cells(rules: Sequence[CountingRule], version: int, within: Prefix | None = None) -> list[Cell]:
    """The cells of rules of one direction and IP version: all, or those of packets from `within` alone."""
    space = _Space([rule for rule in rules if rule.version == version])
    if not space.rules:
        return []
    found = list(space.cells(_WHOLE[version] if within is None else within))
    labelled = [cell for cell in found if cell.label_ids]
    # What no label counts needs to be told apart only where it lies within what one does.
    return [cell for cell in found if cell.label_ids or any(_contains(outer, cell) for outer in labelled)]


class _Space:
    def __init__(self, rules: Sequence[CountingRule]) -> None:
        self.rules = rules
        whole = {_WHOLE[rule.version] for rule in rules}
        self.sources = whole | {rule.source for rule in rules}
        self.destinations = whole | {rule.destination for rule in rules}

    def cells(self, within: Prefix) -> Iterator[Cell]:
        around = [source for source in self.sources if _covers(source, within)]
        inside = [source for source in self.sources if _covers(within, source) and source != within]
        nearest = max(around, key=lambda source: source.prefixlen)
        for shown, source in [(within, nearest), *((source, source) for source in inside)]:
            for destination in self.destinations:
                depth = _depth(source, self.sources) + _depth(destination, self.destinations)
                yield Cell(shown, destination, depth, self._labels(source, destination))

    def _labels(self, source: Prefix, destination: Prefix) -> tuple[str, ...]:
        matching = [
            rule
            for rule in self.rules
            if _covers(rule.source, source) and _covers(rule.destination, destination)
        ]
        left_out = {rule.label_id for rule in matching if rule.excluded}
        return tuple(sorted({rule.label_id for rule in matching} - left_out))


def _depth(prefix: Prefix, among: Iterable[Prefix]) -> int:
    return sum(1 for other in among if other != prefix and _covers(other, prefix))


def _contains(outer: Cell, inner: Cell) -> bool:
    return _covers(outer.source, inner.source) and _covers(outer.destination, inner.destination)


def _covers(outer: Prefix, inner: Prefix) -> bool:
    return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]
