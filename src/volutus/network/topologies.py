""" "Get me a network": a project's first network with subnets and a router, made when it is asked for."""

from dataclasses import dataclass

from sqlalchemy import Row, delete, select
from sqlalchemy.dialects.postgresql import insert

from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import network_removal, networks, router_interfaces, routers, subnets
from volutus.network.errors import AutoAllocationFailure, PolicyNotAuthorized
from volutus.network.networks import NetworkOrder
from volutus.network.router_gateways import GatewayOrder
from volutus.network.routers import RouterOrder
from volutus.network.subnets import SubnetOrder
from volutus.network.tables import auto_topologies, subnet_pools
from volutus.network.tables import networks as network_rows
from volutus.network.tables import subnets as subnet_rows

NAME = "auto_allocated_network"
ROUTER_NAME = "auto_allocated_router"
# One of each IP version.
POOLS_MAX = 2


@dataclass(frozen=True)
class Topology:
    """`network_id` is where servers go."""

    project_id: str
    network_id: str


def ensure(tx: Tx, caller: Caller, project_id: str) -> Topology:
    """The project's network, made now if there is none. Raises AutoAllocationFailure when the operator has
    not said by what: a default external network and a default subnet pool."""
    _check_rights(caller, project_id)
    # Two first requests take turns here.
    tx.execute(select(network_rows.c.id).where(network_rows.c.is_default).with_for_update(key_share=True))
    found = tx.row(select(auto_topologies).where(auto_topologies.c.project_id == project_id))
    if found is not None:
        return Topology(project_id, found.network_id)
    external, pools = _means(tx)
    network = networks.create(tx, caller, NetworkOrder(project_id, NAME))
    order = RouterOrder(project_id, ROUTER_NAME, gateway=GatewayOrder(external))
    router = routers.create(tx, caller, order)
    for pool in pools:
        wanted = SubnetOrder(project_id, network.id, None, pool.ip_version, pool.id, name=NAME)
        subnet = subnets.create(tx, caller, wanted)
        router_interfaces.add_by_subnet(tx, caller, router.id, subnet.id)
    values = {"project_id": project_id, "network_id": network.id, "router_id": router.id}
    tx.execute(insert(auto_topologies), values)
    return Topology(project_id, network.id)


def check(tx: Tx, caller: Caller, project_id: str) -> None:
    """Whether `ensure` could be carried out. Raises AutoAllocationFailure."""
    _check_rights(caller, project_id)
    _means(tx)


def remove(tx: Tx, caller: Caller, project_id: str) -> None:
    """Delete what `ensure` made, if it did. Raises NetworkInUse while something is on it."""
    _check_rights(caller, project_id)
    gone = delete(auto_topologies).where(auto_topologies.c.project_id == project_id)
    found = tx.row(gone.returning(auto_topologies))
    if found is None:
        return
    on = select(subnet_rows.c.id).where(subnet_rows.c.network_id == found.network_id).limit(POOLS_MAX)
    for row in tx.rows(on):
        router_interfaces.remove(tx, caller, found.router_id, subnet_id=row.id)
    routers.remove(tx, caller, found.router_id)
    network_removal.remove(tx, caller, found.network_id)


def _check_rights(caller: Caller, project_id: str) -> None:
    if not caller.sees(project_id):
        raise PolicyNotAuthorized("Only the project itself may ask for its network.")


def _means(tx: Tx) -> tuple[str, list[Row[tuple[str, int]]]]:
    """The external network that leads out, and the pools that subnets are cut from."""
    external = tx.value(select(network_rows.c.id).where(network_rows.c.is_default).limit(1))
    if external is None:
        raise AutoAllocationFailure(
            "Deployment error: the operator has set no default external network "
            "(openstack network set --default)."
        )
    pools = select(subnet_pools.c.id, subnet_pools.c.ip_version).where(subnet_pools.c.is_default)
    found = tx.rows(pools.order_by(subnet_pools.c.ip_version).limit(POOLS_MAX))
    if not found:
        raise AutoAllocationFailure(
            "Deployment error: the operator has set no default subnet pool "
            "(openstack subnet pool set --default)."
        )
    return external, list(found)
