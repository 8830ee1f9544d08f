"""A disk may be made anew by a rebuild, besides being moved."""

from alembic import op

revision = "0164"
down_revision = "0171"

_KINDS = "'retyping', 'reverting', 'restoring-backup', 'downloading', 'migrating', 'maintenance'"


def upgrade() -> None:
    _allow(f"{_KINDS}, 'rebuilding'")


def downgrade() -> None:
    _allow(_KINDS)


def _allow(kinds: str) -> None:
    op.execute(
        f"""
        ALTER TABLE volume_disks DROP CONSTRAINT volume_disks_rework_check,
            ADD CONSTRAINT volume_disks_rework_check CHECK (rework IN ({kinds}));
        """
    )
