"""What projects may have and do have, and the ranges of time for which they had it."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE quota_limits (
            project_id text NOT NULL,
            resource text NOT NULL,
            maximum bigint NOT NULL CHECK (maximum >= -1),
            PRIMARY KEY (project_id, resource)
        );
        CREATE TABLE quota_usage (
            project_id text NOT NULL,
            resource text NOT NULL,
            used bigint NOT NULL CHECK (used >= 0),
            PRIMARY KEY (project_id, resource)
        );
        CREATE TABLE usage_ranges (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            project_id text NOT NULL,
            resource_kind text NOT NULL,
            resource_id text NOT NULL,
            meter text NOT NULL,
            amount numeric NOT NULL CHECK (amount >= 0),
            during tstzrange NOT NULL
                CHECK (NOT isempty(during) AND lower_inc(during) AND NOT upper_inc(during))
        );
        -- What is used is used once: at most one open range per thing and meter.
        CREATE UNIQUE INDEX usage_open ON usage_ranges (resource_kind, resource_id, meter)
            WHERE upper_inf(during);
        CREATE INDEX usage_project ON usage_ranges (project_id, lower(during));
        """
    )
