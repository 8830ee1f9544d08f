"""Prices as dated data, the cycles that were rated with them, what was bought ahead, and counted usage."""

from alembic import op

revision = "0010"
down_revision = "0009"

# What is counted rather than had for a time: bytes. A counter remembers what a guest's own counter said.
_COUNTS = """
CREATE INDEX usage_during ON usage_ranges USING gist (during);
CREATE TABLE usage_counters (
    resource_kind text NOT NULL,
    resource_id text NOT NULL,
    meter text NOT NULL,
    run text NOT NULL,
    total numeric NOT NULL CHECK (total >= 0),
    PRIMARY KEY (resource_kind, resource_id, meter)
);
CREATE TABLE usage_counts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id text NOT NULL,
    resource_kind text NOT NULL,
    resource_id text NOT NULL,
    meter text NOT NULL,
    quantity numeric NOT NULL CHECK (quantity > 0),
    at timestamptz NOT NULL
);
CREATE INDEX usage_counts_at ON usage_counts (at);
"""

_PRICES = """
CREATE TABLE billing_price_list (
    id text PRIMARY KEY,
    region text NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    base_id text REFERENCES billing_price_list CHECK (base_id <> id),
    is_default boolean NOT NULL DEFAULT false,
    is_public boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL,
    -- A default list stands on its own: others stand on it.
    CHECK (NOT is_default OR base_id IS NULL)
);
CREATE UNIQUE INDEX billing_price_list_default ON billing_price_list (region, currency) WHERE is_default;
CREATE TABLE billing_price_edition (
    list_id text NOT NULL REFERENCES billing_price_list,
    valid_from timestamptz NOT NULL,
    published_at timestamptz NOT NULL CHECK (valid_from >= published_at),
    published_by text,
    factor numeric NOT NULL DEFAULT 1 CHECK (factor > 0),
    PRIMARY KEY (list_id, valid_from)
);
-- Level 0 is the price of what is bought ahead; from 1 on it is the price of use, by how busy the cloud is.
CREATE TABLE billing_price (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    list_id text NOT NULL,
    valid_from timestamptz NOT NULL,
    meter text NOT NULL,
    level smallint NOT NULL CHECK (level BETWEEN 0 AND 20),
    price numeric(38,20) NOT NULL CHECK (price >= 0),
    per numeric NOT NULL CHECK (per > 0),
    unit text NOT NULL,
    UNIQUE (list_id, valid_from, meter, level),
    FOREIGN KEY (list_id, valid_from) REFERENCES billing_price_edition
);
-- One of `base` costs so many of `quote`.
CREATE TABLE billing_fx (
    base text NOT NULL CHECK (base ~ '^[A-Z]{3}$'),
    quote text NOT NULL CHECK (quote ~ '^[A-Z]{3}$' AND quote <> base),
    valid_from timestamptz NOT NULL,
    published_at timestamptz NOT NULL CHECK (valid_from >= published_at),
    rate numeric NOT NULL CHECK (rate > 0),
    PRIMARY KEY (base, quote, valid_from)
);
CREATE TABLE billing_account_list (
    account_id text NOT NULL REFERENCES billing_account,
    from_at timestamptz NOT NULL,
    list_id text NOT NULL REFERENCES billing_price_list,
    recorded_at timestamptz NOT NULL CHECK (from_at >= recorded_at),
    PRIMARY KEY (account_id, from_at)
);
"""

# Each rated cycle points at the one before it: none can be left out, none can be done twice.
_CYCLES = """
CREATE TABLE billing_region (
    region text PRIMARY KEY,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    mode text NOT NULL CHECK (mode IN ('paying', 'showback')),
    first_cycle bigint NOT NULL
);
CREATE UNIQUE INDEX billing_region_one ON billing_region ((true));
CREATE TABLE billing_cycle (
    cycle bigint PRIMARY KEY,
    previous bigint REFERENCES billing_cycle CHECK (previous = cycle - 1),
    rated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX billing_cycle_first ON billing_cycle ((true)) WHERE previous IS NULL;
-- Usage that could not be charged: an operator has to look.
CREATE TABLE billing_gap (
    cycle bigint NOT NULL REFERENCES billing_cycle,
    account_id text NOT NULL,
    project_id text NOT NULL,
    meter text NOT NULL,
    quantity numeric NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (cycle, account_id, project_id, meter)
);
-- Decided from the load of `decided_in`, published then as the next one, in force from `cycle` on.
CREATE TABLE billing_level (
    meter text NOT NULL,
    cycle bigint NOT NULL,
    decided_in bigint NOT NULL CHECK (decided_in < cycle),
    decided_at timestamptz NOT NULL CHECK (decided_at <= to_timestamp(cycle * 300)),
    load numeric NOT NULL CHECK (load >= 0),
    smoothed numeric NOT NULL CHECK (smoothed >= 0),
    level smallint NOT NULL CHECK (level BETWEEN 1 AND 20),
    PRIMARY KEY (meter, cycle)
);
CREATE INDEX billing_level_cycle ON billing_level (cycle);
"""

# Bought ahead: covers an amount of a meter for a time, of all an account's projects or of one thing alone.
_AHEAD = """
CREATE TABLE billing_package (
    id text PRIMARY KEY,
    account_id text NOT NULL REFERENCES billing_account,
    project_id text NOT NULL,
    resource_kind text NOT NULL,
    resource_id text NOT NULL,
    months smallint NOT NULL CHECK (months > 0),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (ends_at > starts_at),
    ended_at timestamptz CHECK (ended_at >= starts_at AND ended_at <= ends_at),
    auto_renew boolean NOT NULL DEFAULT false,
    renews_id text UNIQUE REFERENCES billing_package,
    paid numeric(38,20) NOT NULL CHECK (paid >= 0),
    created_at timestamptz NOT NULL CHECK (starts_at >= created_at)
);
CREATE INDEX billing_package_account ON billing_package (account_id, ends_at);
CREATE INDEX billing_package_renewal ON billing_package (ends_at) WHERE auto_renew AND ended_at IS NULL;
CREATE TABLE billing_subscription (
    id text PRIMARY KEY,
    account_id text NOT NULL REFERENCES billing_account,
    package_id text REFERENCES billing_package,
    resource_kind text,
    resource_id text,
    meter text NOT NULL,
    amount numeric NOT NULL CHECK (amount > 0),
    months smallint NOT NULL CHECK (months > 0),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (ends_at > starts_at),
    ended_at timestamptz CHECK (ended_at >= starts_at AND ended_at <= ends_at),
    auto_renew boolean NOT NULL DEFAULT false,
    renews_id text UNIQUE REFERENCES billing_subscription,
    price numeric(38,20) NOT NULL CHECK (price >= 0),
    per numeric NOT NULL CHECK (per > 0),
    discount_percent numeric NOT NULL CHECK (discount_percent BETWEEN 0 AND 100),
    paid numeric(38,20) NOT NULL CHECK (paid >= 0),
    created_at timestamptz NOT NULL CHECK (starts_at >= created_at),
    CHECK ((resource_kind IS NULL) = (resource_id IS NULL)),
    CHECK ((package_id IS NULL) = (resource_id IS NULL))
);
CREATE INDEX billing_subscription_account ON billing_subscription (account_id, ends_at);
CREATE INDEX billing_subscription_ends ON billing_subscription (ends_at);
CREATE INDEX billing_subscription_package ON billing_subscription (package_id);
-- A term once bought is bought: only its renewal and an early end can be decided later.
CREATE FUNCTION billing_term_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (to_jsonb(NEW) - 'auto_renew' - 'ended_at') <> (to_jsonb(OLD) - 'auto_renew' - 'ended_at')
       OR (OLD.ended_at IS NOT NULL AND NEW.ended_at IS DISTINCT FROM OLD.ended_at) THEN
        RAISE EXCEPTION 'a term that was bought is not changed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER frozen BEFORE UPDATE ON billing_subscription
    FOR EACH ROW EXECUTE FUNCTION billing_term_frozen();
CREATE TRIGGER frozen BEFORE UPDATE ON billing_package
    FOR EACH ROW EXECUTE FUNCTION billing_term_frozen();
"""

_FROZEN = (
    "billing_price_list",
    "billing_price_edition",
    "billing_price",
    "billing_fx",
    "billing_account_list",
    "billing_cycle",
    "billing_gap",
    "billing_level",
)


def upgrade() -> None:
    op.execute(_COUNTS + _PRICES + _CYCLES + _AHEAD)
    for table in _FROZEN:
        op.execute(
            f"""
            CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
                FOR EACH STATEMENT EXECUTE FUNCTION billing_append_only();
            REVOKE DELETE, TRUNCATE ON {table} FROM PUBLIC, CURRENT_USER;
            """
        )
    for table in ("billing_subscription", "billing_package"):
        op.execute(
            f"""
            CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON {table}
                FOR EACH STATEMENT EXECUTE FUNCTION billing_append_only();
            """
        )
