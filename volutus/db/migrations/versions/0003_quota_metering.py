"""The tables of quota and metering."""

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Filled in by the first version of what it is for."""
