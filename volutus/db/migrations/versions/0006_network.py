"""The tables of network."""

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Filled in by the first version of what it is for."""
