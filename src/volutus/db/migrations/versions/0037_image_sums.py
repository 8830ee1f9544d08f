"""Images without a SHA-512: the SHA-256 that hosts check is what clients are shown too."""

from alembic import op

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    # The column stays until no process of the version before is left that writes it.
    op.execute(
        """
        ALTER TABLE images DROP CONSTRAINT images_data_is_whole, ADD CONSTRAINT images_data_is_whole CHECK (
            (activated_at IS NULL AND staged_at IS NULL)
            OR (size_bytes IS NOT NULL AND md5 IS NOT NULL AND sha256 IS NOT NULL
                AND disk_format IS NOT NULL AND container_format IS NOT NULL)
        );
        """
    )
