"""Networks and what is on them, made for tests: each by default in the project of somebody else."""

from tests.api.foreign import THEIR_ADMIN, THEM
from volutus.db import Tx
from volutus.http.kernel import Plane
from volutus.identity import Caller
from volutus.network import (
    address_groups,
    address_scopes,
    floating_ips,
    metering_label_rules,
    metering_labels,
    networks,
    ports,
    qos_policies,
    qos_rules,
    rbac,
    router_interfaces,
    routers,
    security_group_rules,
    security_groups,
    subnet_pools,
    subnets,
    trunks,
)
from volutus.network.address_groups import AddressGroupOrder
from volutus.network.address_scopes import AddressScopeOrder
from volutus.network.floating_ips import FloatingIpOrder
from volutus.network.metering_label_rules import MeteringLabelRuleOrder
from volutus.network.metering_labels import MeteringLabelOrder
from volutus.network.networks import NetworkOrder
from volutus.network.ports import PortOrder
from volutus.network.qos_policies import QosPolicyOrder
from volutus.network.qos_rules import QosRuleOrder
from volutus.network.rbac import RbacOrder
from volutus.network.router_gateways import GatewayOrder
from volutus.network.routers import RouterOrder
from volutus.network.security_group_rules import RuleOrder
from volutus.network.security_groups import SecurityGroupOrder
from volutus.network.subnet_pools import SubnetPoolOrder
from volutus.network.subnets import SubnetOrder
from volutus.network.trunks import TrunkOrder
from volutus.network.vpn import GatewayOrder as VpnGatewayOrder
from volutus.network.vpn import PeerOrder
from volutus.network.vpn import gateways as vpn_gateways
from volutus.network.vpn import peers as vpn_peers

_THEIR_CIDR = "10.20.0.0/24"
_OWN_CIDR = "10.30.0.0/24"


def network(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A network with a subnet."""
    project_id = owner.own_project()
    made = networks.create(tx, owner, NetworkOrder(project_id=project_id, name="theirs"))
    cidr = _THEIR_CIDR if owner is THEM else _OWN_CIDR
    subnets.create(tx, owner, SubnetOrder(project_id=project_id, network_id=made.id, cidr=cidr))
    return str(made.id)


def subnet(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """The one subnet of a new network."""
    return str(networks.get(tx, owner, network(tx, None, owner)).subnet_ids[0])


def port(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A port of no server."""
    order = PortOrder(network_id=network(tx, None, owner), project_id=owner.own_project())
    return str(ports.create(tx, owner, order).id)


def router(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A router without interfaces."""
    return str(routers.create(tx, owner, RouterOrder(project_id=owner.own_project(), name="theirs")).id)


def group(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A security group."""
    order = SecurityGroupOrder(project_id=owner.own_project(), name="theirs")
    return str(security_groups.create(tx, owner, order).id)


def rule(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A rule of a new group."""
    order = RuleOrder(owner.own_project(), group(tx, None, owner), "ingress", protocol="tcp")
    return str(security_group_rules.create(tx, owner, order).id)


def pool(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A subnet pool."""
    order = SubnetPoolOrder(owner.own_project(), "theirs", ("10.99.0.0/16",))
    return str(subnet_pools.create(tx, owner, order).id)


def public(tx: Tx, _plane: Plane | None = None) -> str:
    """An external network with addresses to give."""
    order = NetworkOrder(project_id="operators", name="public", external=True)
    made = networks.create(tx, THEIR_ADMIN, order)
    order = SubnetOrder(project_id="operators", network_id=made.id, cidr="172.24.4.0/24", enable_dhcp=False)
    subnets.create(tx, THEIR_ADMIN, order)
    return str(made.id)


def floating_ip(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A floating IP that stands for nothing."""
    return str(floating_ips.create(tx, owner, FloatingIpOrder(owner.own_project(), public(tx))).id)


def scope(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """An address scope."""
    return str(address_scopes.create(tx, owner, AddressScopeOrder(owner.own_project(), 4)).id)


def addresses(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """An address group."""
    order = AddressGroupOrder(owner.own_project(), addresses=("10.0.0.0/24",))
    return str(address_groups.create(tx, owner, order).id)


def policy(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A policy that shares a network with somebody else again."""
    shared = network(tx, None, owner)
    order = RbacOrder(owner.own_project(), "network", shared, "access_as_shared", "project-c")
    return str(rbac.create(tx, owner, order).id)


def limits(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A QoS policy with one rule."""
    made = qos_policies.create(tx, owner, QosPolicyOrder(owner.own_project()))
    qos_rules.create(tx, owner, made.id, QosRuleOrder("bandwidth_limit", max_kbps=1000))
    return str(made.id)


def trunk(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A trunk with nothing in it yet."""
    order = TrunkOrder(owner.own_project(), port(tx, None, owner))
    return str(trunks.create(tx, owner, order).id)


def vpn_gateway(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A VPN gateway of a new router between a network and the outside."""
    project_id = owner.own_project()
    made = routers.create(tx, owner, RouterOrder(project_id=project_id, gateway=GatewayOrder(public(tx))))
    router_interfaces.add_by_subnet(tx, owner, made.id, subnet(tx, None, owner))
    return str(vpn_gateways.create(tx, owner, VpnGatewayOrder(project_id, made.id)).id)


def vpn_peer(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A peer of a new gateway."""
    return str(vpn_peers.create(tx, owner, PeerOrder(vpn_gateway(tx, None, owner))).id)


def label(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A metering label."""
    return str(metering_labels.create(tx, owner, MeteringLabelOrder(owner.own_project(), "theirs")).id)


def label_rule(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A rule of a new metering label."""
    order = MeteringLabelRuleOrder(owner.own_project(), label(tx, None, owner), source_prefix="10.0.0.0/8")
    return str(metering_label_rules.create(tx, owner, order).id)
