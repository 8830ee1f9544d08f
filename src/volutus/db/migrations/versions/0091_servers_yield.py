"""Back-fill servers are given notice before they yield their place."""

from alembic import op

revision = "0091"
down_revision = "0090"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE servers DROP CONSTRAINT servers_step_check, ADD CONSTRAINT servers_step_check CHECK (
            step IN ('resize_stop', 'resize_start', 'resized', 'revert_stop', 'revert_start', 'rescue_disk',
                'rescue_start', 'rescued', 'unrescue_start', 'yield', 'shelve_stop', 'shelve_image',
                'shelve_remove', 'shelved', 'unshelve'));
        """
    )
