"""A router as northbound rows: its ports, its gateway and where that lives, its routes, its NAT."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from ipaddress import ip_interface
from itertools import permutations

from volutus.network.ovn.load_balancers import listener_refs, listeners_needed
from volutus.network.ovn.model import FloatingIpView, GatewayView, Kind, MeterView, RouterPortView, RouterView
from volutus.network.ovn.names import FORWARDED_PROTOCOLS, forwarding_name, router_port_name
from volutus.network.ovn.qos import outside_qos
from volutus.network.ovn.rows import Key, Row, Unit, make_row

# One carries the traffic and the others stand by; OVN watches every one of them with BFD from every host.
GATEWAY_HOSTS_MAX = 5
SCOPE_PRIORITY = 1000
METER_PRIORITY = 100


def compile_router(view: RouterView) -> Unit:
    """The router with everything below it."""
    gateway = view.gateway
    chassis = _gateway_chassis(view.id, gateway, view.gateway_host_ids) if gateway else []
    ports = [_port(port) for port in view.ports]
    if gateway:
        ports.append(_port(gateway.port, chassis, _gateway_options(gateway, view.ports)))
    routes = _routes(view)
    nat = _snat(view) + [_floating_ip(view, ip) for ip in view.floating_ips] if gateway else []
    balancers = _port_forwardings(view)
    meters = [_meter(view.id, gateway, meter) for meter in view.meters] if gateway else []
    policies = [*_between_scopes(view), *meters]
    router = make_row(
        "Logical_Router",
        view.id,
        name=view.id,
        enabled=view.enabled,
        # Without these each router learns the hardware address of every neighbour of a shared external
        # network, and each learnt address is a row that northd looks at.
        options={"always_learn_from_arp_request": "false", "dynamic_neigh_routers": "true"},
        ports=[row.ref for row in ports],
        static_routes=[row.ref for row in routes],
        nat=[row.ref for row in nat],
        policies=[row.ref for row in policies],
        load_balancer=[*listener_refs(view.listener_ids), *(row.ref for row in balancers)],
    )
    limits = _limits(view, gateway) if gateway else []
    rows = (router, *ports, *chassis, *routes, *nat, *policies, *balancers, *limits)
    return Unit(Key(Kind.ROUTER, view.id), rows, needs=listeners_needed(view.listener_ids))


def gateway_hosts(router_id: str, host_ids: Sequence[str]) -> list[str]:
    """The hosts for this router's gateway, the first preferred. Each router ranks the hosts by its own hash
    of them, so that routers spread, and a host that comes or goes moves only the routers it carries."""
    ranked = sorted(
        set(host_ids), key=lambda host: blake2b(f"{router_id}/{host}".encode(), digest_size=8).digest()
    )
    return ranked[:GATEWAY_HOSTS_MAX]


def _gateway_chassis(router_id: str, gateway: GatewayView, host_ids: Sequence[str]) -> list[Row]:
    name = router_port_name(gateway.port.port_id)
    return [
        make_row(
            "Gateway_Chassis",
            f"{name}_{host}",
            name=f"{name}_{host}",
            chassis_name=host,
            priority=GATEWAY_HOSTS_MAX - rank,
        )
        for rank, host in enumerate(gateway_hosts(router_id, host_ids))
    ]


def _gateway_options(gateway: GatewayView, inside: Sequence[RouterPortView]) -> dict[str, str]:
    if any(port.mtu > gateway.port.mtu for port in inside):
        # What does not fit out of the gateway is answered by "fragmentation needed", not dropped.
        return {"gateway_mtu": str(gateway.port.mtu)}
    return {}


def _port(port: RouterPortView, chassis: Sequence[Row] = (), options: Mapping[str, str] | None = None) -> Row:
    return make_row(
        "Logical_Router_Port",
        router_port_name(port.port_id),
        name=router_port_name(port.port_id),
        mac=port.mac,
        networks=port.networks,
        options=options or {},
        ipv6_ra_configs=_advertisement(port),
        gateway_chassis=[row.ref for row in chassis],
    )


def _advertisement(port: RouterPortView) -> dict[str, str]:
    if port.advertisement is None:
        return {}
    configs = {
        "address_mode": port.advertisement.mode.value.replace("-", "_"),
        "send_periodic": "true",
        "mtu": str(port.mtu),
    }
    if port.advertisement.dns_server:
        configs["rdnss"] = port.advertisement.dns_server
    return configs


def _routes(view: RouterView) -> list[Row]:
    wanted: dict[tuple[str, str], str | None] = {(r.destination, r.next_hop): None for r in view.routes}
    if view.gateway:
        # The port is named because a next hop may be outside of the port's own subnets, or link-local.
        port = router_port_name(view.gateway.port.port_id)
        wanted |= {("::/0" if ":" in hop else "0.0.0.0/0", hop): port for hop in view.gateway.next_hops}
    return [
        make_row(
            "Logical_Router_Static_Route",
            f"{view.id}/{destination}/{next_hop}",
            ip_prefix=destination,
            nexthop=next_hop,
            output_port=port_name,
        )
        for (destination, next_hop), port_name in sorted(wanted.items(), key=str)
    ]


def _meter(router_id: str, gateway: GatewayView, meter: MeterView) -> Row:
    """What goes from a port to the outside passes a flow of its own, whose bytes the port's host counts.
    Security groups and rate caps come before it, so what they drop is not counted. The mark tells the host
    whose flow it is; nothing else looks at it."""
    terms = []
    for family, is_v6 in (("ip4", False), ("ip6", True)):
        if own := [address for address in meter.addresses if (":" in address) is is_v6]:
            terms.append(f"{family}.src == {{{', '.join(own)}}}")
    return make_row(
        "Logical_Router_Policy",
        f"{router_id}/{meter.port_id}",
        priority=METER_PRIORITY,
        match=f'outport == "{router_port_name(gateway.port.port_id)}" && ({" || ".join(terms)})',
        action="allow",
        options={"pkt_mark": str(meter.mark)},
    )


def _snat(view: RouterView) -> list[Row]:
    gateway = view.gateway
    if gateway is None or not gateway.snat:
        return []
    outside = _outside(gateway)
    if not outside:
        return []
    inside = {
        str(ip_interface(network).network)
        for port in view.ports
        for network in port.networks
        if ":" not in network
    }
    # Within one address scope every address means the same on both sides: nothing is translated.
    scopes = {one.cidr: one.scope_id for one in view.scopes if one.scope_id}
    outer = {scopes.get(str(ip_interface(network).network)) for network in gateway.port.networks} - {None}
    inside = {cidr for cidr in inside if scopes.get(cidr) not in outer}
    return [
        make_row("NAT", f"{view.id}/snat/{cidr}", type="snat", external_ip=outside, logical_ip=cidr)
        for cidr in sorted(inside)
    ]


def _floating_ip(view: RouterView, ip: FloatingIpView) -> Row:
    distributed = view.distributed and not ip.central
    # The router's id is in the name: an address that moves to another router is for a moment in both.
    return make_row(
        "NAT",
        f"{view.id}/{ip.id}",
        type="dnat_and_snat",
        external_ip=ip.address,
        logical_ip=ip.fixed_address,
        external_mac=ip.mac if distributed else None,
        logical_port=ip.fixed_port_id if distributed else None,
    )


def _limits(view: RouterView, gateway: GatewayView) -> list[Row]:
    """What may pass the floating IPs and the gateway that have limits of their own."""
    port_id = gateway.port.port_id
    rows: list[Row] = []
    for ip in view.floating_ips:
        rows += outside_qos(f"{view.id}/{ip.id}", (ip.network_id, port_id), ip.address, ip.qos)
    own = _outside(gateway)
    return rows + outside_qos(f"{view.id}/gateway", (gateway.network_id, port_id), own, gateway.qos)


def _outside(gateway: GatewayView) -> str:
    """The address that what has no floating IP is seen with; empty when there is none."""
    return next((network.split("/")[0] for network in gateway.port.networks if ":" not in network), "")


def _port_forwardings(view: RouterView) -> list[Row]:
    """A balancer for each protocol, with one member behind each port."""
    rows = []
    for protocol in FORWARDED_PROTOCOLS if view.gateway else ():
        vips = {
            f"{one.address}:{one.port}": f"{one.fixed_address}:{one.fixed_port}"
            for one in view.port_forwardings
            if one.protocol == protocol
        }
        if vips:
            name = forwarding_name(view.id, protocol)
            rows.append(make_row("Load_Balancer", name, name=name, protocol=protocol, vips=vips))
    return rows


def _between_scopes(view: RouterView) -> list[Row]:
    """What is in one address scope does not reach what is in another, or in none."""
    inside = {str(ip_interface(network).network) for port in view.ports for network in port.networks}
    networks = sorted((one for one in view.scopes if one.cidr in inside), key=lambda one: one.cidr)
    return [
        make_row(
            "Logical_Router_Policy",
            f"{view.id}/{one.cidr}/{other.cidr}",
            priority=SCOPE_PRIORITY,
            match=f"{family}.src == {one.cidr} && {family}.dst == {other.cidr}",
            action="drop",
        )
        for one, other in permutations(networks, 2)
        for family in ["ip6" if ":" in one.cidr else "ip4"]
        if one.scope_id != other.scope_id and (":" in one.cidr) == (":" in other.cidr)
    ]
