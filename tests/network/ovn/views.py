"""Views the tests start from; `dataclasses.replace` makes the variations."""

from volutus.network.ovn import (
    AddressGroupView,
    AddressMode,
    AdvertisementView,
    Direction,
    FixedIpView,
    FloatingIpView,
    GatewayView,
    HostRoute,
    NetworkView,
    PortForwardingView,
    PortUse,
    PortView,
    ProviderView,
    QosView,
    RouterPortView,
    RouterView,
    SecurityGroupRuleView,
    SecurityGroupView,
    SubnetView,
)

NET, EXT, ROUTER, GROUP, ADDRESSES = (f"{n}0000000-0000-4000-8000-000000000000" for n in "abcdf")
SUBNET4, SUBNET6 = (f"5000000{n}-0000-4000-8000-000000000000" for n in "46")


def port_id(number: int) -> str:
    return f"e0000000-0000-4000-8000-{number:012x}"


def mac(number: int) -> str:
    return f"fa:16:3e:01:{number >> 8:02x}:{number & 255:02x}"


def subnet4(**more: object) -> SubnetView:
    options = {"gateway_address": "10.0.1.1", "dns_servers": ("9.9.9.9", "8.8.8.8")}
    options |= {"metadata_address": "10.0.1.2"}
    return SubnetView(SUBNET4, "10.0.1.0/24", **(options | more))


def subnet6(mode: AddressMode | None = AddressMode.SLAAC) -> SubnetView:
    return SubnetView(SUBNET6, "fd01::/64", "fd01::1", address_mode=mode, dns_servers=("fd01::53",))


def network(*subnets: SubnetView, **more: object) -> NetworkView:
    options = {"names": (("first", ("10.0.1.11",)),), "domain": "example.org"}
    return NetworkView(NET, subnets=subnets or (subnet4(),), **(options | more))


def external() -> NetworkView:
    return NetworkView(EXT, 1500, provider=ProviderView("physnet1"))


def port(number: int = 1, **more: object) -> PortView:
    fixed = (FixedIpView(f"10.0.{1 + (number + 10 >> 8)}.{number + 10 & 255}", SUBNET4),)
    options = {"fixed_ips": fixed, "security_group_ids": (GROUP,), "host_ids": ("h0",)}
    options |= {"qos": QosView(egress_kbps=10_000, dscp_mark=10)}
    return PortView(port_id(number), NET, mac(number), **(options | more))


def metadata_port() -> PortView:
    ips = (FixedIpView("10.0.1.2", SUBNET4),)
    return PortView(port_id(2**20), NET, "fa:16:3e:00:00:02", PortUse.METADATA, ips)


def rule(number: int = 1, direction: Direction = Direction.INGRESS, **more: object) -> SecurityGroupRuleView:
    return SecurityGroupRuleView(f"f0000000-0000-4000-8000-{number:012x}", direction, **more)


def group(*rules: SecurityGroupRuleView, **more: object) -> SecurityGroupView:
    return SecurityGroupView(GROUP, rules or (rule(protocol="tcp", port_min=22, port_max=22),), **more)


def router(**more: object) -> RouterView:
    inside = RouterPortView(
        port_id(2**21),
        "fa:16:3e:02:00:01",
        ("10.0.1.1/24", "fd01::1/64"),
        advertisement=AdvertisementView(AddressMode.SLAAC, "fd01::53"),
    )
    outside = RouterPortView(port_id(2**21 + 1), "fa:16:3e:02:00:02", ("172.24.4.10/24",), mtu=1500)
    options = {
        "ports": (inside,),
        "gateways": (GatewayView(outside, ("172.24.4.254",)),),
        "gateway_host_ids": ("h0",),
        "floating_ips": (floating_ip(),),
        "routes": (HostRoute("192.168.7.0/24", "10.0.1.77"),),
        "port_forwardings": (PortForwardingView("tcp", "172.24.4.50", 8080, "10.0.1.11", 80),),
    }
    return RouterView(ROUTER, **(options | more))


def address_group() -> AddressGroupView:
    return AddressGroupView(ADDRESSES, ("10.8.0.0/16", "fd08::/64"))


def floating_ip(number: int = 1) -> FloatingIpView:
    outside = f"172.24.4.{100 + number}"
    return FloatingIpView(
        f"f1f1{number:04}", outside, mac(2**12 + number), f"10.0.1.{number + 10}", port_id(number)
    )
