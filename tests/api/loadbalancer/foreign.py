"""Somebody else's load balancers and what is below them, and valid bodies for each."""

from tests.api.foreign import THEM, Foreign
from tests.api.network import objects as network
from volutus.db import Tx
from volutus.http.kernel import Plane
from volutus.identity import Caller
from volutus.network.loadbalancer import (
    BalancerOrder,
    ListenerOrder,
    MemberOrder,
    MonitorOrder,
    PoolOrder,
    balancers,
    listeners,
    members,
    monitors,
    pools,
)

ROOT = "/v2.0/lbaas"


def balancer(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A load balancer on a network of its own."""
    order = BalancerOrder(owner.own_project(), vip_network_id=network.network(tx, None, owner))
    return str(balancers.create(tx, owner, order).id)


def listener(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A listener of a new load balancer."""
    return str(listeners.create(tx, owner, ListenerOrder(balancer(tx, None, owner), "TCP", 80)).id)


def pool(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A pool without members."""
    order = PoolOrder("TCP", "SOURCE_IP_PORT", balancer_id=balancer(tx, None, owner))
    return str(pools.create(tx, owner, order).id)


def member(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A member of a new pool."""
    return str(members.create(tx, owner, MemberOrder(pool(tx, None, owner), "10.20.0.9", 80)).id)


def monitor(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A monitor of a new pool."""
    return str(monitors.create(tx, owner, MonitorOrder(pool(tx, None, owner), "TCP", 5, 5, 3)).id)


_MEMBER = {"address": "10.0.0.5", "protocol_port": 80}
_MONITOR = {"type": "TCP", "delay": 5, "timeout": 5, "max_retries": 3}

FOREIGN = Foreign(
    objects={
        "loadbalancers/id": balancer,
        "listeners/id": listener,
        "pools/id": pool,
        "members/member_id": member,
        "healthmonitors/id": monitor,
        "quotas/project_id": lambda _tx, _plane: THEM.own_project(),
    },
    # Another project's quotas are hidden by 403, whether or not there is such a project.
    refused=frozenset((method, f"{ROOT}/quotas/{{project_id}}") for method in ("GET", "PUT", "DELETE")),
    bodies={
        ("POST", f"{ROOT}/loadbalancers"): {"loadbalancer": {"vip_subnet_id": "x"}},
        ("PUT", f"{ROOT}/loadbalancers/{{id}}"): {"loadbalancer": {"name": "mine"}},
        ("POST", f"{ROOT}/listeners"): {
            "listener": {"loadbalancer_id": "x", "protocol": "TCP", "protocol_port": 80}
        },
        ("PUT", f"{ROOT}/listeners/{{id}}"): {"listener": {"name": "mine"}},
        ("POST", f"{ROOT}/pools"): {
            "pool": {"loadbalancer_id": "x", "protocol": "TCP", "lb_algorithm": "SOURCE_IP_PORT"}
        },
        ("PUT", f"{ROOT}/pools/{{id}}"): {"pool": {"name": "mine"}},
        ("POST", f"{ROOT}/pools/{{id}}/members"): {"member": _MEMBER},
        ("PUT", f"{ROOT}/pools/{{id}}/members"): {"members": [_MEMBER]},
        ("PUT", f"{ROOT}/pools/{{id}}/members/{{member_id}}"): {"member": {"name": "mine"}},
        ("POST", f"{ROOT}/healthmonitors"): {"healthmonitor": {"pool_id": "x", **_MONITOR}},
        ("PUT", f"{ROOT}/healthmonitors/{{id}}"): {"healthmonitor": {"name": "mine"}},
        ("POST", f"{ROOT}/l7policies"): {"l7policy": {"action": "REJECT"}},
        ("PUT", f"{ROOT}/quotas/{{project_id}}"): {"quota": {"pool": 3}},
    },
    references={
        "a subnet for an address": lambda tx, plane: (
            "POST",
            "/load-balancer/v2.0/lbaas/loadbalancers",
            {"loadbalancer": {"vip_subnet_id": network.subnet(tx, plane)}},
        ),
    },
)
