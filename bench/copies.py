"""Thousands of servers in seconds, as copies of one that was built: what a list of many costs does not depend
on how they came to be."""

from sqlalchemy import create_engine, text

from bench.cloud import Cloud, eventually
from bench.tenant import Tenant

# Each has its guest, its port with an address and the port's security group, as the pattern has.
_STATEMENTS = (
    """
    CREATE TEMPORARY TABLE copies ON COMMIT DROP AS
    SELECT n, gen_random_uuid()::text AS server_id, gen_random_uuid()::text AS port_id,
        lpad(to_hex(n), 6, '0') AS digits
    FROM (SELECT count(*) AS before FROM ports) p, generate_series(before + 1, before + :count) n
    """,
    """
    INSERT INTO servers SELECT copy.* FROM copies, servers s, jsonb_populate_record(s, jsonb_build_object(
        'id', copies.server_id, 'name', :name || n, 'created_at', now() - n * interval '1 second')) copy
    WHERE s.id = :pattern
    """,
    """
    INSERT INTO guests SELECT copy.* FROM copies, guests g,
        jsonb_populate_record(g, jsonb_build_object('server_id', copies.server_id)) copy
    WHERE g.server_id = :pattern
    """,
    """
    INSERT INTO ports OVERRIDING USER VALUE
    SELECT copy.* FROM copies, ports p, jsonb_populate_record(p, jsonb_build_object(
        'id', copies.port_id, 'device_id', copies.server_id, 'server_id', copies.server_id,
        'mac', '02:00:00:' || substr(digits, 1, 2) || ':'
        || substr(digits, 3, 2) || ':' || substr(digits, 5, 2))) copy
    WHERE p.device_id = :pattern
    """,
    """
    INSERT INTO port_addresses SELECT copy.* FROM copies, ports p JOIN port_addresses a ON a.port_id = p.id,
        jsonb_populate_record(a, jsonb_build_object(
            'port_id', copies.port_id, 'ip', '10.65.0.0'::inet + n::bigint)) copy
    WHERE p.device_id = :pattern
    """,
    """
    INSERT INTO port_security_groups SELECT copy.* FROM copies,
        ports p JOIN port_security_groups g ON g.port_id = p.id,
        jsonb_populate_record(g, jsonb_build_object('port_id', copies.port_id)) copy
    WHERE p.device_id = :pattern
    """,
    "ANALYZE servers, guests, ports, port_addresses, port_security_groups",
)


def many(cloud: Cloud, tenant: Tenant, count: int, name: str) -> None:
    """So many servers of the tenant's, called `NAME-1` and so on."""
    pattern = tenant.create("pattern")
    eventually(lambda: tenant.status(pattern) == "ACTIVE", "the pattern is built")
    engine = create_engine(cloud.settings.database)
    with engine.begin() as connection:
        for statement in _STATEMENTS:
            connection.execute(text(statement), {"count": count, "name": f"{name}-", "pattern": pattern})
    engine.dispose()
