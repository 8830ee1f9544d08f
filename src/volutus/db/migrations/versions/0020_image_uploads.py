"""Disks on their way to become images, and what a server is doing about it."""

from alembic import op

revision = "0020"
down_revision = "0011"


def upgrade() -> None:
    op.execute(
        """
        -- Desired: all up to created_at. Decided by the reconciler: host, assigned_at, the end. Observed, by
        -- the host's report: the rest.
        CREATE TABLE volume_uploads (
            image_id text PRIMARY KEY,
            disk_id text NOT NULL,
            server_id text,
            project_id text NOT NULL,
            user_id text NOT NULL,
            disk_format text NOT NULL,
            created_at timestamptz NOT NULL,
            host_id text,
            assigned_at timestamptz,
            ended_at timestamptz,
            failure text,
            captured boolean NOT NULL DEFAULT false,
            fault text,
            fault_detail text,
            fault_at timestamptz,
            gone_at timestamptz,
            CHECK (assigned_at IS NULL OR host_id IS NOT NULL),
            CHECK (failure IS NULL OR ended_at IS NOT NULL),
            CHECK ((fault IS NULL) = (fault_at IS NULL))
        );
        -- Whoever wants another image of the same server waits for the first.
        CREATE UNIQUE INDEX volume_uploads_server ON volume_uploads (server_id);
        CREATE UNIQUE INDEX volume_uploads_disk ON volume_uploads (disk_id) WHERE ended_at IS NULL;
        CREATE INDEX volume_uploads_host ON volume_uploads (host_id);
        ALTER TABLE servers ADD COLUMN image_task text
            CHECK (image_task IN ('image_snapshot', 'image_uploading'));
        """
    )
