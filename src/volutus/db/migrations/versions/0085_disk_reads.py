"""Downloads of disks from the hosts that have them; how far a snapshot is said to be."""

from alembic import op

revision = "0085"
down_revision = "0081"

_READS = """
    -- One for each connection that a host is asked for; kept for a day, for whoever looks into it.
    CREATE TABLE volume_reads (
        id text PRIMARY KEY,
        disk_id text NOT NULL,
        host_id text NOT NULL,
        begin bigint NOT NULL CHECK (begin >= 0),
        created_at timestamptz NOT NULL,
        asked_at timestamptz
    );
    CREATE INDEX volume_reads_waiting ON volume_reads (host_id) WHERE asked_at IS NULL;
    CREATE INDEX volume_reads_created ON volume_reads (created_at);
    ALTER TABLE volume_snapshots ADD COLUMN forced_progress text;
"""


def upgrade() -> None:
    op.execute("SET lock_timeout = '5s'")
    op.execute(_READS)


def downgrade() -> None:
    op.execute("DROP TABLE volume_reads; ALTER TABLE volume_snapshots DROP COLUMN forced_progress;")
