"""A volume may be made anew from an image."""

from alembic import op

revision = "0120"
down_revision = "0091"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE volume_disks DROP CONSTRAINT volume_disks_rework_check,
            ADD CONSTRAINT volume_disks_rework_check
                CHECK (rework IN ('retyping', 'reverting', 'restoring-backup', 'downloading'));
        """
    )
