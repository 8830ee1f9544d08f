"""The tables of volume."""

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Filled in by the first version of what it is for."""
