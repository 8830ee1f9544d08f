"""What projects share: policies of sharing, address scopes and groups, rules of new security groups."""

from alembic import op

revision = "0040"
down_revision = "0037"

_COMMON = """
    id text PRIMARY KEY,
    project_id text NOT NULL,
    name text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    tags text[] NOT NULL DEFAULT '{}',
    revision bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
"""


def upgrade() -> None:
    for statement in (_SHARING, _ADDRESSES, _RULES, _FLAVORS):
        op.execute(statement.replace("COMMON_COLUMNS", _COMMON))


# What was shared with everybody before has its policy, too.
_SHARING = """
    CREATE TABLE rbac_policies (
        id text PRIMARY KEY,
        project_id text NOT NULL,
        object_type text NOT NULL,
        object_id text NOT NULL,
        action text NOT NULL CHECK (action IN ('access_as_shared', 'access_as_external')),
        target_project text NOT NULL,
        created_at timestamptz NOT NULL,
        UNIQUE (object_type, object_id, action, target_project)
    );
    CREATE INDEX rbac_policies_target ON rbac_policies (target_project, object_type);
    CREATE INDEX rbac_policies_project ON rbac_policies (project_id);
    INSERT INTO rbac_policies (id, project_id, object_type, object_id, action, target_project, created_at)
        SELECT gen_random_uuid(), project_id, 'network', id, 'access_as_shared', '*', created_at
        FROM networks WHERE shared
        UNION ALL
        SELECT gen_random_uuid(), project_id, 'network', id, 'access_as_external', '*', created_at
        FROM networks WHERE external
        UNION ALL
        SELECT gen_random_uuid(), project_id, 'subnetpool', id, 'access_as_shared', '*', created_at
        FROM subnet_pools WHERE shared;
    ALTER TABLE security_groups ADD COLUMN shared boolean NOT NULL DEFAULT false;
    CREATE TABLE auto_topologies (
        project_id text PRIMARY KEY,
        network_id text NOT NULL REFERENCES networks ON DELETE CASCADE,
        router_id text NOT NULL REFERENCES routers ON DELETE CASCADE
    );
"""

_ADDRESSES = """
    CREATE TABLE address_scopes (
        COMMON_COLUMNS,
        ip_version integer NOT NULL CHECK (ip_version IN (4, 6)),
        shared boolean NOT NULL DEFAULT false
    );
    CREATE INDEX address_scopes_project ON address_scopes (project_id);
    ALTER TABLE subnet_pools ADD COLUMN address_scope_id text REFERENCES address_scopes;
    CREATE INDEX subnet_pools_scope ON subnet_pools (address_scope_id);
    CREATE TABLE address_groups (
        COMMON_COLUMNS,
        addresses cidr[] NOT NULL DEFAULT '{}',
        shared boolean NOT NULL DEFAULT false
    );
    CREATE INDEX address_groups_project ON address_groups (project_id);
"""

# The rules that a new group gets: `PARENT` stands for the group itself. These four are what every cloud
# starts with.
_RULES = """
    ALTER TABLE security_group_rules
        ADD COLUMN remote_address_group_id text REFERENCES address_groups,
        ADD CHECK (num_nonnulls(remote_prefix, remote_group_id, remote_address_group_id) <= 1);
    CREATE INDEX security_group_rules_address_group ON security_group_rules (remote_address_group_id);
    DO $$ BEGIN
        EXECUTE (
            SELECT format('ALTER TABLE security_group_rules DROP CONSTRAINT %I', conname)
            FROM pg_constraint WHERE conrelid = 'security_group_rules'::regclass AND contype = 'u'
        );
    END $$;
    ALTER TABLE security_group_rules ADD CONSTRAINT security_group_rules_same
        UNIQUE NULLS NOT DISTINCT (group_id, direction, ip_version, protocol_key, port_min, port_max,
            remote_prefix, remote_group_id, remote_address_group_id);
    CREATE TABLE default_rules (
        COMMON_COLUMNS,
        direction text NOT NULL CHECK (direction IN ('ingress', 'egress')),
        ip_version integer NOT NULL CHECK (ip_version IN (4, 6)),
        protocol text,
        port_min integer,
        port_max integer,
        remote_prefix cidr,
        remote_group_id text,
        remote_address_group_id text REFERENCES address_groups,
        in_default_group boolean NOT NULL DEFAULT false,
        in_other_groups boolean NOT NULL DEFAULT true
    );
    INSERT INTO default_rules (id, project_id, created_at, updated_at, direction, ip_version,
            remote_group_id, in_default_group, in_other_groups)
        SELECT gen_random_uuid(), '', now(), now(), r.direction, r.ip_version, r.remote, true, r.others
        FROM (VALUES ('egress', 4, NULL, true), ('egress', 6, NULL, true),
            ('ingress', 4, 'PARENT', false), ('ingress', 6, 'PARENT', false))
            AS r(direction, ip_version, remote, others);
"""

_FLAVORS = """
    CREATE TABLE router_flavors (
        COMMON_COLUMNS,
        service_type text NOT NULL,
        enabled boolean NOT NULL DEFAULT true
    );
    CREATE TABLE service_profiles (
        COMMON_COLUMNS,
        driver text NOT NULL DEFAULT '',
        meta_info text NOT NULL DEFAULT '',
        enabled boolean NOT NULL DEFAULT true
    );
    CREATE TABLE flavor_profiles (
        flavor_id text NOT NULL REFERENCES router_flavors ON DELETE CASCADE,
        profile_id text NOT NULL REFERENCES service_profiles,
        PRIMARY KEY (flavor_id, profile_id)
    );
    CREATE INDEX flavor_profiles_profile ON flavor_profiles (profile_id);
    ALTER TABLE routers ADD COLUMN flavor_id text REFERENCES router_flavors;
"""
