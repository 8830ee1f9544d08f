"""What hosts are asked to do with a guest once, at once: set a password, dump it. Passwords are sealed."""

from alembic import op

revision = "0052"
down_revision = "0051"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE guest_commands (
            id text PRIMARY KEY,
            server_id text NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
            host_id text NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
            action text NOT NULL,
            kind text NOT NULL CHECK (kind IN ('set_password', 'inject_nmi')),
            sealed text NOT NULL DEFAULT '',
            ordered_at timestamptz NOT NULL,
            asked_at timestamptz
        );
        CREATE INDEX guest_commands_server ON guest_commands (server_id);
        CREATE INDEX guest_commands_host ON guest_commands (host_id);
        """
    )
