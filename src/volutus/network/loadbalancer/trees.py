"""A load balancer with all that is below it, read in a fixed number of statements, and what state it is in.

Both states are computed: provisioning from the unit that OVN is brought to, operating from what health
checks found.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sqlalchemy import Row, Table, func, select

from volutus.db import Tx
from volutus.network.loadbalancer.tables import listeners, load_balancers, members, monitors, pools
from volutus.network.ovn.model import Kind
from volutus.network.tables import network_units

# One balancer has at most this many of each, by default quotas far fewer.
BELOW_MAX = 100_000


class Provisioning(Enum):
    ACTIVE = "ACTIVE"
    PENDING_CREATE = "PENDING_CREATE"
    PENDING_UPDATE = "PENDING_UPDATE"
    ERROR = "ERROR"


class Operating(Enum):
    """DEGRADED: some below are in ERROR. NO_MONITOR: nobody looks. DRAINING: no new connections."""

    ONLINE = "ONLINE"
    OFFLINE = "OFFLINE"
    DEGRADED = "DEGRADED"
    ERROR = "ERROR"
    NO_MONITOR = "NO_MONITOR"
    DRAINING = "DRAINING"


@dataclass
class Tree:
    """`balancer` and what is below it, as rows of their tables, in the order in which they were made."""

    balancer: Row[Any]
    provisioning: Provisioning
    listeners: list[Row[Any]] = field(default_factory=list)
    pools: list[Row[Any]] = field(default_factory=list)
    members: list[Row[Any]] = field(default_factory=list)
    monitors: list[Row[Any]] = field(default_factory=list)

    def monitor_of(self, pool_id: str) -> Row[Any] | None:
        """The pool's health monitor."""
        return next((monitor for monitor in self.monitors if monitor.pool_id == pool_id), None)

    def members_of(self, pool_id: str | None) -> list[Row[Any]]:
        """The pool's members."""
        return [member for member in self.members if member.pool_id == pool_id]

    def member_state(self, member: Row[Any]) -> Operating:
        """What is known of one member."""
        if not member.enabled:
            return Operating.OFFLINE
        if member.weight == 0:
            return Operating.DRAINING
        monitor = self.monitor_of(member.pool_id)
        if monitor is None or not monitor.enabled:
            return Operating.NO_MONITOR
        if member.up is None:
            return Operating.OFFLINE
        return Operating.ONLINE if member.up else Operating.ERROR

    def pool_state(self, pool: Row[Any]) -> Operating:
        """ERROR when no member is left, DEGRADED when some are lost."""
        if not pool.enabled:
            return Operating.OFFLINE
        states = [self.member_state(member) for member in self.members_of(pool.id)]
        lost = states.count(Operating.ERROR)
        if not lost:
            return Operating.ONLINE
        return Operating.ERROR if lost == len(states) else Operating.DEGRADED

    def listener_state(self, listener: Row[Any]) -> Operating:
        """A listener is as its pool is."""
        if not listener.enabled or not self.balancer.enabled:
            return Operating.OFFLINE
        pool = next((pool for pool in self.pools if pool.id == listener.pool_id), None)
        return self.pool_state(pool) if pool is not None and pool.enabled else Operating.ONLINE

    def state(self) -> Operating:
        """The balancer's own: the worst below it, softened while something works."""
        if not self.balancer.enabled:
            return Operating.OFFLINE
        states = {self.pool_state(pool) for pool in self.pools if pool.enabled}
        if states == {Operating.ERROR}:
            return Operating.ERROR
        return Operating.DEGRADED if states & {Operating.ERROR, Operating.DEGRADED} else Operating.ONLINE


def load(tx: Tx, balancer_ids: Sequence[str]) -> dict[str, Tree]:
    """The trees of these balancers, by id; six statements however many there are."""
    wanted = sorted(set(balancer_ids))
    if not wanted:
        return {}
    unit = (network_units.c.kind == Kind.LOAD_BALANCER.value) & (network_units.c.id == load_balancers.c.id)
    columns = [c for c in load_balancers.c if c.name != "vip_address"]
    statement = (
        select(
            *columns,
            func.host(load_balancers.c.vip_address).label("vip_address"),
            network_units.c.wanted,
            network_units.c.written,
            network_units.c.fault,
        )
        .select_from(load_balancers.outerjoin(network_units, unit))
        .where(load_balancers.c.id.in_(wanted))
        .limit(len(wanted))
    )
    trees = {row.id: Tree(row, _provisioning(row)) for row in tx.rows(statement)}
    for table, name in ((listeners, "listeners"), (pools, "pools"), (monitors, "monitors")):
        for row in _below(tx, table, wanted):
            getattr(trees[row.load_balancer_id], name).append(row)
    for row in _below(tx, members, wanted):
        trees[row.load_balancer_id].members.append(row)
    return trees


def one(tx: Tx, balancer_id: str) -> Tree:
    """The tree of a balancer that is there."""
    return load(tx, [balancer_id])[balancer_id]


def member_columns() -> list[Any]:
    """A member's columns with its address as text."""
    return [func.host(c).label(c.name) if c.name == "address" else c for c in members.c]


def _below(tx: Tx, table: Table, balancer_ids: Sequence[str]) -> Sequence[Row[Any]]:
    columns = member_columns() if table is members else [*table.c]
    statement = select(*columns).where(table.c.load_balancer_id.in_(balancer_ids))
    return tx.rows(statement.order_by(table.c.created_at, table.c.id).limit(BELOW_MAX))


def _provisioning(row: Row[Any]) -> Provisioning:
    if row.fault:
        return Provisioning.ERROR
    if not row.written:
        return Provisioning.PENDING_CREATE
    return Provisioning.PENDING_UPDATE if row.written < row.wanted else Provisioning.ACTIVE
