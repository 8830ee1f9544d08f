"""The tables of identity: who exists, who has which role where, and where the services are."""

from alembic import op

revision = "0002"
down_revision = "0001"

_PEOPLE = """
CREATE TABLE identity_domain (
    id text PRIMARY KEY,
    name text NOT NULL UNIQUE,
    description text NOT NULL DEFAULT '',
    enabled boolean NOT NULL DEFAULT true,
    tags text[] NOT NULL DEFAULT '{}',
    options jsonb NOT NULL DEFAULT '{}',
    extra jsonb NOT NULL DEFAULT '{}',
    epoch integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL
);
CREATE TABLE identity_project (
    id text PRIMARY KEY,
    domain_id text NOT NULL REFERENCES identity_domain,
    parent_id text REFERENCES identity_project,
    ancestors text[] NOT NULL DEFAULT '{}',
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    enabled boolean NOT NULL DEFAULT true,
    tags text[] NOT NULL DEFAULT '{}',
    options jsonb NOT NULL DEFAULT '{}',
    extra jsonb NOT NULL DEFAULT '{}',
    epoch integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    UNIQUE (domain_id, name),
    CHECK (parent_id IS DISTINCT FROM id),
    CHECK ((parent_id IS NULL) = (cardinality(ancestors) = 0))
);
CREATE INDEX identity_project_parent ON identity_project (parent_id);
CREATE INDEX identity_project_name ON identity_project (name);
CREATE INDEX identity_project_ancestors ON identity_project USING gin (ancestors);
CREATE INDEX identity_project_tags ON identity_project USING gin (tags);
CREATE TABLE identity_user (
    id text PRIMARY KEY,
    domain_id text NOT NULL REFERENCES identity_domain,
    name text NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    default_project_id text,
    password_hash text,
    password_changed_at timestamptz,
    password_expires_at timestamptz,
    options jsonb NOT NULL DEFAULT '{}',
    extra jsonb NOT NULL DEFAULT '{}',
    epoch integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    UNIQUE (domain_id, name)
);
CREATE INDEX identity_user_name ON identity_user (name);
CREATE TABLE identity_failure (
    key text PRIMARY KEY,
    failures integer NOT NULL,
    failed_at timestamptz NOT NULL
);
CREATE INDEX identity_failure_at ON identity_failure (failed_at);
CREATE TABLE identity_group (
    id text PRIMARY KEY,
    domain_id text NOT NULL REFERENCES identity_domain,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    extra jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    UNIQUE (domain_id, name)
);
CREATE INDEX identity_group_name ON identity_group (name);
CREATE TABLE identity_group_member (
    group_id text NOT NULL REFERENCES identity_group ON DELETE CASCADE,
    user_id text NOT NULL REFERENCES identity_user ON DELETE CASCADE,
    added_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, group_id)
);
CREATE INDEX identity_group_member_group ON identity_group_member (group_id);
"""

_ROLES = """
CREATE TABLE identity_role (
    id text PRIMARY KEY,
    domain_id text REFERENCES identity_domain ON DELETE CASCADE,
    name text NOT NULL,
    description text,
    options jsonb NOT NULL DEFAULT '{}',
    extra jsonb NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX identity_role_name ON identity_role (name, coalesce(domain_id, ''));
CREATE TABLE identity_implied_role (
    prior_id text NOT NULL REFERENCES identity_role ON DELETE CASCADE,
    implied_id text NOT NULL REFERENCES identity_role ON DELETE CASCADE,
    PRIMARY KEY (prior_id, implied_id),
    CHECK (prior_id <> implied_id)
);
CREATE TABLE identity_assignment (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    role_id text NOT NULL REFERENCES identity_role ON DELETE CASCADE,
    user_id text REFERENCES identity_user ON DELETE CASCADE,
    group_id text REFERENCES identity_group ON DELETE CASCADE,
    project_id text REFERENCES identity_project ON DELETE CASCADE,
    domain_id text REFERENCES identity_domain ON DELETE CASCADE,
    system boolean NOT NULL DEFAULT false,
    inherited boolean NOT NULL DEFAULT false,
    CHECK (num_nonnulls(user_id, group_id) = 1),
    CHECK (num_nonnulls(project_id, domain_id) + system::integer = 1),
    CHECK (NOT (system AND inherited))
);
CREATE UNIQUE INDEX identity_assignment_once ON identity_assignment (
    coalesce(user_id, ''), coalesce(group_id, ''), coalesce(project_id, ''), coalesce(domain_id, ''),
    system, inherited, role_id);
CREATE INDEX identity_assignment_user ON identity_assignment (user_id);
CREATE INDEX identity_assignment_group ON identity_assignment (group_id);
CREATE INDEX identity_assignment_project ON identity_assignment (project_id);
CREATE INDEX identity_assignment_domain ON identity_assignment (domain_id);
CREATE INDEX identity_assignment_role ON identity_assignment (role_id);
"""

_CATALOG = """
CREATE TABLE identity_region (
    id text PRIMARY KEY,
    parent_id text REFERENCES identity_region,
    description text NOT NULL DEFAULT '',
    extra jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE identity_service (
    id text PRIMARY KEY,
    type text NOT NULL,
    name text,
    description text,
    enabled boolean NOT NULL DEFAULT true,
    extra jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX identity_service_type ON identity_service (type);
CREATE TABLE identity_endpoint (
    id text PRIMARY KEY,
    service_id text NOT NULL REFERENCES identity_service ON DELETE CASCADE,
    region_id text REFERENCES identity_region,
    interface text NOT NULL CHECK (interface IN ('public', 'internal', 'admin')),
    url text NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    extra jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX identity_endpoint_service ON identity_endpoint (service_id);
CREATE INDEX identity_endpoint_region ON identity_endpoint (region_id);
"""

_SECRETS = """
CREATE TABLE identity_application_credential (
    id text PRIMARY KEY,
    user_id text NOT NULL REFERENCES identity_user ON DELETE CASCADE,
    project_id text NOT NULL REFERENCES identity_project ON DELETE CASCADE,
    name text NOT NULL,
    description text,
    secret_hash text NOT NULL,
    unrestricted boolean NOT NULL DEFAULT false,
    expires_at timestamptz,
    has_access_rules boolean NOT NULL DEFAULT false,
    UNIQUE (user_id, name)
);
CREATE INDEX identity_application_credential_project ON identity_application_credential (project_id);
CREATE TABLE identity_application_credential_role (
    application_credential_id text NOT NULL REFERENCES identity_application_credential ON DELETE CASCADE,
    role_id text NOT NULL REFERENCES identity_role ON DELETE CASCADE,
    PRIMARY KEY (application_credential_id, role_id)
);
CREATE TABLE identity_access_rule (
    id text PRIMARY KEY,
    user_id text NOT NULL REFERENCES identity_user ON DELETE CASCADE,
    service text NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    UNIQUE (user_id, service, path, method)
);
CREATE TABLE identity_application_credential_access_rule (
    application_credential_id text NOT NULL REFERENCES identity_application_credential ON DELETE CASCADE,
    access_rule_id text NOT NULL REFERENCES identity_access_rule,
    PRIMARY KEY (application_credential_id, access_rule_id)
);
CREATE INDEX identity_application_credential_access_rule_rule
    ON identity_application_credential_access_rule (access_rule_id);
CREATE TABLE identity_trust (
    id text PRIMARY KEY,
    trustor_user_id text NOT NULL REFERENCES identity_user ON DELETE CASCADE,
    trustee_user_id text NOT NULL REFERENCES identity_user ON DELETE CASCADE,
    project_id text REFERENCES identity_project ON DELETE CASCADE,
    impersonation boolean NOT NULL,
    expires_at timestamptz,
    remaining_uses integer CHECK (remaining_uses >= 0),
    redelegated_trust_id text REFERENCES identity_trust ON DELETE CASCADE,
    redelegation_count integer NOT NULL DEFAULT 0,
    extra jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX identity_trust_trustor ON identity_trust (trustor_user_id);
CREATE INDEX identity_trust_trustee ON identity_trust (trustee_user_id);
CREATE TABLE identity_trust_role (
    trust_id text NOT NULL REFERENCES identity_trust ON DELETE CASCADE,
    role_id text NOT NULL REFERENCES identity_role ON DELETE CASCADE,
    PRIMARY KEY (trust_id, role_id)
);
CREATE TABLE identity_credential (
    id text PRIMARY KEY,
    user_id text NOT NULL REFERENCES identity_user ON DELETE CASCADE,
    project_id text REFERENCES identity_project ON DELETE CASCADE,
    type text NOT NULL,
    sealed_blob text NOT NULL,
    extra jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX identity_credential_user ON identity_credential (user_id, type);
CREATE TABLE identity_policy (
    id text PRIMARY KEY,
    type text NOT NULL,
    blob text NOT NULL,
    extra jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE identity_revoked_token (
    audit_id text PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX identity_revoked_token_expiry ON identity_revoked_token (expires_at);
"""


def upgrade() -> None:
    for statements in (_PEOPLE, _ROLES, _CATALOG, _SECRETS):
        op.execute(statements)
