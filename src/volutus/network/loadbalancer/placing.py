"""Where in OVN a load balancer works: on its network, on the routers of that, and on all their networks.

A client's own switch turns its connections to a member, so every switch from which the address can be
reached has to know it; routers turn what comes from outside.
"""

from collections.abc import Sequence

from sqlalchemy import text

from volutus.db import Tx
from volutus.network import units
from volutus.network.ovn.model import Kind

PLACES_MAX = 100_000

# Of each balancer: the networks it can be reached from without leaving the cloud, and the routers between.
_REACH = """
    SELECT b.id AS balancer_id, b.vip_network_id AS network_id, NULL AS router_id FROM load_balancers b
    UNION
    SELECT b.id, there.network_id, far.router_id
    FROM load_balancers b JOIN ports here ON here.network_id = b.vip_network_id
    JOIN router_interfaces near ON near.port_id = here.id
    JOIN router_interfaces far ON far.router_id = near.router_id
    JOIN ports there ON there.id = far.port_id
"""
_TOUCHED = text(f"SELECT network_id, router_id FROM ({_REACH}) r WHERE balancer_id = :id LIMIT :limit")  # noqa: S608
_ON = {
    kind: text(
        f"""
        SELECT DISTINCT r.{column} AS place, l.id FROM ({_REACH}) r
        JOIN lb_listeners l ON l.load_balancer_id = r.balancer_id
        JOIN load_balancers b ON b.id = r.balancer_id
        WHERE r.{column} = ANY(CAST(:ids AS text[])) AND l.enabled AND b.enabled ORDER BY l.id LIMIT :limit
        """  # noqa: S608 - our own names
    )
    for kind, column in ((Kind.NETWORK, "network_id"), (Kind.ROUTER, "router_id"))
}


def touch(tx: Tx, balancer_id: str) -> None:
    """The balancer is new, changed or about to go: have it written, and where it works."""
    units.touch(tx, Kind.LOAD_BALANCER, [balancer_id])
    places = tx.rows(_TOUCHED, {"id": balancer_id, "limit": PLACES_MAX})
    units.touch(tx, Kind.NETWORK, [place.network_id for place in places])
    units.touch(tx, Kind.ROUTER, [place.router_id for place in places if place.router_id])


def listeners_on(tx: Tx, kind: Kind, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Network or router to the listeners that work there; those without are left out."""
    found: dict[str, tuple[str, ...]] = {}
    for row in tx.rows(_ON[kind], {"ids": list(ids), "limit": PLACES_MAX}):
        found[row.place] = (*found.get(row.place, ()), row.id)
    return found
