"""A volume may be plugged in on a bus of its own, or as a CD-ROM."""

from alembic import op

revision = "0122"
down_revision = "0092"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE volume_attachments ADD COLUMN bus text,
            ADD COLUMN device_type text CHECK (device_type IN ('disk', 'cdrom'));
        """
    )
