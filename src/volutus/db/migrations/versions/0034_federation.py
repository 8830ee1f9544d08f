"""Users who sign in elsewhere: identity providers, their protocols, and how their claims become users."""

from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE identity_provider (
            id text PRIMARY KEY,
            domain_id text NOT NULL REFERENCES identity_domain ON DELETE CASCADE,
            enabled boolean NOT NULL,
            description text,
            remote_ids text[] NOT NULL DEFAULT '{}',
            -- Minutes.
            authorization_ttl integer CHECK (authorization_ttl >= 0)
        );
        CREATE INDEX identity_provider_domain ON identity_provider (domain_id);
        CREATE TABLE identity_mapping (
            id text PRIMARY KEY,
            rules jsonb NOT NULL,
            schema_version text NOT NULL
        );
        CREATE TABLE identity_protocol (
            provider_id text NOT NULL REFERENCES identity_provider ON DELETE CASCADE,
            id text NOT NULL,
            mapping_id text NOT NULL,
            remote_id_attribute text,
            PRIMARY KEY (provider_id, id)
        );
        CREATE TABLE identity_service_provider (
            id text PRIMARY KEY,
            auth_url text NOT NULL,
            sp_url text NOT NULL,
            enabled boolean NOT NULL,
            description text,
            relay_state_prefix text NOT NULL
        );
        -- Whoever a provider calls this is always the same user here.
        CREATE TABLE identity_federated_user (
            provider_id text NOT NULL REFERENCES identity_provider ON DELETE CASCADE,
            protocol_id text NOT NULL,
            unique_id text NOT NULL,
            user_id text NOT NULL UNIQUE REFERENCES identity_user ON DELETE CASCADE,
            PRIMARY KEY (provider_id, protocol_id, unique_id)
        );
        -- Memberships that the last sign-in gave, so that the next one can take them back.
        CREATE TABLE identity_federated_member (
            user_id text NOT NULL,
            group_id text NOT NULL,
            PRIMARY KEY (user_id, group_id),
            FOREIGN KEY (user_id, group_id) REFERENCES identity_group_member (user_id, group_id)
                ON DELETE CASCADE
        );
        """
    )
