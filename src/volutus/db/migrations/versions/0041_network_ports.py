"""What ports can be given: qualities of service, DHCP options and names of their own, trunks."""

from alembic import op

revision = "0041"
down_revision = "0040"

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
    for statement in (_QOS, _PORTS, _TRUNKS):
        op.execute(statement.replace("COMMON_COLUMNS", _COMMON))


_QOS = """
    CREATE TABLE qos_policies (
        COMMON_COLUMNS,
        shared boolean NOT NULL DEFAULT false,
        is_default boolean NOT NULL DEFAULT false
    );
    CREATE INDEX qos_policies_project ON qos_policies (project_id);
    CREATE UNIQUE INDEX qos_policies_default ON qos_policies (project_id) WHERE is_default;
    CREATE TABLE qos_rules (
        id text PRIMARY KEY,
        policy_id text NOT NULL REFERENCES qos_policies ON DELETE CASCADE,
        kind text NOT NULL CHECK (kind IN ('bandwidth_limit', 'dscp_marking')),
        direction text NOT NULL CHECK (direction IN ('egress', 'ingress')),
        max_kbps bigint CHECK (max_kbps > 0),
        max_burst_kbps bigint CHECK (max_burst_kbps >= 0),
        dscp_mark integer CHECK (dscp_mark BETWEEN 0 AND 63),
        UNIQUE (policy_id, kind, direction),
        CHECK ((kind = 'dscp_marking') = (dscp_mark IS NOT NULL)),
        CHECK ((kind = 'bandwidth_limit') = (max_kbps IS NOT NULL))
    );
    ALTER TABLE networks ADD COLUMN qos_policy_id text REFERENCES qos_policies;
    ALTER TABLE ports ADD COLUMN qos_policy_id text REFERENCES qos_policies;
    ALTER TABLE floating_ips ADD COLUMN qos_policy_id text REFERENCES qos_policies;
    CREATE INDEX networks_qos ON networks (qos_policy_id) WHERE qos_policy_id IS NOT NULL;
    CREATE INDEX ports_qos ON ports (qos_policy_id) WHERE qos_policy_id IS NOT NULL;
    CREATE INDEX floating_ips_qos ON floating_ips (qos_policy_id) WHERE qos_policy_id IS NOT NULL;
"""

_PORTS = """
    ALTER TABLE networks ADD COLUMN dns_domain text NOT NULL DEFAULT '';
    ALTER TABLE ports
        ADD COLUMN dhcp_options jsonb NOT NULL DEFAULT '[]',
        ADD COLUMN dns_name text NOT NULL DEFAULT '',
        ADD COLUMN dns_domain text NOT NULL DEFAULT '';
    ALTER TABLE floating_ips
        ADD COLUMN dns_name text NOT NULL DEFAULT '',
        ADD COLUMN dns_domain text NOT NULL DEFAULT '';
    CREATE INDEX ports_dns_name ON ports (network_id, dns_name) WHERE dns_name <> '';
"""

_TRUNKS = """
    CREATE TABLE trunks (
        COMMON_COLUMNS,
        enabled boolean NOT NULL DEFAULT true,
        port_id text NOT NULL UNIQUE REFERENCES ports
    );
    CREATE INDEX trunks_project ON trunks (project_id);
    CREATE TABLE sub_ports (
        port_id text PRIMARY KEY REFERENCES ports,
        trunk_id text NOT NULL REFERENCES trunks ON DELETE CASCADE,
        segmentation_type text NOT NULL CHECK (segmentation_type = 'vlan'),
        segmentation_id integer NOT NULL CHECK (segmentation_id BETWEEN 1 AND 4094),
        UNIQUE (trunk_id, segmentation_id)
    );
"""
