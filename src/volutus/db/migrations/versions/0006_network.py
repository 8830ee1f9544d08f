"""The tables of network."""

from alembic import op

revision = "0006"
down_revision = "0005"

# What every object that tenants see carries.
_COMMON = """
    id text PRIMARY KEY,
    project_id text NOT NULL,
    name text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    tags text[] NOT NULL DEFAULT '{}',
    revision bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
"""


def upgrade() -> None:
    for statement in (_NETWORKS, _PORTS, _ROUTERS, _SECURITY_GROUPS, _UNITS):
        op.execute(statement.replace("COMMON_COLUMNS", _COMMON))


_NETWORKS = """
    CREATE TABLE networks (
        COMMON_COLUMNS,
        enabled boolean NOT NULL DEFAULT true,
        shared boolean NOT NULL DEFAULT false,
        external boolean NOT NULL DEFAULT false,
        is_default boolean NOT NULL DEFAULT false,
        mtu integer NOT NULL CHECK (mtu BETWEEN 68 AND 65535),
        port_security boolean NOT NULL DEFAULT true,
        network_type text NOT NULL CHECK (network_type IN ('geneve', 'flat', 'vlan')),
        physical_network text,
        segmentation_id integer,
        zone_hints text[] NOT NULL DEFAULT '{}',
        CHECK ((physical_network IS NULL) = (network_type = 'geneve'))
    );
    CREATE INDEX networks_project ON networks (project_id);
    CREATE INDEX networks_name ON networks (name);
    CREATE INDEX networks_common ON networks (id) WHERE shared OR external;
    CREATE UNIQUE INDEX networks_default ON networks (is_default) WHERE is_default;
    CREATE UNIQUE INDEX networks_segment ON networks (network_type, coalesce(physical_network, ''),
        coalesce(segmentation_id, 0));
    CREATE SEQUENCE network_segments MAXVALUE 16777215 CYCLE;

    CREATE TABLE subnets (
        COMMON_COLUMNS,
        network_id text NOT NULL REFERENCES networks,
        cidr cidr NOT NULL,
        gateway inet CHECK (family(gateway) = family(cidr)),
        enable_dhcp boolean NOT NULL DEFAULT true,
        address_mode text CHECK (address_mode IN ('slaac', 'dhcpv6-stateful', 'dhcpv6-stateless')),
        ra_mode text CHECK (ra_mode IN ('slaac', 'dhcpv6-stateful', 'dhcpv6-stateless')),
        dns_servers text[] NOT NULL DEFAULT '{}',
        host_routes jsonb NOT NULL DEFAULT '[]',
        service_types text[] NOT NULL DEFAULT '{}',
        subnet_pool_id text
    );
    CREATE INDEX subnets_network ON subnets (network_id);
    CREATE INDEX subnets_project ON subnets (project_id);
    CREATE INDEX subnets_name ON subnets (name);

    CREATE TABLE subnet_pools (
        COMMON_COLUMNS,
        ip_version integer NOT NULL CHECK (ip_version IN (4, 6)),
        prefixes cidr[] NOT NULL,
        default_prefix_length integer NOT NULL,
        min_prefix_length integer NOT NULL,
        max_prefix_length integer NOT NULL,
        default_quota integer,
        shared boolean NOT NULL DEFAULT false,
        is_default boolean NOT NULL DEFAULT false,
        CHECK (min_prefix_length <= default_prefix_length AND default_prefix_length <= max_prefix_length)
    );
    CREATE INDEX subnet_pools_project ON subnet_pools (project_id);
    CREATE INDEX subnet_pools_name ON subnet_pools (name);
    ALTER TABLE subnets ADD FOREIGN KEY (subnet_pool_id) REFERENCES subnet_pools;
    CREATE INDEX subnets_pool ON subnets (subnet_pool_id);

    CREATE TABLE allocation_pools (
        subnet_id text NOT NULL REFERENCES subnets ON DELETE CASCADE,
        first inet NOT NULL,
        last inet NOT NULL CHECK (last >= first),
        PRIMARY KEY (subnet_id, first)
    );
"""

_PORTS = """
    CREATE TABLE ports (
        COMMON_COLUMNS,
        network_id text NOT NULL REFERENCES networks,
        mac text NOT NULL CHECK (mac ~ '^([0-9a-f]{2}:){5}[0-9a-f]{2}$'),
        enabled boolean NOT NULL DEFAULT true,
        port_security boolean NOT NULL DEFAULT true,
        device_id text NOT NULL DEFAULT '',
        device_owner text NOT NULL DEFAULT '',
        host_name text NOT NULL DEFAULT '',
        chassis text NOT NULL DEFAULT '',
        vnic_type text NOT NULL DEFAULT 'normal',
        binding_profile jsonb NOT NULL DEFAULT '{}',
        address_pairs jsonb NOT NULL DEFAULT '[]',
        made_for_server boolean NOT NULL DEFAULT false,
        nic_tag text,
        nic_order integer NOT NULL DEFAULT 0,
        UNIQUE (network_id, mac)
    );
    CREATE INDEX ports_project ON ports (project_id);
    CREATE INDEX ports_name ON ports (name);
    CREATE INDEX ports_device ON ports (device_id, device_owner);
    CREATE INDEX ports_mac ON ports (mac);
    CREATE UNIQUE INDEX ports_metadata ON ports (network_id) WHERE device_owner = 'network:distributed';

    CREATE TABLE port_addresses (
        subnet_id text NOT NULL REFERENCES subnets,
        ip inet NOT NULL,
        port_id text NOT NULL REFERENCES ports ON DELETE CASCADE,
        position integer NOT NULL DEFAULT 0,
        PRIMARY KEY (subnet_id, ip)
    );
    CREATE INDEX port_addresses_port ON port_addresses (port_id);
    CREATE INDEX port_addresses_ip ON port_addresses (ip);
"""

_ROUTERS = """
    CREATE TABLE routers (
        COMMON_COLUMNS,
        enabled boolean NOT NULL DEFAULT true,
        gateway_network_id text REFERENCES networks,
        gateway_port_id text REFERENCES ports,
        enable_snat boolean NOT NULL DEFAULT true,
        routes jsonb NOT NULL DEFAULT '[]',
        zone_hints text[] NOT NULL DEFAULT '{}',
        CHECK ((gateway_network_id IS NULL) = (gateway_port_id IS NULL))
    );
    CREATE INDEX routers_project ON routers (project_id);
    CREATE INDEX routers_name ON routers (name);
    CREATE INDEX routers_gateway ON routers (gateway_network_id);
    CREATE INDEX routers_gateway_port ON routers (gateway_port_id);

    CREATE TABLE router_interfaces (
        port_id text PRIMARY KEY REFERENCES ports,
        router_id text NOT NULL REFERENCES routers
    );
    CREATE INDEX router_interfaces_router ON router_interfaces (router_id);

    CREATE TABLE floating_ips (
        COMMON_COLUMNS,
        network_id text NOT NULL REFERENCES networks,
        own_port_id text NOT NULL UNIQUE REFERENCES ports,
        port_id text REFERENCES ports,
        fixed_ip inet,
        router_id text REFERENCES routers,
        UNIQUE (port_id, fixed_ip),
        CHECK ((port_id IS NULL) = (fixed_ip IS NULL)),
        CHECK ((port_id IS NULL) = (router_id IS NULL))
    );
    CREATE INDEX floating_ips_project ON floating_ips (project_id);
    CREATE INDEX floating_ips_network ON floating_ips (network_id);
    CREATE INDEX floating_ips_router ON floating_ips (router_id);
"""

_SECURITY_GROUPS = """
    CREATE TABLE security_groups (
        COMMON_COLUMNS,
        stateful boolean NOT NULL DEFAULT true,
        is_default boolean NOT NULL DEFAULT false
    );
    CREATE INDEX security_groups_project ON security_groups (project_id);
    CREATE INDEX security_groups_name ON security_groups (name);
    CREATE UNIQUE INDEX security_groups_default ON security_groups (project_id) WHERE is_default;

    CREATE TABLE security_group_rules (
        COMMON_COLUMNS,
        group_id text NOT NULL REFERENCES security_groups ON DELETE CASCADE,
        direction text NOT NULL CHECK (direction IN ('ingress', 'egress')),
        ip_version integer NOT NULL CHECK (ip_version IN (4, 6)),
        protocol text,
        protocol_key text NOT NULL,
        port_min integer,
        port_max integer,
        remote_prefix cidr,
        remote_group_id text REFERENCES security_groups ON DELETE CASCADE,
        CHECK (remote_prefix IS NULL OR remote_group_id IS NULL),
        UNIQUE NULLS NOT DISTINCT (group_id, direction, ip_version, protocol_key, port_min, port_max,
            remote_prefix, remote_group_id)
    );
    CREATE INDEX security_group_rules_project ON security_group_rules (project_id);
    CREATE INDEX security_group_rules_remote ON security_group_rules (remote_group_id);

    CREATE TABLE port_security_groups (
        port_id text NOT NULL REFERENCES ports ON DELETE CASCADE,
        group_id text NOT NULL REFERENCES security_groups,
        PRIMARY KEY (port_id, group_id)
    );
    CREATE INDEX port_security_groups_group ON port_security_groups (group_id);
"""

# One row per object that OVN knows: it outlives the object until nothing of it is left there.
_UNITS = """
    CREATE TABLE network_units (
        kind text NOT NULL CHECK (kind IN ('network', 'port', 'router', 'security_group')),
        id text NOT NULL,
        wanted bigint NOT NULL DEFAULT 1,
        written bigint NOT NULL DEFAULT 0,
        up boolean NOT NULL DEFAULT false,
        fault text NOT NULL DEFAULT '',
        deleted_at timestamptz,
        PRIMARY KEY (kind, id)
    );
    CREATE INDEX network_units_unsettled ON network_units (kind, id)
        WHERE written < wanted OR deleted_at IS NOT NULL;
"""
