"""Which images hosts have in their caches, or should have."""

from alembic import op

revision = "0092"
down_revision = "0100"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE image_caches (
            host_id text NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
            -- No reference: a host may still have what is deleted here.
            image_id text NOT NULL,
            wanted boolean NOT NULL DEFAULT false,
            dropping boolean NOT NULL DEFAULT false,
            cached_at timestamptz,
            used_at timestamptz,
            size_bytes bigint NOT NULL DEFAULT 0,
            disks integer NOT NULL DEFAULT 0,
            PRIMARY KEY (host_id, image_id),
            CHECK (NOT (wanted AND dropping)),
            CHECK (wanted OR cached_at IS NOT NULL)
        );
        CREATE INDEX image_caches_image ON image_caches (image_id);
        """
    )
