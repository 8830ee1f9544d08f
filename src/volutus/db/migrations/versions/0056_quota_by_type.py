"""Count what there is by volume type: what is removed is given back within its type too."""

from alembic import op

revision = "0056"
down_revision = "0055"


def upgrade() -> None:
    op.execute(
        """
        INSERT INTO quota_usage (project_id, resource, used)
        SELECT project_id, resource || '_' || type_id, sum(amount) FROM (
            SELECT v.project_id, v.type_id, r.resource, r.amount
            FROM volumes v JOIN volume_disks d ON d.id = v.id,
                LATERAL (VALUES ('volumes', 1), ('gigabytes', d.size_gib)) AS r(resource, amount)
            WHERE v.server_id IS NULL
            UNION ALL
            SELECT s.project_id, v.type_id, r.resource, r.amount
            FROM volume_snapshots s JOIN volume_disks d ON d.id = s.id JOIN volumes v ON v.id = s.volume_id,
                LATERAL (VALUES ('snapshots', 1), ('gigabytes', d.size_gib)) AS r(resource, amount)
        ) counted GROUP BY project_id, resource, type_id
        ON CONFLICT (project_id, resource) DO UPDATE SET used = excluded.used
        """
    )
