"""The tables of compute: flavors, key pairs, server groups, servers, guests, actions, console logs."""

from alembic import op

revision = "0008"
down_revision = "0007"

_PRESETS = """
    CREATE TABLE flavors (
        id text PRIMARY KEY,
        name text NOT NULL UNIQUE,
        cores integer NOT NULL CHECK (cores > 0),
        memory_mib integer NOT NULL CHECK (memory_mib > 0),
        disk_gib integer NOT NULL CHECK (disk_gib >= 0),
        ephemeral_gib integer NOT NULL DEFAULT 0 CHECK (ephemeral_gib >= 0),
        swap_mib integer NOT NULL DEFAULT 0 CHECK (swap_mib >= 0),
        rxtx_factor double precision NOT NULL DEFAULT 1,
        is_public boolean NOT NULL DEFAULT true,
        disabled boolean NOT NULL DEFAULT false,
        description text,
        extra_specs jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL
    );
    CREATE TABLE flavor_access (
        flavor_id text NOT NULL REFERENCES flavors (id) ON DELETE CASCADE,
        project_id text NOT NULL,
        PRIMARY KEY (flavor_id, project_id)
    );
    CREATE TABLE key_pairs (
        user_id text NOT NULL,
        name text NOT NULL,
        number bigint GENERATED ALWAYS AS IDENTITY,
        type text NOT NULL CHECK (type IN ('ssh', 'x509')),
        fingerprint text NOT NULL,
        public_key text NOT NULL,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (user_id, name)
    );
    CREATE TABLE server_groups (
        id text PRIMARY KEY,
        project_id text NOT NULL,
        user_id text NOT NULL,
        name text NOT NULL,
        policy text NOT NULL
            CHECK (policy IN ('affinity', 'anti-affinity', 'soft-affinity', 'soft-anti-affinity')),
        max_server_per_host integer CHECK (max_server_per_host > 0),
        created_at timestamptz NOT NULL
    );
    CREATE INDEX server_groups_project ON server_groups (project_id, id);
    CREATE TABLE aggregates (
        number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id text NOT NULL UNIQUE,
        name text NOT NULL UNIQUE,
        metadata jsonb NOT NULL DEFAULT '{}',
        hosts text[] NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL,
        updated_at timestamptz
    );
    """

_SERVERS = """
    CREATE TABLE servers (
        id text PRIMARY KEY,
        project_id text NOT NULL,
        user_id text NOT NULL,
        name text NOT NULL,
        hostname text NOT NULL,
        description text,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        launched_at timestamptz,
        deleted_at timestamptz,
        power text NOT NULL DEFAULT 'on' CHECK (power IN ('on', 'off')),
        power_orders integer NOT NULL DEFAULT 0,
        soft_reboots integer NOT NULL DEFAULT 0,
        hard_reboots integer NOT NULL DEFAULT 0,
        rebuilds integer NOT NULL DEFAULT 0,
        rebuilt integer NOT NULL DEFAULT 0,
        delete_asked_at timestamptz,
        locked boolean NOT NULL DEFAULT false,
        locked_reason text,
        flavor_id text NOT NULL,
        flavor_name text NOT NULL,
        mhz integer NOT NULL CHECK (mhz > 0),
        cores integer NOT NULL CHECK (cores > 0),
        memory_mib integer NOT NULL CHECK (memory_mib > 0),
        disk_gib integer NOT NULL CHECK (disk_gib >= 0),
        ephemeral_gib integer NOT NULL DEFAULT 0,
        swap_mib integer NOT NULL DEFAULT 0,
        extra_specs jsonb NOT NULL DEFAULT '{}',
        image_id text,
        image_properties jsonb NOT NULL DEFAULT '{}',
        kernel_image jsonb,
        ramdisk_image jsonb,
        root_volume_gib integer NOT NULL DEFAULT 0,
        key_name text,
        key_public text,
        user_data text,
        admin_pass text,
        config_drive boolean NOT NULL DEFAULT false,
        zone text,
        host_asked text,
        metadata jsonb NOT NULL DEFAULT '{}',
        tags text[] NOT NULL DEFAULT '{}',
        hints jsonb NOT NULL DEFAULT '{}',
        group_id text REFERENCES server_groups (id) ON DELETE SET NULL,
        access_ipv4 text NOT NULL DEFAULT '',
        access_ipv6 text NOT NULL DEFAULT '',
        disk_config text NOT NULL DEFAULT 'MANUAL' CHECK (disk_config IN ('MANUAL', 'AUTO')),
        reservation_id text NOT NULL,
        launch_index integer NOT NULL DEFAULT 0,
        client_token text,
        fault_code integer,
        fault_message text,
        fault_detail text,
        fault_at timestamptz,
        CHECK ((fault_code IS NULL) = (fault_message IS NULL)),
        CHECK ((fault_code IS NULL) = (fault_at IS NULL))
    );
    CREATE INDEX servers_project ON servers (project_id, created_at, id) WHERE deleted_at IS NULL;
    CREATE INDEX servers_created ON servers (created_at, id) WHERE deleted_at IS NULL;
    CREATE INDEX servers_changed ON servers (project_id, updated_at);
    CREATE INDEX servers_image ON servers (image_id) WHERE deleted_at IS NULL;
    CREATE INDEX servers_flavor ON servers (flavor_id) WHERE deleted_at IS NULL;
    CREATE INDEX servers_group ON servers (group_id) WHERE deleted_at IS NULL;
    CREATE INDEX servers_unlaunched ON servers (created_at)
        WHERE deleted_at IS NULL AND (launched_at IS NULL OR delete_asked_at IS NOT NULL);
    CREATE UNIQUE INDEX servers_client_token ON servers (project_id, client_token, launch_index)
        WHERE client_token IS NOT NULL AND deleted_at IS NULL;
    CREATE TABLE guests (
        server_id text PRIMARY KEY REFERENCES servers (id) ON DELETE CASCADE,
        host_id text NOT NULL,
        host_name text NOT NULL,
        zone text NOT NULL,
        placed_at timestamptz NOT NULL,
        assigned_at timestamptz,
        assigned_generation bigint,
        assigned_digest text,
        assigned_power text CHECK (assigned_power IN ('on', 'off')),
        assigned_power_orders integer,
        buried_at timestamptz,
        state text CHECK (state IN ('pending', 'running', 'paused', 'stopped', 'crashed', 'failed')),
        state_since timestamptz,
        generation bigint NOT NULL DEFAULT 0,
        soft_reboots integer NOT NULL DEFAULT 0,
        hard_reboots integer NOT NULL DEFAULT 0,
        disks jsonb NOT NULL DEFAULT '[]',
        nics jsonb NOT NULL DEFAULT '[]',
        counters jsonb NOT NULL DEFAULT '[]',
        cpu_time_ns bigint NOT NULL DEFAULT 0,
        started_at text,
        launched_at timestamptz,
        fault text,
        fault_detail text,
        vnc_socket text,
        serial_socket text,
        observed_at timestamptz,
        gone_at timestamptz
    );
    CREATE INDEX guests_host ON guests (host_id, server_id);
    """

_HISTORY = """
    CREATE TABLE server_actions (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        server_id text NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
        action text NOT NULL,
        request_id text NOT NULL,
        user_id text,
        project_id text,
        started_at timestamptz NOT NULL,
        finished_at timestamptz,
        message text
    );
    CREATE INDEX server_actions_server ON server_actions (server_id, started_at, id);
    CREATE INDEX server_actions_open ON server_actions (server_id) WHERE finished_at IS NULL;
    CREATE TABLE consoles (
        server_id text PRIMARY KEY REFERENCES servers (id) ON DELETE CASCADE,
        length bigint NOT NULL DEFAULT 0
    );
    CREATE TABLE console_chunks (
        server_id text NOT NULL REFERENCES consoles (server_id) ON DELETE CASCADE,
        starts_at bigint NOT NULL,
        data bytea NOT NULL,
        PRIMARY KEY (server_id, starts_at)
    );
    """


def upgrade() -> None:
    op.execute(_PRESETS)
    op.execute(_SERVERS)
    op.execute(_HISTORY)
