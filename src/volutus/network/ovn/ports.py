"""A port as a northbound row: addresses, what it may send, DHCP, where it may be bound, its groups."""

from volutus.network.ovn.model import DROP_GROUP_ID, FixedIpView, Kind, PortUse, PortView
from volutus.network.ovn.networks import dhcp_options_uuid, switch_uuid
from volutus.network.ovn.routers import router_port_name
from volutus.network.ovn.rows import Key, Needed, Ref, Unit, make_row
from volutus.network.ovn.security_groups import port_group_uuid


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
            addresses=(_own_address(view),),
            enabled=view.enabled,
        )
        return Unit(key, (row,), needs=(switch,))
    return _guest_port(key, view, switch)


def _guest_port(key: Key, view: PortView, switch: Needed) -> Unit:
    dhcp_v4 = _dhcp_subnet(view.fixed_ips, 4)
    dhcp_v6 = _dhcp_subnet(view.fixed_ips, 6)
    row = make_row(
        "Logical_Switch_Port",
        view.id,
        view.network_id,
        name=view.id,
        type="",
        addresses=_addresses(view),
        port_security=_allowed_sources(view),
        enabled=view.enabled,
        options={"requested-chassis": ",".join(view.host_ids)} if view.host_ids else {},
        dhcpv4_options=Ref("uuid", dhcp_options_uuid(dhcp_v4)) if dhcp_v4 else None,
        dhcpv6_options=Ref("uuid", dhcp_options_uuid(dhcp_v6)) if dhcp_v6 else None,
    )
    groups = (DROP_GROUP_ID, *sorted(set(view.security_group_ids))) if view.port_security else ()
    needs = [switch]
    needs += [
        Needed("DHCP_Options", dhcp_options_uuid(subnet), f"DHCP of subnet {subnet}")
        for subnet in (dhcp_v4, dhcp_v6)
        if subnet
    ]
    needs += [Needed("Port_Group", port_group_uuid(group), f"security group {group}") for group in groups]
    return Unit(key, (row,), groups, tuple(needs))


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
    return tuple(" ".join((mac, *addresses)) for mac, addresses in by_mac.items())


def _dhcp_subnet(fixed_ips: tuple[FixedIpView, ...], ip_version: int) -> str | None:
    for ip in fixed_ips:
        if ip.dhcp and (":" in ip.address) == (ip_version == 6):
            return ip.subnet_id
    return None
