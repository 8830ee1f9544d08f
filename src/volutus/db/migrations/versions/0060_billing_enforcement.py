"""What was stopped for want of money, so that paying starts it again; and who has nothing left to delete."""

from alembic import op

revision = "0060"
down_revision = "0056"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE billing_halted (
            server_id text PRIMARY KEY,
            account_id text NOT NULL REFERENCES billing_account,
            halted_at timestamptz NOT NULL
        );
        CREATE INDEX billing_halted_account ON billing_halted (account_id);
        ALTER TABLE billing_standing ADD COLUMN cleared_at timestamptz;
        """
    )
