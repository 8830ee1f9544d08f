"""OVN, the one network engine: views of the network are compiled to northbound rows and kept that way.

The network domain makes views (`model`), implements `Topology` on its tables, and wakes an object, by its
`Kind`'s value and its id, in every transaction that changes what its view shows:

    changed                                              wake
    network, or a subnet of it, or its metadata address  that network
    subnet: DHCP switched on or off, address mode        and all ports with an address in it
    port (also bound to another host, other groups)      that port
    router, its interfaces or gateway, a floating IP     that router (both, when an address moves)
    network MTU                                          that network and the routers on it
    security group or a rule of it                       that group
    address group                                        that group
    QoS policy                                           the ports and routers it is for
    port's DNS name                                      its network
    security group deleted                               it, and the groups whose rules named it
    load balancer, or what is below it                   it, its network, the routers of that, their networks

A forgotten wake is found by the scan. What a step answers `Done` for is in OVN as the view said when the
step began, or gone from it when there was no view; who wants to record that wraps `OvnReconciler`.
Nothing here knows tenants, quotas or HTTP.
"""

from volutus.network.ovn.client import OvsdbClient
from volutus.network.ovn.compile import compile_view
from volutus.network.ovn.memory import MemoryNorthbound
from volutus.network.ovn.model import (
    AddressGroupView,
    AddressMode,
    AddressPairView,
    AdvertisementView,
    BackendView,
    CellView,
    Direction,
    FixedIpView,
    FloatingIpView,
    GatewayView,
    HostRoute,
    Kind,
    ListenerView,
    LoadBalancerView,
    MeterView,
    MonitorView,
    NetworkView,
    OwnDhcpView,
    ParentView,
    PortForwardingView,
    PortUse,
    PortView,
    ProviderView,
    QosView,
    RouterPortView,
    RouterView,
    ScopedNetwork,
    SecurityGroupRuleView,
    SecurityGroupView,
    SubnetView,
    View,
)
from volutus.network.ovn.northbound import Northbound
from volutus.network.ovn.ovsdb import OvsdbNorthbound
from volutus.network.ovn.reconcile import OvnReconciler, Topology, reconcilers

__all__ = [
    "AddressGroupView",
    "AddressMode",
    "AddressPairView",
    "AdvertisementView",
    "BackendView",
    "CellView",
    "Direction",
    "FixedIpView",
    "FloatingIpView",
    "GatewayView",
    "HostRoute",
    "Kind",
    "ListenerView",
    "LoadBalancerView",
    "MemoryNorthbound",
    "MeterView",
    "MonitorView",
    "NetworkView",
    "Northbound",
    "OvnReconciler",
    "OvsdbClient",
    "OvsdbNorthbound",
    "OwnDhcpView",
    "ParentView",
    "PortForwardingView",
    "PortUse",
    "PortView",
    "ProviderView",
    "QosView",
    "RouterPortView",
    "RouterView",
    "ScopedNetwork",
    "SecurityGroupRuleView",
    "SecurityGroupView",
    "SubnetView",
    "Topology",
    "View",
    "compile_view",
    "reconcilers",
]
