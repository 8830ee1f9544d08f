"""The ledger: accounts, transfers between them, and each account's chain of balances.

What must never be wrong is stated here as constraints, so that no program can get it wrong:
a transfer has one entry that takes and one that gives the same amount; both are in its currency; the balance
before an entry is the balance after the one before it; nothing is ever changed or removed.
"""

from alembic import op

revision = "0009"
down_revision = "0008"

_APPEND_ONLY = """
CREATE FUNCTION billing_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME USING ERRCODE =
    'restrict_violation';
END $$;
"""

_ACCOUNTS = """
CREATE TABLE billing_account (
    id text PRIMARY KEY,
    name text NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    mode text NOT NULL CHECK (mode IN ('paying', 'showback')),
    country text NOT NULL DEFAULT '',
    language text NOT NULL DEFAULT 'en' CHECK (language IN ('en', 'zh')),
    contact text NOT NULL DEFAULT '',
    credit_limit numeric(38,20) NOT NULL DEFAULT 0 CHECK (credit_limit >= 0),
    created_at timestamptz NOT NULL
);
-- Who pays for a project, from when on. Without a row a project pays for itself.
CREATE TABLE billing_payer (
    project_id text NOT NULL,
    from_at timestamptz NOT NULL,
    account_id text NOT NULL REFERENCES billing_account,
    recorded_at timestamptz NOT NULL CHECK (from_at >= recorded_at),
    PRIMARY KEY (project_id, from_at)
);
CREATE INDEX billing_payer_account ON billing_payer (account_id);
"""

# A ledger account's number is small because each entry carries three of them.
_LEDGER = """
CREATE TABLE billing_ledger_account (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('payer', 'revenue', 'cash', 'tax', 'credit')),
    owner text NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    opened_at timestamptz NOT NULL,
    UNIQUE (kind, owner, currency),
    UNIQUE (id, currency)
);
CREATE SEQUENCE billing_posting;
CREATE TABLE billing_transfer (
    id uuid PRIMARY KEY,
    posting bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('usage', 'correction', 'subscription', 'package', 'refund', 'payment',
                                       'credit', 'credit_expired', 'tax')),
    purpose text NOT NULL,
    from_id bigint NOT NULL,
    to_id bigint NOT NULL CHECK (to_id <> from_id),
    currency text NOT NULL,
    amount numeric(38,20) NOT NULL CHECK (amount > 0),
    at timestamptz NOT NULL,
    account_id text NOT NULL REFERENCES billing_account,
    project_id text,
    cycle bigint,
    meter text,
    quantity numeric,
    price numeric,
    per numeric,
    price_id bigint,
    CHECK (kind NOT IN ('usage', 'correction') OR (cycle IS NOT NULL AND project_id IS NOT NULL
                                                   AND meter IS NOT NULL AND quantity IS NOT NULL)),
    out smallint NOT NULL GENERATED ALWAYS AS (-1) STORED,
    "in" smallint NOT NULL GENERATED ALWAYS AS (1) STORED,
    UNIQUE (id, from_id, to_id, amount),
    FOREIGN KEY (from_id, currency) REFERENCES billing_ledger_account (id, currency),
    FOREIGN KEY (to_id, currency) REFERENCES billing_ledger_account (id, currency)
);
CREATE INDEX billing_transfer_posting ON billing_transfer (posting);
CREATE INDEX billing_transfer_account ON billing_transfer (account_id, cycle);
CREATE INDEX billing_transfer_cycle ON billing_transfer (cycle) WHERE cycle IS NOT NULL;
CREATE TABLE billing_entry (
    account_id bigint NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    transfer_id uuid NOT NULL,
    side smallint NOT NULL CHECK (side IN (-1, 1)),
    from_id bigint NOT NULL,
    to_id bigint NOT NULL,
    magnitude numeric(38,20) NOT NULL CHECK (magnitude > 0),
    before numeric(38,20) NOT NULL,
    after numeric(38,20) NOT NULL,
    previous bigint GENERATED ALWAYS AS (nullif(number - 1, 0)) STORED,
    PRIMARY KEY (account_id, number),
    UNIQUE (account_id, number, after),
    UNIQUE (transfer_id, side),
    CHECK (account_id = CASE side WHEN -1 THEN from_id ELSE to_id END),
    CHECK (after = before + side * magnitude),
    CHECK (number > 1 OR before = 0),
    FOREIGN KEY (transfer_id, from_id, to_id, magnitude)
        REFERENCES billing_transfer (id, from_id, to_id, amount),
    FOREIGN KEY (account_id, previous, before) REFERENCES billing_entry (account_id, number, after)
);
ALTER TABLE billing_transfer
    ADD CONSTRAINT billing_transfer_taken FOREIGN KEY (id, out) REFERENCES billing_entry (transfer_id, side)
        DEFERRABLE INITIALLY DEFERRED,
    ADD CONSTRAINT billing_transfer_given FOREIGN KEY (id, "in") REFERENCES billing_entry (transfer_id, side)
        DEFERRABLE INITIALLY DEFERRED;
"""


def upgrade() -> None:
    op.execute(_APPEND_ONLY + _ACCOUNTS + _LEDGER)
    for table in ("billing_payer", "billing_ledger_account", "billing_transfer", "billing_entry"):
        op.execute(append_only(table))


def append_only(table: str) -> str:
    """No change, not even by the program's own role. UPDATE cannot be revoked too: PostgreSQL's check of a
    foreign key locks the row it points at as the table's owner, which needs that privilege."""
    return f"""
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION billing_append_only();
        REVOKE DELETE, TRUNCATE ON {table} FROM PUBLIC, CURRENT_USER;
    """
