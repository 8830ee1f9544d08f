"""Unified limits: a default for each resource of a service, and what single projects have instead.

The flat model: a limit binds its project alone, not those below it. Where a registered limit names a quota of
this cloud it binds: its default takes the place of the built-in one, a project's limit that of both. What an
operator set for a project through the service's own quota API still comes first. Limits of other resources
are kept for the services that ask for them, as are those of domains.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType
from psycopg.errors import UniqueViolation
from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError

from volutus import audit
from volutus.db import Tx
from volutus.errors import Conflict, Forbidden, Invalid, NotFound
from volutus.identity import Caller, access, catalog, domains, projects
from volutus.quota.limits import DEFAULTS

# More limits than this are asked for with a filter.
LISTED_MAX = 10_000
Text = Annotated[str, Meta(min_length=1, max_length=255)]
Number = Annotated[int, Meta(ge=-1, le=2**53)]
_Note = Annotated[str, Meta(max_length=4096)]
# The names that OpenStack's services register, where ours differ.
_ALIASES = {
    "servers": "instances",
    "class:VCPU": "cores",
    "class:MEMORY_MB": "ram",
    "server_key_pairs": "key_pairs",
    "server_metadata_items": "metadata_items",
    "server_injected_files": "injected_files",
    "server_injected_file_content_bytes": "injected_file_content_bytes",
    "server_injected_file_path_bytes": "injected_file_path_bytes",
    "image_count_total": "images",
}
_COMPUTE = frozenset(
    {
        "instances",
        "cores",
        "ram",
        "mhz",
        "key_pairs",
        "metadata_items",
        "injected_files",
        "injected_file_content_bytes",
        "injected_file_path_bytes",
        "fixed_ips",
        "server_groups",
        "server_group_members",
    }
)
_VOLUME = frozenset(
    {
        "volumes",
        "gigabytes",
        "snapshots",
        "backups",
        "backup_gigabytes",
        "per_volume_gigabytes",
        "groups",
    }
)
_IMAGE = frozenset({"images", "image_bytes"})
_OF_TYPE = {
    "compute": _COMPUTE,
    "block-storage": _VOLUME,
    "volumev3": _VOLUME,
    "image": _IMAGE,
    "network": frozenset(DEFAULTS) - _COMPUTE - _VOLUME - _IMAGE,
}
_REGISTERED = """
SELECT id, service_id, region_id, resource_name, default_limit, description FROM quota_registered_limits
WHERE (CAST(:id AS text) IS NULL OR id = :id)
    AND (CAST(:service_id AS text) IS NULL OR service_id = :service_id)
    AND (CAST(:region_id AS text) IS NULL OR region_id = :region_id)
    AND (CAST(:resource_name AS text) IS NULL OR resource_name = :resource_name)
ORDER BY id LIMIT :limit
"""
_SELECT_REGISTERED = text(_REGISTERED)
_REFERENCED = text("""
SELECT id FROM quota_registered_limits WHERE service_id = :service_id AND resource_name = :resource_name
    AND region_id IS NOT DISTINCT FROM :region_id LIMIT 1
""")
_REGISTER = text("""
INSERT INTO quota_registered_limits
    (id, service_id, region_id, resource_name, default_limit, description, resource)
VALUES (:id, :service_id, :region_id, :resource_name, :default_limit, :description, :resource)
""")
_CHANGE_REGISTERED = text("""
UPDATE quota_registered_limits SET service_id = :service_id, region_id = :region_id,
    resource_name = :resource_name, default_limit = :default_limit, description = :description,
    resource = :resource WHERE id = :id
""")
_UNBIND = text("""
UPDATE quota_registered_limits SET resource = NULL WHERE region_id = :region_id OR service_id = :service_id
""")
_UNREGISTER = text("DELETE FROM quota_registered_limits WHERE id = :id")
_IN_USE = text("SELECT 1 FROM quota_unified_limits WHERE registered_limit_id = :id LIMIT 1")
_SELECT = text("""
SELECT u.id, u.project_id, u.domain_id, u.maximum, u.description, r.service_id, r.region_id, r.resource_name
FROM quota_unified_limits u JOIN quota_registered_limits r ON r.id = u.registered_limit_id
WHERE (CAST(:id AS text) IS NULL OR u.id = :id)
    AND (CAST(:project_id AS text) IS NULL OR u.project_id = :project_id)
    AND (CAST(:domain_id AS text) IS NULL OR u.domain_id = :domain_id)
    AND (CAST(:service_id AS text) IS NULL OR r.service_id = :service_id)
    AND (CAST(:region_id AS text) IS NULL OR r.region_id = :region_id)
    AND (CAST(:resource_name AS text) IS NULL OR r.resource_name = :resource_name)
ORDER BY u.id LIMIT :limit
""")
_INSERT = text("""
INSERT INTO quota_unified_limits (id, registered_limit_id, project_id, domain_id, maximum, description)
VALUES (:id, :registered_limit_id, :project_id, :domain_id, :maximum, :description)
""")
_UPDATE = text(
    "UPDATE quota_unified_limits SET maximum = :maximum, description = :description WHERE id = :id"
)
_DELETE = text("DELETE FROM quota_unified_limits WHERE id = :id")


class RegisteredLimitNotFound(NotFound):
    code = "quota.registered_limit.not_found"


class LimitNotFound(NotFound):
    code = "quota.limit.not_found"


class RegisteredLimitOrder(msgspec.Struct, forbid_unknown_fields=True):
    """A limit to register."""

    service_id: Text
    resource_name: Text
    default_limit: Number
    region_id: Text | None = None
    description: _Note | None = None


class RegisteredLimitChanges(msgspec.Struct, forbid_unknown_fields=True):
    """What may change about a registered limit; all but its default and description only while no project
    has another."""

    service_id: Text | UnsetType = UNSET
    resource_name: Text | UnsetType = UNSET
    default_limit: Number | UnsetType = UNSET
    region_id: Text | UnsetType | None = UNSET
    description: _Note | UnsetType | None = UNSET


class LimitOrder(msgspec.Struct, forbid_unknown_fields=True):
    """A limit of one project or one domain."""

    service_id: Text
    resource_name: Text
    resource_limit: Number
    project_id: Text | None = None
    domain_id: Text | None = None
    region_id: Text | None = None
    description: _Note | None = None


class LimitChanges(msgspec.Struct, forbid_unknown_fields=True):
    """What may change about a limit."""

    resource_limit: Number | UnsetType = UNSET
    description: _Note | UnsetType | None = UNSET


@dataclass(frozen=True)
class LimitQuery:
    """Which limits are wanted."""

    service_id: str | None = None
    region_id: str | None = None
    resource_name: str | None = None
    project_id: str | None = None
    domain_id: str | None = None
    id: str | None = None


def register(tx: Tx, caller: Caller, orders: Sequence[RegisteredLimitOrder]) -> list[Row[Any]]:
    """Register limits: all or none. Raises Conflict where one is there already."""
    access.require_admin(caller)
    made = []
    for order in orders:
        limit_id = tx.ids.hex()
        _write(tx, _REGISTER, {"id": limit_id, **_bound(tx, msgspec.structs.asdict(order))})
        audit.record(tx, caller, "create", "quota.registered_limit", limit_id)
        made.append(get_registered(tx, limit_id))
    return made


def get_registered(tx: Tx, limit_id: str) -> Row[Any]:
    """Raises RegisteredLimitNotFound."""
    rows = list_registered(tx, LimitQuery(id=limit_id))
    if not rows:
        raise RegisteredLimitNotFound(f"Could not find registered limit for {limit_id}.")
    return rows[0]


def list_registered(tx: Tx, query: LimitQuery) -> Sequence[Row[Any]]:
    """Registered limits; they are no secret."""
    asked = {
        "id": query.id,
        "service_id": query.service_id,
        "region_id": query.region_id,
        "resource_name": query.resource_name,
    }
    return tx.rows(_SELECT_REGISTERED, {**asked, "limit": LISTED_MAX})


def change_registered(tx: Tx, caller: Caller, limit_id: str, changes: RegisteredLimitChanges) -> Row[Any]:
    """Change a registered limit. Raises Forbidden where limits rest on what would change."""
    access.require_admin(caller)
    before = dict(get_registered(tx, limit_id)._mapping)
    after = before | {k: v for k, v in msgspec.structs.asdict(changes).items() if v is not UNSET}
    moved = any(before[name] != after[name] for name in ("service_id", "region_id", "resource_name"))
    if moved:
        _refuse_in_use(tx, limit_id)
    _write(tx, _CHANGE_REGISTERED, _bound(tx, after))
    audit.record(tx, caller, "update", "quota.registered_limit", limit_id)
    return get_registered(tx, limit_id)


def unregister(tx: Tx, caller: Caller, limit_id: str) -> None:
    """Delete a registered limit: the built-in one is in force again. Raises Forbidden while limits rest on
    it."""
    access.require_admin(caller)
    get_registered(tx, limit_id)
    _refuse_in_use(tx, limit_id)
    tx.execute(_UNREGISTER, {"id": limit_id})
    audit.record(tx, caller, "delete", "quota.registered_limit", limit_id)


def delete_region(tx: Tx, caller: Caller, region_id: str) -> None:
    """Delete a region. Limits registered for it stay, as Keystone has it, and bind nobody any more."""
    catalog.delete_region(tx, caller, region_id)
    tx.execute(_UNBIND, {"region_id": region_id, "service_id": None})


def delete_service(tx: Tx, caller: Caller, service_id: str) -> None:
    """Delete a service with its endpoints. Limits registered for it stay and bind nobody any more."""
    catalog.delete_service(tx, caller, service_id)
    tx.execute(_UNBIND, {"region_id": None, "service_id": service_id})


def create(tx: Tx, caller: Caller, orders: Sequence[LimitOrder]) -> list[Row[Any]]:
    """Give projects or domains limits of their own: all or none. Raises Forbidden where none is
    registered."""
    access.require_admin(caller)
    made = []
    for order in orders:
        if (order.project_id is None) == (order.domain_id is None):
            raise Invalid("A limit is of a project or of a domain.", field="limits.project_id")
        limit_id = tx.ids.hex()
        row = {
            "id": limit_id,
            "registered_limit_id": _referenced(tx, order),
            "project_id": order.project_id,
            "domain_id": order.domain_id,
            "maximum": order.resource_limit,
            "description": order.description,
        }
        if order.project_id is not None:
            projects.must_exist(tx, order.project_id)
        else:
            domains.must_exist(tx, str(order.domain_id))
        _write(tx, _INSERT, row)
        audit.record(tx, caller, "create", "quota.limit", limit_id)
        made.append(get(tx, caller, limit_id))
    return made


def get(tx: Tx, caller: Caller, limit_id: str) -> Row[Any]:
    """A limit of the caller's project or domain, or any for who sees all. Raises LimitNotFound."""
    for row in list_(tx, caller, LimitQuery(id=limit_id)):
        return row
    raise LimitNotFound(f"Could not find limit for {limit_id}.")


def list_(tx: Tx, caller: Caller, query: LimitQuery) -> Sequence[Row[Any]]:
    """Limits that the caller may see."""
    asked = {name: getattr(query, name) for name in query.__dataclass_fields__}
    rows = tx.rows(_SELECT, {**asked, "limit": LISTED_MAX})
    if access.sees_all(caller):
        return rows
    return [row for row in rows if _is_own(caller, row)]


def change(tx: Tx, caller: Caller, limit_id: str, changes: LimitChanges) -> Row[Any]:
    """Change a limit. One below what is used only stops growth."""
    access.require_admin(caller)
    before = get(tx, caller, limit_id)
    limit, note = changes.resource_limit, changes.description
    row = {
        "id": limit_id,
        "maximum": before.maximum if isinstance(limit, UnsetType) else limit,
        "description": before.description if isinstance(note, UnsetType) else note,
    }
    tx.execute(_UPDATE, row)
    audit.record(tx, caller, "update", "quota.limit", limit_id)
    return get(tx, caller, limit_id)


def remove(tx: Tx, caller: Caller, limit_id: str) -> None:
    """Delete a limit: the registered default is in force again."""
    access.require_admin(caller)
    get(tx, caller, limit_id)
    tx.execute(_DELETE, {"id": limit_id})
    audit.record(tx, caller, "delete", "quota.limit", limit_id)


def _is_own(caller: Caller, row: Row[Any]) -> bool:
    if row.project_id is not None and row.project_id == caller.project_id:
        return True
    return row.domain_id is not None and row.domain_id == caller.domain_id


def _bound(tx: Tx, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with the quota that it stands for."""
    service = catalog.get_service(tx, row["service_id"])
    if row["region_id"] is not None:
        catalog.get_region(tx, row["region_id"])
    name = _ALIASES.get(row["resource_name"], row["resource_name"])
    return {**row, "resource": name if name in _OF_TYPE.get(service.type, ()) else None}


def _referenced(tx: Tx, order: LimitOrder) -> str:
    asked = {
        "service_id": order.service_id,
        "region_id": order.region_id,
        "resource_name": order.resource_name,
    }
    found = tx.value(_REFERENCED, asked)
    if found is None:
        raise Forbidden(f"Unable to create a limit: {order.resource_name} has no registered limit there.")
    return str(found)


def _refuse_in_use(tx: Tx, limit_id: str) -> None:
    if tx.row(_IN_USE, {"id": limit_id}) is not None:
        raise Forbidden(f"Projects or domains have limits that rest on registered limit {limit_id}.")


def _write(tx: Tx, statement: Any, row: Mapping[str, Any]) -> None:
    try:
        tx.execute(statement, row)
    except IntegrityError as error:
        if isinstance(error.orig, UniqueViolation):
            raise Conflict("There is such a limit already.") from error
        raise
