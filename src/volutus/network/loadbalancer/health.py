"""Health checks: who carries them out, and what they found.

TCP and UDP are asked by OVN on the host of each member, and read here from the southbound database. HTTP is
asked by the agent of the member's host, from the network's own metadata address, and comes with its reports;
a member found down by it is left out of OVN's rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, text

from volutus import placement
from volutus.db import Database, Tx
from volutus.identity.caller import CLOUD
from volutus.network import metadata_ports, networks, ports, subnets, units
from volutus.network.allocation import FixedIpRequest
from volutus.network.loadbalancer import trees
from volutus.network.loadbalancer.trees import Tree
from volutus.network.ovn.model import Kind
from volutus.network.ovn.northbound import Northbound, Probed
from volutus.network.ports import LOAD_BALANCER_PROBE, PortOrder
from volutus.reconcile import Again, Done, Item, Outcome, wake
from volutus.wire import CheckObserved, CheckSpec

KIND = "lb_health"
# The kind of assignment by which a host is told to ask a member.
CHECK = "check"
HTTP = "HTTP"
BATCH = 200
# A tenant sees a dead member this much later than OVN, which has stopped using it by then.
LOOK_S = 2.0
SCAN_MAX = 5000
MEMBERS_MAX = 100_000

_MONITORED = text(
    """
    SELECT DISTINCT m.load_balancer_id AS id FROM lb_monitors m
    LEFT JOIN work w ON w.kind = 'lb_health' AND w.key = m.load_balancer_id
    WHERE w.key IS NULL LIMIT :limit
    """
)
_PROBED_SUBNETS = text(
    "SELECT subnet_id FROM lb_probes "
    "WHERE load_balancer_id = :id AND subnet_id = ANY(CAST(:subnets AS text[])) LIMIT 1000"
)
_ADD_PROBE = text("INSERT INTO lb_probes (load_balancer_id, subnet_id, port_id) VALUES (:id, :subnet, :port)")
# Only what is new is written: the row of a member that stays as it is does not change.
_FOUND = text(
    """
    UPDATE lb_members m SET up = f.up
    FROM unnest(CAST(:ids AS text[]), CAST(:up AS boolean[])) AS f(id, up)
    WHERE m.id = f.id AND m.up IS DISTINCT FROM f.up
    RETURNING m.load_balancer_id
    """
)
# Where members are: the port that has the address, and the host that it is on.
_PLACES = text(
    """
    SELECT m.id, p.id AS port_id, p.network_id, h.id AS host_id
    FROM lb_members m JOIN port_addresses a ON a.subnet_id = m.subnet_id AND a.ip = m.address
    JOIN ports p ON p.id = a.port_id LEFT JOIN hosts h ON h.hostname = p.host_name
    WHERE m.id = ANY(CAST(:ids AS text[])) LIMIT :limit
    """
)
_ASSIGNED = text("UPDATE lb_members SET check_host_id = :host_id, up = NULL WHERE id = :id")
_CHECKED_BY = text(
    "SELECT id FROM lb_members WHERE check_host_id = :host_id AND id = ANY(CAST(:ids AS text[])) LIMIT :limit"
)


def look_soon(tx: Tx, balancer_id: str) -> None:
    """Members or monitors of it are new: see that there is an address to ask from, and look."""
    tree = trees.one(tx, balancer_id)
    asked = {m.subnet_id for m in tree.members if (o := tree.monitor_of(m.pool_id)) and o.type != HTTP}
    have = tx.rows(_PROBED_SUBNETS, {"id": balancer_id, "subnets": sorted(asked)})
    for subnet_id in sorted(asked - {row.subnet_id for row in have}):
        subnet = subnets.get(tx, CLOUD, subnet_id)
        order = PortOrder(
            network_id=subnet.network_id,
            project_id=tree.balancer.project_id,
            name=f"health checks of load balancer {balancer_id}",
            fixed_ips=(FixedIpRequest(subnet_id),),
            device_id=f"lb-{balancer_id}",
            device_owner=LOAD_BALANCER_PROBE,
            port_security=False,
        )
        port = ports.create_on(tx, CLOUD, networks.get(tx, CLOUD, subnet.network_id), order)
        tx.execute(_ADD_PROBE, {"id": balancer_id, "subnet": subnet_id, "port": port.id})
    if tree.monitors:
        wake(tx, KIND, balancer_id)


def forget_members(tx: Tx, members: Sequence[Row[Any]]) -> None:
    """These are asked no more."""
    for member in members:
        if member.check_host_id is not None:
            placement.bury(tx, member.check_host_id, CHECK, member.id)
            tx.execute(_ASSIGNED, {"id": member.id, "host_id": None})


def record_checks(tx: Tx, host_id: str, items: Sequence[CheckObserved]) -> None:
    """What a host found of members that it was told to ask."""
    mine = tx.rows(
        _CHECKED_BY, {"host_id": host_id, "ids": [item.id for item in items], "limit": MEMBERS_MAX}
    )
    known = {row.id for row in mine}
    _record(tx, {item.id: item.up for item in items if item.id in known})


def record_gone(tx: Tx, host_id: str, ids: Sequence[str]) -> None:
    """A host asks these no more."""
    for member_id in ids:
        placement.forget(tx, host_id, CHECK, member_id)


class HealthReconciler:
    """A `Reconciler` that comes back to every load balancer with a monitor for as long as it has one."""

    kind = KIND
    batch = BATCH

    def __init__(self, database: Database, northbound: Northbound) -> None:
        self._database = database
        self._northbound = northbound

    def step(self, items: Sequence[Item]) -> Mapping[str, Outcome]:
        """Record what OVN found, and tell hosts whom to ask. Raises Unavailable when OVN is away."""
        with self._database.read() as tx:
            found = trees.load(tx, [item.key for item in items])
        monitored = {key: tree for key, tree in found.items() if tree.monitors}
        if monitored:
            probed = self._northbound.probed()
            with self._database.begin() as tx:
                for tree in monitored.values():
                    _look(tx, tree, probed)
        again = Again(LOOK_S, "looks again at the health of its members")
        return {item.key: again if item.key in monitored else Done() for item in items}

    def scan(self, tx: Tx) -> Sequence[str]:
        """Those that nobody looks after."""
        return [row.id for row in tx.rows(_MONITORED, {"limit": SCAN_MAX})]


def _look(tx: Tx, tree: Tree, probed: Mapping[Probed, bool]) -> None:
    members = {member.id: member for member in tree.members}
    rows = tx.rows(_PLACES, {"ids": list(members), "limit": MEMBERS_MAX})
    places = {row.id: row for row in rows}
    found: dict[str, bool | None] = {}
    for member in members.values():
        monitor = tree.monitor_of(member.pool_id)
        place = places.get(member.id)
        if monitor is None or place is None or not monitor.enabled:
            continue
        if monitor.type == HTTP:
            _tell_host(tx, member, monitor, place)
        else:
            protocol = "udp" if monitor.type == "UDP-CONNECT" else "tcp"
            found[member.id] = probed.get(Probed(place.port_id, member.address, member.port, protocol))
    _record(tx, found)


def _tell_host(tx: Tx, member: Row[Any], monitor: Row[Any], place: Row[Any]) -> None:
    if member.check_host_id not in (None, place.host_id):
        forget_members(tx, [member])
    metadata = metadata_ports.of_networks(tx, [place.network_id]).get(place.network_id)
    if place.host_id is None or metadata is None or ":" in member.address:
        return
    spec = CheckSpec(
        id=member.id,
        network_id=place.network_id,
        metadata=metadata,
        address=member.address,
        port=member.port,
        method=monitor.http_method,
        path=monitor.url_path,
        expected_codes=monitor.expected_codes,
        interval_s=monitor.delay_s,
        timeout_s=monitor.timeout_s,
        rise=monitor.max_retries,
        fall=monitor.max_retries_down,
    )
    if placement.assign_changed(tx, place.host_id, CHECK, member.id, spec) and member.check_host_id is None:
        tx.execute(_ASSIGNED, {"id": member.id, "host_id": place.host_id})


def _record(tx: Tx, found: Mapping[str, bool | None]) -> None:
    if found:
        rows = tx.rows(_FOUND, {"ids": list(found), "up": list(found.values())})
        units.touch(tx, Kind.LOAD_BALANCER, [row.load_balancer_id for row in rows])
