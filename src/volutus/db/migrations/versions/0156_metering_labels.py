"""Metering labels, their rules, and the numbers by which switches tell what they count."""

from alembic import op

revision = "0156"
down_revision = "0163"

_LABELS = """
CREATE TABLE metering_labels (
    id text PRIMARY KEY,
    project_id text NOT NULL,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    tags text[] NOT NULL DEFAULT '{}',
    revision bigint NOT NULL DEFAULT 0,
    every_project boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX metering_labels_project ON metering_labels (project_id);
CREATE TABLE metering_label_rules (
    id text PRIMARY KEY,
    label_id text NOT NULL REFERENCES metering_labels ON DELETE CASCADE,
    direction text NOT NULL CHECK (direction IN ('ingress', 'egress')),
    remote_prefix cidr,
    source_prefix cidr,
    destination_prefix cidr,
    excluded boolean NOT NULL,
    created_at timestamptz NOT NULL,
    CHECK (remote_prefix IS NULL OR (source_prefix IS NULL AND destination_prefix IS NULL)),
    CHECK (coalesce(remote_prefix, source_prefix, destination_prefix) IS NOT NULL)
);
CREATE INDEX metering_label_rules_label ON metering_label_rules (label_id);
"""
# A mark stands for the same labels for ever: what a host counted before a rule changed goes where it went.
# Those of ports alone (ports.traffic_mark) are below the first of these; a mark has 32 bits.
_MARKS = """
CREATE TABLE metering_marks (
    mark bigint GENERATED ALWAYS AS IDENTITY (START 2147483648 MINVALUE 2147483648 MAXVALUE 4294967295)
        PRIMARY KEY,
    port_id text REFERENCES ports ON DELETE CASCADE,
    direction text NOT NULL,
    label_ids text[] NOT NULL
);
CREATE UNIQUE INDEX metering_marks_meaning
    ON metering_marks (coalesce(port_id, ''), direction, label_ids);
CREATE INDEX metering_marks_port ON metering_marks (port_id);
"""
# Several hosts count for one label, and each for several marks of it.
_SOURCES = """
ALTER TABLE usage_counters ADD COLUMN source text NOT NULL DEFAULT '';
ALTER TABLE usage_counters DROP CONSTRAINT usage_counters_pkey;
ALTER TABLE usage_counters ADD PRIMARY KEY (resource_kind, resource_id, meter, source);
CREATE INDEX usage_counts_label ON usage_counts (resource_id, at) WHERE resource_kind = 'metering_label';
"""


def upgrade() -> None:
    op.execute("SET lock_timeout = '5s'")
    for statement in (_LABELS, _MARKS, _SOURCES):
        op.execute(statement)
