"""Servers that are held where they are."""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE servers DROP CONSTRAINT servers_power_check,
            ADD CONSTRAINT servers_power_check CHECK (power IN ('on', 'off', 'paused'));
        ALTER TABLE guests DROP CONSTRAINT guests_assigned_power_check,
            ADD CONSTRAINT guests_assigned_power_check CHECK (assigned_power IN ('on', 'off', 'paused'));
        """
    )
