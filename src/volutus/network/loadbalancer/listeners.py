"""Listeners: a protocol and port of a load balancer's address, and the pool that answers there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from volutus.db import Tx
from volutus.identity import Caller
from volutus.network.loadbalancer import nouns
from volutus.network.loadbalancer.errors import InvalidOption
from volutus.network.loadbalancer.nouns import BALANCER, LISTENER, POOL


@dataclass(frozen=True)
class ListenerOrder:
    balancer_id: str
    protocol: str
    port: int
    name: str = ""
    description: str = ""
    enabled: bool = True
    tags: tuple[str, ...] = ()
    pool_id: str | None = None


def create(tx: Tx, caller: Caller, order: ListenerOrder) -> Row[Any]:
    """A new listener. Raises Duplicate when the balancer listens there already."""
    balancer = nouns.get(tx, caller, BALANCER, order.balancer_id, lock=True)
    if order.pool_id is not None:
        _check_pool(tx, caller, balancer.id, order.pool_id, order.protocol)
    values = {
        "project_id": balancer.project_id,
        "load_balancer_id": balancer.id,
        "name": order.name,
        "description": order.description,
        "enabled": order.enabled,
        "tags": list(order.tags),
        "protocol": order.protocol,
        "port": order.port,
        "pool_id": order.pool_id,
    }
    return nouns.add(tx, caller, LISTENER, values)


def update(tx: Tx, caller: Caller, listener_id: str, values: Mapping[str, Any]) -> Row[Any]:
    """Change it; `pool_id` None leaves it without a pool."""
    listener = nouns.get(tx, caller, LISTENER, listener_id, lock=True)
    if isinstance(pool_id := values.get("pool_id"), str):
        _check_pool(tx, caller, listener.load_balancer_id, pool_id, listener.protocol)
    return nouns.change(tx, caller, LISTENER, listener, values)


def remove(tx: Tx, caller: Caller, listener_id: str) -> None:
    """Stop listening."""
    nouns.drop(tx, caller, LISTENER, [nouns.get(tx, caller, LISTENER, listener_id, lock=True)])


def _check_pool(tx: Tx, caller: Caller, balancer_id: str, pool_id: str, protocol: str) -> None:
    pool = nouns.get(tx, caller, POOL, pool_id)
    if pool.load_balancer_id != balancer_id:
        raise InvalidOption(f"Pool {pool_id} is another load balancer's.", field="default_pool_id")
    if pool.protocol != protocol:
        raise InvalidOption(
            f"A {protocol} listener cannot have a {pool.protocol} pool.", field="default_pool_id"
        )
