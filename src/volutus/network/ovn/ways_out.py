"""By which of its gateways something leaves a router."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from volutus.network.ovn.model import FloatingIpView, GatewayView, RouterView
from volutus.network.ovn.names import router_port_name


class OwnWay(NamedTuple):
    """What has this floating IP leaves by the next hop, and not by `others`."""

    ip: FloatingIpView
    hop: str
    others: Sequence[GatewayView]


def own_ways(view: RouterView) -> list[OwnWay]:
    """The floating IPs that stand for something on one of several gateways."""
    ways = []
    for ip in view.floating_ips if len(view.gateways) > 1 else ():
        own = gateway_of(view, ip)
        hop = next((hop for hop in own.next_hops if ":" not in hop), None)
        if hop is not None:
            ways.append(OwnWay(ip, hop, [gateway for gateway in view.gateways if gateway != own]))
    return ways


def gateway_of(view: RouterView, ip: FloatingIpView) -> GatewayView:
    """The gateway on the floating IP's network."""
    on_network = (gateway for gateway in view.gateways if gateway.network_id == ip.network_id)
    return next(on_network, view.gateways[0])


def leaving(gateways: Iterable[GatewayView]) -> str:
    """An expression that holds for what leaves by one of these."""
    return f"outport == {_ports(gateways)}"


def entering(gateways: Iterable[GatewayView]) -> str:
    """An expression that holds for what comes in by one of these."""
    return f"inport == {_ports(gateways)}"


def _ports(gateways: Iterable[GatewayView]) -> str:
    names = [f'"{router_port_name(gateway.port.port_id)}"' for gateway in gateways]
    return names[0] if len(names) == 1 else f"{{{', '.join(names)}}}"
