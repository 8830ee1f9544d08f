"""Whether everything is in order: each thing has its owner, each count is right, nothing is there twice."""

from collections.abc import Mapping, Sequence

from bench.cloud import Cloud, eventually

# A killed reconciler's leases end after 15 seconds; agents back off for as long at most.
ORDER_WITHIN_S = 60.0

# Name to a statement whose rows are what is wrong.
WRONG: Mapping[str, str] = {
    "a server that is to be gone": """
        SELECT id FROM servers WHERE delete_asked_at IS NOT NULL AND deleted_at IS NULL""",
    "a guest without a server": """
        SELECT server_id FROM guests
        WHERE server_id NOT IN (SELECT id FROM servers WHERE deleted_at IS NULL)""",
    "a claim without an owner": """
        SELECT consumer_id FROM claims WHERE consumer_id NOT IN (SELECT server_id FROM guests)
        AND consumer_id NOT IN (SELECT id FROM volume_disks WHERE claims_room)""",
    "a guest without a claim on its host": """
        SELECT g.server_id FROM guests g LEFT JOIN claims c ON c.consumer_id = g.server_id
        WHERE c.host_id IS DISTINCT FROM g.host_id""",
    "a host whose counts are not its claims": """
        SELECT i.host_id, i.mhz_used, i.cores_used, i.memory_mib_used, i.disk_gib_used, sum(c.mhz)
        FROM inventories i LEFT JOIN claims c ON c.host_id = i.host_id GROUP BY i.host_id
        HAVING i.mhz_used <> coalesce(sum(c.mhz), 0) OR i.cores_used <> coalesce(sum(c.cores), 0)
            OR i.memory_mib_used <> coalesce(sum(c.memory_mib), 0)
            OR i.disk_gib_used <> coalesce(sum(c.disk_gib), 0)""",
    "a guest ordered elsewhere than where its server is": """
        SELECT a.host_id, a.key FROM assignments a LEFT JOIN guests g ON g.server_id = a.key
        WHERE a.kind = 'guest' AND g.host_id IS DISTINCT FROM a.host_id""",
    "a disk ordered that nobody has": """
        SELECT a.host_id, a.key, a.tombstone FROM assignments a LEFT JOIN volume_disks d ON d.id = a.key
        WHERE a.kind = 'disk' AND d.host_id IS DISTINCT FROM a.host_id""",
    "a tombstone that stays": "SELECT host_id, kind, key FROM assignments WHERE tombstone",
    "a disk on its way out that stays": """
        SELECT id, removal_failure FROM volume_disks WHERE removed_at IS NOT NULL""",
    "a disk of a server that is gone": """
        SELECT id, server_id FROM volumes WHERE server_id IS NOT NULL
        AND server_id NOT IN (SELECT id FROM servers WHERE deleted_at IS NULL)""",
    "a port of a server that is gone": """
        SELECT id, device_id FROM ports WHERE device_owner LIKE 'compute:%'
        AND device_id NOT IN (SELECT id FROM servers WHERE deleted_at IS NULL)""",
    "a server without its one port": """
        SELECT s.id, count(p.id) FROM servers s
        LEFT JOIN ports p ON p.device_id = s.id AND p.device_owner LIKE 'compute:%'
        WHERE s.deleted_at IS NULL GROUP BY s.id HAVING count(p.id) <> 1""",
    "a port that was never written": """
        SELECT kind, id FROM network_units WHERE written < wanted OR deleted_at IS NOT NULL""",
    "use that goes on without a guest": """
        SELECT resource_id FROM usage_ranges WHERE resource_kind = 'server' AND upper_inf(during)
        AND resource_id NOT IN (SELECT server_id FROM guests WHERE state = 'running')""",
    "a running guest without use": """
        SELECT server_id FROM guests WHERE state = 'running' AND server_id NOT IN (
            SELECT resource_id FROM usage_ranges WHERE resource_kind = 'server' AND upper_inf(during))""",
    "a quota that is not what is there": """
        SELECT u.project_id, u.resource, u.used, there.used FROM quota_usage u JOIN (
            SELECT project_id, 'instances' AS resource, count(*) AS used FROM servers
                WHERE deleted_at IS NULL GROUP BY 1
            UNION ALL SELECT project_id, 'cores', sum(cores) FROM servers WHERE deleted_at IS NULL GROUP BY 1
            UNION ALL SELECT project_id, 'mhz', sum(mhz) FROM servers WHERE deleted_at IS NULL GROUP BY 1
            UNION ALL SELECT project_id, 'ram', sum(memory_mib) FROM servers
                WHERE deleted_at IS NULL GROUP BY 1
        ) there USING (project_id, resource) WHERE u.used <> there.used""",
    "a quota of nothing": """
        SELECT project_id, resource, used FROM quota_usage u
        WHERE used > 0 AND resource IN ('instances', 'cores', 'mhz', 'ram') AND NOT EXISTS (
            SELECT 1 FROM servers s WHERE s.project_id = u.project_id AND s.deleted_at IS NULL)""",
    "a guest that nobody ordered": "SELECT id, strangers FROM hosts WHERE strangers <> '{}'",
}


def found_wrong(cloud: Cloud) -> dict[str, list[tuple[object, ...]]]:
    """What is not in order."""
    found = {name: [tuple(row) for row in cloud.rows(f"{sql} LIMIT 5")] for name, sql in WRONG.items()}
    return {name: rows for name, rows in found.items() if rows}


def await_order(cloud: Cloud, empty: Sequence[str], told: str) -> None:
    """Nothing is wrong, and nothing is left in these tables, before long."""
    eventually(lambda: not found_wrong(cloud), f"all is in order; {told}", ORDER_WITHIN_S)
    for table in empty:
        eventually(lambda table=table: cloud.count(table) == 0, f"nothing is left in {table}; {told}")
