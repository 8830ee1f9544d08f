"""The tables of the network domain as SQLAlchemy Core sees them; migrations 0006 and 0040 on make them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, CIDR, INET, JSONB

metadata = MetaData()


def _common() -> Sequence[Column[Any]]:
    return (
        Column("id", Text, primary_key=True),
        Column("project_id", Text),
        Column("name", Text),
        Column("description", Text),
        Column("tags", ARRAY(Text)),
        Column("revision", BigInteger),
        Column("created_at", DateTime(timezone=True)),
        Column("updated_at", DateTime(timezone=True)),
    )


networks = Table(
    "networks",
    metadata,
    *_common(),
    Column("enabled", Boolean),
    Column("shared", Boolean),
    Column("external", Boolean),
    Column("is_default", Boolean),
    Column("mtu", Integer),
    Column("port_security", Boolean),
    Column("network_type", Text),
    Column("physical_network", Text),
    Column("segmentation_id", Integer),
    Column("zone_hints", ARRAY(Text)),
    Column("qos_policy_id", Text),
    Column("dns_domain", Text),
)
segments = Table(
    "segments",
    metadata,
    *_common(),
    Column("network_id", Text),
    Column("position", BigInteger),
    Column("network_type", Text),
    Column("physical_network", Text),
    Column("segmentation_id", Integer),
)
subnets = Table(
    "subnets",
    metadata,
    *_common(),
    Column("network_id", Text),
    Column("cidr", CIDR),
    Column("gateway", INET),
    Column("enable_dhcp", Boolean),
    Column("address_mode", Text),
    Column("ra_mode", Text),
    Column("dns_servers", ARRAY(Text)),
    Column("host_routes", JSONB),
    Column("service_types", ARRAY(Text)),
    Column("subnet_pool_id", Text),
    Column("segment_id", Text),
)
subnet_pools = Table(
    "subnet_pools",
    metadata,
    *_common(),
    Column("ip_version", Integer),
    Column("prefixes", ARRAY(CIDR)),
    Column("default_prefix_length", Integer),
    Column("min_prefix_length", Integer),
    Column("max_prefix_length", Integer),
    Column("default_quota", Integer),
    Column("shared", Boolean),
    Column("is_default", Boolean),
    Column("address_scope_id", Text),
)
allocation_pools = Table(
    "allocation_pools",
    metadata,
    Column("subnet_id", Text, primary_key=True),
    Column("first", INET, primary_key=True),
    Column("last", INET),
)
ports = Table(
    "ports",
    metadata,
    *_common(),
    Column("network_id", Text),
    Column("mac", Text),
    Column("enabled", Boolean),
    Column("port_security", Boolean),
    Column("device_id", Text),
    Column("device_owner", Text),
    Column("host_name", Text),
    Column("chassis", Text),
    Column("vnic_type", Text),
    Column("binding_profile", JSONB),
    Column("address_pairs", JSONB),
    # What it is plugged into; the device's id beside it is whatever the port's owner says.
    Column("server_id", Text),
    Column("made_for_server", Boolean),
    Column("nic_tag", Text),
    Column("nic_order", Integer),
    Column("qos_policy_id", Text),
    Column("rate_kbps", BigInteger),
    Column("dhcp_options", JSONB),
    Column("dns_name", Text),
    Column("dns_domain", Text),
)
port_addresses = Table(
    "port_addresses",
    metadata,
    Column("subnet_id", Text, primary_key=True),
    Column("ip", INET, primary_key=True),
    Column("port_id", Text),
    Column("position", Integer),
)
port_security_groups = Table(
    "port_security_groups",
    metadata,
    Column("port_id", Text, primary_key=True),
    Column("group_id", Text, primary_key=True),
)
routers = Table(
    "routers",
    metadata,
    *_common(),
    Column("enabled", Boolean),
    Column("gateway_network_id", Text),
    Column("gateway_port_id", Text),
    Column("enable_snat", Boolean),
    Column("routes", JSONB),
    Column("zone_hints", ARRAY(Text)),
    Column("flavor_id", Text),
    Column("ecmp", Boolean),
)
# Those after the first, which is in the router's own row.
further_gateways = Table(
    "further_gateways",
    metadata,
    Column("port_id", Text, primary_key=True),
    Column("router_id", Text),
    Column("network_id", Text),
)
router_interfaces = Table(
    "router_interfaces",
    metadata,
    Column("port_id", Text, primary_key=True),
    Column("router_id", Text),
)
floating_ips = Table(
    "floating_ips",
    metadata,
    *_common(),
    Column("network_id", Text),
    Column("own_port_id", Text),
    Column("port_id", Text),
    Column("fixed_ip", INET),
    Column("router_id", Text),
    Column("qos_policy_id", Text),
    Column("dns_name", Text),
    Column("dns_domain", Text),
)
port_forwardings = Table(
    "port_forwardings",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text),
    Column("floating_ip_id", Text),
    Column("port_id", Text),
    Column("internal_ip", INET),
    Column("internal_port", Integer),
    Column("external_port", Integer),
    Column("protocol", Text),
    Column("description", Text),
    Column("created_at", DateTime(timezone=True)),
)
security_groups = Table(
    "security_groups",
    metadata,
    *_common(),
    Column("stateful", Boolean),
    Column("is_default", Boolean),
    Column("shared", Boolean),
)
security_group_rules = Table(
    "security_group_rules",
    metadata,
    *_common(),
    Column("group_id", Text),
    Column("direction", Text),
    Column("ip_version", Integer),
    Column("protocol", Text),
    Column("protocol_key", Text),
    Column("port_min", Integer),
    Column("port_max", Integer),
    Column("remote_prefix", CIDR),
    Column("remote_group_id", Text),
    Column("remote_address_group_id", Text),
    Column("given_prefix", Text),
)
default_rules = Table(
    "default_rules",
    metadata,
    *_common(),
    Column("direction", Text),
    Column("ip_version", Integer),
    Column("protocol", Text),
    Column("port_min", Integer),
    Column("port_max", Integer),
    Column("remote_prefix", CIDR),
    Column("remote_group_id", Text),
    Column("remote_address_group_id", Text),
    Column("in_default_group", Boolean),
    Column("in_other_groups", Boolean),
)
rbac_policies = Table(
    "rbac_policies",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text),
    Column("object_type", Text),
    Column("object_id", Text),
    Column("action", Text),
    Column("target_project", Text),
    Column("created_at", DateTime(timezone=True)),
)
auto_topologies = Table(
    "auto_topologies",
    metadata,
    Column("project_id", Text, primary_key=True),
    Column("network_id", Text),
    Column("router_id", Text),
)
address_scopes = Table(
    "address_scopes",
    metadata,
    *_common(),
    Column("ip_version", Integer),
    Column("shared", Boolean),
)
address_groups = Table(
    "address_groups",
    metadata,
    *_common(),
    Column("addresses", ARRAY(CIDR)),
    Column("shared", Boolean),
)
router_flavors = Table(
    "router_flavors",
    metadata,
    *_common(),
    Column("service_type", Text),
    Column("enabled", Boolean),
)
service_profiles = Table(
    "service_profiles",
    metadata,
    *_common(),
    Column("driver", Text),
    Column("meta_info", Text),
    Column("enabled", Boolean),
)
flavor_profiles = Table(
    "flavor_profiles",
    metadata,
    Column("flavor_id", Text, primary_key=True),
    Column("profile_id", Text, primary_key=True),
)
qos_policies = Table(
    "qos_policies",
    metadata,
    *_common(),
    Column("shared", Boolean),
    Column("is_default", Boolean),
)
qos_rules = Table(
    "qos_rules",
    metadata,
    Column("id", Text, primary_key=True),
    Column("policy_id", Text),
    Column("kind", Text),
    Column("direction", Text),
    Column("max_kbps", BigInteger),
    Column("max_burst_kbps", BigInteger),
    Column("dscp_mark", Integer),
    Column("min_kbps", BigInteger),
    Column("min_kpps", BigInteger),
    Column("max_kpps", BigInteger),
    Column("max_burst_kpps", BigInteger),
)
trunks = Table(
    "trunks",
    metadata,
    *_common(),
    Column("enabled", Boolean),
    Column("port_id", Text),
)
sub_ports = Table(
    "sub_ports",
    metadata,
    Column("port_id", Text, primary_key=True),
    Column("trunk_id", Text),
    Column("segmentation_type", Text),
    Column("segmentation_id", Integer),
)
metering_labels = Table(
    "metering_labels",
    metadata,
    *_common(),
    Column("every_project", Boolean),
)
metering_label_rules = Table(
    "metering_label_rules",
    metadata,
    Column("id", Text, primary_key=True),
    Column("label_id", Text),
    Column("direction", Text),
    Column("remote_prefix", CIDR),
    Column("source_prefix", CIDR),
    Column("destination_prefix", CIDR),
    Column("excluded", Boolean),
    Column("created_at", DateTime(timezone=True)),
)
network_units = Table(
    "network_units",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("wanted", BigInteger),
    Column("written", BigInteger),
    Column("up", Boolean),
    Column("fault", Text),
    Column("deleted_at", DateTime(timezone=True)),
)
