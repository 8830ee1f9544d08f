"""Snapshots and backups of volumes by schedule."""

from alembic import op

revision = "0130"
down_revision = "0093"

_SCHEDULES = """
    CREATE TABLE volume_schedules (
        id text PRIMARY KEY,
        volume_id text NOT NULL REFERENCES volumes ON DELETE CASCADE,
        project_id text NOT NULL,
        user_id text NOT NULL,
        name text,
        action text NOT NULL CHECK (action IN ('snapshot', 'backup')),
        every_hours integer NOT NULL CHECK (every_hours BETWEEN 1 AND 8784),
        starts_at timestamptz NOT NULL,
        keep integer NOT NULL CHECK (keep > 0),
        incrementals integer NOT NULL CHECK (incrementals >= 0),
        enabled boolean NOT NULL,
        -- When it is due next; it stays in the past until the run is recorded.
        next_at timestamptz NOT NULL,
        -- Whether what it made is still to be looked at.
        unsettled boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL,
        updated_at timestamptz,
        CHECK (action = 'backup' OR incrementals = 0)
    );
    CREATE INDEX volume_schedules_volume ON volume_schedules (volume_id);
    CREATE INDEX volume_schedules_project ON volume_schedules (project_id);
    CREATE INDEX volume_schedules_due ON volume_schedules (next_at) WHERE enabled;
    CREATE INDEX volume_schedules_unsettled ON volume_schedules (id) WHERE unsettled;
    -- One for each moment at which something was due, so that nothing is made twice, and nothing removed that
    -- a schedule did not make.
    CREATE TABLE volume_schedule_runs (
        schedule_id text NOT NULL REFERENCES volume_schedules ON DELETE CASCADE,
        due_at timestamptz NOT NULL,
        ran_at timestamptz NOT NULL,
        made_id text UNIQUE,
        incremental boolean NOT NULL,
        fault text,
        removed_at timestamptz,
        PRIMARY KEY (schedule_id, due_at)
    );
"""


def upgrade() -> None:
    op.execute("SET lock_timeout = '5s'")
    op.execute(_SCHEDULES)


def downgrade() -> None:
    op.execute("DROP TABLE volume_schedule_runs; DROP TABLE volume_schedules;")
