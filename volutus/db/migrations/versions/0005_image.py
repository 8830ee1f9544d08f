"""The tables of image."""

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Filled in by the first version of what it is for."""
