"""Images, whose projects may use them, and how far their data has come."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE images (
            id text PRIMARY KEY,
            owner text,
            name text,
            visibility text NOT NULL CHECK (visibility IN ('public', 'community', 'shared', 'private')),
            protected boolean NOT NULL,
            hidden boolean NOT NULL,
            disk_format text,
            container_format text,
            min_disk_gib integer NOT NULL CHECK (min_disk_gib >= 0),
            min_ram_mib integer NOT NULL CHECK (min_ram_mib >= 0),
            tags text[] NOT NULL,
            properties jsonb NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            upload_id text,
            upload_seen_at timestamptz,
            staging boolean NOT NULL DEFAULT false,
            staged_at timestamptz,
            activated_at timestamptz,
            deactivated boolean NOT NULL DEFAULT false,
            deleted_at timestamptz,
            size_bytes bigint CHECK (size_bytes >= 0),
            virtual_size_bytes bigint CHECK (virtual_size_bytes >= 0),
            md5 text,
            sha256 text,
            sha512 text,
            -- Computed, so that it cannot contradict the rest; stored, so that lists can filter by it.
            status text NOT NULL GENERATED ALWAYS AS (
                CASE WHEN deleted_at IS NOT NULL THEN 'deleted'
                     WHEN activated_at IS NOT NULL AND deactivated THEN 'deactivated'
                     WHEN activated_at IS NOT NULL THEN 'active'
                     WHEN staged_at IS NOT NULL OR upload_id IS NOT NULL AND staging THEN 'uploading'
                     WHEN upload_id IS NOT NULL THEN 'saving'
                     ELSE 'queued' END
            ) STORED,
            -- Bytes without their sums, or sums without bytes, would be handed to a guest unchecked.
            CONSTRAINT images_data_is_whole CHECK (
                (activated_at IS NULL AND staged_at IS NULL)
                OR (size_bytes IS NOT NULL AND md5 IS NOT NULL AND sha256 IS NOT NULL AND sha512 IS NOT NULL
                    AND disk_format IS NOT NULL AND container_format IS NOT NULL)
            ),
            CONSTRAINT images_upload_is_watched CHECK ((upload_id IS NULL) = (upload_seen_at IS NULL)),
            CONSTRAINT images_one_way_of_data CHECK (activated_at IS NULL OR upload_id IS NULL)
        );
        CREATE INDEX images_owner ON images (owner, created_at);
        CREATE INDEX images_offered ON images (visibility, created_at)
            WHERE visibility IN ('public', 'community');
        CREATE INDEX images_unsettled ON images (id) WHERE deleted_at IS NOT NULL OR upload_id IS NOT NULL;
        CREATE TABLE image_members (
            image_id text NOT NULL REFERENCES images ON DELETE CASCADE,
            project_id text NOT NULL,
            status text NOT NULL CHECK (status IN ('pending', 'accepted', 'rejected')),
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            PRIMARY KEY (image_id, project_id)
        );
        CREATE INDEX image_members_project ON image_members (project_id, status);
        """
    )
