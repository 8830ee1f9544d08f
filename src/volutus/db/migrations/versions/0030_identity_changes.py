"""Which transactions changed what tokens stand for, so that processes may remember the rest.

A row a transaction, written by triggers: whatever changes these tables, a psql session too, is noticed.
"""

from alembic import op

revision = "0030"
down_revision = "0021"

_TABLES = (
    "identity_domain",
    "identity_project",
    "identity_user",
    "identity_group_member",
    "identity_role",
    "identity_implied_role",
    "identity_assignment",
    "identity_region",
    "identity_service",
    "identity_endpoint",
    "identity_application_credential",
    "identity_application_credential_role",
    "identity_application_credential_access_rule",
    "identity_trust",
    "identity_trust_role",
    "identity_revoked_token",
)
# Rows are swept an hour later, a few with each change: no process remembers for longer than ten minutes.
_FUNCTION = """
CREATE TABLE identity_change (
    xid xid8 PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX identity_change_at ON identity_change (at);
CREATE FUNCTION identity_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO identity_change (xid) VALUES (pg_current_xact_id()) ON CONFLICT DO NOTHING;
    IF FOUND THEN
        DELETE FROM identity_change WHERE xid IN (
            SELECT xid FROM identity_change WHERE at < clock_timestamp() - interval '1 hour'
            LIMIT 10 FOR UPDATE SKIP LOCKED);
    END IF;
    RETURN NULL;
END $$;
"""
_TRIGGER = """
CREATE TRIGGER {table}_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION identity_changed();
"""


def upgrade() -> None:
    op.execute(_FUNCTION + "".join(_TRIGGER.format(table=table) for table in _TABLES))
