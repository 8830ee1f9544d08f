"""The image domain's tables; see migration 0005 for their constraints."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData()
_moment = DateTime(timezone=True)

images = Table(
    "images",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text),
    Column("name", Text),
    Column("visibility", Text),
    Column("protected", Boolean),
    Column("hidden", Boolean),
    Column("disk_format", Text),
    Column("container_format", Text),
    Column("min_disk_gib", Integer),
    Column("min_ram_mib", Integer),
    Column("tags", ARRAY(Text)),
    Column("properties", JSONB),
    Column("created_at", _moment),
    Column("updated_at", _moment),
    Column("upload_id", Text),
    Column("upload_seen_at", _moment),
    Column("staging", Boolean),
    Column("staged_at", _moment),
    Column("activated_at", _moment),
    Column("deactivated", Boolean),
    Column("deleted_at", _moment),
    Column("size_bytes", BigInteger),
    Column("virtual_size_bytes", BigInteger),
    Column("md5", Text),
    Column("sha256", Text),
    Column("sha512", Text),
    Column("status", Text, Computed("", persisted=True)),
)
members = Table(
    "image_members",
    metadata,
    Column("image_id", Text, ForeignKey("images.id"), primary_key=True),
    Column("project_id", Text, primary_key=True),
    Column("status", Text),
    Column("created_at", _moment),
    Column("updated_at", _moment),
)
