"""The real northbound database, over OVSDB's own protocol.

One read and one transaction for any number of units. Nothing is remembered between calls: what is there is
read afresh each time, and rows are found by UUIDs that follow from the object's id.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from volutus.errors import Unavailable
from volutus.network.ovn.changes import (
    Changes,
    FoundRow,
    decode,
    owner_of,
    select_all,
    selects,
    where_uuid,
)
from volutus.network.ovn.client import OvsdbClient, Refused
from volutus.network.ovn.model import Kind
from volutus.network.ovn.northbound import Applied, Probed, Result, admit
from volutus.network.ovn.rows import MAIN_TABLE, OWNED, Key, Unit, row_digest, row_uuid, unit_digest

# Tables in which OVSDB allows a name but once, and the column of the table that holds their rows.
UNIQUE_NAMES: Mapping[str, tuple[str, str] | None] = {
    "Logical_Switch_Port": ("Logical_Switch", "ports"),
    "Logical_Router_Port": ("Logical_Router", "ports"),
    "Gateway_Chassis": ("Logical_Router_Port", "gateway_chassis"),
    "Port_Group": None,
    "Address_Set": None,
}

# Somebody else may remove a row between our reading and our writing, but hardly again and again.
ATTEMPTS_MAX = 5

_WRITTEN = Applied(Result.WRITTEN)
_UNCHANGED = Applied(Result.UNCHANGED)


class OvsdbNorthbound:
    """A `Northbound` on an OVSDB server. May be shared by threads. `southbound` is where OVN tells what its
    health checks find, if anyone wants to know."""

    def __init__(self, client: OvsdbClient, southbound: OvsdbClient | None = None) -> None:
        self._client = client
        self._southbound = southbound

    def apply(self, units: Sequence[Unit]) -> Mapping[Key, Applied]:
        """See `Northbound.apply`. When the transaction of many is refused each goes alone, so that one that
        cannot be does not keep the others from being."""
        try:
            return self._apply(units)
        except Refused:
            if len(units) > 1:
                return {key: done for unit in units for key, done in self._apply_alone(unit).items()}
        return self._apply_alone(units[0])

    def read_index(self) -> Mapping[Key, str]:
        """See `Northbound.read_index`. One request; about 0.04 ms for each port."""
        operations: list[dict[str, Any]] = [select_all(table) for table in OWNED]
        groups = {"op": "select", "table": "Port_Group", "where": [], "columns": ["external_ids", "ports"]}
        answers = self._client.transact([*operations, groups])
        rows: dict[Key, list[tuple[str, str]]] = defaultdict(list)
        for table, answer in zip(OWNED, answers, strict=False):
            for raw in answer["rows"]:
                row = decode(table, raw)
                if owner := owner_of(row):
                    rows[Key(*owner)].append((row.uuid, row_digest(table, row.columns)))
        members = _memberships(answers[-1]["rows"])
        return {key: unit_digest(found, members.get(_port_row(key), ())) for key, found in rows.items()}

    def probed(self) -> Mapping[Probed, bool]:
        """See `Northbound.probed`. One request."""
        if self._southbound is None:
            return {}
        columns = ["logical_port", "ip", "port", "protocol", "status"]
        select = {"op": "select", "table": "Service_Monitor", "where": [], "columns": columns}
        found = {}
        for row in self._southbound.transact([select])[0]["rows"]:
            # An empty set until the first answer, or the first that did not come.
            if isinstance(row["status"], str):
                protocol = row["protocol"] if isinstance(row["protocol"], str) else "tcp"
                asked = Probed(row["logical_port"], row["ip"], row["port"], protocol)
                found[asked] = row["status"] == "online"
        return found

    def ports_up(self, port_ids: Sequence[str]) -> frozenset[str]:
        """See `Northbound.ports_up`."""
        table = MAIN_TABLE[Kind.PORT]
        answers = self._client.transact(
            [
                {
                    "op": "select",
                    "table": table,
                    "where": where_uuid(row_uuid(table, port_id)),
                    "columns": ["up"],
                }
                for port_id in port_ids
            ]
        )
        return frozenset(
            port_id
            for port_id, answer in zip(port_ids, answers, strict=True)
            if answer["rows"] and answer["rows"][0]["up"] is True
        )

    def _apply_alone(self, unit: Unit) -> dict[Key, Applied]:
        try:
            self._remove_namesakes(unit)
            return self._apply([unit])
        except Refused as refusal:
            return {unit.key: Applied(Result.REFUSED, refusal.detail)}

    def _apply(self, units: Sequence[Unit]) -> dict[Key, Applied]:
        for _ in range(ATTEMPTS_MAX):
            found, present = self._read(units)
            going, answers = admit(units, present)
            changes = Changes()
            for unit in going:
                answers[unit.key] = _WRITTEN if changes.add(unit, found[unit.key]) else _UNCHANGED
            if not changes or not changes.went_astray(self._client.transact(changes.operations())):
                return answers
        raise Unavailable("The network is changing too quickly.", retry_after_s=1)

    def _read(self, units: Sequence[Unit]) -> tuple[dict[Key, dict[str, FoundRow]], set[str]]:
        """What is there of each unit, and which of the rows that units need are there."""
        questions = [(unit.key, operation) for unit in units for operation in selects(unit)]
        needs = {need.uuid: need for unit in units for need in unit.needs}
        needed = [
            {"op": "select", "table": need.table, "where": where_uuid(uuid), "columns": ["_uuid"]}
            for uuid, need in needs.items()
        ]
        answers = self._client.transact([operation for _, operation in questions] + needed)
        found: dict[Key, dict[str, FoundRow]] = {unit.key: {} for unit in units}
        for (key, operation), answer in zip(questions, answers, strict=False):
            for raw in answer["rows"]:
                row = decode(operation["table"], raw)
                found[key][row.uuid] = row
        present = {
            uuid for uuid, answer in zip(needs, answers[len(questions) :], strict=True) if answer["rows"]
        }
        return found, present

    def _remove_namesakes(self, unit: Unit) -> None:
        """Take away rows made by hand that bear our names: OVSDB will not have ours beside them."""
        ours = [row for row in unit.rows if row.table in UNIQUE_NAMES]
        answers = self._client.transact(
            [
                {
                    "op": "select",
                    "table": row.table,
                    "where": [["name", "==", row.columns["name"][0]]],  # type: ignore[index]
                    "columns": ["_uuid"],
                }
                for row in ours
            ]
        )
        operations: list[dict[str, Any]] = []
        for row, answer in zip(ours, answers, strict=True):
            for other in answer["rows"]:
                ref = other["_uuid"]
                if ref[1] == row.uuid:
                    continue
                holder = UNIQUE_NAMES[row.table]
                if holder is None:
                    operations.append({"op": "delete", "table": row.table, "where": where_uuid(ref[1])})
                else:
                    table, column = holder
                    where = [[column, "includes", ref]]
                    change = [[column, "delete", ref]]
                    operations.append({"op": "mutate", "table": table, "where": where, "mutations": change})
        if operations:
            self._client.transact(operations)


def _port_row(key: Key) -> str:
    return row_uuid(MAIN_TABLE[Kind.PORT], key.id) if key.kind is Kind.PORT else ""


def _memberships(groups: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Port row to the ids of the groups it is really in."""
    members: dict[str, list[str]] = defaultdict(list)
    for raw in groups:
        marks = dict(raw["external_ids"][1])
        group_id = marks.get("volutus:id")
        if group_id is not None:
            for port in _uuids(raw["ports"]):
                members[port].append(group_id)
    return members


def _uuids(references: Any) -> list[str]:
    """A column of references as OVSDB answers it: one alone comes without a set around it."""
    kind, value = references
    return [uuid for _, uuid in value] if kind == "set" else [value]
