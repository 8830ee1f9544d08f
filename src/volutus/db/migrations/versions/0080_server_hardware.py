"""What kind of disk a server's image is, and how far its guest can grow while it runs."""

from alembic import op

revision = "0080"
down_revision = "0075"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE servers ADD COLUMN image_format text NOT NULL DEFAULT '';
        ALTER TABLE guests
            ADD COLUMN cores_max integer NOT NULL DEFAULT 0,
            ADD COLUMN memory_mib_max integer NOT NULL DEFAULT 0;
        """
    )
