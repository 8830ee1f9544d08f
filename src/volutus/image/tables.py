"""The image domain's tables; see migrations 0005, 0035 to 0037 for their constraints."""

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
    Column("import_state", Text),
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
tasks = Table(
    "image_tasks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("type", Text),
    Column("image_id", Text),
    Column("owner", Text),
    Column("user_id", Text),
    Column("request_id", Text),
    Column("input", JSONB),
    Column("state", Text),
    Column("message", Text),
    Column("created_at", _moment),
    Column("updated_at", _moment),
)
namespaces = Table(
    "definition_namespaces",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text),
    Column("display_name", Text),
    Column("description", Text),
    Column("visibility", Text),
    Column("protected", Boolean),
    Column("created_at", _moment),
    Column("updated_at", _moment),
)
definitions = Table(
    "definitions",
    metadata,
    Column("namespace", Text, ForeignKey("definition_namespaces.name"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("content", JSONB),
    Column("created_at", _moment),
    Column("updated_at", _moment),
)
resource_types = Table(
    "resource_types",
    metadata,
    Column("name", Text, primary_key=True),
    Column("created_at", _moment),
)
associations = Table(
    "resource_type_associations",
    metadata,
    Column("namespace", Text, ForeignKey("definition_namespaces.name"), primary_key=True),
    Column("name", Text, ForeignKey("resource_types.name"), primary_key=True),
    Column("prefix", Text),
    Column("properties_target", Text),
    Column("created_at", _moment),
)
