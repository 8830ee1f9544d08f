"""What properties of images and other things may mean: namespaces of definitions."""

from alembic import op

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE definition_namespaces (
            name text PRIMARY KEY,
            owner text,
            display_name text,
            description text,
            visibility text NOT NULL CHECK (visibility IN ('public', 'private')),
            protected boolean NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL
        );
        CREATE INDEX definition_namespaces_created ON definition_namespaces (created_at);
        -- Objects, properties and tags have nothing that the database looks into.
        CREATE TABLE definitions (
            namespace text NOT NULL
                REFERENCES definition_namespaces ON DELETE CASCADE ON UPDATE CASCADE,
            kind text NOT NULL CHECK (kind IN ('object', 'property', 'tag')),
            name text NOT NULL,
            content jsonb NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            PRIMARY KEY (namespace, kind, name)
        );
        CREATE TABLE resource_types (
            name text PRIMARY KEY,
            created_at timestamptz NOT NULL
        );
        CREATE TABLE resource_type_associations (
            namespace text NOT NULL
                REFERENCES definition_namespaces ON DELETE CASCADE ON UPDATE CASCADE,
            name text NOT NULL REFERENCES resource_types,
            prefix text,
            properties_target text,
            created_at timestamptz NOT NULL,
            PRIMARY KEY (namespace, name)
        );
        CREATE INDEX resource_type_associations_name ON resource_type_associations (name);
        INSERT INTO resource_types
            SELECT name, now() FROM unnest(ARRAY['OS::Cinder::Volume', 'OS::Glance::Image',
                'OS::Nova::Aggregate', 'OS::Nova::Flavor', 'OS::Nova::Server']) AS name;
        """
    )
