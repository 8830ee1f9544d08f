"""Public addresses of ports and of routers' gateways that are there already are metered from now on."""

from alembic import op

revision = "0141"
down_revision = "0151"


def upgrade() -> None:
    op.execute("SET lock_timeout = '5s'")
    op.execute(
        """
        INSERT INTO usage_ranges (project_id, resource_kind, resource_id, meter, amount, during)
        SELECT project_id, 'port', id, 'address', addresses, tstzrange(clock_timestamp(), NULL) FROM (
            SELECT p.id, coalesce(r.project_id, p.project_id) AS project_id, count(*) AS addresses
            FROM ports p JOIN port_addresses a ON a.port_id = p.id AND family(a.ip) = 4
            LEFT JOIN routers r ON p.device_owner = 'network:router_gateway' AND r.id = p.device_id
            WHERE p.device_owner NOT IN
                    ('network:floatingip', 'network:distributed', 'network:loadbalancer_probe', 'network:vpn')
                AND p.network_id IN (SELECT object_id FROM rbac_policies
                                     WHERE object_type = 'network' AND action = 'access_as_external')
            GROUP BY 1, 2) had
        WHERE project_id <> ''
        ON CONFLICT (resource_kind, resource_id, meter) WHERE upper_inf(during) DO NOTHING;
        """
    )
