"""Members: an address and port to which connections go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row

from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import subnets
from volutus.network.loadbalancer import health, nouns
from volutus.network.loadbalancer.errors import MemberNotFound
from volutus.network.loadbalancer.nouns import BALANCER, MEMBER, POOL


@dataclass(frozen=True)
class MemberOrder:
    """`subnet_id` is where the address is; None takes the load balancer's own. Weight 0 takes no new
    connections."""

    pool_id: str
    address: str
    port: int
    subnet_id: str | None = None
    name: str = ""
    enabled: bool = True
    weight: int = 1
    tags: tuple[str, ...] = ()


def create(tx: Tx, caller: Caller, order: MemberOrder) -> Row[Any]:
    """A new member. Raises Duplicate when the pool has this address and port."""
    pool = nouns.get(tx, caller, POOL, order.pool_id)
    if order.subnet_id is None:
        balancer = nouns.get(tx, caller, BALANCER, pool.load_balancer_id)
        order = replace(order, subnet_id=balancer.vip_subnet_id)
    else:
        subnets.get(tx, caller, order.subnet_id)
    values = {
        "project_id": pool.project_id,
        "load_balancer_id": pool.load_balancer_id,
        "pool_id": pool.id,
        "name": order.name,
        "enabled": order.enabled,
        "tags": list(order.tags),
        "subnet_id": order.subnet_id,
        "address": order.address,
        "port": order.port,
        "weight": order.weight,
    }
    member = nouns.add(tx, caller, MEMBER, values)
    health.look_soon(tx, pool.load_balancer_id)
    return member


def get(tx: Tx, caller: Caller, pool_id: str, member_id: str, *, lock: bool = False) -> Row[Any]:
    """A member of this pool. Raises PoolNotFound, MemberNotFound."""
    nouns.get(tx, caller, POOL, pool_id)
    member = nouns.get(tx, caller, MEMBER, member_id, lock=lock)
    if member.pool_id != pool_id:
        raise MemberNotFound(f"Member {member_id} not found in pool {pool_id}.")
    return member


def update(tx: Tx, caller: Caller, pool_id: str, member_id: str, values: Mapping[str, Any]) -> Row[Any]:
    """Change it."""
    return nouns.change(tx, caller, MEMBER, get(tx, caller, pool_id, member_id, lock=True), values)


def remove(tx: Tx, caller: Caller, pool_id: str, member_id: str) -> None:
    """Take it out of the pool."""
    member = get(tx, caller, pool_id, member_id, lock=True)
    health.forget_members(tx, [member])
    nouns.drop(tx, caller, MEMBER, [member])


def replace_all(
    tx: Tx, caller: Caller, pool_id: str, orders: Sequence[MemberOrder], *, additive: bool = False
) -> None:
    """Make the pool's members these: known ones (by address and port) are changed, others added, and the rest
    removed unless `additive`."""
    tree = nouns.tree_of(tx, nouns.get(tx, caller, POOL, pool_id, lock=True))
    have = {(member.address, member.port): member for member in tree.members_of(pool_id)}
    for order in orders:
        member = have.pop((order.address, order.port), None)
        if member is None:
            create(tx, caller, order)
        else:
            values = {"name": order.name, "weight": order.weight, "enabled": order.enabled}
            nouns.change(tx, caller, MEMBER, member, values | {"tags": list(order.tags)})
    if not additive:
        health.forget_members(tx, list(have.values()))
        nouns.drop(tx, caller, MEMBER, list(have.values()))
