"""Payments that a tenant began with a provider, and topping up by itself."""

from alembic import op

revision = "0061"
down_revision = "0060"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE billing_checkout (
            id text PRIMARY KEY,
            account_id text NOT NULL REFERENCES billing_account,
            provider text NOT NULL,
            amount numeric(38,20) NOT NULL CHECK (amount > 0),
            currency text NOT NULL,
            automatic boolean NOT NULL DEFAULT false,
            status text NOT NULL CHECK (status IN ('ordered', 'open', 'paid', 'failed', 'expired')),
            reference text,
            url text NOT NULL DEFAULT '',
            instructions text NOT NULL DEFAULT '',
            why text NOT NULL DEFAULT '',
            created_at timestamptz NOT NULL,
            changed_at timestamptz NOT NULL,
            UNIQUE (provider, reference)
        );
        CREATE INDEX billing_checkout_account ON billing_checkout (account_id, created_at);
        CREATE INDEX billing_checkout_waiting ON billing_checkout (changed_at)
            WHERE status IN ('ordered', 'open');
        -- One payment at a time is made without the tenant.
        CREATE UNIQUE INDEX billing_checkout_automatic ON billing_checkout (account_id)
            WHERE automatic AND status IN ('ordered', 'open');
        CREATE TABLE billing_top_up (
            account_id text PRIMARY KEY REFERENCES billing_account,
            provider text NOT NULL,
            threshold numeric(38,20) NOT NULL,
            amount numeric(38,20) NOT NULL CHECK (amount > 0),
            enabled boolean NOT NULL,
            changed_at timestamptz NOT NULL
        );
        -- What a provider keeps of a payer for the next time; numbers of cards never come here.
        CREATE TABLE billing_saved_method (
            account_id text NOT NULL REFERENCES billing_account,
            provider text NOT NULL,
            customer text NOT NULL,
            method text NOT NULL,
            saved_at timestamptz NOT NULL,
            PRIMARY KEY (account_id, provider)
        );
        """
    )
