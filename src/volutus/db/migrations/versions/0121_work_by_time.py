"""Work is taken by when it is due, whatever its kind; hosts are asked for what cannot wait only when rung."""

from alembic import op

revision = "0121"
down_revision = "0120"


def upgrade() -> None:
    op.execute(
        """
        DROP INDEX work_due;
        CREATE INDEX work_due ON work (due_at, kind);
        ALTER TABLE inventories ADD COLUMN rung boolean NOT NULL DEFAULT true;
        """
    )
