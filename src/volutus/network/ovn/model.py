"""What the compiler needs to know about the network, as values: no SQL, no OVN.

Whoever owns the truth (the network domain) makes these views; `compile` turns each into northbound rows.
A view holds everything its object's rows depend on, so that compiling one object reads no other.
"""

from dataclasses import dataclass
from enum import Enum

# Stands for the one group that every port with port security is in: what it does not admit is dropped.
DROP_GROUP_ID = "drop"


class Kind(Enum):
    """The units of reconciliation: one key of one kind is applied at a time, as a whole."""

    NETWORK = "network"
    PORT = "port"
    ROUTER = "router"
    SECURITY_GROUP = "security_group"
    ADDRESS_GROUP = "address_group"
    LOAD_BALANCER = "load_balancer"


class AddressMode(Enum):
    """How guests of an IPv6 subnet come to their address; the same words for `ra_mode`."""

    SLAAC = "slaac"
    DHCP_STATEFUL = "dhcpv6-stateful"
    DHCP_STATELESS = "dhcpv6-stateless"


class PortUse(Enum):
    """What a port is there for. ROUTER is a router's port inside, ROUTER_GATEWAY its port on the external
    network. FLOATING_IP only reserves an address: it has no row in OVN."""

    GUEST = "guest"
    ROUTER = "router"
    ROUTER_GATEWAY = "router_gateway"
    METADATA = "metadata"
    FLOATING_IP = "floating_ip"


class Direction(Enum):
    """As seen from the guest."""

    INGRESS = "ingress"
    EGRESS = "egress"


@dataclass(frozen=True, slots=True)
class HostRoute:
    """A static route: to `destination` (CIDR) by `next_hop`."""

    destination: str
    next_hop: str


@dataclass(frozen=True, slots=True)
class SubnetView:
    """A subnet. `metadata_address` is the address of the network's metadata port in it, if it has one."""

    id: str
    cidr: str
    gateway_address: str | None = None
    enable_dhcp: bool = True
    dns_servers: tuple[str, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    metadata_address: str | None = None
    address_mode: AddressMode | None = None

    @property
    def ip_version(self) -> int:
        return 6 if ":" in self.cidr else 4

    @property
    def offers_dhcp(self) -> bool:
        """Whether OVN answers DHCP here. With SLAAC the router's advertisements do all the work."""
        return self.enable_dhcp and (self.ip_version == 4 or self.address_mode is not AddressMode.SLAAC)


@dataclass(frozen=True, slots=True)
class ProviderView:
    """The physical network a network is part of: its name in `ovn-bridge-mappings`; flat without `vlan`."""

    physical_network: str
    vlan: int | None = None


@dataclass(frozen=True, slots=True)
class NetworkView:
    """`names` are host names with the addresses that they stand for, in the order that is answered.
    `domain` is what they are below. `listener_ids` are those of load balancers that its guests can reach."""

    id: str
    mtu: int = 1442
    subnets: tuple[SubnetView, ...] = ()
    provider: ProviderView | None = None
    further_providers: tuple[ProviderView, ...] = ()
    domain: str = ""
    names: tuple[tuple[str, tuple[str, ...]], ...] = ()
    listener_ids: tuple[str, ...] = ()

    @property
    def providers(self) -> tuple[ProviderView, ...]:
        """The first segment's, and the others'."""
        return () if self.provider is None else (self.provider, *self.further_providers)


@dataclass(frozen=True, slots=True)
class FixedIpView:
    """An address of a port. `dhcp` is the `SubnetView.offers_dhcp` of its subnet."""

    address: str
    subnet_id: str
    dhcp: bool = True


@dataclass(frozen=True, slots=True)
class AddressPairView:
    """A further source address (IP or CIDR) a port may use; `mac` None means the port's own."""

    address: str
    mac: str | None = None


@dataclass(frozen=True, slots=True)
class QosView:
    """Limits of what is sent (`egress`) and got (`ingress`) in kbit/s, bursts in kbit, and the DSCP mark of
    what is sent. None is no limit, or no mark."""

    egress_kbps: int | None = None
    egress_burst_kbits: int | None = None
    ingress_kbps: int | None = None
    ingress_burst_kbits: int | None = None
    dscp_mark: int | None = None


@dataclass(frozen=True, slots=True)
class OwnDhcpView:
    """What a port alone is told by DHCP, by OVN's names, beside what its network tells all."""

    network: NetworkView
    options_v4: tuple[tuple[str, str], ...] = ()
    options_v6: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ParentView:
    """The port whose guest carries this port's traffic, and the VLAN that it does so in."""

    port_id: str
    vlan: int


@dataclass(frozen=True, slots=True)
class PortView:
    """A port. `enabled` is its administrative state and its network's. `host_ids` are the hosts that may
    bind it, the present one first: one, or two during a migration; none leaves it to whoever has the tap."""

    id: str
    network_id: str
    mac: str
    use: PortUse = PortUse.GUEST
    fixed_ips: tuple[FixedIpView, ...] = ()
    enabled: bool = True
    port_security: bool = True
    security_group_ids: tuple[str, ...] = ()
    address_pairs: tuple[AddressPairView, ...] = ()
    host_ids: tuple[str, ...] = ()
    qos: QosView | None = None
    own_dhcp: OwnDhcpView | None = None
    parent: ParentView | None = None


@dataclass(frozen=True, slots=True)
class AdvertisementView:
    """What a router advertises on one of its ports: how addresses are made, and one DNS server."""

    mode: AddressMode
    dns_server: str | None = None


@dataclass(frozen=True, slots=True)
class RouterPortView:
    """A port of a router, on the router's side. `networks` are its addresses as `ip/prefix`."""

    port_id: str
    mac: str
    networks: tuple[str, ...]
    mtu: int = 1442
    advertisement: AdvertisementView | None = None


@dataclass(frozen=True, slots=True)
class GatewayView:
    """A way out of a router: its port on the external network, and who is asked next, per IP version."""

    port: RouterPortView
    next_hops: tuple[str, ...]
    snat: bool = True
    network_id: str = ""
    qos: QosView | None = None


@dataclass(frozen=True, slots=True)
class FloatingIpView:
    """`mac` is that of the floating IP's own port: a host that translates itself answers ARP with it."""

    id: str
    address: str
    mac: str
    fixed_address: str
    fixed_port_id: str
    network_id: str = ""
    qos: QosView | None = None
    # What it stands for is on no host: the gateway's host translates it.
    central: bool = False


@dataclass(frozen=True, slots=True)
class PortForwardingView:
    """One port of a floating IP, and the port inside that it stands for. `protocol` is `tcp` or `udp`."""

    protocol: str
    address: str
    port: int
    fixed_address: str
    fixed_port: int


@dataclass(frozen=True, slots=True)
class ScopedNetwork:
    """A prefix on one of the router's ports, and the address scope that it is of (None: of none)."""

    cidr: str
    scope_id: str | None


@dataclass(frozen=True, slots=True)
class MeterView:
    """A guest's port whose packets to the outside are counted: they get its `mark` while they pass."""

    port_id: str
    mark: int
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CellView:
    """A part of what passes a router's gateways, to be counted apart: what has this source and destination
    (CIDRs) and is in no deeper one. It gets its `mark`, or none if that is 0. `port_id` is whose it is among
    those metered; those of no port are for what is of none."""

    direction: Direction
    source: str
    destination: str
    depth: int
    mark: int
    port_id: str = ""


@dataclass(frozen=True, slots=True)
class RouterView:
    """A router. What has no floating IP leaves by the first of the gateways, or with `ecmp` by any of them.
    `gateway_host_ids` are all hosts that could carry a gateway (chassis names); `distributed` lets each host
    translate the floating IPs of its own guests, which needs the external network on all of them."""

    id: str
    enabled: bool = True
    ports: tuple[RouterPortView, ...] = ()
    gateways: tuple[GatewayView, ...] = ()
    ecmp: bool = False
    gateway_host_ids: tuple[str, ...] = ()
    floating_ips: tuple[FloatingIpView, ...] = ()
    routes: tuple[HostRoute, ...] = ()
    distributed: bool = True
    port_forwardings: tuple[PortForwardingView, ...] = ()
    scopes: tuple[ScopedNetwork, ...] = ()
    listener_ids: tuple[str, ...] = ()
    meters: tuple[MeterView, ...] = ()
    cells: tuple[CellView, ...] = ()


@dataclass(frozen=True, slots=True)
class SecurityGroupRuleView:
    """What a group admits. `protocol` is a name (`tcp`, `icmp`, `ipv6-icmp` …), a number, or None for any.
    For ICMP `port_min` is the type and `port_max` the code. At most one of the remotes is set."""

    id: str
    direction: Direction
    ip_version: int = 4
    protocol: str | None = None
    port_min: int | None = None
    port_max: int | None = None
    remote_prefix: str | None = None
    remote_group_id: str | None = None
    remote_address_group_id: str | None = None


@dataclass(frozen=True, slots=True)
class SecurityGroupView:
    id: str
    rules: tuple[SecurityGroupRuleView, ...] = ()
    stateful: bool = True


@dataclass(frozen=True, slots=True)
class AddressGroupView:
    """Prefixes of either IP version."""

    id: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BackendView:
    """A member that gets connections. With a monitor: the port that has the address, and from which address
    of its subnet OVN asks it."""

    address: str
    port: int
    port_id: str | None = None
    probe_address: str | None = None


@dataclass(frozen=True, slots=True)
class MonitorView:
    """How OVN asks the members; `rise` and `fall` answers in a row change a member's state."""

    interval_s: int
    timeout_s: int
    rise: int
    fall: int


@dataclass(frozen=True, slots=True)
class ListenerView:
    """A port of a load balancer's addresses. `protocol` is `tcp`, `udp` or `sctp`. `by_source` sends a
    client's connections to one member; `affinity_timeout_s` keeps it there though members come and go."""

    id: str
    protocol: str
    addresses: tuple[str, ...]
    port: int
    backends: tuple[BackendView, ...] = ()
    by_source: bool = False
    affinity_timeout_s: int | None = None
    monitor: MonitorView | None = None


@dataclass(frozen=True, slots=True)
class LoadBalancerView:
    """A load balancer. `port_id`, `mac` and `network` (`ip/prefix`) are its own port's."""

    id: str
    port_id: str
    mac: str
    network: str
    gateway_address: str | None = None
    mtu: int = 1442
    listeners: tuple[ListenerView, ...] = ()


View = NetworkView | PortView | RouterView | SecurityGroupView | AddressGroupView | LoadBalancerView
