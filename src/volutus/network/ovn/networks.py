"""A network as northbound rows: its switch, its DHCP answers, its way to the physical network."""

from collections.abc import Mapping
from hashlib import blake2b
from ipaddress import ip_network

from volutus.network.ovn.dns import dns_row
from volutus.network.ovn.load_balancers import listener_refs, listeners_needed
from volutus.network.ovn.model import AddressMode, Kind, NetworkView, SubnetView
from volutus.network.ovn.names import localnet_names
from volutus.network.ovn.rows import Key, Row, Unit, make_row, row_uuid

METADATA_ADDRESS = "169.254.169.254/32"
# Guests find it by themselves: it is on every link.
METADATA_ADDRESS_V6 = "fe80::a9fe:a9fe"
# Long enough that a control plane away for a night goes unnoticed: ovn-controller answers renewals alone, but
# only while it has once seen the southbound database.
LEASE_TIME_S = 43_200
# The first octets of addresses that are nobody's hardware; Neutron uses the same.
MAC_PREFIX = "fa:16:3e"


def compile_network(view: NetworkView) -> Unit:
    """The switch, one row of DHCP options per subnet that offers DHCP, its names, and for a provider network
    a localnet port for each of its segments."""
    key = Key(Kind.NETWORK, view.id)
    config = {"mcast_snoop": "false", "vlan-passthru": "false"}
    names = dns_row(view)
    rows = [
        make_row(
            "Logical_Switch",
            view.id,
            name=view.id,
            other_config=config,
            dns_records=[names.ref] if names else [],
            load_balancer=listener_refs(view.listener_ids),
        )
    ]
    rows += [names] if names else []
    rows += [dhcp_options(view, subnet, subnet.id) for subnet in view.subnets if subnet.offers_dhcp]
    rows += [
        make_row(
            "Logical_Switch_Port",
            name,
            view.id,
            name=name,
            type="localnet",
            addresses=("unknown",),
            enabled=True,
            tag=provider.vlan,
            options={"network_name": provider.physical_network},
        )
        for name, provider in zip(localnet_names(view.id), view.providers, strict=False)
    ]
    return Unit(key, tuple(rows), needs=listeners_needed(view.listener_ids))


def switch_uuid(network_id: str) -> str:
    """Where the network's switch is, whether it exists or not."""
    return row_uuid("Logical_Switch", network_id)


def dhcp_options_uuid(subnet_id: str) -> str:
    """Where the subnet's DHCP options are, whether they exist or not."""
    return row_uuid("DHCP_Options", subnet_id)


def server_mac(network_id: str) -> str:
    """The hardware address DHCP answers come from: the same on every host, different in every network."""
    tail = blake2b(network_id.encode(), digest_size=3).hexdigest()
    return ":".join((MAC_PREFIX, tail[0:2], tail[2:4], tail[4:6]))


def dhcp_options(
    network: NetworkView, subnet: SubnetView, name: str, own: Mapping[str, str] | None = None
) -> Row:
    """What DHCP tells in a subnet; `own` is told in place of it, or beside it, to one port."""
    answer = _options_v6 if subnet.ip_version == 6 else _options_v4
    options = {**answer(network, subnet), **(own or {})}
    return make_row("DHCP_Options", name, cidr=subnet.cidr, options=options)


def _options_v4(network: NetworkView, subnet: SubnetView) -> dict[str, str]:
    server = subnet.gateway_address or subnet.metadata_address or str(ip_network(subnet.cidr)[1])
    options = {
        "server_id": server,
        "server_mac": server_mac(network.id),
        "lease_time": str(LEASE_TIME_S),
        "mtu": str(network.mtu),
    }
    routes = [f"{route.destination},{route.next_hop}" for route in subnet.host_routes]
    if subnet.metadata_address:
        routes.insert(0, f"{METADATA_ADDRESS},{subnet.metadata_address}")
    if subnet.gateway_address:
        options["router"] = subnet.gateway_address
        if routes:
            # A client that gets option 121 must ignore option 3 (RFC 3442), so the default route is in both.
            routes.append(f"0.0.0.0/0,{subnet.gateway_address}")
    if routes:
        options["classless_static_route"] = "{" + ", ".join(routes) + "}"
    if subnet.dns_servers:
        options["dns_server"] = "{" + ", ".join(subnet.dns_servers) + "}"
    if network.domain:
        options["domain_name"] = f'"{network.domain}"'
    return options


def _options_v6(network: NetworkView, subnet: SubnetView) -> dict[str, str]:
    options = {"server_id": server_mac(network.id)}
    if subnet.dns_servers:
        options["dns_server"] = "{" + ", ".join(subnet.dns_servers) + "}"
    if subnet.address_mode is AddressMode.DHCP_STATELESS:
        options["dhcpv6_stateless"] = "true"
    return options
