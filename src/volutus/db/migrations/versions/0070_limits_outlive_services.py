"""Registered limits outlive the service and the region that they are for; an endpoint group may have no
filter."""

from alembic import op

revision = "0070"
down_revision = "0063"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE quota_registered_limits DROP CONSTRAINT quota_registered_limits_region_id_fkey,
            DROP CONSTRAINT quota_registered_limits_service_id_fkey;
        ALTER TABLE identity_endpoint_group DROP CONSTRAINT identity_endpoint_group_check;
        """
    )
