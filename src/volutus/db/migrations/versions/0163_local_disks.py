"""Servers' ephemeral disks and swap: exact sizes in MiB, what is on a disk when it is new, and a rebuild that
makes such a disk anew or leaves it."""

from alembic import op

revision = "0163"
down_revision = "0141"

_UP = """
    ALTER TABLE volume_disks
        -- Of a disk that is no whole number of GiB; size_gib is this, rounded up.
        ADD COLUMN size_mib integer CHECK ((size_mib + 1023) / 1024 = size_gib),
        ADD COLUMN filesystem text CHECK (filesystem IN ('ext2', 'ext3', 'ext4', 'swap')),
        ADD COLUMN label text,
        DROP CONSTRAINT volume_disks_rework_check,
        ADD CONSTRAINT volume_disks_rework_check
            CHECK (rework IN ('retyping', 'reverting', 'restoring-backup', 'downloading', 'rebuilding'));
    ALTER TABLE servers ADD COLUMN preserve_ephemeral boolean NOT NULL DEFAULT false;
"""
_DOWN = """
    ALTER TABLE servers DROP COLUMN preserve_ephemeral;
    ALTER TABLE volume_disks
        DROP CONSTRAINT volume_disks_rework_check,
        ADD CONSTRAINT volume_disks_rework_check
            CHECK (rework IN ('retyping', 'reverting', 'restoring-backup', 'downloading')),
        DROP COLUMN label, DROP COLUMN filesystem, DROP COLUMN size_mib;
"""


def upgrade() -> None:
    op.execute(_UP)


def downgrade() -> None:
    op.execute(_DOWN)
