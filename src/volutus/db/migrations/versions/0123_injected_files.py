"""Files that an order carries for its server."""

from alembic import op

revision = "0123"
down_revision = "0122"


def upgrade() -> None:
    op.execute("ALTER TABLE servers ADD COLUMN files jsonb NOT NULL DEFAULT '[]'")
