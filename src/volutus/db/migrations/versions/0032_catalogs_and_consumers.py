"""Catalogs narrowed for projects, settings deposited for domains, and access that users give to consumers."""

from alembic import op

revision = "0032"
down_revision = "0031"

_CATALOGS = """
CREATE TABLE identity_endpoint_group (
    id text PRIMARY KEY,
    name text NOT NULL UNIQUE,
    description text,
    -- Conditions, not references: one on a service that is gone fits nothing.
    service_id text,
    interface text CHECK (interface IN ('public', 'internal', 'admin')),
    region_id text,
    CHECK (num_nonnulls(service_id, interface, region_id) > 0)
);
CREATE TABLE identity_project_endpoint_group (
    project_id text NOT NULL REFERENCES identity_project ON DELETE CASCADE,
    endpoint_group_id text NOT NULL REFERENCES identity_endpoint_group ON DELETE CASCADE,
    PRIMARY KEY (project_id, endpoint_group_id)
);
CREATE INDEX identity_project_endpoint_group_group ON identity_project_endpoint_group (endpoint_group_id);
CREATE TABLE identity_project_endpoint (
    project_id text NOT NULL REFERENCES identity_project ON DELETE CASCADE,
    endpoint_id text NOT NULL REFERENCES identity_endpoint ON DELETE CASCADE,
    PRIMARY KEY (project_id, endpoint_id)
);
CREATE INDEX identity_project_endpoint_endpoint ON identity_project_endpoint (endpoint_id);
CREATE TABLE identity_domain_config (
    domain_id text PRIMARY KEY REFERENCES identity_domain ON DELETE CASCADE,
    sealed_config text NOT NULL
);
"""
_CONSUMERS = """
CREATE TABLE identity_consumer (
    id text PRIMARY KEY,
    description text,
    sealed_secret text NOT NULL,
    extra jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE identity_request_token (
    id text PRIMARY KEY,
    consumer_id text NOT NULL REFERENCES identity_consumer ON DELETE CASCADE,
    project_id text NOT NULL REFERENCES identity_project ON DELETE CASCADE,
    sealed_secret text NOT NULL,
    expires_at timestamptz NOT NULL,
    user_id text REFERENCES identity_user ON DELETE CASCADE,
    role_ids text[] NOT NULL DEFAULT '{}',
    verifier_hash text
);
CREATE INDEX identity_request_token_expiry ON identity_request_token (expires_at);
CREATE TABLE identity_access_token (
    id text PRIMARY KEY,
    consumer_id text NOT NULL REFERENCES identity_consumer ON DELETE CASCADE,
    trust_id text NOT NULL UNIQUE REFERENCES identity_trust ON DELETE CASCADE,
    user_id text NOT NULL REFERENCES identity_user ON DELETE CASCADE,
    sealed_secret text NOT NULL
);
CREATE INDEX identity_access_token_user ON identity_access_token (user_id);
CREATE FUNCTION identity_access_token_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The trust is what its tokens live by: it ends with the consumer too.
    DELETE FROM identity_trust WHERE id = OLD.trust_id;
    RETURN OLD;
END $$;
CREATE TRIGGER identity_access_token_ends AFTER DELETE ON identity_access_token
    FOR EACH ROW EXECUTE FUNCTION identity_access_token_ends();
"""
_TRIGGER = """
CREATE TRIGGER {table}_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION identity_changed();
"""
_REMEMBERED = ("identity_endpoint_group", "identity_project_endpoint_group", "identity_project_endpoint")


def upgrade() -> None:
    op.execute(_CATALOGS)
    op.execute(_CONSUMERS)
    op.execute("".join(_TRIGGER.format(table=table) for table in _REMEMBERED))
