"""The tables of compute."""

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Filled in by the first version of what it is for."""
