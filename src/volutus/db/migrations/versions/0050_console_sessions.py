"""Interactive consoles: the one-time tokens that open them, and which host each is asked of."""

from alembic import op

revision = "0050"
down_revision = "0047"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE console_sessions (
            id text PRIMARY KEY,
            token_digest text NOT NULL UNIQUE,
            server_id text NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
            user_id text,
            kind text NOT NULL CHECK (kind IN ('vnc', 'serial')),
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            opened_at timestamptz,
            host_id text REFERENCES hosts (id) ON DELETE CASCADE,
            asked_at timestamptz,
            CHECK (host_id IS NULL OR opened_at IS NOT NULL),
            CHECK (asked_at IS NULL OR host_id IS NOT NULL)
        );
        CREATE INDEX console_sessions_server ON console_sessions (server_id);
        CREATE INDEX console_sessions_unasked ON console_sessions (host_id) WHERE asked_at IS NULL;
        """
    )
