"""The room of each pool of disks is claimed of that pool, no longer of the host's first one."""

from alembic import op

revision = "0170"
down_revision = "0141"


def upgrade() -> None:
    op.execute(
        """
        WITH moved AS (
            UPDATE claims c SET disk_gib = 0,
                resources = c.resources || jsonb_build_object('pool:' || d.pool, before.disk_gib)
            FROM volume_disks d, claims before
            WHERE d.id = c.consumer_id AND before.consumer_id = c.consumer_id
                AND d.claims_room AND d.pool <> 'directory'
            RETURNING c.host_id, d.pool, before.disk_gib
        ), sums AS (
            SELECT host_id, 'pool:' || pool AS name, sum(disk_gib) AS gib FROM moved GROUP BY host_id, pool
        ), used AS (
            SELECT host_id, sum(gib) AS gib, jsonb_object_agg(name, gib) AS resources
            FROM sums GROUP BY host_id
        ), had AS (
            SELECT h.id AS host_id, jsonb_object_agg('pool:' || p.key, p.value) AS resources
            FROM hosts h CROSS JOIN LATERAL jsonb_each(coalesce(h.facts -> 'pools', '{}')) p
            WHERE p.key <> 'directory' GROUP BY h.id
        )
        UPDATE inventories i SET
            resources = i.resources || coalesce(had.resources, '{}'),
            resources_used = i.resources_used || coalesce(used.resources, '{}'),
            disk_gib_used = i.disk_gib_used - coalesce(used.gib, 0)
        FROM hosts h LEFT JOIN used ON used.host_id = h.id LEFT JOIN had ON had.host_id = h.id
        WHERE h.id = i.host_id
        """
    )
