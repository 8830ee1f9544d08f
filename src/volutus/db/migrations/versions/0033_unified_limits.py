"""Limits registered for services, and what projects and domains have instead (unified limits)."""

from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE quota_registered_limits (
            id text PRIMARY KEY,
            service_id text NOT NULL REFERENCES identity_service ON DELETE CASCADE,
            region_id text REFERENCES identity_region,
            resource_name text NOT NULL,
            default_limit bigint NOT NULL CHECK (default_limit >= -1),
            description text,
            -- The quota of this cloud that it stands for, where there is one.
            resource text
        );
        CREATE UNIQUE INDEX quota_registered_limits_once
            ON quota_registered_limits (service_id, coalesce(region_id, ''), resource_name);
        CREATE INDEX quota_registered_limits_region ON quota_registered_limits (region_id);
        CREATE INDEX quota_registered_limits_resource ON quota_registered_limits (resource);
        CREATE TABLE quota_unified_limits (
            id text PRIMARY KEY,
            registered_limit_id text NOT NULL REFERENCES quota_registered_limits ON DELETE CASCADE,
            project_id text REFERENCES identity_project ON DELETE CASCADE,
            domain_id text REFERENCES identity_domain ON DELETE CASCADE,
            maximum bigint NOT NULL CHECK (maximum >= -1),
            description text,
            CHECK (num_nonnulls(project_id, domain_id) = 1)
        );
        CREATE UNIQUE INDEX quota_unified_limits_once
            ON quota_unified_limits (coalesce(project_id, ''), coalesce(domain_id, ''), registered_limit_id);
        CREATE INDEX quota_unified_limits_registered ON quota_unified_limits (registered_limit_id);
        CREATE INDEX quota_unified_limits_project ON quota_unified_limits (project_id);
        CREATE INDEX quota_unified_limits_domain ON quota_unified_limits (domain_id);
        """
    )
