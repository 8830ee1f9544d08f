"""A port as a northbound row: addresses, what it may send, DHCP, where it may be bound, its groups."""

from volutus.network.ovn.model import DROP_GROUP_ID, FixedIpView, Kind, PortUse, PortView
from volutus.network.ovn.names import own_dhcp_name, router_port_name
from volutus.network.ovn.networks import (
    METADATA_ADDRESS_V6,
    dhcp_options,
    dhcp_options_uuid,
    switch_uuid,
)
from volutus.network.ovn.qos import port_qos
from volutus.network.ovn.rows import Key, Needed, Ref, Row, Unit, make_row
from volutus.network.ovn.security_groups import port_group_uuid
from volutus.wire.addresses import link_local


def compile_port(view: PortView) -> Unit:
    """One switch port; a floating IP's port has none."""
    key = Key(Kind.PORT, view.id)
    switch = Needed("Logical_Switch", switch_uuid(view.network_id), f"network {view.network_id}")
    if view.use is PortUse.FLOATING_IP:
        return Unit(key)
    if view.use in (PortUse.ROUTER, PortUse.ROUTER_GATEWAY):
        options = {"router-port": router_port_name(view.id)}
        if view.use is PortUse.ROUTER_GATEWAY:
            # The gateway's host announces the router's addresses outside when it becomes that.
            options["nat-addresses"] = "router"
        row = make_row(
            "Logical_Switch_Port",
            view.id,
            view.network_id,
            name=view.id,
            type="router",
            addresses=("router",),
            enabled=view.enabled,
            options=options,
        )
        return Unit(key, (row,), needs=(switch,))
    if view.use is PortUse.METADATA:
        row = make_row(
            "Logical_Switch_Port",
            view.id,
            view.network_id,
            name=view.id,
            type="localport",
            addresses=(f"{_own_address(view)} {METADATA_ADDRESS_V6}",),
            enabled=view.enabled,
        )
        return Unit(key, (row,), needs=(switch,))
    return _guest_port(key, view, switch)


def _guest_port(key: Key, view: PortView, switch: Needed) -> Unit:
    dhcp_v4 = _dhcp_subnet(view.fixed_ips, 4)
    dhcp_v6 = _dhcp_subnet(view.fixed_ips, 6)
    own_dhcp = _own_dhcp(view, dhcp_v4, dhcp_v6)
    parent = view.parent
    row = make_row(
        "Logical_Switch_Port",
        view.id,
        view.network_id,
        name=view.id,
        type="",
        parent_name=parent.port_id if parent else None,
        tag=parent.vlan if parent else None,
        addresses=_addresses(view),
        port_security=_allowed_sources(view),
        enabled=view.enabled,
        options={"requested-chassis": ",".join(view.host_ids)} if view.host_ids else {},
        dhcpv4_options=_told(own_dhcp.get(4), dhcp_v4),
        dhcpv6_options=_told(own_dhcp.get(6), dhcp_v6),
    )
    groups = (DROP_GROUP_ID, *sorted(set(view.security_group_ids))) if view.port_security else ()
    needs = [switch]
    needs += [
        Needed("DHCP_Options", dhcp_options_uuid(subnet), f"DHCP of subnet {subnet}")
        for subnet in (dhcp_v4, dhcp_v6)
        if subnet
    ]
    needs += [Needed("Port_Group", port_group_uuid(group), f"security group {group}") for group in groups]
    rows = (row, *own_dhcp.values(), *port_qos(view.id, view.network_id, view.qos))
    return Unit(key, rows, groups, tuple(needs))


def _own_dhcp(view: PortView, dhcp_v4: str | None, dhcp_v6: str | None) -> dict[int, Row]:
    """IP version to the options that are this port's alone."""
    own = view.own_dhcp
    if own is None:
        return {}
    wanted = ((4, dhcp_v4, own.options_v4), (6, dhcp_v6, own.options_v6))
    subnets = {subnet.id: subnet for subnet in own.network.subnets}
    return {
        version: dhcp_options(own.network, subnets[subnet_id], own_dhcp_name(view.id, version), dict(options))
        for version, subnet_id, options in wanted
        if subnet_id in subnets and options
    }


def _told(own: Row | None, subnet_id: str | None) -> Ref | None:
    if own is not None:
        return own.ref
    return Ref("uuid", dhcp_options_uuid(subnet_id)) if subnet_id else None


def _own_address(view: PortView) -> str:
    return " ".join((view.mac, *(ip.address for ip in view.fixed_ips)))


def _addresses(view: PortView) -> tuple[str, ...]:
    if not view.port_security:
        # Whatever the guest bridges or routes is learnt by flooding.
        return (_own_address(view), "unknown")
    others = {pair.mac for pair in view.address_pairs if pair.mac and pair.mac != view.mac}
    return (_own_address(view), *others)


def _allowed_sources(view: PortView) -> tuple[str, ...]:
    if not view.port_security:
        return ()
    by_mac: dict[str, list[str]] = {view.mac: [ip.address for ip in view.fixed_ips]}
    for pair in view.address_pairs:
        by_mac.setdefault(pair.mac or view.mac, []).append(pair.address)
    for mac, addresses in by_mac.items():
        if any(":" in address for address in addresses):
            # OVN lets it send from there, and then drops its answers to who asks for its MAC.
            addresses.append(link_local(mac))
    return tuple(" ".join((mac, *addresses)) for mac, addresses in by_mac.items())


def _dhcp_subnet(fixed_ips: tuple[FixedIpView, ...], ip_version: int) -> str | None:
    for ip in fixed_ips:
        if ip.dhcp and (":" in ip.address) == (ip_version == 6):
            return ip.subnet_id
    return None
