"""The tables of identity."""

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Filled in by the first version of what it is for."""
