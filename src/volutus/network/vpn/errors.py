"""What can go wrong with VPN gateways and their peers."""

from volutus.errors import Conflict, NotFound


class VpnGatewayNotFound(NotFound):
    code = "network.vpn.gateway_not_found"


class VpnPeerNotFound(NotFound):
    code = "network.vpn.peer_not_found"


class VpnGatewayInUse(Conflict):
    code = "network.vpn.gateway_in_use"


class VpnPeerExists(Conflict):
    code = "network.vpn.peer_exists"


class RouterCannotCarryVpn(Conflict):
    code = "network.vpn.router_without_gateway"
