"""VPN gateways of routers, and the peers that may connect to each."""

from alembic import op

revision = "0046"
down_revision = "0045"

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
    op.execute(
        f"""
        CREATE TABLE vpn_gateways ({_COMMON},
            router_id text NOT NULL UNIQUE REFERENCES routers (id),
            subnet_id text NOT NULL REFERENCES subnets (id),
            port_id text NOT NULL UNIQUE,
            floating_ip_id text NOT NULL,
            listen_port integer NOT NULL CHECK (listen_port BETWEEN 1 AND 65535),
            tunnel_cidr cidr NOT NULL CHECK (family(tunnel_cidr) = 4),
            private_key text NOT NULL,
            public_key text NOT NULL,
            host_id text
        );
        CREATE TABLE vpn_peers ({_COMMON},
            gateway_id text NOT NULL REFERENCES vpn_gateways (id) ON DELETE CASCADE,
            public_key text NOT NULL,
            preshared_key text,
            tunnel_ip inet NOT NULL,
            remote_cidrs cidr[] NOT NULL DEFAULT '{{}}',
            endpoint text,
            keepalive_s integer NOT NULL DEFAULT 25 CHECK (keepalive_s BETWEEN 0 AND 65535),
            last_handshake_at timestamptz,
            UNIQUE (gateway_id, public_key),
            UNIQUE (gateway_id, tunnel_ip)
        );
        """
    )
