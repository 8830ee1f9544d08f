"""What guests told of their passwords."""

from alembic import op

revision = "0151"
down_revision = "0145"

_PASSWORDS = """
    CREATE TABLE guest_passwords (
        server_id text PRIMARY KEY REFERENCES servers,
        password text NOT NULL,
        told_at timestamptz NOT NULL
    );
"""


def upgrade() -> None:
    op.execute(_PASSWORDS)


def downgrade() -> None:
    op.execute("DROP TABLE guest_passwords;")
