"""Pools: the members that share connections, and by what a connection finds its member."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from volutus.db import Tx
from volutus.identity import Caller
from volutus.network.loadbalancer import health, listeners, nouns
from volutus.network.loadbalancer.errors import InvalidOption
from volutus.network.loadbalancer.nouns import BALANCER, LISTENER, MEMBER, MONITOR, POOL


@dataclass(frozen=True)
class PoolOrder:
    """For a listener, or for a balancer alone. `persistence_timeout_s` keeps a client at its member."""

    protocol: str
    algorithm: str
    balancer_id: str | None = None
    listener_id: str | None = None
    name: str = ""
    description: str = ""
    enabled: bool = True
    tags: tuple[str, ...] = ()
    persistence_timeout_s: int | None = None


def create(tx: Tx, caller: Caller, order: PoolOrder) -> Row[Any]:
    """A new pool, which becomes the listener's if one was named."""
    listener = None
    if order.listener_id is not None:
        listener = nouns.get(tx, caller, LISTENER, order.listener_id, lock=True)
        if listener.pool_id is not None:
            raise InvalidOption(f"Listener {listener.id} has a pool already.", field="listener_id")
    balancer_id = listener.load_balancer_id if listener else order.balancer_id
    if balancer_id is None:
        raise InvalidOption("A pool needs a loadbalancer_id or a listener_id.", field="loadbalancer_id")
    balancer = nouns.get(tx, caller, BALANCER, balancer_id)
    values = {
        "project_id": balancer.project_id,
        "load_balancer_id": balancer.id,
        "name": order.name,
        "description": order.description,
        "enabled": order.enabled,
        "tags": list(order.tags),
        "protocol": order.protocol,
        "algorithm": order.algorithm,
        "persistence_timeout_s": order.persistence_timeout_s,
    }
    pool = nouns.add(tx, caller, POOL, values)
    if listener is not None:
        listeners.update(tx, caller, listener.id, {"pool_id": pool.id})
    return pool


def update(tx: Tx, caller: Caller, pool_id: str, values: Mapping[str, Any]) -> Row[Any]:
    """Change it."""
    return nouns.change(tx, caller, POOL, nouns.get(tx, caller, POOL, pool_id, lock=True), values)


def remove(tx: Tx, caller: Caller, pool_id: str) -> None:
    """Delete it with its members and its monitor; listeners of it stay, without a pool."""
    pool = nouns.get(tx, caller, POOL, pool_id, lock=True)
    tree = nouns.tree_of(tx, pool)
    members = tree.members_of(pool_id)
    monitor = tree.monitor_of(pool_id)
    health.forget_members(tx, members)
    nouns.drop(tx, caller, MEMBER, members)
    nouns.drop(tx, caller, MONITOR, [monitor] if monitor is not None else [])
    nouns.drop(tx, caller, POOL, [pool])
