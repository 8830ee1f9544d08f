"""What can go wrong with load balancers."""

from volutus.errors import Conflict, Invalid, NotFound


class LoadBalancerNotFound(NotFound):
    code = "loadbalancer.load_balancer.not_found"


class ListenerNotFound(NotFound):
    code = "loadbalancer.listener.not_found"


class PoolNotFound(NotFound):
    code = "loadbalancer.pool.not_found"


class MemberNotFound(NotFound):
    code = "loadbalancer.member.not_found"


class MonitorNotFound(NotFound):
    code = "loadbalancer.monitor.not_found"


class HasChildren(Conflict):
    code = "loadbalancer.load_balancer.has_children"


class Duplicate(Conflict):
    code = "loadbalancer.duplicate"


class UnsupportedOption(Invalid):
    """Octavia has it, OVN does not."""

    code = "loadbalancer.unsupported"


class InvalidOption(Invalid):
    code = "loadbalancer.invalid"
