"""Host aggregates: named sets of hosts with metadata, for operators. They place nothing by themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.expression import cast

from volutus import audit, placement
from volutus.compute.faults import AggregateConflict, AggregateNotFound
from volutus.compute.tables import aggregates
from volutus.db import Tx
from volutus.errors import NotFound
from volutus.identity import Caller

# An operator's own sets; a cloud with more of them has scripts that make them.
AGGREGATES_MAX = 1000
ZONE = "availability_zone"


@dataclass(frozen=True)
class Aggregate:
    """`number` is its name in the API; the zone is an item of its metadata."""

    number: int
    id: str
    name: str
    metadata: Mapping[str, str]
    hosts: tuple[str, ...]
    created_at: datetime
    updated_at: datetime | None

    @property
    def zone(self) -> str | None:
        return self.metadata.get(ZONE)


def create(tx: Tx, caller: Caller, name: str, zone: str | None) -> Aggregate:
    """A new, empty aggregate. Raises AggregateConflict when the name is taken."""
    values = {
        "id": tx.ids.uuid(),
        "name": name,
        "metadata": {ZONE: zone} if zone else {},
        "created_at": tx.now,
    }
    try:
        with tx.savepoint():
            row = tx.execute(insert(aggregates).values(**values).returning(aggregates)).one()
    except IntegrityError as error:
        raise AggregateConflict(f"Aggregate {name} already exists.") from error
    audit.record(tx, caller, "create", "compute.aggregate", row.id, {"name": name})
    return _aggregate(row)


def get(tx: Tx, number: int) -> Aggregate:
    """One aggregate. Raises AggregateNotFound."""
    return _found(tx.row(select(aggregates).where(aggregates.c.number == number)), number)


def list_(tx: Tx) -> list[Aggregate]:
    """All of them."""
    rows = tx.rows(select(aggregates).order_by(aggregates.c.number).limit(AGGREGATES_MAX))
    return [_aggregate(row) for row in rows]


def change(tx: Tx, caller: Caller, number: int, name: str | None, zone: str | None) -> Aggregate:
    """Rename it, or change its zone."""
    found = get(tx, number)
    values: dict[str, Any] = {"name": name} if name is not None else {}
    if zone is not None:
        values["metadata"] = {**found.metadata, ZONE: zone}
    return _write(tx, caller, number, values)


def set_metadata(tx: Tx, caller: Caller, number: int, items: Mapping[str, str | None]) -> Aggregate:
    """Add or change items; None takes one away."""
    merged = {**get(tx, number).metadata, **items}
    return _write(tx, caller, number, {"metadata": {k: v for k, v in merged.items() if v is not None}})


def add_host(tx: Tx, caller: Caller, number: int, hostname: str) -> Aggregate:
    """Put a host in. Raises NotFound for an unknown host, AggregateConflict when it is in already."""
    found = get(tx, number)
    placement.hosts.by_name(tx, hostname)
    if hostname in found.hosts:
        raise AggregateConflict(f"Aggregate {number} already has host {hostname}.")
    return _write(tx, caller, number, {"hosts": [*found.hosts, hostname]})


def remove_host(tx: Tx, caller: Caller, number: int, hostname: str) -> Aggregate:
    """Take a host out. Raises NotFound when it is not in."""
    found = get(tx, number)
    if hostname not in found.hosts:
        raise NotFound(f"Aggregate {number} has no host {hostname}.")
    return _write(tx, caller, number, {"hosts": [host for host in found.hosts if host != hostname]})


def remove(tx: Tx, caller: Caller, number: int) -> None:
    """Delete an empty aggregate. Raises AggregateConflict when there are hosts in it."""
    if get(tx, number).hosts:
        raise AggregateConflict(f"Cannot remove aggregate {number}: there are hosts in it.")
    empty = func.cardinality(aggregates.c.hosts) == 0
    if not tx.changed(delete(aggregates).where(aggregates.c.number == number, empty)):
        raise AggregateConflict(f"Cannot remove aggregate {number}: there are hosts in it.")
    audit.record(tx, caller, "delete", "compute.aggregate", str(number))


def _write(tx: Tx, caller: Caller, number: int, values: dict[str, Any]) -> Aggregate:
    if "hosts" in values:
        values["hosts"] = cast(values["hosts"], ARRAY(TEXT))
    statement = update(aggregates).where(aggregates.c.number == number).values(**values, updated_at=tx.now)
    try:
        with tx.savepoint():
            row = tx.row(statement.returning(aggregates))
    except IntegrityError as error:
        raise AggregateConflict(f"Aggregate {values.get('name')} already exists.") from error
    audit.record(tx, caller, "update", "compute.aggregate", str(number), {"changed": sorted(values)})
    return _found(row, number)


def _found(row: Row[Any] | None, number: int) -> Aggregate:
    if row is None:
        raise AggregateNotFound(f"Aggregate {number} could not be found.")
    return _aggregate(row)


def _aggregate(row: Row[Any]) -> Aggregate:
    values = dict(row._mapping)
    return Aggregate(**{**values, "hosts": tuple(values["hosts"])})
