"""Load balancers: an address (VIP) on a network of the project's, held by a port."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, select

from volutus.db import Tx
from volutus.identity import Caller
from volutus.identity.caller import CLOUD
from volutus.network import ports, subnets, units
from volutus.network.allocation import FixedIp, FixedIpRequest
from volutus.network.loadbalancer import health, nouns
from volutus.network.loadbalancer.errors import HasChildren, InvalidOption
from volutus.network.loadbalancer.nouns import BALANCER, LISTENER, MEMBER, MONITOR, POOL, Noun
from volutus.network.loadbalancer.tables import probes
from volutus.network.loadbalancer.trees import BELOW_MAX
from volutus.network.ovn.model import Kind
from volutus.network.ports import LOAD_BALANCER, Port, PortOrder
from volutus.network.tables import ports as port_rows

_BELOW = (MONITOR, MEMBER, LISTENER, POOL)


@dataclass(frozen=True)
class BalancerOrder:
    """The VIP is an existing port, or made on a subnet or a network, at an address or any."""

    project_id: str
    name: str = ""
    description: str = ""
    enabled: bool = True
    tags: tuple[str, ...] = ()
    vip_port_id: str | None = None
    vip_subnet_id: str | None = None
    vip_network_id: str | None = None
    vip_address: str | None = None


def create(tx: Tx, caller: Caller, order: BalancerOrder) -> Row[Any]:
    """A new load balancer with nothing below it. Raises InvalidOption, PortNotFound, SubnetNotFound …"""
    balancer_id = tx.ids.uuid()
    own = order.vip_port_id is None
    port = _new_port(tx, caller, balancer_id, order) if own else _given_port(tx, caller, order)
    vip = _vip(port, order)
    values = {
        "id": balancer_id,
        "project_id": order.project_id,
        "name": order.name,
        "description": order.description,
        "enabled": order.enabled,
        "tags": list(order.tags),
        "vip_network_id": port.network_id,
        "vip_subnet_id": vip.subnet_id,
        "vip_port_id": port.id,
        "vip_address": vip.address,
        "own_port": own,
    }
    return nouns.add(tx, caller, BALANCER, values)


def update(tx: Tx, caller: Caller, balancer_id: str, values: Mapping[str, Any]) -> Row[Any]:
    """Change name, description, tags, or switch it on or off."""
    return nouns.change(tx, caller, BALANCER, nouns.get(tx, caller, BALANCER, balancer_id, lock=True), values)


def remove(tx: Tx, caller: Caller, balancer_id: str, *, cascade: bool = False) -> None:
    """Delete it, with `cascade` with everything below it. Raises HasChildren."""
    balancer = nouns.get(tx, caller, BALANCER, balancer_id, lock=True)
    tree = nouns.tree_of(tx, balancer)
    below: Mapping[Noun, list[Row[Any]]] = {
        MONITOR: tree.monitors,
        MEMBER: tree.members,
        LISTENER: tree.listeners,
        POOL: tree.pools,
    }
    if (tree.listeners or tree.pools) and not cascade:
        raise HasChildren(
            f"Cannot delete load balancer {balancer_id}: it has listeners or pools: delete "
            "them first, or ask with `cascade`."
        )
    health.forget_members(tx, tree.members)
    for noun in _BELOW:
        nouns.drop(tx, caller, noun, below[noun])
    _drop_probes(tx, balancer_id)
    nouns.drop(tx, caller, BALANCER, [balancer])
    units.bury(tx, Kind.LOAD_BALANCER, [balancer_id])
    if balancer.own_port:
        ports.erase(tx, CLOUD, ports.fetch(tx, [balancer.vip_port_id]))
    else:
        _hand_over(tx, balancer.vip_port_id, device_id="", device_owner="")


def _vip(port: Port, order: BalancerOrder) -> FixedIp:
    """Which of the port's addresses: the one asked for, else an IPv4 one. Subnets that number their ports
    themselves give theirs to every port, asked or not."""
    fitting = [
        fixed
        for fixed in sorted(port.fixed_ips, key=lambda fixed: ":" in fixed.address)
        if order.vip_subnet_id in (None, fixed.subnet_id) and order.vip_address in (None, fixed.address)
    ]
    if not fitting:
        raise InvalidOption("The VIP's port has no such address.", field="vip_port_id")
    return fitting[0]


def _new_port(tx: Tx, caller: Caller, balancer_id: str, order: BalancerOrder) -> Port:
    network_id = order.vip_network_id
    if order.vip_subnet_id is not None:
        network_id = subnets.get(tx, caller, order.vip_subnet_id).network_id
    if network_id is None:
        raise InvalidOption(
            "One of vip_subnet_id, vip_network_id, vip_port_id is needed.", field="vip_subnet_id"
        )
    request = None
    if order.vip_subnet_id or order.vip_address:
        request = (FixedIpRequest(order.vip_subnet_id, order.vip_address),)
    wanted = PortOrder(
        network_id=network_id,
        project_id=order.project_id,
        name=f"octavia-lb-{balancer_id}",
        fixed_ips=request,
        security_group_ids=(),
        device_id=f"lb-{balancer_id}",
    )
    port = ports.create(tx, caller, wanted)
    _hand_over(tx, port.id, device_id=f"lb-{balancer_id}", device_owner=LOAD_BALANCER)
    return port


def _given_port(tx: Tx, caller: Caller, order: BalancerOrder) -> Port:
    port = ports.get(tx, caller, order.vip_port_id or "", lock=True)
    if port.device_owner or port.chassis:
        raise InvalidOption(f"Port {port.id} is in use by something else.", field="vip_port_id")
    _hand_over(tx, port.id, device_id=port.device_id, device_owner=LOAD_BALANCER)
    return port


def _hand_over(tx: Tx, port_id: str, *, device_id: str, device_owner: str) -> None:
    tx.execute(
        port_rows.update()
        .where(port_rows.c.id == port_id)
        .values(device_id=device_id, device_owner=device_owner, updated_at=tx.now)
    )
    units.touch(tx, Kind.PORT, [port_id])


def _drop_probes(tx: Tx, balancer_id: str) -> None:
    mine = probes.c.load_balancer_id == balancer_id
    rows = tx.rows(select(probes.c.port_id).where(mine).limit(BELOW_MAX))
    tx.execute(delete(probes).where(mine))
    ports.erase(tx, CLOUD, ports.fetch(tx, [row.port_id for row in rows]))
