"""Volumes, snapshots, their types and attachments, and the disks on hosts that hold them."""

from alembic import op

revision = "0007"
down_revision = "0006"

_TYPES = """
    CREATE TABLE volume_qos_specs (
        id text PRIMARY KEY,
        name text NOT NULL UNIQUE,
        consumer text NOT NULL CHECK (consumer IN ('front-end', 'back-end', 'both')),
        specs jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL
    );
    CREATE TABLE volume_types (
        id text PRIMARY KEY,
        name text NOT NULL UNIQUE,
        description text,
        is_public boolean NOT NULL DEFAULT true,
        extra_specs jsonb NOT NULL DEFAULT '{}',
        qos_specs_id text REFERENCES volume_qos_specs,
        created_at timestamptz NOT NULL,
        updated_at timestamptz
    );
    INSERT INTO volume_types (id, name, description, created_at)
    VALUES ('5d0a1f0c-7c1b-4c0e-9d5e-2f1b6a3c8e01', 'standard', 'Kept on the host''s own disks', now());
    CREATE TABLE volume_type_access (
        type_id text NOT NULL REFERENCES volume_types ON DELETE CASCADE,
        project_id text NOT NULL,
        PRIMARY KEY (type_id, project_id)
    );
"""
_DISKS = """
    -- What a host keeps for a volume or a snapshot. Desired: size, source, removed_at. Decided by the
    -- reconciler: host, assigned_gib, the failures. Observed, by the host's report: the rest.
    CREATE TABLE volume_disks (
        id text PRIMARY KEY,
        project_id text NOT NULL,
        user_id text NOT NULL,
        zone text,
        size_gib integer NOT NULL CHECK (size_gib > 0),
        source_image_id text,
        source_image_format text,
        source_sha256 text,
        source_disk_id text,
        claims_room boolean NOT NULL,
        removed_at timestamptz,
        host_id text,
        assigned_gib integer,
        failure text,
        removal_failure text,
        ready boolean NOT NULL DEFAULT false,
        made_at timestamptz,
        observed_bytes bigint NOT NULL DEFAULT 0 CHECK (observed_bytes >= 0),
        allocated_bytes bigint NOT NULL DEFAULT 0 CHECK (allocated_bytes >= 0),
        fault text,
        fault_detail text,
        observed_at timestamptz,
        CHECK (source_image_id IS NULL OR source_disk_id IS NULL),
        CHECK (assigned_gib IS NULL OR host_id IS NOT NULL)
    ) WITH (fillfactor = 70);
    CREATE INDEX volume_disks_host ON volume_disks (host_id);
    CREATE INDEX volume_disks_copies ON volume_disks (source_disk_id) WHERE made_at IS NULL;
    CREATE INDEX volume_disks_unsettled ON volume_disks (id)
        WHERE removed_at IS NOT NULL OR (failure IS NULL AND made_at IS NULL);
"""
_VOLUMES = """
    CREATE TABLE volumes (
        id text PRIMARY KEY REFERENCES volume_disks ON DELETE CASCADE,
        project_id text NOT NULL,
        user_id text NOT NULL,
        name text,
        description text,
        created_at timestamptz NOT NULL,
        updated_at timestamptz,
        type_id text NOT NULL REFERENCES volume_types,
        -- A disk that belongs to a server and lives as long as it: no API of volumes shows it.
        server_id text,
        role text CHECK (role IN ('root', 'ephemeral', 'swap', 'rescue')),
        snapshot_id text,
        source_volume_id text,
        bootable boolean NOT NULL DEFAULT false,
        -- Null until somebody says: clients show the flag only then.
        read_only boolean,
        metadata jsonb NOT NULL DEFAULT '{}',
        image_metadata jsonb,
        forced_status text,
        attach_claimed_at timestamptz,
        CHECK ((server_id IS NULL) = (role IS NULL))
    );
    CREATE INDEX volumes_project ON volumes (project_id, created_at, id) WHERE server_id IS NULL;
    CREATE INDEX volumes_created ON volumes (created_at, id) WHERE server_id IS NULL;
    CREATE INDEX volumes_name ON volumes (project_id, name) WHERE server_id IS NULL;
    CREATE INDEX volumes_metadata ON volumes USING gin (metadata jsonb_path_ops);
    CREATE INDEX volumes_server ON volumes (server_id) WHERE server_id IS NOT NULL;
    CREATE INDEX volumes_type ON volumes (type_id);
"""
_SNAPSHOTS_AND_ATTACHMENTS = """
    CREATE TABLE volume_snapshots (
        id text PRIMARY KEY REFERENCES volume_disks ON DELETE CASCADE,
        volume_id text NOT NULL REFERENCES volumes,
        project_id text NOT NULL,
        user_id text NOT NULL,
        name text,
        description text,
        metadata jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL,
        updated_at timestamptz,
        forced_status text
    );
    CREATE INDEX volume_snapshots_project ON volume_snapshots (project_id, created_at, id);
    CREATE INDEX volume_snapshots_created ON volume_snapshots (created_at, id);
    CREATE INDEX volume_snapshots_volume ON volume_snapshots (volume_id);

    -- One volume serves one server at a time: two writers on one file system would destroy it.
    CREATE TABLE volume_attachments (
        id text PRIMARY KEY,
        volume_id text NOT NULL UNIQUE REFERENCES volumes ON DELETE CASCADE,
        server_id text,
        by_compute boolean NOT NULL,
        wanted text NOT NULL CHECK (wanted IN ('reserved', 'attached', 'detached')),
        mode text NOT NULL DEFAULT 'rw' CHECK (mode IN ('rw', 'ro')),
        device text,
        host_name text,
        connector jsonb,
        delete_on_termination boolean NOT NULL DEFAULT false,
        boot_index integer,
        tag text,
        created_at timestamptz NOT NULL,
        attached_at timestamptz,
        CHECK (NOT by_compute OR (server_id IS NOT NULL AND device IS NOT NULL))
    );
    CREATE INDEX volume_attachments_server ON volume_attachments (server_id);
    CREATE UNIQUE INDEX volume_attachments_device ON volume_attachments (server_id, device)
        WHERE by_compute;
"""
_TRANSFERS_AND_MESSAGES = """
    CREATE TABLE volume_transfers (
        id text PRIMARY KEY,
        volume_id text NOT NULL UNIQUE REFERENCES volumes ON DELETE CASCADE,
        project_id text NOT NULL,
        name text,
        with_snapshots boolean NOT NULL,
        digest text NOT NULL,
        created_at timestamptz NOT NULL
    );
    CREATE INDEX volume_transfers_project ON volume_transfers (project_id, created_at, id);

    CREATE TABLE volume_messages (
        id text PRIMARY KEY,
        project_id text NOT NULL,
        resource_type text NOT NULL,
        resource_id text NOT NULL,
        event text NOT NULL,
        message text NOT NULL,
        request_id text NOT NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL
    );
    CREATE INDEX volume_messages_project ON volume_messages (project_id, created_at, id);
    CREATE INDEX volume_messages_expiry ON volume_messages (expires_at);
"""


def upgrade() -> None:
    for statements in (_TYPES, _DISKS, _VOLUMES, _SNAPSHOTS_AND_ATTACHMENTS, _TRANSFERS_AND_MESSAGES):
        op.execute(statements)
