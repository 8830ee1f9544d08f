"""Port forwarding: single ports of a floating IP that stand for ports of different servers inside.

A floating IP whose ports are forwarded is on the router that does it, but stands for no port as a whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from volutus import audit
from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import floating_ips, port_removal, ports, router_gateways, units
from volutus.network.changes import given
from volutus.network.errors import (
    FipInUseByPortForwarding,
    InvalidInput,
    PortForwardingExists,
    PortForwardingNotFound,
    PortNotFound,
)
from volutus.network.floating_ips import FloatingIp
from volutus.network.listing import Query, equals, integer, selected
from volutus.network.objects import built
from volutus.network.ovn.model import Kind
from volutus.network.ports import Port
from volutus.network.tables import floating_ips as floating_ip_rows
from volutus.network.tables import port_forwardings

# What OVN's balancers tell apart.
PROTOCOLS = ("tcp", "udp")
PORT_MAX = 65535


@dataclass(frozen=True)
class PortForwarding:
    id: str
    floating_ip_id: str
    port_id: str
    internal_ip: str
    internal_port: int
    external_port: int
    protocol: str
    description: str


@dataclass(frozen=True)
class PortForwardingOrder:
    """`internal_ip` None is the port's one IPv4 address."""

    port_id: str
    internal_port: int
    external_port: int
    protocol: str
    internal_ip: str | None = None
    description: str = ""


@dataclass(frozen=True)
class PortForwardingChanges:
    port_id: str | UnsetType = UNSET
    internal_ip: str | UnsetType = UNSET
    internal_port: int | UnsetType = UNSET
    external_port: int | UnsetType = UNSET
    protocol: str | UnsetType = UNSET
    description: str | UnsetType = UNSET


_COLUMNS = [column for column in port_forwardings.c if column.name != "internal_ip"]
_SELECT = select(*_COLUMNS, func.host(port_forwardings.c.internal_ip).label("internal_ip"))
_FILTERS = {
    "id": equals(port_forwardings.c.id),
    "port_id": equals(port_forwardings.c.port_id),
    "protocol": equals(port_forwardings.c.protocol),
    "internal_port": integer(port_forwardings.c.internal_port),
    "external_port": integer(port_forwardings.c.external_port),
    "internal_ip": equals(func.host(port_forwardings.c.internal_ip)),
}
_SORTABLE = {column.name: column for column in port_forwardings.c}


def create(tx: Tx, caller: Caller, floating_id: str, order: PortForwardingOrder) -> PortForwarding:
    """Forward one more port. Raises PortForwardingExists, ExternalGatewayForFloatingIPNotFound, and
    FipInUseByPortForwarding when the address stands for a port as a whole."""
    floating = _hold(tx, caller, floating_id)
    values = {**vars(order), **_checked(tx, caller, floating, order)}
    values |= {"id": tx.ids.uuid(), "floating_ip_id": floating_id, "created_at": tx.now}
    values["project_id"] = floating.project_id
    made = tx.value(
        insert(port_forwardings).values(**values).on_conflict_do_nothing().returning(port_forwardings.c.id)
    )
    if made is None:
        raise _taken(floating)
    audit.record(tx, caller, "create", "network.port_forwarding", made, {"floating_ip_id": floating_id})
    return get(tx, caller, floating_id, made)


def get(tx: Tx, caller: Caller, floating_id: str, forwarding_id: str) -> PortForwarding:
    """One of a floating IP's that is the caller's."""
    floating_ips.get(tx, caller, floating_id)
    own = _SELECT.where(
        port_forwardings.c.id == forwarding_id, port_forwardings.c.floating_ip_id == floating_id
    )
    row = tx.row(own)
    if row is None:
        raise PortForwardingNotFound(f"Port Forwarding {forwarding_id} could not be found.")
    return built(PortForwarding, row)


def list_(tx: Tx, caller: Caller, floating_id: str, query: Query) -> list[PortForwarding]:
    """A floating IP's."""
    floating_ips.get(tx, caller, floating_id)
    statement = _SELECT.where(port_forwardings.c.floating_ip_id == floating_id)
    return [
        built(PortForwarding, row) for row in tx.rows(selected(tx, statement, query, _FILTERS, _SORTABLE))
    ]


def change(
    tx: Tx, caller: Caller, floating_id: str, forwarding_id: str, changes: PortForwardingChanges
) -> PortForwarding:
    """Change what is given. Raises what `create` raises."""
    floating = _hold(tx, caller, floating_id)
    before = get(tx, caller, floating_id, forwarding_id)
    values = {name: getattr(before, name) for name in PortForwardingOrder.__dataclass_fields__}
    if changes.port_id is not UNSET:
        values["internal_ip"] = None
    wanted = PortForwardingOrder(**(values | given(changes)))
    stored = {**vars(wanted), **_checked(tx, caller, floating, wanted)}
    same = select(port_forwardings.c.id).where(
        port_forwardings.c.floating_ip_id == floating_id,
        port_forwardings.c.protocol == wanted.protocol,
        port_forwardings.c.external_port == wanted.external_port,
        port_forwardings.c.id != forwarding_id,
    )
    if tx.value(same) is not None:
        raise _taken(floating)
    tx.execute(update(port_forwardings).where(port_forwardings.c.id == forwarding_id).values(**stored))
    audit.record(tx, caller, "update", "network.port_forwarding", forwarding_id)
    return get(tx, caller, floating_id, forwarding_id)


def remove(tx: Tx, caller: Caller, floating_id: str, forwarding_id: str) -> None:
    """Forward it no longer."""
    _hold(tx, caller, floating_id)
    get(tx, caller, floating_id, forwarding_id)
    port_removal.drop_forwardings(tx, port_forwardings.c.id == forwarding_id)
    audit.record(tx, caller, "delete", "network.port_forwarding", forwarding_id)


def of_floating_ips(tx: Tx, floating_ids: Sequence[str]) -> Mapping[str, list[PortForwarding]]:
    """Floating IP to what it forwards, whoever asks: one statement for any number."""
    found: dict[str, list[PortForwarding]] = {}
    statement = _SELECT.where(port_forwardings.c.floating_ip_id.in_(floating_ids))
    ordered = statement.order_by(port_forwardings.c.created_at, port_forwardings.c.id)
    for row in tx.rows(ordered.limit(units.TOUCHED_MAX)) if floating_ids else ():
        found.setdefault(row.floating_ip_id, []).append(built(PortForwarding, row))
    return found


def _hold(tx: Tx, caller: Caller, floating_id: str) -> FloatingIp:
    floating = floating_ips.get(tx, caller, floating_id, lock=True)
    if floating.port_id is not None:
        raise FipInUseByPortForwarding(
            f"Floating IP {floating_id} stands for all ports of {floating.port_id} already."
        )
    return floating


def _checked(tx: Tx, caller: Caller, floating: FloatingIp, order: PortForwardingOrder) -> dict[str, Any]:
    """What the order comes to; the floating IP is on the port's router afterwards."""
    if order.protocol not in PROTOCOLS:
        raise InvalidInput(f"'{order.protocol}' is not in {list(PROTOCOLS)}.", field="protocol")
    for field, number in (("internal_port", order.internal_port), ("external_port", order.external_port)):
        if not 1 <= number <= PORT_MAX:
            raise InvalidInput(f"{field} is from 1 to {PORT_MAX}.", field=field)
    port = _port(tx, caller, order)
    inside = floating_ips.inside(port, order.internal_ip)
    router_id = floating_ips.router_between(tx, port, inside, floating.network_id)
    if floating.router_id not in (None, router_id):
        raise InvalidInput(
            f"Floating IP {floating.id} forwards ports through another router: {floating.router_id}.",
            field="internal_port_id",
        )
    router_gateways.refuse_several(tx, router_id)
    joined = update(floating_ip_rows).where(floating_ip_rows.c.id == floating.id)
    tx.execute(joined.values(router_id=router_id))
    units.touch(tx, Kind.ROUTER, [router_id])
    return {"internal_ip": inside.address}


def _port(tx: Tx, caller: Caller, order: PortForwardingOrder) -> Port:
    port = ports.get(tx, caller, order.port_id, lock=True)
    if not caller.sees(port.project_id):
        raise PortNotFound(f"Port {order.port_id} could not be found.")
    return port


def _taken(floating: FloatingIp) -> PortForwardingExists:
    return PortForwardingExists(
        f"A port forwarding of floating IP {floating.address} with the same external port, or the same port "
        "inside, already exists."
    )
