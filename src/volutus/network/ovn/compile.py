"""From views to northbound rows. Pure: equal views give equal rows, and nothing is read or written."""

from volutus.network.ovn.address_groups import compile_address_group
from volutus.network.ovn.load_balancers import compile_load_balancer
from volutus.network.ovn.model import (
    AddressGroupView,
    LoadBalancerView,
    NetworkView,
    PortView,
    RouterView,
    SecurityGroupView,
    View,
)
from volutus.network.ovn.networks import compile_network
from volutus.network.ovn.ports import compile_port
from volutus.network.ovn.routers import compile_router
from volutus.network.ovn.rows import Unit
from volutus.network.ovn.security_groups import compile_security_group, drop_group

__all__ = ["compile_view", "drop_group"]


def compile_view(view: View) -> Unit:
    """The unit that one object is in OVN."""
    match view:
        case PortView():
            return compile_port(view)
        case NetworkView():
            return compile_network(view)
        case RouterView():
            return compile_router(view)
        case SecurityGroupView():
            return compile_security_group(view)
        case AddressGroupView():
            return compile_address_group(view)
        case LoadBalancerView():
            return compile_load_balancer(view)
