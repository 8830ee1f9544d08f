"""VPN gateways: WireGuard at the edge of a router, for other sites and for single machines on the road.

A gateway is a port on one of the router's subnets, a floating IP that leads to it, and a namespace on one
host in which WireGuard runs. The router sends what is for the peers to that port.
"""

from volutus.network.vpn.gateways import GatewayOrder
from volutus.network.vpn.peers import PeerOrder
from volutus.network.vpn.reconciler import VpnReconciler, record_gone, record_observed

__all__ = ["GatewayOrder", "PeerOrder", "VpnReconciler", "record_gone", "record_observed"]
