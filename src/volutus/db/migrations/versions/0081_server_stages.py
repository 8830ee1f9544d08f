"""The stages that an action of a server went through, each with its beginning; the next one's is its end."""

from alembic import op

revision = "0081"
down_revision = "0080"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE server_stages (
            action_id bigint NOT NULL REFERENCES server_actions (id) ON DELETE CASCADE,
            name text NOT NULL,
            started_at timestamptz NOT NULL,
            PRIMARY KEY (action_id, name)
        );
        """
    )
