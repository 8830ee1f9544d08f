"""Ports of floating IPs that stand for different ports inside."""

from alembic import op

revision = "0042"
down_revision = "0041"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE port_forwardings (
            id text PRIMARY KEY,
            project_id text NOT NULL,
            floating_ip_id text NOT NULL REFERENCES floating_ips,
            port_id text NOT NULL REFERENCES ports,
            internal_ip inet NOT NULL,
            internal_port integer NOT NULL CHECK (internal_port BETWEEN 1 AND 65535),
            external_port integer NOT NULL CHECK (external_port BETWEEN 1 AND 65535),
            protocol text NOT NULL CHECK (protocol IN ('tcp', 'udp')),
            description text NOT NULL DEFAULT '',
            created_at timestamptz NOT NULL,
            UNIQUE (floating_ip_id, protocol, external_port),
            UNIQUE (floating_ip_id, protocol, port_id, internal_ip, internal_port)
        );
        CREATE INDEX port_forwardings_port ON port_forwardings (port_id);
        -- A floating IP whose ports are forwarded is on a router, but stands for no one port.
        ALTER TABLE floating_ips DROP CONSTRAINT floating_ips_check1,
            ADD CONSTRAINT floating_ips_routed CHECK (port_id IS NULL OR router_id IS NOT NULL);
        """
    )
