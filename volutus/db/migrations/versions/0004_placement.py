"""The tables of placement."""

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Filled in by the first version of what it is for."""
