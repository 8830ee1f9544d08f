"""One default subnet pool of each IP version; where there were more, the oldest stays the default."""

from alembic import op

revision = "0150"
down_revision = "0130"

_ONE = """
    UPDATE subnet_pools p SET is_default = false WHERE is_default AND EXISTS (
        SELECT 1 FROM subnet_pools o WHERE o.is_default AND o.ip_version = p.ip_version
            AND (o.created_at, o.id) < (p.created_at, p.id)
    );
    CREATE UNIQUE INDEX subnet_pools_default ON subnet_pools (ip_version) WHERE is_default;
"""


def upgrade() -> None:
    op.execute("SET lock_timeout = '5s'")
    op.execute(_ONE)


def downgrade() -> None:
    op.execute("DROP INDEX subnet_pools_default;")
