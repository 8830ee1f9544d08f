"""A number for each port by which the switch tells whose packets leave the cloud."""

from alembic import op

revision = "0047"
down_revision = "0062"


def upgrade() -> None:
    # Never used twice: a host could still count for a port that is gone.
    op.execute("ALTER TABLE ports ADD COLUMN traffic_mark bigint GENERATED ALWAYS AS IDENTITY")
