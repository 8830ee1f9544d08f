"""The tables of identity, as SQL expressions see them. Constraints and defaults are in the migration."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

_metadata = MetaData()


def _text(name: str) -> Column[str]:
    return Column(name, Text)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean)


def _moment(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True))


def _json(name: str) -> Column[object]:
    return Column(name, JSONB)


def _id() -> Column[str]:
    return Column("id", Text, primary_key=True)


domain = Table(
    "identity_domain",
    _metadata,
    _id(),
    _text("name"),
    _text("description"),
    _flag("enabled"),
    Column("tags", ARRAY(Text)),
    _json("options"),
    _json("extra"),
    Column("epoch", Integer),
    _moment("created_at"),
)
project = Table(
    "identity_project",
    _metadata,
    _id(),
    _text("domain_id"),
    _text("parent_id"),
    Column("ancestors", ARRAY(Text)),
    _text("name"),
    _text("description"),
    _flag("enabled"),
    Column("tags", ARRAY(Text)),
    _json("options"),
    _json("extra"),
    Column("epoch", Integer),
    _moment("created_at"),
)
user = Table(
    "identity_user",
    _metadata,
    _id(),
    _text("domain_id"),
    _text("name"),
    _flag("enabled"),
    _text("default_project_id"),
    _text("password_hash"),
    _moment("password_changed_at"),
    _moment("password_expires_at"),
    _json("options"),
    _json("extra"),
    Column("epoch", Integer),
    _moment("created_at"),
)
group = Table(
    "identity_group",
    _metadata,
    _id(),
    _text("domain_id"),
    _text("name"),
    _text("description"),
    _json("extra"),
    _moment("created_at"),
)
group_member = Table(
    "identity_group_member", _metadata, _text("group_id"), _text("user_id"), _moment("added_at")
)
role = Table(
    "identity_role",
    _metadata,
    _id(),
    _text("domain_id"),
    _text("name"),
    _text("description"),
    _json("options"),
    _json("extra"),
)
implied_role = Table("identity_implied_role", _metadata, _text("prior_id"), _text("implied_id"))
assignment = Table(
    "identity_assignment",
    _metadata,
    Column("id", BigInteger, primary_key=True),
    _text("role_id"),
    _text("user_id"),
    _text("group_id"),
    _text("project_id"),
    _text("domain_id"),
    _flag("system"),
    _flag("inherited"),
)
region = Table("identity_region", _metadata, _id(), _text("parent_id"), _text("description"), _json("extra"))
service = Table(
    "identity_service",
    _metadata,
    _id(),
    _text("type"),
    _text("name"),
    _text("description"),
    _flag("enabled"),
    _json("extra"),
)
endpoint = Table(
    "identity_endpoint",
    _metadata,
    _id(),
    _text("service_id"),
    _text("region_id"),
    _text("interface"),
    _text("url"),
    _flag("enabled"),
    _json("extra"),
)
application_credential = Table(
    "identity_application_credential",
    _metadata,
    _id(),
    _text("user_id"),
    _text("project_id"),
    _text("name"),
    _text("description"),
    _text("secret_hash"),
    _flag("unrestricted"),
    _moment("expires_at"),
    _flag("has_access_rules"),
)
application_credential_role = Table(
    "identity_application_credential_role", _metadata, _text("application_credential_id"), _text("role_id")
)
access_rule = Table(
    "identity_access_rule",
    _metadata,
    _id(),
    _text("user_id"),
    _text("service"),
    _text("method"),
    _text("path"),
)
application_credential_access_rule = Table(
    "identity_application_credential_access_rule",
    _metadata,
    _text("application_credential_id"),
    _text("access_rule_id"),
)
trust = Table(
    "identity_trust",
    _metadata,
    _id(),
    _text("trustor_user_id"),
    _text("trustee_user_id"),
    _text("project_id"),
    _flag("impersonation"),
    _moment("expires_at"),
    Column("remaining_uses", Integer),
    _text("redelegated_trust_id"),
    Column("redelegation_count", Integer),
    _json("extra"),
)
trust_role = Table("identity_trust_role", _metadata, _text("trust_id"), _text("role_id"))
credential = Table(
    "identity_credential",
    _metadata,
    _id(),
    _text("user_id"),
    _text("project_id"),
    _text("type"),
    _text("sealed_blob"),
    _json("extra"),
)
policy = Table("identity_policy", _metadata, _id(), _text("type"), _text("blob"), _json("extra"))
endpoint_group = Table(
    "identity_endpoint_group",
    _metadata,
    _id(),
    _text("name"),
    _text("description"),
    _text("service_id"),
    _text("interface"),
    _text("region_id"),
)
project_endpoint_group = Table(
    "identity_project_endpoint_group", _metadata, _text("project_id"), _text("endpoint_group_id")
)
project_endpoint = Table("identity_project_endpoint", _metadata, _text("project_id"), _text("endpoint_id"))
domain_config = Table("identity_domain_config", _metadata, _text("domain_id"), _text("sealed_config"))
consumer = Table(
    "identity_consumer", _metadata, _id(), _text("description"), _text("sealed_secret"), _json("extra")
)
request_token = Table(
    "identity_request_token",
    _metadata,
    _id(),
    _text("consumer_id"),
    _text("project_id"),
    _text("sealed_secret"),
    _moment("expires_at"),
    _text("user_id"),
    Column("role_ids", ARRAY(Text)),
    _text("verifier_hash"),
)
access_token = Table(
    "identity_access_token",
    _metadata,
    _id(),
    _text("consumer_id"),
    _text("trust_id"),
    _text("user_id"),
    _text("sealed_secret"),
)
provider = Table(
    "identity_provider",
    _metadata,
    _id(),
    _text("domain_id"),
    _flag("enabled"),
    _text("description"),
    Column("remote_ids", ARRAY(Text)),
    Column("authorization_ttl", Integer),
)
mapping = Table("identity_mapping", _metadata, _id(), _json("rules"), _text("schema_version"))
protocol = Table(
    "identity_protocol",
    _metadata,
    _text("provider_id"),
    _text("id"),
    _text("mapping_id"),
    _text("remote_id_attribute"),
)
service_provider = Table(
    "identity_service_provider",
    _metadata,
    _id(),
    _text("auth_url"),
    _text("sp_url"),
    _flag("enabled"),
    _text("description"),
    _text("relay_state_prefix"),
)
federated_user = Table(
    "identity_federated_user",
    _metadata,
    _text("provider_id"),
    _text("protocol_id"),
    _text("unique_id"),
    _text("user_id"),
)
