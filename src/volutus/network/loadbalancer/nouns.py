"""What is the same for load balancers, listeners, pools, members and monitors: found, listed, written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET
from sqlalchemy import Row, Table, func, select, update
from sqlalchemy.dialects.postgresql import insert

from volutus import audit, metering, quota
from volutus.db import Tx
from volutus.errors import NotFound
from volutus.identity import Caller
from volutus.network.listing import (
    Query,
    address,
    boolean,
    common_filters,
    equals,
    integer,
    optional,
    selected,
    sortable,
    visible,
)
from volutus.network.loadbalancer import trees
from volutus.network.loadbalancer.errors import (
    Duplicate,
    ListenerNotFound,
    LoadBalancerNotFound,
    MemberNotFound,
    MonitorNotFound,
    PoolNotFound,
)
from volutus.network.loadbalancer.placing import touch
from volutus.network.loadbalancer.tables import listeners, load_balancers, members, monitors, pools
from volutus.network.loadbalancer.trees import Tree


@dataclass(frozen=True)
class Noun:
    """`quota` is what one counts as; `words` is its name for humans; `meter` is what one is paid for by,
    where it is."""

    table: Table
    not_found: type[NotFound]
    quota: str
    words: str
    meter: str | None = None


BALANCER = Noun(load_balancers, LoadBalancerNotFound, "load_balancer", "load balancer", "load_balancer")
LISTENER = Noun(listeners, ListenerNotFound, "listener", "listener")
POOL = Noun(pools, PoolNotFound, "pool", "pool")
MEMBER = Noun(members, MemberNotFound, "member", "member")
MONITOR = Noun(monitors, MonitorNotFound, "health_monitor", "health monitor")
_ADDRESSES = frozenset({"address", "vip_address"})
# What two listeners of a load balancer, or two members of a pool, may not have in common.
_PLACE = ("address", "protocol", "port")


def get(tx: Tx, caller: Caller, noun: Noun, object_id: str, *, lock: bool = False) -> Row[Any]:
    """An object of the caller's, as a row. Raises the noun's NotFound."""
    table = noun.table
    statement = select(*_columns(table)).where(table.c.id == object_id, *visible(table, caller))
    row = tx.row(statement.with_for_update() if lock else statement)
    if row is None:
        raise noun.not_found(f"{noun.words[0].upper()}{noun.words[1:]} {object_id} not found.")
    return row


def tree_of(tx: Tx, row: Row[Any]) -> Tree:
    """The balancer that the object is, or is below of, with everything."""
    return trees.one(tx, _balancer_id(row))


def list_(tx: Tx, caller: Caller, noun: Noun, query: Query, **where: str) -> list[tuple[Row[Any], Tree]]:
    """The caller's objects, each with its balancer's tree: seven statements however many there are."""
    table = noun.table
    narrowed = [table.c[name] == value for name, value in where.items()]
    statement = select(*_columns(table)).where(*visible(table, caller), *narrowed)
    rows = tx.rows(selected(tx, statement, query, _filters(table), sortable(table)))
    found = trees.load(tx, [_balancer_id(row) for row in rows])
    return [(row, found[_balancer_id(row)]) for row in rows]


def add(tx: Tx, caller: Caller, noun: Noun, values: Mapping[str, Any]) -> Row[Any]:
    """Write a new object, charged to its project. Raises Duplicate, QuotaExceeded."""
    object_id = values.get("id") or tx.ids.uuid()
    stamped = {**values, "id": object_id, "created_at": tx.now, "updated_at": tx.now}
    if tx.value(insert(noun.table).on_conflict_do_nothing().returning(noun.table.c.id), stamped) is None:
        place = " and ".join(f"{name} {values[name]}" for name in _PLACE if values.get(name))
        raise Duplicate(f"Another {noun.words} here has {place or 'this place'} already.")
    quota.charge(tx, values["project_id"], {noun.quota: 1})
    if noun.meter is not None:
        metering.have_one(tx, values["project_id"], noun.quota, object_id, noun.meter)
    audit.record(tx, caller, "create", f"loadbalancer.{noun.quota}", object_id)
    touch(tx, values.get("load_balancer_id", object_id))
    return get(tx, caller, noun, object_id)


def change(tx: Tx, caller: Caller, noun: Noun, row: Row[Any], values: Mapping[str, Any]) -> Row[Any]:
    """Write what was given of a locked object."""
    table = noun.table
    wanted = {name: value for name, value in values.items() if value is not UNSET}
    stamps = {"revision": table.c.revision + 1, "updated_at": tx.now}
    tx.execute(update(table).where(table.c.id == row.id).values(**wanted, **stamps))
    audit.record(tx, caller, "update", f"loadbalancer.{noun.quota}", row.id)
    touch(tx, _balancer_id(row))
    return get(tx, caller, noun, row.id)


def drop(tx: Tx, caller: Caller, noun: Noun, rows: Sequence[Row[Any]]) -> None:
    """Delete objects of one balancer and give back what they were charged."""
    if not rows:
        return
    ids = [row.id for row in rows]
    touch(tx, _balancer_id(rows[0]))
    tx.execute(noun.table.delete().where(noun.table.c.id.in_(ids)))
    quota.release(tx, rows[0].project_id, {noun.quota: len(rows)})
    if noun.meter is not None:
        metering.close_usage(tx, noun.quota, ids)
    for object_id in ids:
        audit.record(tx, caller, "delete", f"loadbalancer.{noun.quota}", object_id)


def _balancer_id(row: Row[Any]) -> str:
    return str(getattr(row, "load_balancer_id", row.id))


def _columns(table: Table) -> list[Any]:
    return [func.host(c).label(c.name) if c.name in _ADDRESSES else c for c in table.c]


def _filters(table: Table) -> dict[str, Any]:
    filters = common_filters(table) | {"enabled": boolean(table.c.enabled)}
    for column in table.c:
        if column.name in _ADDRESSES:
            filters[column.name] = address(column)
        elif column.name in ("port", "weight", "delay_s", "timeout_s", "max_retries"):
            filters[column.name] = integer(column)
        elif column.name not in filters:
            filters[column.name] = optional(column) if column.name == "pool_id" else equals(column)
    return filters
