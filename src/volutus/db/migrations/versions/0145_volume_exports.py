"""Volumes served by iSCSI."""

from alembic import op

revision = "0145"
down_revision = "0150"

_EXPORTS = """
    CREATE TABLE volume_exports (
        id text PRIMARY KEY,
        -- One at a time: two initiators of different secrets would write over each other.
        volume_id text NOT NULL UNIQUE REFERENCES volumes,
        project_id text NOT NULL,
        user_id text NOT NULL,
        host_id text NOT NULL REFERENCES hosts,
        target text NOT NULL UNIQUE,
        portal text NOT NULL,
        chap_user text NOT NULL,
        sealed bytea NOT NULL,
        read_only boolean NOT NULL,
        created_at timestamptz NOT NULL,
        removed_at timestamptz,
        assigned_generation bigint NOT NULL,
        ready boolean NOT NULL DEFAULT false,
        observed_generation bigint NOT NULL DEFAULT 0,
        observed_at timestamptz,
        fault text,
        fault_detail text
    );
    CREATE INDEX volume_exports_project ON volume_exports (project_id);
    -- Beside the export itself, so that who waits for a volume's row to be free sees it with the row.
    ALTER TABLE volumes ADD COLUMN exported_at timestamptz;
"""


def upgrade() -> None:
    op.execute("SET lock_timeout = '5s'")
    op.execute(_EXPORTS)


def downgrade() -> None:
    op.execute("ALTER TABLE volumes DROP COLUMN exported_at; DROP TABLE volume_exports;")
