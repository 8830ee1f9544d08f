"""Imports of image data that take their time, and what came of them."""

from alembic import op

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE images
            ADD COLUMN import_state text CHECK (import_state IN ('pending', 'success', 'failure')),
            DROP COLUMN status;
        -- An expression cannot be changed, so the column is made anew.
        ALTER TABLE images ADD COLUMN status text NOT NULL GENERATED ALWAYS AS (
            CASE WHEN deleted_at IS NOT NULL THEN 'deleted'
                 WHEN activated_at IS NOT NULL AND deactivated THEN 'deactivated'
                 WHEN activated_at IS NOT NULL THEN 'active'
                 WHEN import_state = 'pending' THEN 'importing'
                 WHEN staged_at IS NOT NULL OR upload_id IS NOT NULL AND staging THEN 'uploading'
                 WHEN upload_id IS NOT NULL THEN 'saving'
                 ELSE 'queued' END
        ) STORED;
        -- The image may be gone before what is told of it.
        CREATE TABLE image_tasks (
            id text PRIMARY KEY,
            type text NOT NULL CHECK (type IN ('import', 'api_image_import')),
            image_id text,
            owner text,
            user_id text,
            request_id text NOT NULL,
            input jsonb NOT NULL,
            state text NOT NULL CHECK (state IN ('pending', 'processing', 'success', 'failure')),
            message text NOT NULL DEFAULT '',
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL
        );
        CREATE INDEX image_tasks_image ON image_tasks (image_id, created_at);
        CREATE INDEX image_tasks_owner ON image_tasks (owner, created_at);
        CREATE INDEX image_tasks_age ON image_tasks (updated_at);
        """
    )
