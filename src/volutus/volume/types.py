"""Volume types: what a provider offers under a name, whom it is offered to, and its extra specs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, literal, or_, select, update
from sqlalchemy.dialects import postgresql

from volutus import audit
from volutus.db import Page, Tx, paged
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.volume import keys
from volutus.volume.capabilities import pool_of, shared
from volutus.volume.faults import AlreadyExists, KeyNotFound, TypeInUse, TypeNotFound
from volutus.volume.tables import default_types, type_access, types, volumes

# Made with the schema: the type of volumes that name none, and of servers' own disks.
DEFAULT_TYPE_ID = "5d0a1f0c-7c1b-4c0e-9d5e-2f1b6a3c8e01"
# More specs than this are a mistake, and would make every list slow.
SPECS_MAX = 128
ACCESS_MAX = 1000


@dataclass(frozen=True)
class VolumeType:
    """`extra_specs` are the operator's, for schedulers and clients to read. `encryption`, where volumes are
    encrypted, says how."""

    id: str
    name: str
    description: str | None
    is_public: bool
    extra_specs: Mapping[str, str]
    qos_specs_id: str | None
    encryption: Mapping[str, Any] | None
    created_at: datetime
    updated_at: datetime | None


@dataclass(frozen=True)
class TypeOrder:
    """A type to be made."""

    name: str
    description: str | None = None
    is_public: bool = True
    extra_specs: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Storage:
    """How a disk of a type is kept."""

    pool: str
    format: str
    key_id: str | None
    encrypted: bool
    shared: bool


_SORTABLE = {"id": types.c.id, "name": types.c.name, "created_at": types.c.created_at}


def create(tx: Tx, caller: Caller, order: TypeOrder) -> VolumeType:
    """Make a type. Raises AlreadyExists for a name that is taken."""
    _check_name_free(tx, order.name)
    type_id = tx.ids.uuid()
    specs = dict(order.extra_specs or {})
    _check_specs(specs)
    tx.execute(
        insert(types),
        {
            "id": type_id,
            "name": order.name,
            "description": order.description,
            "is_public": order.is_public,
            "extra_specs": specs,
            "created_at": tx.now,
        },
    )
    audit.record(tx, caller, "create", "volume.type", type_id)
    return get(tx, caller, type_id)


def get(tx: Tx, caller: Caller, type_id: str) -> VolumeType:
    """A type the caller may use, by id. Raises TypeNotFound."""
    return _one(tx, caller, types.c.id == type_id, type_id)


def find(tx: Tx, caller: Caller, name_or_id: str | None) -> VolumeType:
    """A type the caller may use, by id or name; the default one for None. Raises TypeNotFound."""
    if name_or_id is None:
        own = default_of(tx, caller.project_id) if caller.project_id else None
        return _one(tx, caller, types.c.id == (own or DEFAULT_TYPE_ID), "standard")
    return _one(tx, caller, or_(types.c.id == name_or_id, types.c.name == name_or_id), name_or_id)


def of_source(tx: Tx, type_id: str) -> VolumeType:
    """The type of a volume that is copied: its owner may go on with it, though it be no longer offered."""
    row = tx.row(select(types).where(types.c.id == type_id))
    if row is None:
        raise TypeNotFound(f"Volume type {type_id} could not be found.")
    return _type(row)


def exists(tx: Tx, caller: Caller, type_id: str) -> bool:
    """Whether there is such a type that the caller may use."""
    try:
        get(tx, caller, type_id)
    except TypeNotFound:
        return False
    return True


def storage_of(tx: Tx, type_: VolumeType, key_id: str | None, from_encrypted: bool) -> Storage:
    """How a new disk of the type is kept; a copy of a disk that is, or was, encrypted with `key_id` has that
    key. Shared disks are raw: two writers would destroy any other format. Raises Invalid for what cannot be
    both."""
    share = shared(type_.extra_specs)
    encrypted = type_.encryption is not None
    if share and encrypted:
        raise Invalid(f"Type {type_.name} cannot be both encrypted and shared.", field="volume_type")
    if encrypted and key_id is None:
        key_id = keys.order(tx)
    format_ = "raw" if share else "qcow2"
    kept = key_id if encrypted or from_encrypted else None
    return Storage(pool_of(type_.extra_specs), format_, kept, encrypted, share)


def default_of(tx: Tx, project_id: str) -> str | None:
    """The id of the project's own default type, if an operator set one."""
    chosen = select(default_types.c.type_id).where(default_types.c.project_id == project_id)
    found: str | None = tx.value(chosen)
    return found


def defaults(tx: Tx) -> list[tuple[str, str]]:
    """(project, type) of all projects' own default types."""
    statement = select(default_types).order_by(default_types.c.project_id).limit(ACCESS_MAX)
    return [(row.project_id, row.type_id) for row in tx.rows(statement)]


def set_default(tx: Tx, caller: Caller, project_id: str, name_or_id: str) -> VolumeType:
    """Make a type the default of a project. Raises TypeNotFound."""
    found = find(tx, caller, name_or_id)
    statement = postgresql.insert(default_types).values(project_id=project_id, type_id=found.id)
    changed = {"type_id": found.id}
    tx.execute(statement.on_conflict_do_update(index_elements=["project_id"], set_=changed))
    audit.record(tx, caller, "set_default", "volume.type", found.id, {"project_id": project_id})
    return found


def unset_default(tx: Tx, caller: Caller, project_id: str) -> None:
    """The project's default is the cloud's again."""
    tx.execute(delete(default_types).where(default_types.c.project_id == project_id))
    audit.record(tx, caller, "unset_default", "volume.type", project_id)


def set_encryption(tx: Tx, caller: Caller, type_id: str, encryption: Mapping[str, Any] | None) -> None:
    """Have volumes of the type encrypted, or not. Raises TypeInUse when it has volumes: what they are would
    not be what their type says."""
    get(tx, caller, type_id)
    _check_unused(tx, type_id)
    values = {"encryption": dict(encryption) if encryption is not None else None, "updated_at": tx.now}
    tx.execute(update(types).where(types.c.id == type_id).values(**values))
    audit.record(tx, caller, "encrypt", "volume.type", type_id)


def list_(tx: Tx, caller: Caller, page: Page, *, is_public: bool | None = True) -> list[VolumeType]:
    """Types in pages. `is_public` None, for administrators: private ones too; others see the public ones
    and those they were given."""
    statement = select(types)
    if not caller.is_admin:
        statement = statement.where(_usable_by(caller))
    elif is_public is not None:
        statement = statement.where(types.c.is_public == is_public)
    return [_type(row) for row in tx.rows(paged(tx, statement, page, _SORTABLE, types.c.id))]


def update_(tx: Tx, caller: Caller, type_id: str, changes: Mapping[str, Any]) -> VolumeType:
    """Change `name`, `description` or `is_public`."""
    found = get(tx, caller, type_id)
    if changes.get("name") not in (None, found.name):
        _check_name_free(tx, changes["name"])
    tx.execute(update(types).where(types.c.id == type_id).values(**changes, updated_at=tx.now))
    audit.record(tx, caller, "update", "volume.type", type_id)
    return get(tx, caller, type_id)


def remove(tx: Tx, caller: Caller, type_id: str) -> None:
    """Remove a type that no volume has. Raises TypeInUse, also for the default type."""
    get(tx, caller, type_id)
    if type_id == DEFAULT_TYPE_ID:
        raise TypeInUse("The default volume type cannot be deleted.")
    _check_unused(tx, type_id)
    tx.execute(delete(types).where(types.c.id == type_id))
    audit.record(tx, caller, "delete", "volume.type", type_id)


def set_specs(tx: Tx, caller: Caller, type_id: str, specs: Mapping[str, str]) -> Mapping[str, str]:
    """Add or change extra specs; all of them after the change."""
    found = get(tx, caller, type_id)
    merged = {**found.extra_specs, **specs}
    _check_specs(merged)
    tx.execute(update(types).where(types.c.id == type_id).values(extra_specs=merged, updated_at=tx.now))
    audit.record(tx, caller, "update", "volume.type", type_id, {"extra_specs": list(specs)})
    return merged


def remove_spec(tx: Tx, caller: Caller, type_id: str, key: str) -> None:
    """Remove an extra spec. Raises KeyNotFound."""
    found = get(tx, caller, type_id)
    if key not in found.extra_specs:
        raise KeyNotFound(f"Volume Type {type_id} has no extra specs with key {key}.")
    kept = {name: value for name, value in found.extra_specs.items() if name != key}
    tx.execute(update(types).where(types.c.id == type_id).values(extra_specs=kept, updated_at=tx.now))
    audit.record(tx, caller, "update", "volume.type", type_id, {"removed": key})


def access(tx: Tx, caller: Caller, type_id: str) -> list[str]:
    """Projects that a private type was given to. Raises TypeNotFound for a public one: it has no list."""
    if get(tx, caller, type_id).is_public:
        raise TypeNotFound("Access list not available for public volume types.")
    statement = select(type_access.c.project_id).where(type_access.c.type_id == type_id)
    return [row.project_id for row in tx.rows(statement.order_by(type_access.c.project_id).limit(ACCESS_MAX))]


def grant(tx: Tx, caller: Caller, type_id: str, project_id: str) -> None:
    """Let a project use a private type. Raises AlreadyExists."""
    _private(tx, caller, type_id)
    if project_id in access(tx, caller, type_id):
        raise AlreadyExists(f"Volume type access for {type_id} / {project_id} combination already exists.")
    tx.execute(insert(type_access), {"type_id": type_id, "project_id": project_id})
    audit.record(tx, caller, "grant", "volume.type", type_id, {"project_id": project_id})


def revoke(tx: Tx, caller: Caller, type_id: str, project_id: str) -> None:
    """Take a private type from a project; what it has of it stays. Raises TypeNotFound."""
    _private(tx, caller, type_id)
    gone = delete(type_access).where(type_access.c.type_id == type_id, type_access.c.project_id == project_id)
    if not tx.changed(gone):
        raise TypeNotFound(f"Volume type access not found for {type_id} / {project_id} combination.")
    audit.record(tx, caller, "revoke", "volume.type", type_id, {"project_id": project_id})


def _check_unused(tx: Tx, type_id: str) -> None:
    # The lock keeps a volume from being made of the type in between: its reference waits for us and fails.
    tx.execute(select(types.c.id).where(types.c.id == type_id).with_for_update())
    if tx.value(select(func.count()).where(volumes.c.type_id == type_id)):
        raise TypeInUse(f"Volume type {type_id} is in use by volumes.")


def _private(tx: Tx, caller: Caller, type_id: str) -> None:
    if get(tx, caller, type_id).is_public:
        raise AlreadyExists("Type access modification is not applicable to public volume type.")


def _one(tx: Tx, caller: Caller, condition: Any, named: str) -> VolumeType:
    statement = select(types).where(condition)
    if not caller.is_admin:
        statement = statement.where(_usable_by(caller))
    row = tx.row(statement)
    if row is None:
        raise TypeNotFound(f"Volume type {named} could not be found.")
    return _type(row)


def _usable_by(caller: Caller) -> Any:
    given = select(literal(1)).where(
        type_access.c.type_id == types.c.id, type_access.c.project_id == caller.project_id
    )
    return or_(types.c.is_public, given.exists())


def _check_name_free(tx: Tx, name: str) -> None:
    if tx.row(select(types.c.id).where(types.c.name == name)) is not None:
        raise AlreadyExists(f"Volume Type {name} already exists.")


def _check_specs(specs: Mapping[str, str]) -> None:
    if len(specs) > SPECS_MAX:
        raise Invalid(f"A volume type has at most {SPECS_MAX} extra specs.", field="extra_specs")


def _type(row: Row[Any]) -> VolumeType:
    return VolumeType(**row._mapping)
