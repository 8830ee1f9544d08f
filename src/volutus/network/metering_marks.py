"""Marks: the numbers by which a host tells for which labels, and for which port, its switch counted.

A packet gets one mark in a router, so where labels count, a mark stands for the port and the labels together,
and what is counted for it goes to all of them. See `metering_cells` for which labels; `ports.traffic_mark` is
the mark of what a port sends that no label counts.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from ipaddress import ip_network
from typing import Any, NamedTuple

from sqlalchemy import Row, text

from volutus import metering
from volutus.db import Tx
from volutus.metering import Counter
from volutus.network import metering_cells
from volutus.network.metering_cells import Cell, CountingRule, Prefix
from volutus.network.ovn.model import CellView, Direction, MeterView
from volutus.wire import MarksObserved

# The kind of thing that a label is where its usage is counted, and what is counted of it.
LABEL = "metering_label"
BYTES = {direction: f"label_{direction.value}_bytes" for direction in Direction}
PACKETS = {direction: f"label_{direction.value}_packets" for direction in Direction}
# What a port sends to the outside is paid for by this.
PORT = "port"
METER_TRAFFIC = "traffic_out_bytes"

RULES_MAX = 100_000
VERSIONS = (4, 6)

_RULES = text(
    """
    SELECT l.project_id, l.every_project, r.label_id, r.direction, text(r.remote_prefix) AS remote_prefix,
        text(r.source_prefix) AS source_prefix, text(r.destination_prefix) AS destination_prefix, r.excluded
    FROM metering_label_rules r JOIN metering_labels l ON l.id = r.label_id
    WHERE l.every_project OR l.project_id = ANY(CAST(:projects AS text[])) ORDER BY r.id LIMIT :limit
    """
)
_WANTED = """
    SELECT DISTINCT w.port_id, w.direction, w.label_ids
    FROM jsonb_to_recordset(CAST(:wanted AS jsonb)) AS w(port_id text, direction text, label_ids text[])
"""
_KNOWN = text(
    f"""
    SELECT m.mark, w.port_id, m.direction, m.label_ids FROM ({_WANTED}) w
    JOIN metering_marks m ON coalesce(m.port_id, '') = w.port_id AND m.direction = w.direction
        AND m.label_ids = w.label_ids
    LIMIT :limit
    """  # noqa: S608 - our own words
)
_MAKE = text(
    f"""
    INSERT INTO metering_marks (port_id, direction, label_ids)
    SELECT p.id, w.direction, w.label_ids FROM ({_WANTED}) w LEFT JOIN ports p ON p.id = w.port_id
    WHERE w.port_id = '' OR p.id IS NOT NULL ORDER BY 1, 2, 3
    ON CONFLICT DO NOTHING
    """  # noqa: S608 - our own words
)
_MEANT = text(
    """
    SELECT m.mark, m.direction, p.id AS port_id, p.project_id AS port_project_id,
        l.id AS label_id, l.project_id
    FROM metering_marks m LEFT JOIN ports p ON p.id = m.port_id
    LEFT JOIN metering_labels l ON l.id = ANY(m.label_ids)
    WHERE m.mark = ANY(CAST(:marks AS bigint[])) ORDER BY m.mark, l.id LIMIT :limit
    """
)


class _Meaning(NamedTuple):
    """What one mark stands for; no port is an empty id."""

    port_id: str
    direction: str
    label_ids: tuple[str, ...]


class _Part(NamedTuple):
    """A cell of one router, of what a port sends, or of all the rest."""

    meaning: _Meaning
    cell: Cell
    unlabelled: int


def cells_of(
    tx: Tx, projects: Mapping[str, str], meters: Mapping[str, Sequence[MeterView]]
) -> dict[str, tuple[CellView, ...]]:
    """What routers have to count apart. `projects` are the owners of the routers that have a gateway."""
    rows = tx.rows(_RULES, {"projects": sorted(set(projects.values())), "limit": RULES_MAX})
    if not rows:
        return {}
    common = [_counting(row) for row in rows if row.every_project]
    own: dict[str, list[CountingRule]] = {}
    for row in rows:
        if not row.every_project:
            own.setdefault(row.project_id, []).append(_counting(row))
    found = {
        # A port's addresses may be within each other: what two of them make alike is one part.
        router_id: [*dict.fromkeys(_parts(common + own.get(project_id, []), meters.get(router_id, ())))]
        for router_id, project_id in projects.items()
    }
    labelled = {part.meaning for parts in found.values() for part in parts if part.meaning.label_ids}
    marks = _marks(tx, labelled) if labelled else {}
    return {router_id: tuple(_views(parts, marks)) for router_id, parts in found.items() if parts}


def record(tx: Tx, host_id: str, observed: MarksObserved) -> None:
    """What a host's switch counted goes to labels, and to ports as what they sent."""
    told = {counted.mark: counted for counted in observed.marks}
    keys = {"marks": sorted(told), "limit": RULES_MAX}
    counters: dict[tuple[str, str, int], Counter] = {}
    for row in tx.rows(_MEANT, keys):
        counted, source = told[row.mark], f"{host_id}/{row.mark}"
        way = Direction(row.direction)
        wanted = []
        if row.label_id is not None:
            of_label = row.project_id, LABEL, row.label_id
            wanted += [(*of_label, BYTES[way], counted.bytes), (*of_label, PACKETS[way], counted.packets)]
        if row.port_id is not None:
            wanted.append((row.port_project_id, PORT, row.port_id, METER_TRAFFIC, counted.bytes))
        for project_id, kind, thing_id, meter, total in wanted:
            key = thing_id, meter, row.mark
            counters[key] = Counter(
                project_id, kind, thing_id, meter, counted.run, Decimal(total), source=source
            )
    metering.count_usage(tx, list(counters.values()))


def _counting(row: Row[Any]) -> CountingRule:
    prefixes = row.remote_prefix, row.source_prefix, row.destination_prefix
    return metering_cells.counting(row.label_id, row.direction, prefixes, excluded=row.excluded)


def _parts(rules: Sequence[CountingRule], meters: Sequence[MeterView]) -> Iterable[_Part]:
    sent = [rule for rule in rules if rule.direction is Direction.EGRESS]
    got = [rule for rule in rules if rule.direction is Direction.INGRESS]
    for version in VERSIONS:
        for direction, chosen in ((Direction.INGRESS, got), (Direction.EGRESS, sent)):
            for cell in metering_cells.cells(chosen, version):
                yield _Part(_Meaning("", direction.value, cell.label_ids), cell, 0)
        for meter in meters if sent else ():
            for source in _prefixes(meter, version):
                for cell in metering_cells.cells(sent, version, source):
                    meaning = _Meaning(meter.port_id, Direction.EGRESS.value, cell.label_ids)
                    yield _Part(meaning, cell, meter.mark)


def _prefixes(meter: MeterView, version: int) -> list[Prefix]:
    prefixes = (ip_network(address, strict=False) for address in meter.addresses)
    return [prefix for prefix in prefixes if prefix.version == version]


def _marks(tx: Tx, labelled: Iterable[_Meaning]) -> dict[_Meaning, int]:
    wanted = sorted(labelled)
    known = _known(tx, wanted)
    if missing := [one for one in wanted if one not in known]:
        tx.execute(_MAKE, {"wanted": _document(missing)})
        known |= _known(tx, missing)
    return known


def _known(tx: Tx, wanted: Sequence[_Meaning]) -> dict[_Meaning, int]:
    rows = tx.rows(_KNOWN, {"wanted": _document(wanted), "limit": len(wanted)})
    return {_Meaning(row.port_id, row.direction, tuple(row.label_ids)): row.mark for row in rows}


def _document(wanted: Sequence[_Meaning]) -> str:
    return json.dumps([one._asdict() for one in wanted])


def _views(parts: Iterable[_Part], marks: Mapping[_Meaning, int]) -> Iterable[CellView]:
    for part in parts:
        mark = marks.get(part.meaning) if part.meaning.label_ids else part.unlabelled
        # A port that was deleted just now has no mark: its router is touched for that, too.
        if mark is not None:
            cell = part.cell
            yield CellView(
                direction=Direction(part.meaning.direction),
                source=str(cell.source),
                destination=str(cell.destination),
                depth=cell.depth,
                mark=mark,
                port_id=part.meaning.port_id,
            )
