"""The ways out of a router: its ports on external networks.

The first is what the router's own row names: by it leaves what has no floating IP, unless the router's
default routes are shared (ECMP). Source NAT is switched for all of them together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import delete, text, update
from sqlalchemy.dialects.postgresql import insert

from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import networks, ports, qos_policies
from volutus.network.allocation import FixedIp, FixedIpRequest
from volutus.network.errors import (
    InvalidInput,
    RouterExternalGatewayInUseByFloatingIp,
    UnableToAddExtraGateways,
    UnableToMatchGateways,
)
from volutus.network.ports import LOAD_BALANCER, ROUTER_GATEWAY, PortOrder
from volutus.network.tables import further_gateways, routers
from volutus.network.tables import ports as port_rows

# Each is a port that OVN watches from several hosts.
GATEWAYS_MAX = 8


@dataclass(frozen=True)
class Gateway:
    """The port that the router has on an external network."""

    network_id: str
    port_id: str
    enable_snat: bool
    fixed_ips: tuple[FixedIp, ...]
    qos_policy_id: str | None


@dataclass(frozen=True)
class GatewayOrder:
    """None of `enable_snat` and `fixed_ips` leaves what is, or the cloud's choice."""

    network_id: str
    enable_snat: bool | None = None
    fixed_ips: tuple[FixedIpRequest, ...] | None = None
    qos_policy_id: str | UnsetType | None = UNSET


# Networks outside with an address that stands for something behind the router.
_NEEDED = text(
    "SELECT DISTINCT network_id FROM floating_ips WHERE router_id = :router_id AND NOT network_id = "
    "ANY(CAST(:kept AS text[])) LIMIT 1"
)
_BALANCED = text(
    """
    SELECT 1 FROM floating_ips f LEFT JOIN ports p ON p.id = f.port_id
    WHERE f.router_id = :router_id AND (p.device_owner = :balancer
        OR EXISTS (SELECT 1 FROM port_forwardings w WHERE w.floating_ip_id = f.id)) LIMIT 1
    """
)
_SEVERAL = text("SELECT 1 FROM further_gateways WHERE router_id = :router_id LIMIT 1")


def become(
    tx: Tx, caller: Caller, router_id: str, have: Sequence[Gateway], orders: Sequence[GatewayOrder]
) -> None:
    """Make the router's gateways those that are ordered, in that order; what fits an order stays as it is.
    Raises RouterExternalGatewayInUseByFloatingIp, UnableToAddExtraGateways and what making a port raises."""
    _check(tx, router_id, orders)
    left = list(have)
    kept = [_take(left, order) for order in orders]
    _let_go(tx, caller, router_id, left)
    made = [
        _keep(tx, caller, gateway, order)
        if gateway is not None
        else _make(tx, caller, router_id, _like(order, left))
        for gateway, order in zip(kept, orders, strict=True)
    ]
    snat = _snat(have, orders)
    first, further = made[:1], made[1:]
    values: dict[str, Any] = {"gateway_network_id": None, "gateway_port_id": None, "enable_snat": snat}
    for network_id, port_id in first:
        values |= {"gateway_network_id": network_id, "gateway_port_id": port_id}
    tx.execute(delete(further_gateways).where(further_gateways.c.router_id == router_id))
    tx.execute(update(routers).where(routers.c.id == router_id).values(**values))
    if further:
        rows = [{"port_id": port, "router_id": router_id, "network_id": net} for net, port in further]
        tx.execute(insert(further_gateways), rows)


def unchanged(gateways: Sequence[Gateway]) -> list[GatewayOrder]:
    """The orders that leave these as they are."""
    return [
        GatewayOrder(
            gateway.network_id,
            fixed_ips=tuple(FixedIpRequest(fixed.subnet_id, fixed.address) for fixed in gateway.fixed_ips),
        )
        for gateway in gateways
    ]


def without(router_id: str, have: Sequence[Gateway], gone: Sequence[GatewayOrder]) -> list[Gateway]:
    """The gateways without those that are meant. Raises UnableToMatchGateways."""
    left = list(have)
    for order in gone:
        if _take(left, order) is None:
            raise UnableToMatchGateways(
                f"Unable to match a requested gateway port to existing gateway ports for router {router_id}"
            )
    return left


def refuse_several(tx: Tx, router_id: str) -> None:
    """Raise UnableToAddExtraGateways when the router has more than one gateway: OVN balances, and forwards
    single ports, at one gateway only."""
    if tx.value(_SEVERAL, {"router_id": router_id}) is not None:
        raise _one_only(router_id)


def _check(tx: Tx, router_id: str, orders: Sequence[GatewayOrder]) -> None:
    if len(orders) > GATEWAYS_MAX:
        raise InvalidInput(f"A router has at most {GATEWAYS_MAX} gateways.", field="external_gateways")
    if len({order.enable_snat for order in orders} - {None}) > 1:
        raise InvalidInput("enable_snat is the same for all gateways of a router.", field="enable_snat")
    parameters = {"router_id": router_id, "balancer": LOAD_BALANCER}
    if len(orders) > 1 and tx.value(_BALANCED, parameters) is not None:
        raise _one_only(router_id)


def _one_only(router_id: str) -> UnableToAddExtraGateways:
    return UnableToAddExtraGateways(
        f"Unable to add extra gateways to a router {router_id}: port forwardings and floating IPs of load "
        "balancers need a router with one gateway."
    )


def _take(left: list[Gateway], order: GatewayOrder) -> Gateway | None:
    """The first that fits the order; it is no longer among those left."""
    for gateway in left:
        if gateway.network_id == order.network_id and _same_addresses(gateway, order.fixed_ips):
            left.remove(gateway)
            return gateway
    return None


def _same_addresses(have: Gateway, asked: Sequence[FixedIpRequest] | None) -> bool:
    if asked is None:
        return True
    return len(asked) == len(have.fixed_ips) and all(
        any(
            request.subnet_id in (None, fixed.subnet_id) and request.address in (None, fixed.address)
            for fixed in have.fixed_ips
        )
        for request in asked
    )


def _like(order: GatewayOrder, gone: Sequence[Gateway]) -> GatewayOrder:
    """With the limits of what it takes the place of."""
    before = [gateway.qos_policy_id for gateway in gone if gateway.network_id == order.network_id]
    if order.qos_policy_id is UNSET and before:
        return replace(order, qos_policy_id=before[0])
    return order


def _snat(have: Sequence[Gateway], orders: Sequence[GatewayOrder]) -> bool:
    for order in orders:
        if order.enable_snat is not None:
            return order.enable_snat
    if not have or not orders or have[0].network_id not in {order.network_id for order in orders}:
        return True
    return have[0].enable_snat


def _let_go(tx: Tx, caller: Caller, router_id: str, gone: Sequence[Gateway]) -> None:
    if not gone:
        return
    # The rows that name the ports first.
    ids = [gateway.port_id for gateway in gone]
    tx.execute(delete(further_gateways).where(further_gateways.c.port_id.in_(ids)))
    tx.execute(
        update(routers)
        .where(routers.c.id == router_id, routers.c.gateway_port_id.in_(ids))
        .values(gateway_network_id=None, gateway_port_id=None)
    )
    ports.erase(tx, caller, ports.fetch(tx, ids))


def _keep(tx: Tx, caller: Caller, gateway: Gateway, order: GatewayOrder) -> tuple[str, str]:
    if order.qos_policy_id is not UNSET:
        qos_policies.hold(tx, caller, order.qos_policy_id)
        limited = update(port_rows).where(port_rows.c.id == gateway.port_id)
        tx.execute(limited.values(qos_policy_id=order.qos_policy_id))
    return gateway.network_id, gateway.port_id


def _make(tx: Tx, caller: Caller, router_id: str, order: GatewayOrder) -> tuple[str, str]:
    network = networks.hold(tx, caller, order.network_id)
    if not network.external:
        raise InvalidInput(
            f"Bad router request: Network {network.id} is not an external network.",
            field="external_gateway_info",
        )
    wanted = PortOrder(
        network_id=network.id,
        project_id="",
        fixed_ips=order.fixed_ips or None,
        device_id=router_id,
        device_owner=ROUTER_GATEWAY,
        port_security=False,
        qos_policy_id=order.qos_policy_id or None,
    )
    port = ports.create_on(tx, caller, network, wanted)
    if not port.fixed_ips:
        raise InvalidInput(
            f"Bad router request: No IPs available for external network {network.id}.",
            field="external_gateway_info",
        )
    return network.id, port.id


def refuse_if_floating(tx: Tx, router_id: str, kept: Sequence[str]) -> None:
    """Raise RouterExternalGatewayInUseByFloatingIp when a floating IP needs another network than these."""
    needed = tx.value(_NEEDED, {"router_id": router_id, "kept": list(kept)})
    if needed is not None:
        raise RouterExternalGatewayInUseByFloatingIp(
            f"Gateway cannot be updated for router {router_id}, since a gateway to external network "
            f"{needed} is required by one or more floating IPs."
        )
