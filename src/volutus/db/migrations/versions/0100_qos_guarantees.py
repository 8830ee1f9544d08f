"""Rules of QoS policies that are kept, though no host here carries them out: minima, and rates in packets."""

from alembic import op

revision = "0100"
down_revision = "0140"

_ADD = """
    ALTER TABLE qos_rules
        ADD COLUMN min_kbps bigint CHECK (min_kbps > 0),
        ADD COLUMN min_kpps bigint CHECK (min_kpps > 0),
        ADD COLUMN max_kpps bigint CHECK (max_kpps > 0),
        ADD COLUMN max_burst_kpps bigint CHECK (max_burst_kpps >= 0),
        DROP CONSTRAINT qos_rules_kind_check,
        DROP CONSTRAINT qos_rules_direction_check,
        ADD CONSTRAINT qos_rules_kind_check CHECK (kind IN (
            'bandwidth_limit', 'dscp_marking', 'minimum_bandwidth', 'minimum_packet_rate', 'packet_rate_limit'
        )),
        ADD CONSTRAINT qos_rules_direction_check CHECK (
            direction IN ('egress', 'ingress') OR kind = 'minimum_packet_rate' AND direction = 'any'
        ),
        ADD CHECK ((kind = 'minimum_bandwidth') = (min_kbps IS NOT NULL)),
        ADD CHECK ((kind = 'minimum_packet_rate') = (min_kpps IS NOT NULL)),
        ADD CHECK ((kind = 'packet_rate_limit') = (max_kpps IS NOT NULL));
"""


def upgrade() -> None:
    op.execute(_ADD)
