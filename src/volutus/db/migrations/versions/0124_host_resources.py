"""What hosts have besides MHz, cores, memory and disk: pages of memory by size, devices by class."""

from alembic import op

revision = "0124"
down_revision = "0123"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE inventories ADD COLUMN resources jsonb NOT NULL DEFAULT '{}',
            ADD COLUMN resources_used jsonb NOT NULL DEFAULT '{}';
        ALTER TABLE claims ADD COLUMN resources jsonb NOT NULL DEFAULT '{}';

        CREATE FUNCTION has_resources(had jsonb, used jsonb, wanted jsonb) RETURNS boolean
        LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
            SELECT wanted = '{}' OR NOT EXISTS (
                SELECT 1 FROM jsonb_each_text(wanted) w(name, amount)
                WHERE coalesce((had->>w.name)::bigint, 0) - coalesce((used->>w.name)::bigint, 0)
                    < w.amount::bigint)
        $$;

        CREATE FUNCTION add_resources(used jsonb, more jsonb, times integer) RETURNS jsonb
        LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
            SELECT CASE WHEN more = '{}' THEN used ELSE used || (
                SELECT jsonb_object_agg(m.name,
                    coalesce((used->>m.name)::bigint, 0) + times * m.amount::bigint)
                FROM jsonb_each_text(more) m(name, amount)) END
        $$;
        """
    )
