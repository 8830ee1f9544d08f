"""Address scopes: prefixes that several subnet pools cut from without overlap, routed without translation."""

from dataclasses import dataclass
from datetime import datetime

from msgspec import UNSET, UnsetType
from sqlalchemy import select

from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import objects
from volutus.network.changes import given
from volutus.network.errors import (
    AddressScopeInUse,
    AddressScopeNotFound,
    AddressScopeUpdateError,
    InvalidInput,
)
from volutus.network.listing import Query, boolean, integer
from volutus.network.objects import Noun
from volutus.network.tables import address_scopes, subnet_pools


@dataclass(frozen=True)
class AddressScope:
    id: str
    project_id: str
    name: str
    description: str
    tags: tuple[str, ...]
    revision: int
    created_at: datetime
    updated_at: datetime
    ip_version: int
    shared: bool


@dataclass(frozen=True)
class AddressScopeOrder:
    project_id: str
    ip_version: int
    name: str = ""
    description: str = ""
    shared: bool = False


@dataclass(frozen=True)
class AddressScopeChanges:
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    shared: bool | UnsetType = UNSET


NOUN = Noun(
    address_scopes,
    "address_scope",
    "Address scope",
    AddressScopeNotFound,
    {"ip_version": integer(address_scopes.c.ip_version), "shared": boolean(address_scopes.c.shared)},
)


def create(tx: Tx, caller: Caller, order: AddressScopeOrder) -> AddressScope:
    """A new scope, without pools."""
    if order.ip_version not in (4, 6):
        raise InvalidInput(
            f"Invalid input for ip_version: {order.ip_version} is not 4 or 6.", field="ip_version"
        )
    return get(tx, caller, objects.insert_row(tx, caller, NOUN, given(order)))


def get(tx: Tx, caller: Caller, scope_id: str) -> AddressScope:
    """A scope that the caller may put pools into."""
    return objects.built(AddressScope, objects.row_of(tx, caller, NOUN, scope_id))


def list_(tx: Tx, caller: Caller, query: Query) -> list[AddressScope]:
    """The scopes that the caller may use."""
    return [objects.built(AddressScope, row) for row in objects.rows_of(tx, caller, NOUN, query)]


def change(
    tx: Tx, caller: Caller, scope_id: str, changes: AddressScopeChanges, if_revision: int | None = None
) -> AddressScope:
    """Change what is given. A scope that was shared stays so: others may have pools in it."""
    row = objects.own_row(tx, caller, NOUN, scope_id, if_revision)
    if row.shared and changes.shared is False:
        raise AddressScopeUpdateError(
            f"Unable to update address scope {scope_id} : Shared address scope can't be unshared.",
            field="shared",
        )
    objects.update_row(tx, caller, NOUN, row, given(changes))
    return get(tx, caller, scope_id)


def remove(tx: Tx, caller: Caller, scope_id: str, if_revision: int | None = None) -> None:
    """Delete a scope. Raises AddressScopeInUse while a pool is in it."""
    row = objects.own_row(tx, caller, NOUN, scope_id, if_revision)
    pool = select(subnet_pools.c.id).where(subnet_pools.c.address_scope_id == scope_id).limit(1)
    if tx.value(pool) is not None:
        raise AddressScopeInUse(
            f"Unable to complete operation on address scope {scope_id}. "
            "There are one or more subnet pools in use on the address scope."
        )
    objects.delete_row(tx, caller, NOUN, row)
