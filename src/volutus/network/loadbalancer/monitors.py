"""Health monitors: how often the members of a pool are asked, what is asked, and after how many answers they
are taken for up or down."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET
from sqlalchemy import Row

from volutus.db import Tx
from volutus.identity import Caller
from volutus.network.loadbalancer import health, nouns
from volutus.network.loadbalancer.errors import InvalidOption
from volutus.network.loadbalancer.nouns import MONITOR, POOL

# What can be asked of the members of a pool, by the pool's protocol.
TYPES = {"TCP": ("TCP", "HTTP"), "UDP": ("UDP-CONNECT",), "SCTP": ()}


@dataclass(frozen=True)
class MonitorOrder:
    pool_id: str
    type: str
    delay_s: int
    timeout_s: int
    max_retries: int
    max_retries_down: int = 3
    name: str = ""
    enabled: bool = True
    tags: tuple[str, ...] = ()
    http_method: str = "GET"
    url_path: str = "/"
    expected_codes: str = "200"


def create(tx: Tx, caller: Caller, order: MonitorOrder) -> Row[Any]:
    """A new monitor of a pool that has none. Raises Duplicate, InvalidOption."""
    pool = nouns.get(tx, caller, POOL, order.pool_id, lock=True)
    if order.type not in TYPES[pool.protocol]:
        allowed = ", ".join(TYPES[pool.protocol]) or "none"
        raise InvalidOption(f"Of a {pool.protocol} pool only this can be asked: {allowed}.", field="type")
    _check_times(order.delay_s, order.timeout_s)
    values = {
        "project_id": pool.project_id,
        "load_balancer_id": pool.load_balancer_id,
        "pool_id": pool.id,
        "name": order.name,
        "enabled": order.enabled,
        "tags": list(order.tags),
        "type": order.type,
        "delay_s": order.delay_s,
        "timeout_s": order.timeout_s,
        "max_retries": order.max_retries,
        "max_retries_down": order.max_retries_down,
        "http_method": order.http_method,
        "url_path": order.url_path,
        "expected_codes": order.expected_codes,
    }
    monitor = nouns.add(tx, caller, MONITOR, values)
    health.look_soon(tx, pool.load_balancer_id)
    return monitor


def update(tx: Tx, caller: Caller, monitor_id: str, values: Mapping[str, Any]) -> Row[Any]:
    """Change it."""
    monitor = nouns.get(tx, caller, MONITOR, monitor_id, lock=True)
    given = {name: value for name, value in values.items() if value is not UNSET}
    _check_times(given.get("delay_s", monitor.delay_s), given.get("timeout_s", monitor.timeout_s))
    changed = nouns.change(tx, caller, MONITOR, monitor, values)
    health.look_soon(tx, monitor.load_balancer_id)
    return changed


def remove(tx: Tx, caller: Caller, monitor_id: str) -> None:
    """Ask no more: all members count as up."""
    monitor = nouns.get(tx, caller, MONITOR, monitor_id, lock=True)
    health.forget_members(tx, nouns.tree_of(tx, monitor).members_of(monitor.pool_id))
    nouns.drop(tx, caller, MONITOR, [monitor])


def _check_times(delay_s: int, timeout_s: int) -> None:
    if timeout_s > delay_s:
        raise InvalidOption("A monitor's timeout must not be longer than its delay.", field="timeout")
