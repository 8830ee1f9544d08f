"""Types of resources, as a namespace says that it is for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from volutus import audit
from volutus.db import Tx
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.image import faults
from volutus.image.definitions import namespaces
from volutus.image.tables import associations, resource_types

NAME_MAX = 80
LISTED_MAX = 1000


@dataclass(frozen=True)
class ResourceType:
    """A kind of thing that has properties."""

    name: str
    created_at: datetime


@dataclass(frozen=True)
class Association:
    """A namespace's properties apply to this type, with `prefix` before their names; `properties_target` is
    where they go when a thing has several sets of them."""

    name: str
    prefix: str | None
    properties_target: str | None
    created_at: datetime | None = None


def known(tx: Tx) -> list[ResourceType]:
    """All types that there are."""
    rows = tx.rows(select(resource_types).order_by(resource_types.c.name).limit(LISTED_MAX))
    return [ResourceType(row.name, row.created_at) for row in rows]


def associate(tx: Tx, caller: Caller, namespace: str, wanted: Association) -> Association:
    """Say that the namespace is for this type, which need not be known yet."""
    namespaces.own(tx, caller, namespace)
    for field in ("name", "prefix", "properties_target"):
        if len(getattr(wanted, field) or "") > NAME_MAX:
            raise Invalid(f"{field} has at most {NAME_MAX} characters.", field=field)
    if not wanted.name or "/" in wanted.name:
        raise Invalid("The name of a resource type has no slashes and is not empty.", field="name")
    mine = (associations.c.namespace == namespace, associations.c.name == wanted.name)
    if tx.value(select(1).where(*mine).limit(1)):
        raise faults.DefinitionExists(
            f"The resource type {wanted.name} is already associated with namespace={namespace}."
        )
    fresh = upsert(resource_types).values(name=wanted.name, created_at=tx.now)
    tx.execute(fresh.on_conflict_do_nothing())
    row = tx.row(
        insert(associations)
        .values(
            namespace=namespace,
            name=wanted.name,
            prefix=wanted.prefix,
            properties_target=wanted.properties_target,
            created_at=tx.now,
        )
        .returning(associations)
    )
    assert row is not None
    audit.record(tx, caller, "associate", namespaces.KIND, namespace, {"with": wanted.name})
    return _association(row)


def of_namespaces(tx: Tx, names: Sequence[str]) -> Mapping[str, list[Association]]:
    """Namespace to its types, for namespaces that the caller was found to see."""
    statement = select(associations).where(associations.c.namespace.in_(names)).order_by(associations.c.name)
    found: dict[str, list[Association]] = {name: [] for name in names}
    for row in tx.rows(statement.limit(LISTED_MAX)):
        found[row.namespace].append(_association(row))
    return found


def dissociate(tx: Tx, caller: Caller, namespace: str, name: str) -> None:
    """Take a type away from the namespace."""
    namespaces.own(tx, caller, namespace)
    mine = (associations.c.namespace == namespace, associations.c.name == name)
    if not tx.changed(delete(associations).where(*mine)):
        raise faults.DefinitionNotFound(
            f"The resource type {name} is not associated with namespace={namespace}."
        )
    audit.record(tx, caller, "dissociate", namespaces.KIND, namespace, {"from": name})


def _association(row: Row[Any]) -> Association:
    return Association(row.name, row.prefix, row.properties_target, row.created_at)
