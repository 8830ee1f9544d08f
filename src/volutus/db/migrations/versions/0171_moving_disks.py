"""A disk that is kept otherwise from now on, in another pool perhaps, remembers how it is kept until then."""

from alembic import op

revision = "0171"
down_revision = "0157"


def upgrade() -> None:
    op.execute(
        """
        -- `before`: pool, format, key_id, encrypted, and in room_id who claimed the room that it goes to.
        -- Decided by the reconciler: `move_failure`, why it is to stay as it is.
        ALTER TABLE volume_disks
            ADD COLUMN before jsonb,
            ADD COLUMN move_failure text,
            ADD CHECK (move_failure IS NULL OR before IS NOT NULL),
            DROP CONSTRAINT volume_disks_rework_check,
            ADD CONSTRAINT volume_disks_rework_check CHECK (rework IN (
                'retyping', 'reverting', 'restoring-backup', 'downloading', 'rebuilding', 'migrating',
                'maintenance'
            ));
        CREATE INDEX volume_disks_moving ON volume_disks (id) WHERE before IS NOT NULL;
        ALTER TABLE volumes ADD COLUMN migration_failed boolean NOT NULL DEFAULT false;
        """
    )
