"""Somebody else's networks and what is on them, and valid bodies for each."""

from typing import Any

from tests.api.foreign import STRANGER, THEIR_ADMIN, THEM, Build, Foreign, Maker, filled
from volutus.db import Tx
from volutus.http.kernel import Plane
from volutus.http.openstack.network.tags import RESOURCES
from volutus.identity import Caller
from volutus.network import (
    floating_ips,
    networks,
    ports,
    router_interfaces,
    routers,
    security_group_rules,
    security_groups,
    subnet_pools,
    subnets,
    tags,
)
from volutus.network.floating_ips import FloatingIpOrder
from volutus.network.networks import NetworkOrder
from volutus.network.ports import PortOrder
from volutus.network.routers import GatewayOrder, RouterOrder
from volutus.network.security_group_rules import RuleOrder
from volutus.network.security_groups import SecurityGroupOrder
from volutus.network.subnet_pools import SubnetPoolOrder
from volutus.network.subnets import SubnetOrder
from volutus.network.vpn import GatewayOrder as VpnGatewayOrder
from volutus.network.vpn import PeerOrder
from volutus.network.vpn import gateways as vpn_gateways
from volutus.network.vpn import peers as vpn_peers

ROOT = "/network/v2.0"
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


def vpn_gateway(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A VPN gateway of a new router between a network and the outside."""
    project_id = owner.own_project()
    made = routers.create(tx, owner, RouterOrder(project_id=project_id, gateway=GatewayOrder(public(tx))))
    router_interfaces.add_by_subnet(tx, owner, made.id, subnet(tx, None, owner))
    return str(vpn_gateways.create(tx, owner, VpnGatewayOrder(project_id, made.id)).id)


def vpn_peer(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A peer of a new gateway."""
    return str(vpn_peers.create(tx, owner, PeerOrder(vpn_gateway(tx, None, owner))).id)


_MAKERS: dict[str, Maker] = {
    "networks": network,
    "subnets": subnet,
    "subnetpools": pool,
    "ports": port,
    "routers": router,
    "floatingips": floating_ip,
    "security-groups": group,
    "security-group-rules": rule,
}


def _tagged(plural: str) -> Maker:
    def make(tx: Tx, plane: Plane) -> str:
        made = _MAKERS[plural](tx, plane)
        tags.replace(tx, THEM, RESOURCES[plural], made, ["x"])
        return made

    return make


def _posting(plural: str, noun: str, **fields: Any) -> Build:
    """A creation that names in each callable field what that makes."""

    def build(tx: Tx, plane: Plane) -> tuple[str, str, Any]:
        return "POST", f"{ROOT}/{plural}", {noun: filled(fields, tx, plane)}

    return build


def _putting(plural: str, noun: str | None, mine: Any, action: str = "", **fields: Any) -> Build:
    """A change of one's own object that names another's."""

    def build(tx: Tx, plane: Plane) -> tuple[str, str, Any]:
        body = filled(fields, tx, plane)
        return "PUT", f"{ROOT}/{plural}/{mine(tx, None, STRANGER)}{action}", {noun: body} if noun else body

    return build


def _own(maker: Any) -> Any:
    return lambda tx, _plane: maker(tx, None, STRANGER)


_RULE = {
    "direction": "ingress",
    "ethertype": "IPv4",
    "protocol": "tcp",
    "port_range_min": 22,
    "port_range_max": 23,
}

_REFERENCES: dict[str, Build] = {
    "network of a port": _posting("ports", "port", network_id=network),
    "subnet of a port": _posting(
        "ports", "port", network_id=_own(network), fixed_ips=[{"subnet_id": subnet}]
    ),
    "security group of a port": _posting("ports", "port", network_id=_own(network), security_groups=[group]),
    "network of a subnet": _posting(
        "subnets", "subnet", network_id=network, cidr="10.0.0.0/24", ip_version=4
    ),
    "pool of a subnet": _posting(
        "subnets", "subnet", network_id=_own(network), subnetpool_id=pool, ip_version=4
    ),
    "network of a gateway": _posting("routers", "router", external_gateway_info={"network_id": network}),
    "network of a floating IP": _posting("floatingips", "floatingip", floating_network_id=network),
    "port of a new floating IP": _posting(
        "floatingips", "floatingip", floating_network_id=public, port_id=port
    ),
    "group of a rule": _posting(
        "security-group-rules", "security_group_rule", security_group_id=group, **_RULE
    ),
    "remote group of a rule": _posting(
        "security-group-rules",
        "security_group_rule",
        security_group_id=_own(group),
        remote_group_id=group,
        **_RULE,
    ),
    "security group of an own port": _putting("ports", "port", port, security_groups=[group]),
    "subnet of an own port": _putting("ports", "port", port, fixed_ips=[{"subnet_id": subnet}]),
    "port of a floating IP": _putting("floatingips", "floatingip", floating_ip, port_id=port),
    "gateway of an own router": _putting(
        "routers", "router", router, external_gateway_info={"network_id": network}
    ),
    "subnet of an interface": _putting("routers", None, router, "/add_router_interface", subnet_id=subnet),
    "port of an interface": _putting("routers", None, router, "/add_router_interface", port_id=port),
    "subnet to be left": _putting("routers", None, router, "/remove_router_interface", subnet_id=subnet),
    "router of a VPN gateway": _posting("vpn/gateways", "gateway", router_id=router),
    "gateway of a VPN peer": _posting("vpn/peers", "peer", gateway_id=vpn_gateway),
    "port to be left": _putting("routers", None, router, "/remove_router_interface", port_id=port),
}

_ROUTE = {"routes": [{"destination": "10.50.0.0/16", "nexthop": "10.20.0.9"}]}
_BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/v2.0/networks"): {
        "network": {"name": "one", "description": "d", "mtu": 1400, "shared": False}
    },
    ("PUT", "/v2.0/networks/{id}"): {"network": {"name": "mine", "description": "d", "mtu": 1400}},
    ("POST", "/v2.0/subnets"): {
        "subnet": {
            "network_id": network,
            "cidr": "10.21.0.0/24",
            "ip_version": 4,
            "name": "one",
            "gateway_ip": "10.21.0.1",
            "allocation_pools": [{"start": "10.21.0.9", "end": "10.21.0.20"}],
            "dns_nameservers": ["9.9.9.9"],
            "host_routes": [{"destination": "10.50.0.0/16", "nexthop": "10.21.0.9"}],
            "service_types": [],
        }
    },
    ("PUT", "/v2.0/subnets/{id}"): {
        "subnet": {
            "name": "mine",
            "dns_nameservers": ["9.9.9.9"],
            "host_routes": [{"destination": "10.50.0.0/16", "nexthop": "10.20.0.9"}],
        }
    },
    ("POST", "/v2.0/subnetpools"): {
        "subnetpool": {
            "name": "one",
            "prefixes": ["10.77.0.0/16"],
            "default_prefixlen": 26,
            "min_prefixlen": 24,
            "max_prefixlen": 28,
            "default_quota": 512,
        }
    },
    ("PUT", "/v2.0/subnetpools/{id}"): {
        "subnetpool": {"name": "mine", "default_quota": 9, "default_prefixlen": 26}
    },
    ("POST", "/v2.0/ports"): {
        "port": {
            "network_id": network,
            "name": "one",
            "mac_address": "fa:16:3e:00:00:01",
            "fixed_ips": [{"ip_address": "10.20.0.77"}],
            "allowed_address_pairs": [{"ip_address": "10.9.0.0/24", "mac_address": "fa:16:3e:00:00:02"}],
            "device_id": "x",
            "device_owner": "me",
            "binding:host_id": "h",
            "extra_dhcp_opts": [],
        }
    },
    ("PUT", "/v2.0/ports/{id}"): {
        "port": {
            "name": "mine",
            "fixed_ips": [{"ip_address": "10.20.0.77"}],
            "device_id": "x",
            "allowed_address_pairs": [{"ip_address": "10.9.0.0/24"}],
            "security_groups": [],
        }
    },
    ("POST", "/v2.0/routers"): {"router": {"name": "one", "external_gateway_info": {"network_id": public}}},
    ("PUT", "/v2.0/routers/{id}"): {"router": {"name": "mine", "description": "d", "routes": []}},
    ("PUT", "/v2.0/routers/{id}/add_router_interface"): {"subnet_id": subnet},
    ("PUT", "/v2.0/routers/{id}/remove_router_interface"): {"subnet_id": subnet},
    ("PUT", "/v2.0/routers/{id}/add_extraroutes"): {"router": _ROUTE},
    ("PUT", "/v2.0/routers/{id}/remove_extraroutes"): {"router": _ROUTE},
    ("POST", "/v2.0/floatingips"): {"floatingip": {"floating_network_id": public, "description": "d"}},
    ("PUT", "/v2.0/floatingips/{id}"): {"floatingip": {"port_id": None, "description": "mine"}},
    ("POST", "/v2.0/security-groups"): {
        "security_group": {"name": "one", "description": "d", "stateful": True}
    },
    ("PUT", "/v2.0/security-groups/{id}"): {"security_group": {"name": "mine", "description": "d"}},
    ("POST", "/v2.0/security-group-rules"): {
        "security_group_rule": {"security_group_id": group, "remote_ip_prefix": "10.0.0.0/8", **_RULE}
    },
    ("POST", "/v2.0/vpn/gateways"): {"gateway": {"router_id": router, "name": "one"}},
    ("PUT", "/v2.0/vpn/gateways/{id}"): {"gateway": {"name": "mine"}},
    ("POST", "/v2.0/vpn/peers"): {"peer": {"gateway_id": vpn_gateway, "name": "one"}},
    ("PUT", "/v2.0/quotas/{project_id}"): {"quota": {"port": 9, "network": 9}},
}
_BODIES |= {("PUT", f"/v2.0/{plural}/{{id}}/tags"): {"tags": ["mine"]} for plural in RESOURCES}

FOREIGN = Foreign(
    objects={
        **{f"{plural}/id": _tagged(plural) for plural in _MAKERS},
        "quotas/project_id": lambda _tx, _plane: THEM.own_project(),
        "network-ip-availabilities/id": network,
        "gateways/id": vpn_gateway,
        "peers/id": vpn_peer,
    },
    # Agents are the operator's.
    shared=frozenset({"alias", "tag", "agents/id"}),
    bodies=_BODIES,
    # Neutron hides another project's quotas by 403, whether or not there is such a project.
    refused=frozenset(
        {
            ("GET", f"/v2.0/quotas/{{project_id}}{below}")
            for below in ("", "/default", "/details", "/details.json")
        }
        | {(method, "/v2.0/quotas/{project_id}") for method in ("PUT", "DELETE")}
        | {("GET", "/v2.0/network-ip-availabilities/{id}")}
    ),
    references=_REFERENCES,
)
