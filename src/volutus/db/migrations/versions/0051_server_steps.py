"""Servers between two shapes: resized, rescued, shelved, suspended; and the step each has come to."""

from alembic import op

revision = "0051"
down_revision = "0050"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE servers
            ADD COLUMN step text CHECK (step IN (
                'resize_stop', 'resize_start', 'resized', 'revert_stop', 'revert_start',
                'rescue_disk', 'rescue_start', 'rescued', 'unrescue_start',
                'shelve_stop', 'shelve_image', 'shelve_remove', 'shelved', 'unshelve')),
            ADD COLUMN step_since timestamptz,
            ADD COLUMN step_data jsonb NOT NULL DEFAULT '{}',
            ADD CONSTRAINT servers_step_since CHECK ((step IS NULL) = (step_since IS NULL)),
            DROP CONSTRAINT servers_power_check,
            ADD CONSTRAINT servers_power_check CHECK (power IN ('on', 'off', 'paused', 'suspended'));
        ALTER TABLE guests DROP CONSTRAINT guests_assigned_power_check,
            ADD CONSTRAINT guests_assigned_power_check
                CHECK (assigned_power IN ('on', 'off', 'paused', 'suspended'));
        ALTER TABLE guests DROP CONSTRAINT guests_state_check,
            ADD CONSTRAINT guests_state_check CHECK (state IN (
                'pending', 'running', 'paused', 'suspended', 'stopped', 'crashed', 'failed'));
        CREATE INDEX servers_stepping ON servers (step_since) WHERE step IS NOT NULL;
        """
    )
