"""Hosts, what they have, what is claimed of it, and what should be on them."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE hosts (
            id text PRIMARY KEY,
            hostname text NOT NULL UNIQUE,
            zone text NOT NULL,
            enabled boolean NOT NULL DEFAULT true,
            disabled_reason text NOT NULL DEFAULT '',
            enrolled_at timestamptz NOT NULL,
            last_seen_at timestamptz,
            facts jsonb,
            strangers text[] NOT NULL DEFAULT '{}'
        );
        CREATE TABLE inventories (
            host_id text PRIMARY KEY REFERENCES hosts ON DELETE CASCADE,
            generation bigint NOT NULL DEFAULT 0,
            mhz bigint NOT NULL DEFAULT 0,
            cores bigint NOT NULL DEFAULT 0,
            memory_mib bigint NOT NULL DEFAULT 0,
            disk_gib bigint NOT NULL DEFAULT 0,
            mhz_used bigint NOT NULL DEFAULT 0 CHECK (mhz_used >= 0),
            cores_used bigint NOT NULL DEFAULT 0 CHECK (cores_used >= 0),
            memory_mib_used bigint NOT NULL DEFAULT 0 CHECK (memory_mib_used >= 0),
            disk_gib_used bigint NOT NULL DEFAULT 0 CHECK (disk_gib_used >= 0)
        ) WITH (fillfactor = 50);
        CREATE TABLE claims (
            consumer_id text PRIMARY KEY,
            host_id text NOT NULL REFERENCES hosts,
            project_id text NOT NULL,
            user_id text NOT NULL,
            mhz bigint NOT NULL CHECK (mhz >= 0),
            cores bigint NOT NULL CHECK (cores >= 0),
            memory_mib bigint NOT NULL CHECK (memory_mib >= 0),
            disk_gib bigint NOT NULL CHECK (disk_gib >= 0),
            created_at timestamptz NOT NULL
        );
        CREATE INDEX claims_host ON claims (host_id);
        CREATE INDEX claims_project ON claims (project_id);
        CREATE TABLE assignments (
            host_id text NOT NULL REFERENCES hosts,
            kind text NOT NULL,
            key text NOT NULL,
            generation bigint NOT NULL,
            spec jsonb,
            tombstone boolean NOT NULL DEFAULT false,
            PRIMARY KEY (host_id, kind, key)
        );
        CREATE INDEX assignments_generation ON assignments (host_id, generation);
        CREATE TABLE join_tokens (
            digest text PRIMARY KEY,
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            used_at timestamptz,
            host_id text REFERENCES hosts ON DELETE SET NULL
        );
        """
    )
