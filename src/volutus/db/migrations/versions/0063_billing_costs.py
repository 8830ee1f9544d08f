"""What a meter costs the operator himself, as dated data."""

from alembic import op

revision = "0063"
down_revision = "0062"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE billing_cost (
            meter text NOT NULL,
            currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
            valid_from timestamptz NOT NULL,
            cost numeric(38,20) NOT NULL CHECK (cost >= 0),
            per numeric NOT NULL CHECK (per > 0),
            PRIMARY KEY (meter, currency, valid_from)
        );
        """
    )
