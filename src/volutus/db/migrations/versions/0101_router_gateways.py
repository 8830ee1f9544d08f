"""Routers with several gateways: the first stays in the router's own row, as the version before has it."""

from alembic import op

revision = "0101"
down_revision = "0125"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE routers ADD COLUMN ecmp boolean NOT NULL DEFAULT false;
        CREATE TABLE further_gateways (
            port_id text PRIMARY KEY REFERENCES ports,
            router_id text NOT NULL REFERENCES routers,
            network_id text NOT NULL REFERENCES networks
        );
        CREATE INDEX further_gateways_router ON further_gateways (router_id);
        CREATE INDEX further_gateways_network ON further_gateways (network_id);
        """
    )
