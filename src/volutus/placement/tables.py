"""Placement's tables; see migration 0004 for their constraints."""

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, DateTime, ForeignKey, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()
_moment = DateTime(timezone=True)

hosts = Table(
    "hosts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hostname", Text),
    Column("zone", Text),
    Column("enabled", Boolean),
    Column("disabled_reason", Text),
    Column("enrolled_at", _moment),
    Column("last_seen_at", _moment),
    Column("facts", JSONB),
    Column("strangers", ARRAY(Text)),
)
inventories = Table(
    "inventories",
    metadata,
    Column("host_id", Text, ForeignKey("hosts.id"), primary_key=True),
    Column("generation", BigInteger),
    Column("mhz", BigInteger),
    Column("cores", BigInteger),
    Column("memory_mib", BigInteger),
    Column("disk_gib", BigInteger),
    Column("mhz_used", BigInteger),
    Column("cores_used", BigInteger),
    Column("memory_mib_used", BigInteger),
    Column("disk_gib_used", BigInteger),
    Column("resources", JSONB),
    Column("resources_used", JSONB),
)
claims = Table(
    "claims",
    metadata,
    Column("consumer_id", Text, primary_key=True),
    Column("host_id", Text, ForeignKey("hosts.id")),
    Column("project_id", Text),
    Column("user_id", Text),
    Column("mhz", BigInteger),
    Column("cores", BigInteger),
    Column("memory_mib", BigInteger),
    Column("disk_gib", BigInteger),
    Column("created_at", _moment),
    Column("resources", JSONB),
)
join_tokens = Table(
    "join_tokens",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("created_at", _moment),
    Column("expires_at", _moment),
    Column("used_at", _moment),
    Column("host_id", Text, ForeignKey("hosts.id")),
)
