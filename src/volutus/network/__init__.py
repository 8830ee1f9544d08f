"""Networks, subnets, ports, routers, floating IPs, security groups: verbs that write what should be, and the
reconcilers that have OVN do it.

Below this package nobody knows of servers: compute asks for ports by the verbs listed here.
"""

from volutus.network import loadbalancer, metering_marks, vpn
from volutus.network.bootstrap import FirstNetworks, bootstrap
from volutus.network.servers import (
    NicMode,
    NicRequest,
    ServerAddress,
    ServerNics,
    addresses,
    attach_interface,
    bind_ports,
    detach_interface,
    guest_nics,
    hosts_changed,
    of_server,
    ports_for_server,
    ports_ready,
    release_ports,
    security_groups_of,
)

__all__ = [
    "FirstNetworks",
    "NicMode",
    "NicRequest",
    "ServerAddress",
    "ServerNics",
    "addresses",
    "attach_interface",
    "bind_ports",
    "bootstrap",
    "detach_interface",
    "guest_nics",
    "hosts_changed",
    "loadbalancer",
    "metering_marks",
    "of_server",
    "ports_for_server",
    "ports_ready",
    "release_ports",
    "security_groups_of",
    "vpn",
]
