"""A security group's rule shows its prefix as it was given, beside the one that counts."""

from alembic import op

revision = "0125"
down_revision = "0124"


def upgrade() -> None:
    op.execute("ALTER TABLE security_group_rules ADD COLUMN given_prefix text")
