"""The reconcile queue and the audit trail."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        """
        CREATE SEQUENCE work_lease;
        CREATE TABLE work (
            kind text NOT NULL,
            key text NOT NULL,
            due_at timestamptz NOT NULL,
            wakes bigint NOT NULL DEFAULT 1,
            lease_until timestamptz,
            lease_no bigint NOT NULL DEFAULT 0,
            attempts integer NOT NULL DEFAULT 0,
            why text NOT NULL DEFAULT '',
            deadline_at timestamptz,
            PRIMARY KEY (kind, key)
        );
        CREATE INDEX work_due ON work (kind, due_at);
        CREATE TABLE audit (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            at timestamptz NOT NULL,
            request_id text NOT NULL,
            user_id text,
            project_id text,
            action text NOT NULL,
            object_kind text NOT NULL,
            object_id text NOT NULL,
            detail jsonb NOT NULL DEFAULT '{}'
        );
        CREATE INDEX audit_object ON audit (object_kind, object_id, id);
        CREATE INDEX audit_project ON audit (project_id, id);
        """
    )
