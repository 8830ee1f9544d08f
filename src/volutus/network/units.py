"""Which objects the engine must make anew: every verb that changes what OVN should hold says so here.

A unit's row counts what was wanted and what was last written; it stays as a tombstone after its object is
gone until nothing of it is left in OVN. `wanted` and `deleted_at` are the verbs', the rest the reconciler's.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, select, text, union

from volutus.db import Tx
from volutus.network.ovn.model import Kind
from volutus.network.tables import further_gateways, ports, router_interfaces, routers
from volutus.reconcile import wake_many

# Touched by one change at most: a network with more ports is mended by the drift scan.
TOUCHED_MAX = 100_000


_TOUCH = text(
    """
    INSERT INTO network_units AS u (kind, id)
    SELECT :kind, id FROM unnest(CAST(:ids AS text[])) AS id ORDER BY id
    ON CONFLICT (kind, id) DO UPDATE SET wanted = u.wanted + 1
    """
)
_BURY = text(
    """
    INSERT INTO network_units AS u (kind, id, deleted_at)
    SELECT :kind, id, :now FROM unnest(CAST(:ids AS text[])) AS id ORDER BY id
    ON CONFLICT (kind, id) DO UPDATE SET wanted = u.wanted + 1, deleted_at = :now
    """
)


_BALANCERS_AT = text(
    "SELECT id FROM load_balancers WHERE vip_port_id = ANY(CAST(:ports AS text[])) LIMIT :limit"
)


def touch(tx: Tx, kind: Kind, ids: Sequence[str]) -> None:
    """These objects are new or changed: have them written."""
    if wanted := sorted(set(ids)):
        tx.execute(_TOUCH, {"kind": kind.value, "ids": wanted})
        wake_many(tx, kind.value, wanted)


def bury(tx: Tx, kind: Kind, ids: Sequence[str]) -> None:
    """These objects are gone: have what is left of them removed."""
    if gone := sorted(set(ids)):
        tx.execute(_BURY, {"kind": kind.value, "ids": gone, "now": tx.now})
        wake_many(tx, kind.value, gone)


def touch_ports(tx: Tx, *where: ColumnElement[bool]) -> None:
    """All ports for which the conditions hold."""
    statement = select(ports.c.id).where(ports.c.device_owner != "network:floatingip", *where)
    touch(tx, Kind.PORT, [row.id for row in tx.rows(statement.limit(TOUCHED_MAX))])


def touch_gateways(tx: Tx) -> None:
    """All routers with a gateway: the hosts that could carry it are not what they were."""
    gateways = select(routers.c.id).where(routers.c.gateway_port_id.isnot(None))
    touch(tx, Kind.ROUTER, [row.id for row in tx.rows(gateways.limit(TOUCHED_MAX))])


def touch_balancers_at(tx: Tx, port_ids: Sequence[str]) -> None:
    """The load balancers whose own ports these are: a floating IP came to them, or left."""
    rows = tx.rows(_BALANCERS_AT, {"ports": list(port_ids), "limit": TOUCHED_MAX})
    touch(tx, Kind.LOAD_BALANCER, [row.id for row in rows])


def touch_routers_on(tx: Tx, network_id: str) -> None:
    """All routers with an interface or their gateway on the network."""
    inside = (
        select(router_interfaces.c.router_id.label("id"))
        .join(ports, ports.c.id == router_interfaces.c.port_id)
        .where(ports.c.network_id == network_id)
    )
    outside = select(routers.c.id).where(routers.c.gateway_network_id == network_id)
    further = select(further_gateways.c.router_id.label("id")).where(
        further_gateways.c.network_id == network_id
    )
    every = union(inside, outside, further).limit(TOUCHED_MAX)
    touch(tx, Kind.ROUTER, [row.id for row in tx.rows(every)])
