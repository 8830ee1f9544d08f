"""A router as northbound rows: its ports, its gateways and where they live, its routes, its NAT."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from ipaddress import ip_interface
from itertools import permutations

from volutus.network.ovn.label_cells import counted_apart
from volutus.network.ovn.load_balancers import listener_refs, listeners_needed
from volutus.network.ovn.model import FloatingIpView, GatewayView, Kind, MeterView, RouterPortView, RouterView
from volutus.network.ovn.names import FORWARDED_PROTOCOLS, forwarding_name, router_port_name
from volutus.network.ovn.qos import outside_qos
from volutus.network.ovn.rows import Key, Ref, Row, Unit, make_row, row_uuid
from volutus.network.ovn.ways_out import gateway_of, leaving, own_ways

# One carries the traffic and the others stand by; OVN watches every one of them with BFD from every host.
GATEWAY_HOSTS_MAX = 5
SCOPE_PRIORITY = 1000
METER_PRIORITY = 100
OWN_WAY_PRIORITY = 200


def compile_router(view: RouterView) -> Unit:
    """The router with everything below it."""
    ports = [_port(port) for port in view.ports]
    chassis: list[Row] = []
    for gateway in view.gateways:
        hosts = _gateway_chassis(view, gateway)
        ports.append(_port(gateway.port, hosts, _gateway_options(gateway, view.ports)))
        chassis += hosts
    routes = _routes(view)
    nat = [row for gateway in view.gateways for row in _snat(view, gateway)]
    nat += [_floating_ip(view, ip) for ip in view.floating_ips] if view.gateways else []
    balancers = _port_forwardings(view)
    meters = [_meter(view, meter) for meter in view.meters] if view.gateways else []
    policies = [*_between_scopes(view), *meters, *_own_ways_out(view), *counted_apart(view)]
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
    limits = _limits(view) if view.gateways else []
    rows = (router, *ports, *chassis, *routes, *nat, *policies, *balancers, *limits)
    return Unit(Key(Kind.ROUTER, view.id), rows, needs=listeners_needed(view.listener_ids))


def gateway_hosts(router_id: str, host_ids: Sequence[str]) -> list[str]:
    """The hosts for this router's gateway, the first preferred. Each router ranks the hosts by its own hash
    of them, so that routers spread, and a host that comes or goes moves only the routers it carries."""
    ranked = sorted(
        set(host_ids), key=lambda host: blake2b(f"{router_id}/{host}".encode(), digest_size=8).digest()
    )
    return ranked[:GATEWAY_HOSTS_MAX]


def _gateway_chassis(view: RouterView, gateway: GatewayView) -> list[Row]:
    # Further gateways go by themselves, so that one host's loss is not that of all.
    ranked_by = view.id if gateway == view.gateways[0] else gateway.port.port_id
    name = router_port_name(gateway.port.port_id)
    return [
        make_row(
            "Gateway_Chassis",
            f"{name}_{host}",
            name=f"{name}_{host}",
            chassis_name=host,
            priority=GATEWAY_HOSTS_MAX - rank,
        )
        for rank, host in enumerate(gateway_hosts(ranked_by, view.gateway_host_ids))
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
    """The router's own, and those of its gateways. Equal destinations by different ways share the flows."""
    wanted: dict[tuple[str, ...], str | None] = {(r.destination, r.next_hop): None for r in view.routes}
    for gateway in view.gateways if view.ecmp else view.gateways[:1]:
        # The port is named because a next hop may be outside of the port's own subnets, or link-local.
        port = router_port_name(gateway.port.port_id)
        further = () if gateway == view.gateways[0] else (port,)
        wanted |= {("::/0" if ":" in hop else "0.0.0.0/0", hop, *further): port for hop in gateway.next_hops}
    return [
        make_row(
            "Logical_Router_Static_Route",
            "/".join((view.id, *way)),
            ip_prefix=way[0],
            nexthop=way[1],
            output_port=port_name,
        )
        for way, port_name in sorted(wanted.items(), key=str)
    ]


def _own_ways_out(view: RouterView) -> list[Row]:
    """What has a floating IP leaves where that is: the route alone would send it by another gateway, which
    knows nothing of the address."""
    marks = {meter.port_id: str(meter.mark) for meter in view.meters}
    return [
        make_row(
            "Logical_Router_Policy",
            f"{view.id}/{way.ip.id}",
            priority=OWN_WAY_PRIORITY,
            match=f"{leaving(way.others)} && ip4.src == {way.ip.fixed_address}",
            action="reroute",
            nexthops=(way.hop,),
            options={"pkt_mark": marks[way.ip.fixed_port_id]} if way.ip.fixed_port_id in marks else {},
        )
        for way in own_ways(view)
    ]


def _meter(view: RouterView, meter: MeterView) -> Row:
    """What goes from a port to the outside passes a flow of its own, whose bytes the port's host counts.
    Security groups and rate caps come before it, so what they drop is not counted. The mark tells the host
    whose flow it is; nothing else looks at it."""
    terms = []
    for family, is_v6 in (("ip4", False), ("ip6", True)):
        if own := [address for address in meter.addresses if (":" in address) is is_v6]:
            terms.append(f"{family}.src == {{{', '.join(own)}}}")
    return make_row(
        "Logical_Router_Policy",
        f"{view.id}/{meter.port_id}",
        priority=METER_PRIORITY,
        match=f"{leaving(view.gateways)} && ({' || '.join(terms)})",
        action="allow",
        options={"pkt_mark": str(meter.mark)},
    )


def _snat(view: RouterView, gateway: GatewayView) -> list[Row]:
    outside = _outside(gateway)
    if not gateway.snat or not outside:
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
    further = "" if gateway == view.gateways[0] else f"/{gateway.port.port_id}"
    return [
        make_row(
            "NAT",
            f"{view.id}/snat/{cidr}{further}",
            type="snat",
            external_ip=outside,
            logical_ip=cidr,
            gateway_port=_translated_at(view, gateway),
        )
        for cidr in sorted(inside)
    ]


def _translated_at(view: RouterView, gateway: GatewayView) -> Ref | None:
    """With several gateways each translation has to say at which it is made."""
    if len(view.gateways) == 1:
        return None
    return Ref("uuid", row_uuid("Logical_Router_Port", router_port_name(gateway.port.port_id)))


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
        gateway_port=_translated_at(view, gateway_of(view, ip)),
    )


def _limits(view: RouterView) -> list[Row]:
    """What may pass the floating IPs and the gateways that have limits of their own."""
    rows: list[Row] = []
    for ip in view.floating_ips:
        place = ip.network_id, gateway_of(view, ip).port.port_id
        rows += outside_qos(f"{view.id}/{ip.id}", place, ip.address, ip.qos)
    for gateway in view.gateways:
        further = "" if gateway == view.gateways[0] else f"/{gateway.port.port_id}"
        place = gateway.network_id, gateway.port.port_id
        rows += outside_qos(f"{view.id}/gateway{further}", place, _outside(gateway), gateway.qos)
    return rows


def _outside(gateway: GatewayView) -> str:
    """The address that what has no floating IP is seen with; empty when there is none."""
    return next((network.split("/")[0] for network in gateway.port.networks if ":" not in network), "")


def _port_forwardings(view: RouterView) -> list[Row]:
    """A balancer for each protocol, with one member behind each port."""
    rows = []
    for protocol in FORWARDED_PROTOCOLS if view.gateways else ():
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
