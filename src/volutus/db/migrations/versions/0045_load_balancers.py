"""Load balancers: listeners, pools, members and health monitors below each."""

from alembic import op

revision = "0045"
down_revision = "0042"

_COMMON = """
    id text PRIMARY KEY,
    project_id text NOT NULL,
    name text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    tags text[] NOT NULL DEFAULT '{}',
    revision bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    enabled boolean NOT NULL DEFAULT true
"""


def upgrade() -> None:
    op.execute(
        f"""
        CREATE TABLE load_balancers ({_COMMON},
            vip_network_id text NOT NULL REFERENCES networks (id),
            vip_subnet_id text NOT NULL REFERENCES subnets (id),
            vip_port_id text NOT NULL UNIQUE REFERENCES ports (id),
            vip_address inet NOT NULL,
            own_port boolean NOT NULL
        );
        CREATE INDEX load_balancers_project ON load_balancers (project_id);
        CREATE INDEX load_balancers_network ON load_balancers (vip_network_id);
        CREATE TABLE lb_pools ({_COMMON},
            load_balancer_id text NOT NULL REFERENCES load_balancers (id) ON DELETE CASCADE,
            protocol text NOT NULL CHECK (protocol IN ('TCP', 'UDP', 'SCTP')),
            algorithm text NOT NULL CHECK (algorithm IN ('SOURCE_IP', 'SOURCE_IP_PORT')),
            persistence_timeout_s integer CHECK (persistence_timeout_s BETWEEN 1 AND 65535)
        );
        CREATE INDEX lb_pools_balancer ON lb_pools (load_balancer_id);
        CREATE TABLE lb_listeners ({_COMMON},
            load_balancer_id text NOT NULL REFERENCES load_balancers (id) ON DELETE CASCADE,
            protocol text NOT NULL CHECK (protocol IN ('TCP', 'UDP', 'SCTP')),
            port integer NOT NULL CHECK (port BETWEEN 1 AND 65535),
            pool_id text REFERENCES lb_pools (id) ON DELETE SET NULL,
            UNIQUE (load_balancer_id, protocol, port)
        );
        CREATE TABLE lb_members ({_COMMON},
            load_balancer_id text NOT NULL REFERENCES load_balancers (id) ON DELETE CASCADE,
            pool_id text NOT NULL REFERENCES lb_pools (id) ON DELETE CASCADE,
            subnet_id text NOT NULL,
            address inet NOT NULL,
            port integer NOT NULL CHECK (port BETWEEN 1 AND 65535),
            weight integer NOT NULL DEFAULT 1 CHECK (weight IN (0, 1)),
            up boolean,
            check_host_id text,
            UNIQUE (pool_id, address, port)
        );
        CREATE INDEX lb_members_balancer ON lb_members (load_balancer_id);
        CREATE TABLE lb_monitors ({_COMMON},
            load_balancer_id text NOT NULL REFERENCES load_balancers (id) ON DELETE CASCADE,
            pool_id text NOT NULL UNIQUE REFERENCES lb_pools (id) ON DELETE CASCADE,
            type text NOT NULL CHECK (type IN ('TCP', 'UDP-CONNECT', 'HTTP')),
            delay_s integer NOT NULL CHECK (delay_s BETWEEN 1 AND 3600),
            timeout_s integer NOT NULL CHECK (timeout_s BETWEEN 1 AND 3600),
            max_retries integer NOT NULL CHECK (max_retries BETWEEN 1 AND 10),
            max_retries_down integer NOT NULL CHECK (max_retries_down BETWEEN 1 AND 10),
            http_method text NOT NULL DEFAULT 'GET',
            url_path text NOT NULL DEFAULT '/',
            expected_codes text NOT NULL DEFAULT '200'
        );
        CREATE INDEX lb_monitors_balancer ON lb_monitors (load_balancer_id);
        CREATE TABLE lb_probes (
            load_balancer_id text NOT NULL REFERENCES load_balancers (id) ON DELETE CASCADE,
            subnet_id text NOT NULL,
            port_id text NOT NULL,
            PRIMARY KEY (load_balancer_id, subnet_id)
        );
        ALTER TABLE network_units DROP CONSTRAINT network_units_kind_check,
            ADD CONSTRAINT network_units_kind_check CHECK (kind <> '');
        """
    )
