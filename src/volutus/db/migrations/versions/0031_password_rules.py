"""Passwords as they were set: what the rules on history and least age look at."""

from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE identity_password (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            user_id text NOT NULL REFERENCES identity_user ON DELETE CASCADE,
            password_hash text NOT NULL,
            created_at timestamptz NOT NULL,
            self_service boolean NOT NULL
        );
        CREATE INDEX identity_password_user ON identity_password (user_id, id);
        INSERT INTO identity_password (user_id, password_hash, created_at, self_service)
        SELECT id, password_hash, coalesce(password_changed_at, created_at), false
        FROM identity_user WHERE password_hash IS NOT NULL;
        """
    )
