"""What server a port is plugged into, apart from what its owner may write beside it."""

from alembic import op

revision = "0075"
down_revision = "0070"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE ports ADD COLUMN server_id text;
        -- Not whoever merely names the server: that may be another project's port.
        UPDATE ports p SET server_id = p.device_id FROM servers s
            WHERE s.id = p.device_id AND p.device_owner LIKE 'compute:%'
                AND (p.made_for_server OR s.project_id = p.project_id);
        CREATE INDEX ports_server ON ports (server_id) WHERE server_id IS NOT NULL;
        """
    )
