"""The bodies of the network service: which attributes an object can be given, by their names on the wire."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from volutus.http.openstack.network.bodies import Named


class Part(msgspec.Struct, forbid_unknown_fields=True):
    """A piece of a body."""


class WirePart(Part):
    network_type: str | None = field(default=None, name="provider:network_type")
    physical_network: str | None = field(default=None, name="provider:physical_network")
    segmentation_id: int | None = field(default=None, name="provider:segmentation_id")


class NetworkBody(Named):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    shared: bool | UnsetType = UNSET
    external: bool | UnsetType = field(default=UNSET, name="router:external")
    is_default: bool | UnsetType = UNSET
    mtu: int | UnsetType = UNSET
    port_security_enabled: bool | UnsetType = UNSET
    network_type: str | UnsetType | None = field(default=UNSET, name="provider:network_type")
    physical_network: str | UnsetType | None = field(default=UNSET, name="provider:physical_network")
    segmentation_id: int | UnsetType | None = field(default=UNSET, name="provider:segmentation_id")
    segments: list[WirePart] | UnsetType | None = UNSET
    availability_zone_hints: list[str] | UnsetType = UNSET
    qos_policy_id: str | UnsetType | None = UNSET
    dns_domain: str | UnsetType | None = UNSET


class SegmentBody(Named):
    network_id: str | UnsetType = UNSET
    network_type: str | UnsetType = UNSET
    physical_network: str | UnsetType | None = UNSET
    segmentation_id: int | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    description: str | UnsetType = UNSET


class PoolPart(Part):
    start: str
    end: str


class RoutePart(Part):
    destination: str
    nexthop: str


class SubnetBody(Named):
    network_id: str | UnsetType = UNSET
    cidr: str | UnsetType | None = UNSET
    ip_version: int | UnsetType = UNSET
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    gateway_ip: str | UnsetType | None = UNSET
    allocation_pools: list[PoolPart] | UnsetType | None = UNSET
    enable_dhcp: bool | UnsetType = UNSET
    ipv6_address_mode: str | UnsetType | None = UNSET
    ipv6_ra_mode: str | UnsetType | None = UNSET
    dns_nameservers: list[str] | UnsetType | None = UNSET
    host_routes: list[RoutePart] | UnsetType | None = UNSET
    service_types: list[str] | UnsetType | None = UNSET
    subnetpool_id: str | UnsetType | None = UNSET
    segment_id: str | UnsetType | None = UNSET
    prefixlen: int | UnsetType = UNSET


class SubnetPoolBody(Named):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    prefixes: list[str] | UnsetType = UNSET
    default_prefixlen: int | UnsetType = UNSET
    min_prefixlen: int | UnsetType = UNSET
    max_prefixlen: int | UnsetType = UNSET
    default_quota: int | UnsetType | None = UNSET
    shared: bool | UnsetType = UNSET
    is_default: bool | UnsetType = UNSET
    address_scope_id: str | UnsetType | None = UNSET


class FixedIpPart(Part):
    subnet_id: str | None = None
    ip_address: str | None = None


class AddressPairPart(Part):
    ip_address: str
    mac_address: str | None = None


class DhcpOptionPart(Part):
    opt_name: str
    opt_value: str | None = None
    ip_version: int = 4


class PortBody(Named):
    network_id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    mac_address: str | UnsetType | None = UNSET
    fixed_ips: list[FixedIpPart] | UnsetType | None = UNSET
    security_groups: list[str] | UnsetType | None = UNSET
    port_security_enabled: bool | UnsetType = UNSET
    allowed_address_pairs: list[AddressPairPart] | UnsetType | None = UNSET
    extra_dhcp_opts: list[DhcpOptionPart] | UnsetType | None = UNSET
    device_id: str | UnsetType = UNSET
    device_owner: str | UnsetType = UNSET
    host_id: str | UnsetType | None = field(default=UNSET, name="binding:host_id")
    vnic_type: str | UnsetType = field(default=UNSET, name="binding:vnic_type")
    profile: dict[str, Any] | UnsetType | None = field(default=UNSET, name="binding:profile")
    qos_policy_id: str | UnsetType | None = UNSET
    dns_name: str | UnsetType | None = UNSET
    dns_domain: str | UnsetType | None = UNSET


class GatewayPart(Part):
    """An object without a network stands for no gateway."""

    network_id: str | None = None
    enable_snat: bool | UnsetType = UNSET
    external_fixed_ips: list[FixedIpPart] | UnsetType = UNSET
    qos_policy_id: str | UnsetType | None = UNSET


class RouterBody(Named):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    external_gateway_info: GatewayPart | UnsetType | None = UNSET
    routes: list[RoutePart] | UnsetType | None = UNSET
    availability_zone_hints: list[str] | UnsetType = UNSET
    flavor_id: str | UnsetType | None = UNSET
    enable_default_route_ecmp: bool | UnsetType = UNSET


class NoGateways(Part):
    """`{}`: the stock client names no gateways so, whatever it is about to unset of a router."""


class GatewaysBody(Part):
    external_gateways: list[GatewayPart] | NoGateways

    @property
    def parts(self) -> list[GatewayPart]:
        """Those that are named."""
        return [] if isinstance(self.external_gateways, NoGateways) else self.external_gateways


class RoutesBody(Part):
    routes: list[RoutePart]


class InterfaceBody(Part):
    """The one body without an envelope."""

    subnet_id: str | None = None
    port_id: str | None = None


class FloatingIpBody(Named):
    floating_network_id: str | UnsetType = UNSET
    floating_ip_address: str | UnsetType | None = UNSET
    subnet_id: str | UnsetType | None = UNSET
    port_id: str | UnsetType | None = UNSET
    fixed_ip_address: str | UnsetType | None = UNSET
    description: str | UnsetType = UNSET
    qos_policy_id: str | UnsetType | None = UNSET
    dns_name: str | UnsetType | None = UNSET
    dns_domain: str | UnsetType | None = UNSET


class SecurityGroupBody(Named):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    stateful: bool | UnsetType = UNSET


class MatchBody(Named, kw_only=True):
    """What traffic a rule admits."""

    direction: Literal["ingress", "egress"]
    ethertype: Literal["IPv4", "IPv6", "ipv4", "ipv6"] | UnsetType | None = UNSET
    protocol: str | int | UnsetType | None = UNSET
    port_range_min: int | UnsetType | None = UNSET
    port_range_max: int | UnsetType | None = UNSET
    remote_ip_prefix: str | UnsetType | None = UNSET
    remote_group_id: str | UnsetType | None = UNSET
    remote_address_group_id: str | UnsetType | None = UNSET
    description: str | UnsetType = UNSET


class RuleBody(MatchBody, kw_only=True):
    security_group_id: str


class DefaultRuleBody(MatchBody, kw_only=True):
    used_in_default_sg: bool | UnsetType = UNSET
    used_in_non_default_sg: bool | UnsetType = UNSET


class AddressScopeBody(Named):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    ip_version: int | UnsetType = UNSET
    shared: bool | UnsetType = UNSET


class AddressGroupBody(Named):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    addresses: list[str] | UnsetType = UNSET


class AddressesBody(Part):
    addresses: list[str]


class FlavorBody(Named):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    service_type: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class ServiceProfileBody(Named):
    description: str | UnsetType = UNSET
    driver: str | UnsetType = UNSET
    metainfo: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class ProfileReference(Part):
    id: str


class RbacBody(Named):
    object_type: str | UnsetType = UNSET
    object_id: str | UnsetType = UNSET
    action: str | UnsetType = UNSET
    target_tenant: str | UnsetType = UNSET
    target_project: str | UnsetType = UNSET


class QosPolicyBody(Named):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    shared: bool | UnsetType = UNSET
    is_default: bool | UnsetType = UNSET


class QosRuleBody(Named):
    direction: str | UnsetType = UNSET
    max_kbps: int | UnsetType = UNSET
    max_burst_kbps: int | UnsetType | None = UNSET
    dscp_mark: int | UnsetType = UNSET
    min_kbps: int | UnsetType = UNSET
    min_kpps: int | UnsetType = UNSET
    max_kpps: int | UnsetType = UNSET
    max_burst_kpps: int | UnsetType | None = UNSET


class PortForwardingBody(Named):
    internal_port_id: str | UnsetType = UNSET
    internal_ip_address: str | UnsetType | None = UNSET
    internal_port: int | UnsetType = UNSET
    external_port: int | UnsetType = UNSET
    protocol: str | UnsetType = UNSET
    description: str | UnsetType = UNSET


class SubPortPart(Part):
    """Clients may leave out by what a sub-port is told apart: by a VLAN."""

    port_id: str
    segmentation_type: str = "vlan"
    segmentation_id: int = 0


class TrunkBody(Named):
    port_id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    sub_ports: list[SubPortPart] | UnsetType = UNSET


class SubPortsBody(Part):
    sub_ports: list[SubPortPart]


class SubPortReference(Part):
    port_id: str
    segmentation_type: str | UnsetType = UNSET
    segmentation_id: int | UnsetType = UNSET


class SubPortReferencesBody(Part):
    sub_ports: list[SubPortReference]


class QuotaBody(Named):
    """With `check_limit` no limit may go below what is used."""

    check_limit: bool | UnsetType = UNSET
    force: bool | UnsetType = UNSET
    network: int | UnsetType = UNSET
    subnet: int | UnsetType = UNSET
    subnetpool: int | UnsetType = UNSET
    port: int | UnsetType = UNSET
    router: int | UnsetType = UNSET
    floatingip: int | UnsetType = UNSET
    security_group: int | UnsetType = UNSET
    security_group_rule: int | UnsetType = UNSET
    rbac_policy: int | UnsetType = UNSET


class TagsBody(Part):
    tags: list[str]


class VpnGatewayBody(Named):
    router_id: str | UnsetType = UNSET
    subnet_id: str | UnsetType | None = UNSET
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    listen_port: Annotated[int, Meta(ge=1, le=65535)] | UnsetType = UNSET
    tunnel_cidr: str | UnsetType = UNSET


class VpnPeerBody(Part):
    gateway_id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    public_key: str | UnsetType | None = UNSET
    preshared_key: str | UnsetType | None = UNSET
    remote_cidrs: list[str] | UnsetType = UNSET
    endpoint: str | UnsetType | None = UNSET
    keepalive: Annotated[int, Meta(ge=0, le=65535)] | UnsetType = UNSET


class MeteringLabelBody(Named):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    shared: bool | UnsetType = UNSET


class MeteringLabelRuleBody(Named):
    metering_label_id: str | UnsetType = UNSET
    direction: Literal["ingress", "egress"] | UnsetType = UNSET
    remote_ip_prefix: str | UnsetType | None = UNSET
    source_ip_prefix: str | UnsetType | None = UNSET
    destination_ip_prefix: str | UnsetType | None = UNSET
    excluded: bool | UnsetType = UNSET
