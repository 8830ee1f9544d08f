"""Load balancers: an address that spreads connections over members of a pool, carried out by OVN.

One load balancer is one unit of OVN with all that is below it, so every change of a listener, pool, member or
monitor is a change of its balancer. What OVN cannot do (weights, TLS, HTTP rules) is refused by name.
"""

from volutus.network.loadbalancer.balancers import BalancerOrder
from volutus.network.loadbalancer.health import HealthReconciler, record_checks, record_gone
from volutus.network.loadbalancer.listeners import ListenerOrder
from volutus.network.loadbalancer.members import MemberOrder
from volutus.network.loadbalancer.monitors import MonitorOrder
from volutus.network.loadbalancer.pools import PoolOrder

__all__ = [
    "BalancerOrder",
    "HealthReconciler",
    "ListenerOrder",
    "MemberOrder",
    "MonitorOrder",
    "PoolOrder",
    "record_checks",
    "record_gone",
]
