"""Objects of the network domain as Neutron shows them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from volutus.network import dns_names
from volutus.network.default_rules import DefaultRule
from volutus.network.floating_ips import FloatingIp
from volutus.network.metering_label_rules import MeteringLabelRule
from volutus.network.metering_labels import LabelUsage, MeteringLabel
from volutus.network.networks import Network
from volutus.network.port_forwardings import PortForwarding
from volutus.network.ports import Port
from volutus.network.qos_policies import DSCP_MARKING, QosPolicy, QosRule
from volutus.network.qos_rules import KINDS
from volutus.network.rbac import RbacPolicy
from volutus.network.router_gateways import Gateway
from volutus.network.router_interfaces import Interface
from volutus.network.routers import Router
from volutus.network.security_group_rules import Rule
from volutus.network.security_groups import SecurityGroup
from volutus.network.segmentation import Wire
from volutus.network.segments import Segment
from volutus.network.subnet_pools import SubnetPool
from volutus.network.subnets import HostRoute, Subnet
from volutus.network.trunks import SubPort, Trunk


class Standard(Protocol):
    """The attributes that every kind of object has."""

    @property
    def id(self) -> str: ...
    @property
    def project_id(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def tags(self) -> tuple[str, ...]: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def updated_at(self) -> datetime: ...
    @property
    def revision(self) -> int: ...


def network(it: Network, zone: str, *, provider: bool) -> dict[str, Any]:
    """A network. `provider` shows what it is made of, which tenants need not know."""
    view = common(it) | {
        "name": it.name,
        "admin_state_up": it.enabled,
        "status": "ACTIVE",
        "subnets": it.subnet_ids,
        "shared": it.shared,
        "router:external": it.external,
        "mtu": it.mtu,
        "port_security_enabled": it.port_security,
        "qos_policy_id": it.qos_policy_id,
        "dns_domain": it.dns_domain,
        "availability_zones": [zone],
        "availability_zone_hints": it.zone_hints,
    }
    if it.external:
        view["is_default"] = it.is_default
    if provider and len(it.wires) > 1:
        view["segments"] = [_wire(one) for one in it.wires]
    elif provider:
        view |= _wire(it.wires[0])
    return view


def _wire(it: Wire) -> dict[str, Any]:
    return {
        "provider:network_type": it.network_type,
        "provider:physical_network": it.physical_network,
        "provider:segmentation_id": it.segmentation_id,
    }


def segment(it: Segment) -> dict[str, Any]:
    return {
        "id": it.id,
        "network_id": it.network_id,
        "name": it.name,
        "description": it.description,
        "network_type": it.network_type,
        "physical_network": it.physical_network,
        "segmentation_id": it.segmentation_id,
        "created_at": time(it.created_at),
        "updated_at": time(it.updated_at),
        "revision_number": it.revision,
    }


def subnet(it: Subnet) -> dict[str, Any]:
    return common(it) | {
        "name": it.name,
        "network_id": it.network_id,
        "ip_version": it.ip_version,
        "cidr": it.cidr,
        "gateway_ip": it.gateway,
        "enable_dhcp": it.enable_dhcp,
        "allocation_pools": [{"start": pool.first, "end": pool.last} for pool in it.pools],
        "dns_nameservers": it.dns_servers,
        "host_routes": _routes(it.host_routes),
        "ipv6_address_mode": it.address_mode,
        "ipv6_ra_mode": it.ra_mode,
        "service_types": it.service_types,
        "subnetpool_id": it.subnet_pool_id,
        "segment_id": it.segment_id,
        "router:external": it.external,
    }


def subnet_pool(it: SubnetPool) -> dict[str, Any]:
    """Lengths come as numbers."""
    return common(it) | {
        "name": it.name,
        "ip_version": it.ip_version,
        "prefixes": it.prefixes,
        "default_prefixlen": it.default_prefix_length,
        "min_prefixlen": it.min_prefix_length,
        "max_prefixlen": it.max_prefix_length,
        "default_quota": it.default_quota,
        "address_scope_id": it.address_scope_id,
        "shared": it.shared,
        "is_default": it.is_default,
    }


def port(it: Port, trunk: tuple[str, Sequence[SubPort]] | None = None, *, binding: bool) -> dict[str, Any]:
    """A port, and the trunk it is the parent of. `binding` shows the host, which tenants need not know."""
    below = dns_names.domain(it.dns_domain, it.network_domain)
    assigned = dns_names.assignments(it.dns_name, below, [f.address for f in it.fixed_ips])
    view = common(it) | {
        "name": it.name,
        "network_id": it.network_id,
        "mac_address": it.mac,
        "admin_state_up": it.enabled,
        "status": it.status,
        "device_id": it.device_id,
        "device_owner": it.device_owner,
        "fixed_ips": [{"subnet_id": f.subnet_id, "ip_address": f.address} for f in it.fixed_ips],
        "security_groups": it.security_group_ids,
        "port_security_enabled": it.port_security,
        "allowed_address_pairs": [
            {"ip_address": pair.address, "mac_address": pair.mac or it.mac} for pair in it.address_pairs
        ],
        "extra_dhcp_opts": [
            {"opt_name": one.name, "opt_value": one.value, "ip_version": one.ip_version}
            for one in it.dhcp_options
        ],
        "qos_policy_id": it.qos_policy_id,
        "qos_network_policy_id": it.network_qos_policy_id,
        "dns_name": it.dns_name,
        "dns_domain": it.dns_domain,
        "dns_assignment": [
            {"ip_address": address, "hostname": host, "fqdn": full} for address, host, full in assigned
        ],
        "binding:vnic_type": it.vnic_type,
    }
    if trunk is not None:
        view["trunk_details"] = {"trunk_id": trunk[0], "sub_ports": [vars(one) for one in trunk[1]]}
    if binding:
        bound = bool(it.host_name)
        view |= {
            "binding:host_id": it.host_name,
            "binding:profile": it.binding_profile,
            "binding:vif_type": "ovs" if bound else "unbound",
            "binding:vif_details": {"port_filter": True, "connectivity": "l2"} if bound else {},
        }
    return view


def router(it: Router, zone: str) -> dict[str, Any]:
    gateways = [_gateway(one) for one in it.gateways]
    return common(it) | {
        "name": it.name,
        "admin_state_up": it.enabled,
        "status": "ACTIVE",
        "external_gateway_info": gateways[0] if gateways else None,
        "external_gateways": gateways,
        "enable_default_route_ecmp": it.ecmp,
        "routes": _routes(it.routes),
        "availability_zones": [zone],
        "availability_zone_hints": it.zone_hints,
        "flavor_id": it.flavor_id,
    }


def _gateway(it: Gateway) -> dict[str, Any]:
    return {
        "network_id": it.network_id,
        "enable_snat": it.enable_snat,
        "qos_policy_id": it.qos_policy_id,
        "external_fixed_ips": [{"subnet_id": f.subnet_id, "ip_address": f.address} for f in it.fixed_ips],
    }


def interface(it: Interface) -> dict[str, Any]:
    return {
        "id": it.router_id,
        "tenant_id": it.project_id,
        "project_id": it.project_id,
        "port_id": it.port_id,
        "network_id": it.network_id,
        "subnet_id": it.subnet_ids[0],
        "subnet_ids": it.subnet_ids,
        "tags": [],
    }


def floating_ip(it: FloatingIp, forwarded: Sequence[PortForwarding] = ()) -> dict[str, Any]:
    details = it.port_details
    return common(it) | {
        "floating_network_id": it.network_id,
        "floating_ip_address": it.address,
        "fixed_ip_address": it.fixed_address,
        "port_id": it.port_id,
        "router_id": it.router_id,
        "status": "ACTIVE" if it.router_id else "DOWN",
        "qos_policy_id": it.qos_policy_id,
        "dns_name": it.dns_name,
        "dns_domain": it.dns_domain,
        "port_forwardings": [port_forwarding(one) for one in forwarded],
        "port_details": details
        and {
            "name": details.name,
            "network_id": details.network_id,
            "mac_address": details.mac,
            "admin_state_up": details.enabled,
            "status": details.status,
            "device_id": details.device_id,
            "device_owner": details.device_owner,
        },
    }


def port_forwarding(it: PortForwarding) -> dict[str, Any]:
    return {
        "id": it.id,
        "internal_port_id": it.port_id,
        "internal_ip_address": it.internal_ip,
        "internal_port": it.internal_port,
        "external_port": it.external_port,
        "protocol": it.protocol,
        "description": it.description,
    }


def qos_policy(it: QosPolicy) -> dict[str, Any]:
    """A policy with all its rules, each with the kind that it is."""
    return common(it) | {
        "name": it.name,
        "shared": it.shared,
        "is_default": it.is_default,
        "rules": [qos_rule(one) | {"type": one.kind, "qos_policy_id": one.policy_id} for one in it.rules],
    }


def qos_rule(it: QosRule) -> dict[str, Any]:
    """A rule with what its kind has."""
    direction = {} if it.kind == DSCP_MARKING else {"direction": it.direction}
    return {"id": it.id, **direction, **{name: getattr(it, name) or 0 for name in KINDS[it.kind]}}


def trunk(it: Trunk) -> dict[str, Any]:
    return common(it) | {
        "name": it.name,
        "port_id": it.port_id,
        "admin_state_up": it.enabled,
        "status": it.status,
        "sub_ports": [vars(one) for one in it.sub_ports],
    }


def security_group(it: SecurityGroup) -> dict[str, Any]:
    return common(it) | {
        "name": it.name,
        "stateful": it.stateful,
        "shared": it.shared,
        "security_group_rules": [rule(one) for one in it.rules],
    }


def rule(it: Rule) -> dict[str, Any]:
    shown = common(it) | {"security_group_id": it.group_id} | matched(it)
    return shown | {"remote_ip_prefix": it.prefix_as_given}


def matched(it: Rule | DefaultRule) -> dict[str, Any]:
    """What traffic a rule admits."""
    return {
        "direction": it.direction,
        "ethertype": f"IPv{it.ip_version}",
        "protocol": it.protocol,
        "port_range_min": it.port_min,
        "port_range_max": it.port_max,
        "remote_ip_prefix": it.remote_prefix,
        "normalized_cidr": it.remote_prefix,
        "remote_group_id": it.remote_group_id,
        "remote_address_group_id": it.remote_address_group_id,
    }


def default_rule(it: DefaultRule) -> dict[str, Any]:
    return {
        "id": it.id,
        "description": it.description,
        "used_in_default_sg": it.in_default_group,
        "used_in_non_default_sg": it.in_other_groups,
        **matched(it),
    }


def rbac_policy(it: RbacPolicy) -> dict[str, Any]:
    """The project it is for has two names, as clients know either."""
    return {
        "id": it.id,
        "tenant_id": it.project_id,
        "project_id": it.project_id,
        "object_type": it.object_type,
        "object_id": it.object_id,
        "action": it.action,
        "target_tenant": it.target_project,
        "target_project": it.target_project,
    }


def metering_label(it: MeteringLabel) -> dict[str, Any]:
    """A label, which has no tags or revisions."""
    return {
        "id": it.id,
        "tenant_id": it.project_id,
        "project_id": it.project_id,
        "name": it.name,
        "description": it.description,
        "shared": it.every_project,
    }


def metering_label_rule(it: MeteringLabelRule) -> dict[str, Any]:
    """A rule; it belongs to whose label it is of."""
    return {
        "id": it.id,
        "tenant_id": it.project_id,
        "project_id": it.project_id,
        "metering_label_id": it.label_id,
        "direction": it.direction,
        "remote_ip_prefix": it.remote_prefix,
        "source_ip_prefix": it.source_prefix,
        "destination_ip_prefix": it.destination_prefix,
        "excluded": it.excluded,
    }


def label_usage(it: LabelUsage) -> dict[str, Any]:
    """What a label counted: bytes are those of whole frames."""
    return {
        "metering_label_id": it.label_id,
        "since": time(it.since.astimezone(UTC)),
        "until": time(it.until.astimezone(UTC)),
        "ingress_bytes": it.ingress_bytes,
        "ingress_packets": it.ingress_packets,
        "egress_bytes": it.egress_bytes,
        "egress_packets": it.egress_packets,
    }


def quota(limits: Mapping[str, int], names: Sequence[str]) -> dict[str, Any]:
    """Only what this service counts."""
    return {name: limits[name] for name in names}


def quota_details(limits: Mapping[str, int], used: Mapping[str, int], names: Sequence[str]) -> dict[str, Any]:
    return {name: {"limit": limits[name], "used": used[name], "reserved": 0} for name in names}


def time(at: datetime) -> str:
    """Neutron's own form: whole seconds and a Z."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def common(it: Standard) -> dict[str, Any]:
    """What every object of a project's says of itself."""
    return {
        "id": it.id,
        "tenant_id": it.project_id,
        "project_id": it.project_id,
        "description": it.description,
        "tags": it.tags,
        "created_at": time(it.created_at),
        "updated_at": time(it.updated_at),
        "revision_number": it.revision,
    }


def _routes(routes: Sequence[HostRoute]) -> list[dict[str, str]]:
    return [{"destination": route.destination, "nexthop": route.next_hop} for route in routes]
