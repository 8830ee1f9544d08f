"""How fast a port may send, beside what its policy says: ports with a committed rate send that."""

from alembic import op

revision = "0140"
down_revision = "0121"

_RATES = """
    ALTER TABLE ports ADD COLUMN rate_kbps bigint CHECK (rate_kbps > 0);
    UPDATE ports p SET rate_kbps = greatest(floor(u.amount * 1000), 1) FROM usage_ranges u
    WHERE u.resource_kind = 'port' AND u.resource_id = p.id AND u.meter = 'bandwidth_mbit'
        AND upper_inf(u.during);
"""


def upgrade() -> None:
    op.execute("SET lock_timeout = '5s'")
    op.execute(_RATES)


def downgrade() -> None:
    op.execute("ALTER TABLE ports DROP COLUMN rate_kbps;")
