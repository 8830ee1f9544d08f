"""From what is wanted and what is there to the OVSDB operations between them. Pure.

`Found` is what was read of the rows that wanted units would have; `Changes` collects the operations of many
units, so that adding a thousand ports to one switch is one mutation of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from volutus.network.ovn.model import Kind
from volutus.network.ovn.names import (
    FORWARDED_PROTOCOLS,
    address_set_name,
    forwarding_name,
    localnet_names,
    own_dhcp_name,
    qos_names,
)
from volutus.network.ovn.rows import (
    GROUPS_TAG,
    ID_TAG,
    KIND_TAG,
    MAIN_TABLE,
    NETWORK_TAG,
    OWNED,
    ROOT_TABLES,
    SWITCH_COLUMNS,
    Key,
    Ref,
    Row,
    Unit,
    Value,
    canonical,
    row_uuid,
    tags,
)

TAG_PREFIX = "volutus:"
# A subnet's options, the limits of floating IPs, listeners: what an object has many of.
MARKED = {Kind.NETWORK: "DHCP_Options", Kind.ROUTER: "QoS", Kind.LOAD_BALANCER: "Load_Balancer"}
Operation = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A row as it is: its owned columns, and all of its `external_ids`."""

    table: str
    uuid: str
    columns: Mapping[str, Value]
    external_ids: Mapping[str, str]

    @property
    def group_ids(self) -> tuple[str, ...]:
        return tuple(self.external_ids.get(GROUPS_TAG, "").split())


Found = Mapping[str, FoundRow]


class Place(NamedTuple):
    """A column of a row that holds references to others."""

    table: str
    uuid: str
    column: str


@dataclass(slots=True)
class Changes:
    """Operations in the making. Inserts stand first, then what refers to them."""

    inserts: list[Operation] = field(default_factory=list)
    updates: list[Operation] = field(default_factory=list)
    deletes: list[Operation] = field(default_factory=list)
    # The set that a row holds, to the rows that join it, or leave it.
    joins: dict[Place, set[str]] = field(default_factory=dict)
    leaves: dict[Place, set[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.inserts or self.updates or self.deletes or self.joins or self.leaves)

    def operations(self) -> list[Operation]:
        """All of it in an order OVSDB can carry out."""
        joins = [_mutate(place, "insert", rows) for place, rows in self.joins.items()]
        leaves = [_mutate(place, "delete", rows) for place, rows in self.leaves.items()]
        return [*self.inserts, *self.updates, *joins, *leaves, *self.deletes]

    def went_astray(self, results: Sequence[Mapping[str, Any]]) -> bool:
        """Whether a row to be changed or joined was gone by then: what was read before is no longer so."""
        first = len(self.inserts)
        last = first + len(self.updates) + len(self.joins)
        return any(result.get("count") == 0 for result in results[first:last])

    def add(self, unit: Unit, found: Found) -> bool:
        """Add what brings one unit from what was found to what it wants; False when no row changes.

        Memberships are asked for again each time, as only the groups know them."""
        before = self._size()
        for row in unit.rows:
            there = found.get(row.uuid)
            if there is None:
                self._insert(unit, row)
            else:
                self._update(unit, row, there)
        wanted = {row.uuid for row in unit.rows}
        for there in found.values():
            if there.uuid not in wanted:
                self._delete(there)
        changed = self._size() != before
        if unit.key.kind is Kind.PORT and unit.rows:
            self._join_groups(unit, found)
        return changed

    def _insert(self, unit: Unit, row: Row) -> None:
        columns = {c: encode(v) for c, v in row.columns.items() if v}
        columns["external_ids"] = encode(tags(unit, row))
        self.inserts.append({"op": "insert", "table": row.table, "uuid": row.uuid, "row": columns})
        if row.switch_id is not None:
            switch = row_uuid("Logical_Switch", row.switch_id)
            place = Place("Logical_Switch", switch, SWITCH_COLUMNS[row.table])
            self.joins.setdefault(place, set()).add(row.uuid)

    def _update(self, unit: Unit, row: Row, there: FoundRow) -> None:
        changed = {c: encode(v) for c, v in row.columns.items() if there.columns[c] != v}
        # What others put into external_ids is theirs, and stays.
        others = {k: v for k, v in there.external_ids.items() if not k.startswith(TAG_PREFIX)}
        marks = others | tags(unit, row)
        if marks != there.external_ids:
            changed["external_ids"] = encode(marks)
        if changed:
            self.updates.append(
                {"op": "update", "table": row.table, "where": where_uuid(row.uuid), "row": changed}
            )

    def _delete(self, there: FoundRow) -> None:
        if there.table in ROOT_TABLES:
            self.deletes.append({"op": "delete", "table": there.table, "where": where_uuid(there.uuid)})
        elif there.table in SWITCH_COLUMNS:
            network_id = there.external_ids.get(NETWORK_TAG)
            column, ref = SWITCH_COLUMNS[there.table], ["uuid", there.uuid]
            where = (
                where_uuid(row_uuid("Logical_Switch", network_id))
                if network_id
                else [[column, "includes", ref]]
            )
            mutation = [column, "delete", ref]
            self.deletes.append(
                {"op": "mutate", "table": "Logical_Switch", "where": where, "mutations": [mutation]}
            )

    def _join_groups(self, unit: Unit, found: Found) -> None:
        port = unit.rows[0].uuid
        there = found.get(port)
        before = set(there.group_ids) if there else set()
        for group in unit.group_ids:
            self.joins.setdefault(_members(group), set()).add(port)
        for group in before.difference(unit.group_ids):
            self.leaves.setdefault(_members(group), set()).add(port)

    def _size(self) -> int:
        return len(self.inserts) + len(self.updates) + len(self.deletes)


def selects(unit: Unit) -> list[Operation]:
    """What to read before the unit's changes can be known: what it wants, and what it may have had."""
    key = unit.key
    main = MAIN_TABLE[key.kind]
    places = {row_uuid(main, key.id): main} | {row.uuid: row.table for row in unit.rows}
    places |= {row_uuid(table, name): table for table, name in _perhaps(key)}
    operations = [_select(table, where_uuid(uuid)) for uuid, table in places.items()]
    # Nothing refers to these once what they were for is gone, and their names could not be known: they are
    # asked for by their mark.
    if key.kind in MARKED:
        operations.append(_select(MARKED[key.kind], _marked(unit)))
    return operations


def _perhaps(key: Key) -> list[tuple[str, str]]:
    """Rows that such an object has at times, and that would stay if nobody looked for them."""
    match key.kind:
        case Kind.NETWORK:
            localnets = [("Logical_Switch_Port", name) for name in localnet_names(key.id)]
            return [*localnets, ("DNS", key.id)]
        case Kind.PORT:
            own_dhcp = [("DHCP_Options", own_dhcp_name(key.id, version)) for version in (4, 6)]
            return own_dhcp + [("QoS", name) for name in qos_names(key.id)]
        case Kind.ROUTER:
            return [("Load_Balancer", forwarding_name(key.id, p)) for p in FORWARDED_PROTOCOLS]
        case Kind.ADDRESS_GROUP:
            return [("Address_Set", address_set_name(key.id, version)) for version in (4, 6)]
        case _:
            return []


def select_all(table: str) -> Operation:
    """Read every row of a table, in the columns that are ours."""
    return _select(table, [])


def decode(table: str, row: Mapping[str, Any]) -> FoundRow:
    """A row as OVSDB answered it."""
    columns = {column: _value(column, row[column]) for column in OWNED[table]}
    external_ids = _value("external_ids", row["external_ids"])
    return FoundRow(table, row["_uuid"][1], columns, external_ids if isinstance(external_ids, dict) else {})


def owner_of(row: FoundRow) -> tuple[Kind, str] | None:
    """Whose row it is; None when it is not ours."""
    kind, owner = row.external_ids.get(KIND_TAG), row.external_ids.get(ID_TAG)
    if owner is None or kind not in {k.value for k in Kind}:
        return None
    return Kind(kind), owner


def encode(value: Value) -> Any:
    """A value as OVSDB reads it."""
    if isinstance(value, Mapping):
        return ["map", [[k, v] for k, v in sorted(value.items())]]
    return value[0] if len(value) == 1 else ["set", list(value)]


def _marked(unit: Unit) -> list[Any]:
    return [["external_ids", "includes", ["map", [[ID_TAG, unit.key.id]]]]]


def where_uuid(uuid: str) -> list[Any]:
    return [["_uuid", "==", ["uuid", uuid]]]


def _members(group_id: str) -> Place:
    return Place("Port_Group", row_uuid("Port_Group", group_id), "ports")


def _mutate(place: Place, verb: str, rows: set[str]) -> Operation:
    members = ["set", [["uuid", row] for row in sorted(rows)]]
    return {
        "op": "mutate",
        "table": place.table,
        "where": where_uuid(place.uuid),
        "mutations": [[place.column, verb, members]],
    }


def _select(table: str, where: list[Any]) -> Operation:
    columns = ["_uuid", "external_ids", *OWNED[table]]
    return {"op": "select", "table": table, "where": where, "columns": columns}


def _value(column: str, value: Any) -> Value:
    if isinstance(value, list):
        if value[0] == "map":
            return dict(value[1])
        if value[0] == "set":
            return canonical(column, [Ref(*a) if isinstance(a, list) else a for a in value[1]])
        return (Ref(*value),)
    return (value,)
