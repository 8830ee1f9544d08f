"""What business adds to charges: standing, notices, budgets, tax, credits, invoices, and the uplink."""

from alembic import op

revision = "0011"
down_revision = "0010"

_STANDING = """
CREATE TABLE billing_uplink (
    region text PRIMARY KEY,
    mbit numeric NOT NULL CHECK (mbit >= 0)
);
-- How an account stands with us. Servers of a stopped account's projects are to be off.
CREATE TABLE billing_standing (
    account_id text PRIMARY KEY REFERENCES billing_account,
    state text NOT NULL CHECK (state IN ('good', 'warned', 'stopped', 'deleted')),
    since timestamptz NOT NULL,
    why text NOT NULL DEFAULT ''
);
CREATE INDEX billing_standing_state ON billing_standing (state) WHERE state <> 'good';
-- What an account was told. Its purpose makes a notice unique: nobody is told the same thing twice.
CREATE TABLE billing_notice (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id text NOT NULL REFERENCES billing_account,
    kind text NOT NULL,
    purpose text NOT NULL UNIQUE,
    at timestamptz NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX billing_notice_account ON billing_notice (account_id, id);
CREATE TABLE billing_budget (
    id text PRIMARY KEY,
    account_id text NOT NULL REFERENCES billing_account,
    project_id text,
    name text NOT NULL,
    amount numeric(38,20) NOT NULL CHECK (amount > 0),
    alert_percents smallint[] NOT NULL,
    stops boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL
);
CREATE INDEX billing_budget_account ON billing_budget (account_id, id);
"""

_PAPER = """
CREATE TABLE billing_tax (
    country text NOT NULL,
    valid_from timestamptz NOT NULL,
    name text NOT NULL,
    percent numeric NOT NULL CHECK (percent BETWEEN 0 AND 100),
    PRIMARY KEY (country, valid_from)
);
CREATE TABLE billing_credit (
    id text PRIMARY KEY,
    account_id text NOT NULL REFERENCES billing_account,
    amount numeric(38,20) NOT NULL CHECK (amount > 0),
    note text NOT NULL,
    granted_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > granted_at)
);
CREATE INDEX billing_credit_expiry ON billing_credit (expires_at);
CREATE INDEX billing_credit_account ON billing_credit (account_id, expires_at);
CREATE TABLE billing_voucher (
    code_digest text PRIMARY KEY,
    amount numeric(38,20) NOT NULL CHECK (amount > 0),
    currency text NOT NULL,
    expires_at timestamptz NOT NULL,
    credit_id text UNIQUE REFERENCES billing_credit
);
-- Numbered without a gap: each points at the one before it.
CREATE TABLE billing_invoice (
    number bigint PRIMARY KEY CHECK (number > 0),
    previous bigint GENERATED ALWAYS AS (nullif(number - 1, 0)) STORED REFERENCES billing_invoice,
    account_id text NOT NULL REFERENCES billing_account,
    period_from timestamptz NOT NULL,
    period_to timestamptz NOT NULL CHECK (period_to > period_from),
    currency text NOT NULL,
    net numeric(38,20) NOT NULL,
    tax_name text NOT NULL,
    tax_percent numeric NOT NULL,
    tax numeric(38,20) NOT NULL,
    gross numeric(38,20) NOT NULL CHECK (gross = net + tax),
    lines jsonb NOT NULL,
    issued_at timestamptz NOT NULL,
    UNIQUE (account_id, period_from)
);
CREATE INDEX billing_invoice_account ON billing_invoice (account_id, number);
"""


def upgrade() -> None:
    op.execute(_STANDING + _PAPER)
    for table in ("billing_notice", "billing_tax", "billing_credit", "billing_invoice"):
        op.execute(
            f"""
            CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
                FOR EACH STATEMENT EXECUTE FUNCTION billing_append_only();
            REVOKE DELETE, TRUNCATE ON {table} FROM PUBLIC, CURRENT_USER;
            """
        )
