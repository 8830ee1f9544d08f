"""How long who does not pay is waited for is the operator's to say; routers, networks and VPN gateways that
are there already are metered from now on."""

from alembic import op

revision = "0090"
down_revision = "0085"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE billing_region
            ADD COLUMN warn_days integer NOT NULL DEFAULT 5 CHECK (warn_days >= 0),
            ADD COLUMN stop_after_s integer NOT NULL DEFAULT 86400 CHECK (stop_after_s >= 0),
            ADD COLUMN delete_after_s integer NOT NULL DEFAULT 1209600 CHECK (delete_after_s >= 0);
        INSERT INTO usage_ranges (project_id, resource_kind, resource_id, meter, amount, during)
        SELECT project_id, kind, id, meter, 1, tstzrange(clock_timestamp(), NULL) FROM (
            SELECT project_id, 'router' AS kind, id, 'router' AS meter FROM routers
            UNION ALL SELECT project_id, 'network', id, 'vlan' FROM networks
            UNION ALL SELECT project_id, 'vpn_gateway', id, 'vpn' FROM vpn_gateways) had
        WHERE project_id <> ''
        ON CONFLICT (resource_kind, resource_id, meter) WHERE upper_inf(during) DO NOTHING;
        """
    )
