"""Flavors of routers and the profiles of those who provide them: an administrator's list.

OVN is the one provider, so a flavor says no more than that a router is to be had under this name.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import Row, delete, select
from sqlalchemy.dialects.postgresql import insert

from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import objects
from volutus.network.changes import given
from volutus.network.errors import (
    FlavorInUse,
    FlavorNotFound,
    FlavorServiceProfileBindingExists,
    FlavorServiceProfileBindingNotFound,
    InvalidInput,
)
from volutus.network.listing import Query, boolean, equals
from volutus.network.objects import Noun
from volutus.network.service_profiles import get as get_profile
from volutus.network.tables import flavor_profiles, router_flavors, routers

SERVICE_TYPE = "L3_ROUTER_NAT"
PROFILES_MAX = 100


@dataclass(frozen=True)
class Flavor:
    id: str
    name: str
    description: str
    revision: int
    created_at: datetime
    updated_at: datetime
    service_type: str
    enabled: bool
    profile_ids: tuple[str, ...]


@dataclass(frozen=True)
class FlavorOrder:
    project_id: str
    service_type: str
    name: str = ""
    description: str = ""
    enabled: bool = True


@dataclass(frozen=True)
class FlavorChanges:
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


NOUN = Noun(
    router_flavors,
    "flavor",
    "Flavor",
    FlavorNotFound,
    {"service_type": equals(router_flavors.c.service_type), "enabled": boolean(router_flavors.c.enabled)},
    common=True,
)


def create(tx: Tx, caller: Caller, order: FlavorOrder) -> Flavor:
    """A new flavor, without profiles."""
    if order.service_type != SERVICE_TYPE:
        raise InvalidInput(f"Service type {order.service_type} is not {SERVICE_TYPE}.", field="service_type")
    return get(tx, caller, objects.insert_row(tx, caller, NOUN, given(order)))


def get(tx: Tx, caller: Caller, flavor_id: str) -> Flavor:
    """A flavor with its profiles."""
    return _flavors(tx, [objects.row_of(tx, caller, NOUN, flavor_id)])[0]


def list_(tx: Tx, caller: Caller, query: Query) -> list[Flavor]:
    """All flavors: two statements however many there are."""
    return _flavors(tx, list(objects.rows_of(tx, caller, NOUN, query)))


def change(
    tx: Tx, caller: Caller, flavor_id: str, changes: FlavorChanges, if_revision: int | None = None
) -> Flavor:
    """Change what is given."""
    row = objects.own_row(tx, caller, NOUN, flavor_id, if_revision)
    objects.update_row(tx, caller, NOUN, row, given(changes))
    return get(tx, caller, flavor_id)


def remove(tx: Tx, caller: Caller, flavor_id: str, if_revision: int | None = None) -> None:
    """Delete a flavor. Raises FlavorInUse while a router has it."""
    row = objects.own_row(tx, caller, NOUN, flavor_id, if_revision)
    if tx.value(select(routers.c.id).where(routers.c.flavor_id == flavor_id).limit(1)) is not None:
        raise FlavorInUse(f"Flavor {flavor_id} is used by some service instance.")
    objects.delete_row(tx, caller, NOUN, row)


def add_profile(tx: Tx, caller: Caller, flavor_id: str, profile_id: str) -> None:
    """Say who provides the flavor. Raises FlavorServiceProfileBindingExists."""
    objects.own_row(tx, caller, NOUN, flavor_id)
    get_profile(tx, caller, profile_id)
    values = {"flavor_id": flavor_id, "profile_id": profile_id}
    if not tx.changed(insert(flavor_profiles).values(**values).on_conflict_do_nothing()):
        raise FlavorServiceProfileBindingExists(
            f"Service profile {profile_id} is already associated with flavor {flavor_id}."
        )


def remove_profile(tx: Tx, caller: Caller, flavor_id: str, profile_id: str) -> None:
    """Take it back. Raises FlavorServiceProfileBindingNotFound."""
    objects.own_row(tx, caller, NOUN, flavor_id)
    statement = delete(flavor_profiles).where(
        flavor_profiles.c.flavor_id == flavor_id, flavor_profiles.c.profile_id == profile_id
    )
    if not tx.changed(statement):
        raise FlavorServiceProfileBindingNotFound(
            f"Service profile {profile_id} is not associated with flavor {flavor_id}."
        )


def _flavors(tx: Tx, rows: list[Row[Any]]) -> list[Flavor]:
    bindings: dict[str, list[str]] = {}
    if rows:
        statement = select(flavor_profiles).where(flavor_profiles.c.flavor_id.in_([row.id for row in rows]))
        for one in tx.rows(statement.limit(PROFILES_MAX * len(rows))):
            bindings.setdefault(one.flavor_id, []).append(one.profile_id)
    return [objects.built(Flavor, row, profile_ids=tuple(sorted(bindings.get(row.id, ())))) for row in rows]
