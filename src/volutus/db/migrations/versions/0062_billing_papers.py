"""Who buys and who sells, as invoices name them; and which notices were mailed."""

from alembic import op

revision = "0062"
down_revision = "0061"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE billing_account ADD COLUMN address text NOT NULL DEFAULT '',
            ADD COLUMN vat_number text NOT NULL DEFAULT '';
        ALTER TABLE billing_region ADD COLUMN seller text NOT NULL DEFAULT '';
        CREATE TABLE billing_mail (
            notice_id bigint PRIMARY KEY REFERENCES billing_notice,
            status text NOT NULL CHECK (status IN ('sending', 'sent', 'failed')),
            attempts integer NOT NULL CHECK (attempts > 0),
            why text NOT NULL DEFAULT '',
            at timestamptz NOT NULL
        );
        CREATE INDEX billing_notice_at ON billing_notice (at);
        """
    )
