"""Segments of networks: what each has on the wire. The first of a network's is in its own row, too."""

from alembic import op

revision = "0157"
down_revision = "0156"

_SEGMENTS = """
CREATE TABLE segments (
    id text PRIMARY KEY,
    project_id text NOT NULL,
    network_id text NOT NULL REFERENCES networks ON DELETE CASCADE,
    name text,
    description text NOT NULL DEFAULT '',
    tags text[] NOT NULL DEFAULT '{}',
    revision bigint NOT NULL DEFAULT 0,
    position bigint GENERATED ALWAYS AS IDENTITY,
    network_type text NOT NULL,
    physical_network text,
    segmentation_id integer,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
INSERT INTO segments (id, project_id, network_id, network_type, physical_network, segmentation_id,
    created_at, updated_at)
SELECT gen_random_uuid()::text, project_id, id, network_type, physical_network, segmentation_id,
    created_at, created_at
FROM networks ORDER BY created_at, id;
CREATE INDEX segments_network ON segments (network_id);
CREATE UNIQUE INDEX segments_wire ON segments (network_type, coalesce(physical_network, ''),
    coalesce(segmentation_id, 0));
-- A switch has one port to each physical network.
CREATE UNIQUE INDEX segments_physical ON segments (network_id, physical_network);
ALTER TABLE subnets ADD COLUMN segment_id text REFERENCES segments;
CREATE INDEX subnets_segment ON subnets (segment_id) WHERE segment_id IS NOT NULL;
"""


def upgrade() -> None:
    op.execute("SET lock_timeout = '5s'")
    op.execute(_SEGMENTS)
