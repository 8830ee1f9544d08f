"""Usage of one thing is found without that of its whole project."""

from alembic import op

revision = "0093"
down_revision = "0101"


def upgrade() -> None:
    op.execute("CREATE INDEX usage_resource ON usage_ranges (resource_kind, resource_id, lower(during));")
