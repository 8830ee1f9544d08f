"""Somebody else's networks and what is on them, and valid bodies for each."""

from typing import Any

from tests.api.foreign import STRANGER, THEM, Build, Foreign, Maker, filled
from tests.api.network.objects import (
    addresses,
    floating_ip,
    group,
    label,
    label_rule,
    limits,
    network,
    policy,
    pool,
    port,
    public,
    router,
    rule,
    scope,
    subnet,
    trunk,
    vpn_gateway,
    vpn_peer,
)
from volutus.db import Tx
from volutus.http.kernel import Plane
from volutus.http.openstack.network.tags import RESOURCES
from volutus.network import (
    qos_rules,
    tags,
)

ROOT = "/network/v2.0"

_MAKERS: dict[str, Maker] = {
    "networks": network,
    "subnets": subnet,
    "subnetpools": pool,
    "ports": port,
    "routers": router,
    "floatingips": floating_ip,
    "security-groups": group,
    "security-group-rules": rule,
    "address-scopes": scope,
    "address-groups": addresses,
    "policies": limits,
    "trunks": trunk,
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


def _forwarding(tx: Tx, plane: Plane) -> tuple[str, str, Any]:
    """A port of one's own floating IP that would lead to another's."""
    body = {"internal_port_id": port(tx), "internal_port": 80, "external_port": 8080, "protocol": "tcp"}
    mine = floating_ip(tx, plane, STRANGER)
    return "POST", f"{ROOT}/floatingips/{mine}/port_forwardings", {"port_forwarding": body}


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
    "address group of a rule": _posting(
        "security-group-rules",
        "security_group_rule",
        security_group_id=_own(group),
        remote_address_group_id=addresses,
        **_RULE,
    ),
    "scope of a pool": _posting(
        "subnetpools", "subnetpool", prefixes=["10.77.0.0/16"], address_scope_id=scope
    ),
    "object of a policy": _posting(
        "rbac-policies",
        "rbac_policy",
        object_type="network",
        object_id=network,
        action="access_as_shared",
        target_tenant="project-c",
    ),
    "limits of a port": _posting("ports", "port", network_id=_own(network), qos_policy_id=limits),
    "limits of a network": _posting("networks", "network", qos_policy_id=limits),
    "limits of a floating IP": _posting(
        "floatingips", "floatingip", floating_network_id=public, qos_policy_id=limits
    ),
    "parent of a trunk": _posting("trunks", "trunk", port_id=port),
    "sub-port of a trunk": _putting(
        "trunks", None, trunk, "/add_subports", sub_ports=[{"port_id": port, "segmentation_id": 7}]
    ),
    "port of a port forwarding": _forwarding,
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
            "extra_dhcp_opts": [{"opt_name": "tftp-server", "opt_value": "boot", "ip_version": 4}],
            "dns_name": "one",
            "dns_domain": "example.org.",
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
    ("PUT", "/v2.0/routers/{id}/add_external_gateways"): {"router": {"external_gateways": []}},
    ("PUT", "/v2.0/routers/{id}/update_external_gateways"): {"router": {"external_gateways": []}},
    ("PUT", "/v2.0/routers/{id}/remove_external_gateways"): {"router": {"external_gateways": []}},
    ("POST", "/v2.0/floatingips"): {"floatingip": {"floating_network_id": public, "description": "d"}},
    ("PUT", "/v2.0/floatingips/{id}"): {"floatingip": {"port_id": None, "description": "mine"}},
    ("POST", "/v2.0/security-groups"): {
        "security_group": {"name": "one", "description": "d", "stateful": True}
    },
    ("PUT", "/v2.0/security-groups/{id}"): {"security_group": {"name": "mine", "description": "d"}},
    ("POST", "/v2.0/security-group-rules"): {
        "security_group_rule": {"security_group_id": group, "remote_ip_prefix": "10.0.0.0/8", **_RULE}
    },
    ("POST", "/v2.0/default-security-group-rules"): {"default_security_group_rule": _RULE},
    ("POST", "/v2.0/address-scopes"): {"address_scope": {"name": "one", "ip_version": 4}},
    ("PUT", "/v2.0/address-scopes/{id}"): {"address_scope": {"name": "mine", "description": "d"}},
    ("POST", "/v2.0/address-groups"): {"address_group": {"name": "one", "addresses": ["10.0.0.0/8"]}},
    ("PUT", "/v2.0/address-groups/{id}"): {"address_group": {"name": "mine", "description": "d"}},
    ("PUT", "/v2.0/address-groups/{id}/add_addresses"): {"addresses": ["10.9.0.0/16"]},
    ("PUT", "/v2.0/address-groups/{id}/remove_addresses"): {"addresses": ["10.0.0.0/24"]},
    ("POST", "/v2.0/segments"): {
        "segment": {"network_id": network, "network_type": "geneve", "segmentation_id": 77, "name": "one"}
    },
    ("PUT", "/v2.0/segments/{id}"): {"segment": {"name": "mine", "description": "d"}},
    ("POST", "/v2.0/metering/metering-labels"): {
        "metering_label": {"name": "one", "description": "d", "shared": False}
    },
    ("POST", "/v2.0/metering/metering-label-rules"): {
        "metering_label_rule": {
            "metering_label_id": label,
            "direction": "egress",
            "source_ip_prefix": "10.0.0.0/8",
            "destination_ip_prefix": "192.0.2.0/24",
            "excluded": False,
        }
    },
    ("POST", "/v2.0/rbac-policies"): {
        "rbac_policy": {
            "object_type": "network",
            "object_id": network,
            "action": "access_as_shared",
            "target_tenant": "project-c",
        }
    },
    ("PUT", "/v2.0/rbac-policies/{id}"): {"rbac_policy": {"target_tenant": "mine"}},
    ("POST", "/v2.0/flavors"): {"flavor": {"name": "one", "service_type": "L3_ROUTER_NAT"}},
    ("PUT", "/v2.0/flavors/{id}"): {"flavor": {"name": "mine"}},
    ("POST", "/v2.0/flavors/{id}/service_profiles"): {"service_profile": {"id": "x"}},
    ("POST", "/v2.0/service_profiles"): {"service_profile": {"metainfo": "{}", "enabled": True}},
    ("PUT", "/v2.0/service_profiles/{id}"): {"service_profile": {"description": "mine"}},
    ("POST", "/v2.0/qos/policies"): {"policy": {"name": "one", "description": "d"}},
    ("PUT", "/v2.0/qos/policies/{id}"): {"policy": {"name": "mine", "description": "d"}},
    ("POST", "/v2.0/trunks"): {"trunk": {"port_id": port, "name": "one", "sub_ports": []}},
    ("PUT", "/v2.0/trunks/{id}"): {"trunk": {"name": "mine", "description": "d"}},
    ("PUT", "/v2.0/trunks/{id}/add_subports"): {
        "sub_ports": [{"port_id": "x", "segmentation_type": "vlan", "segmentation_id": 7}]
    },
    ("PUT", "/v2.0/trunks/{id}/remove_subports"): {"sub_ports": [{"port_id": "x"}]},
    ("POST", "/v2.0/floatingips/{floating_ip_id}/port_forwardings"): {
        "port_forwarding": {
            "internal_port_id": port,
            "internal_port": 80,
            "external_port": 8080,
            "protocol": "tcp",
            "description": "d",
        }
    },
    ("PUT", "/v2.0/floatingips/{floating_ip_id}/port_forwardings/{id}"): {
        "port_forwarding": {"external_port": 8081, "description": "mine"}
    },
    ("POST", "/v2.0/vpn/gateways"): {"gateway": {"router_id": router, "name": "one"}},
    ("PUT", "/v2.0/vpn/gateways/{id}"): {"gateway": {"name": "mine"}},
    ("POST", "/v2.0/vpn/peers"): {"peer": {"gateway_id": vpn_gateway, "name": "one"}},
    ("PUT", "/v2.0/quotas/{project_id}"): {"quota": {"port": 9, "network": 9}},
}
_BODIES |= {("PUT", f"/v2.0/{plural}/{{id}}/tags"): {"tags": ["mine"]} for plural in RESOURCES}
_RULES: dict[str, dict[str, Any]] = {
    "bandwidth_limit": {"max_kbps": 1000, "max_burst_kbps": 500, "direction": "ingress"},
    "dscp_marking": {"dscp_mark": 10},
    "minimum_bandwidth": {"min_kbps": 1000, "direction": "ingress"},
    "minimum_packet_rate": {"min_kpps": 10, "direction": "any"},
    "packet_rate_limit": {"max_kpps": 10, "max_burst_kpps": 5, "direction": "ingress"},
}
for _kind, _rule in _RULES.items():
    _path = f"/v2.0/qos/policies/{{policy_id}}/{_kind}_rules"
    _BODIES |= {
        (method, path): {f"{_kind}_rule": _rule}
        for method, path in (("POST", _path), ("PUT", f"{_path}/{{id}}"))
    }

FOREIGN = Foreign(
    objects={
        **{f"{plural}/id": _tagged(plural) for plural in _MAKERS},
        "policies/policy_id": limits,
        "floatingips/floating_ip_id": floating_ip,
        "rbac-policies/id": policy,
        "auto-allocated-topology/project_id": lambda _tx, _plane: THEM.own_project(),
        "quotas/project_id": lambda _tx, _plane: THEM.own_project(),
        "network-ip-availabilities/id": network,
        "gateways/id": vpn_gateway,
        "peers/id": vpn_peer,
        "metering-labels/id": label,
        "metering-label-rules/id": label_rule,
    },
    # Agents, flavors, segments and the rules of new groups are the operator's.
    shared=frozenset(
        {
            "alias",
            "tag",
            "agents/id",
            "segments/id",
            "flavors/id",
            "service_profiles/id",
            "service_profiles/profile_id",
            "default-security-group-rules/id",
            "rule-types/kind",
            # Below the object that they are of.
            *(f"{kind}_rules/id" for kind in qos_rules.KINDS),
            "port_forwardings/id",
        }
    ),
    bodies=_BODIES,
    # Neutron hides another project's quotas by 403, whether or not there is such a project.
    refused=frozenset(
        {
            ("GET", f"/v2.0/quotas/{{project_id}}{below}")
            for below in ("", "/default", "/details", "/details.json")
        }
        | {(method, "/v2.0/quotas/{project_id}") for method in ("PUT", "DELETE")}
        | {("PUT", "/v2.0/qos/policies/{id}"), ("DELETE", "/v2.0/qos/policies/{id}")}
        | {("DELETE", f"/v2.0/metering/metering-{kind}/{{id}}") for kind in ("labels", "label-rules")}
        | {
            (method, f"/v2.0/qos/policies/{{policy_id}}/{kind}_rules{below}")
            for kind in qos_rules.KINDS
            for method, below in (("POST", ""), ("PUT", "/{id}"), ("DELETE", "/{id}"))
        }
        | {(method, "/v2.0/auto-allocated-topology/{project_id}") for method in ("GET", "DELETE")}
        | {("GET", "/v2.0/network-ip-availabilities/{id}")}
    ),
    references=_REFERENCES,
)
