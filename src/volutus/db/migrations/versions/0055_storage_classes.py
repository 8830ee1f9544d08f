"""Disks in storage classes, encrypted, made anew in place, put aside or shared; groups of volumes;
backups."""

from alembic import op

revision = "0055"
down_revision = "0052"

_DISKS = """
    -- Keys of encrypted disks, each sealed with the cloud's own key. A copy has its source's key.
    CREATE TABLE volume_keys (
        id text PRIMARY KEY,
        sealed bytea,
        created_at timestamptz NOT NULL
    );
    -- Desired: pool, format, key_id, revision with what it is for, released_at. Decided by the reconciler:
    -- assigned_revision, assigned_release. Observed: observed_revision.
    ALTER TABLE volume_disks
        ADD COLUMN pool text NOT NULL DEFAULT 'directory',
        ADD COLUMN format text NOT NULL DEFAULT 'qcow2' CHECK (format IN ('qcow2', 'raw')),
        ADD COLUMN key_id text REFERENCES volume_keys,
        ADD COLUMN encrypted boolean NOT NULL DEFAULT false,
        ADD COLUMN revision integer NOT NULL DEFAULT 0,
        ADD COLUMN rework text CHECK (rework IN ('retyping', 'reverting', 'restoring-backup')),
        ADD COLUMN source_backup_id text,
        ADD COLUMN adopted_id text,
        ADD COLUMN released_at timestamptz,
        ADD COLUMN assigned_revision integer,
        ADD COLUMN assigned_release boolean NOT NULL DEFAULT false,
        ADD COLUMN assigned_generation bigint NOT NULL DEFAULT 0,
        ADD COLUMN observed_revision integer NOT NULL DEFAULT 0,
        ADD COLUMN observed_generation bigint NOT NULL DEFAULT 0,
        ADD CHECK (NOT encrypted OR key_id IS NOT NULL),
        ADD CHECK ((revision = 0) = (rework IS NULL));
    UPDATE volume_disks SET assigned_revision = 0 WHERE assigned_gib IS NOT NULL;
    CREATE INDEX volume_disks_reworked ON volume_disks (source_disk_id) WHERE observed_revision < revision;
    CREATE INDEX volume_disks_key ON volume_disks (key_id) WHERE key_id IS NOT NULL;
    CREATE TABLE volume_released (
        disk_id text PRIMARY KEY,
        host_id text NOT NULL,
        pool text NOT NULL,
        format text NOT NULL,
        key_id text REFERENCES volume_keys,
        encrypted boolean NOT NULL,
        size_gib integer NOT NULL,
        kind text NOT NULL CHECK (kind IN ('volume', 'snapshot')),
        released_at timestamptz NOT NULL,
        taken_by text
    );
    ALTER TABLE volume_types ADD COLUMN encryption jsonb;
    CREATE TABLE volume_default_types (
        project_id text PRIMARY KEY,
        type_id text NOT NULL REFERENCES volume_types ON DELETE CASCADE
    );
    ALTER TABLE volumes ADD COLUMN multiattach boolean NOT NULL DEFAULT false,
        ADD COLUMN migrated boolean NOT NULL DEFAULT false,
        ADD COLUMN new_type_id text REFERENCES volume_types;
    -- One volume serves one server at a time, unless it was made to be shared.
    ALTER TABLE volume_attachments DROP CONSTRAINT volume_attachments_volume_id_key,
        ADD COLUMN shared boolean NOT NULL DEFAULT false;
    CREATE UNIQUE INDEX volume_attachments_alone ON volume_attachments (volume_id) WHERE NOT shared;
    CREATE UNIQUE INDEX volume_attachments_once ON volume_attachments (volume_id, server_id);
    -- What an operator said of a host's pool; no row is: enabled, and not frozen.
    CREATE TABLE volume_services (
        host_id text NOT NULL,
        pool text NOT NULL,
        disabled boolean NOT NULL DEFAULT false,
        reason text,
        frozen boolean NOT NULL DEFAULT false,
        PRIMARY KEY (host_id, pool)
    );
"""
_GROUPS = """
    CREATE TABLE volume_group_types (
        id text PRIMARY KEY,
        name text NOT NULL UNIQUE,
        description text,
        is_public boolean NOT NULL,
        specs jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL
    );
    CREATE TABLE volume_groups (
        id text PRIMARY KEY,
        project_id text NOT NULL,
        user_id text NOT NULL,
        name text,
        description text,
        zone text,
        group_type_id text NOT NULL REFERENCES volume_group_types,
        type_ids text[] NOT NULL,
        group_snapshot_id text,
        source_group_id text,
        created_at timestamptz NOT NULL,
        removed_at timestamptz,
        forced_status text
    );
    CREATE INDEX volume_groups_project ON volume_groups (project_id, created_at, id);
    CREATE INDEX volume_groups_type ON volume_groups (group_type_id);
    CREATE TABLE volume_group_snapshots (
        id text PRIMARY KEY,
        group_id text NOT NULL REFERENCES volume_groups,
        group_type_id text NOT NULL,
        project_id text NOT NULL,
        user_id text NOT NULL,
        name text,
        description text,
        created_at timestamptz NOT NULL,
        removed_at timestamptz,
        forced_status text
    );
    CREATE INDEX volume_group_snapshots_project ON volume_group_snapshots (project_id, created_at, id);
    CREATE INDEX volume_group_snapshots_group ON volume_group_snapshots (group_id);
    ALTER TABLE volumes ADD COLUMN group_id text REFERENCES volume_groups ON DELETE SET NULL;
    CREATE INDEX volumes_group ON volumes (group_id) WHERE group_id IS NOT NULL;
    ALTER TABLE volume_snapshots
        ADD COLUMN group_snapshot_id text REFERENCES volume_group_snapshots ON DELETE SET NULL;
    CREATE INDEX volume_snapshots_group ON volume_snapshots (group_snapshot_id)
        WHERE group_snapshot_id IS NOT NULL;
"""
_BACKUPS = """
    -- Desired: all up to removed_at. Decided by the reconciler: host, assigned_at, the failures. Observed, by
    -- the host's report: the rest. `data_id` names what is in the target: an imported record shares it.
    CREATE TABLE volume_backups (
        id text PRIMARY KEY,
        data_id text NOT NULL,
        project_id text NOT NULL,
        user_id text NOT NULL,
        volume_id text NOT NULL,
        snapshot_id text,
        disk_id text NOT NULL,
        parent_id text REFERENCES volume_backups,
        name text,
        description text,
        metadata jsonb NOT NULL DEFAULT '{}',
        volume jsonb NOT NULL,
        key_id text REFERENCES volume_keys,
        encrypted boolean NOT NULL,
        size_gib integer NOT NULL CHECK (size_gib > 0),
        zone text,
        created_at timestamptz NOT NULL,
        updated_at timestamptz,
        removed_at timestamptz,
        forced_status text,
        host_id text,
        assigned_at timestamptz,
        failure text,
        made_at timestamptz,
        stored_bytes bigint NOT NULL DEFAULT 0,
        fault text,
        fault_detail text,
        fault_at timestamptz
    );
    CREATE INDEX volume_backups_project ON volume_backups (project_id, created_at, id);
    CREATE INDEX volume_backups_volume ON volume_backups (volume_id, created_at);
    CREATE INDEX volume_backups_parent ON volume_backups (parent_id) WHERE parent_id IS NOT NULL;
    CREATE INDEX volume_backups_data ON volume_backups (data_id);
    CREATE INDEX volume_backups_unsettled ON volume_backups (id)
        WHERE removed_at IS NOT NULL OR (made_at IS NULL AND failure IS NULL);
    ALTER TABLE volumes ADD COLUMN backup_id text;
"""


def upgrade() -> None:
    for statements in (_DISKS, _GROUPS, _BACKUPS):
        op.execute(statements)
