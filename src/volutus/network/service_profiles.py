"""Profiles of those who provide services: a driver or what else tells a flavor's provider."""

from dataclasses import dataclass
from datetime import datetime

from msgspec import UNSET, UnsetType
from sqlalchemy import select

from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import objects
from volutus.network.changes import given
from volutus.network.errors import InvalidInput, ServiceProfileInUse, ServiceProfileNotFound
from volutus.network.listing import Query, boolean, equals
from volutus.network.objects import Noun
from volutus.network.tables import flavor_profiles, service_profiles

# The one provider of routers.
DRIVER = "ovn"


@dataclass(frozen=True)
class ServiceProfile:
    id: str
    description: str
    revision: int
    created_at: datetime
    updated_at: datetime
    driver: str
    meta_info: str
    enabled: bool


@dataclass(frozen=True)
class ServiceProfileOrder:
    project_id: str
    description: str = ""
    driver: str = ""
    meta_info: str = ""
    enabled: bool = True


@dataclass(frozen=True)
class ServiceProfileChanges:
    description: str | UnsetType = UNSET
    driver: str | UnsetType = UNSET
    meta_info: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


NOUN = Noun(
    service_profiles,
    "service_profile",
    "Service Profile",
    ServiceProfileNotFound,
    {"driver": equals(service_profiles.c.driver), "enabled": boolean(service_profiles.c.enabled)},
    common=True,
)


def create(tx: Tx, caller: Caller, order: ServiceProfileOrder) -> ServiceProfile:
    """A new profile. Raises InvalidInput for a driver that is not here, or one that says nothing."""
    _check(order.driver, order.meta_info)
    return get(tx, caller, objects.insert_row(tx, caller, NOUN, given(order)))


def get(tx: Tx, caller: Caller, profile_id: str) -> ServiceProfile:
    """A profile."""
    return objects.built(ServiceProfile, objects.row_of(tx, caller, NOUN, profile_id))


def list_(tx: Tx, caller: Caller, query: Query) -> list[ServiceProfile]:
    """All profiles."""
    return [objects.built(ServiceProfile, row) for row in objects.rows_of(tx, caller, NOUN, query)]


def change(
    tx: Tx, caller: Caller, profile_id: str, changes: ServiceProfileChanges, if_revision: int | None = None
) -> ServiceProfile:
    """Change what is given."""
    row = objects.own_row(tx, caller, NOUN, profile_id, if_revision)
    values = given(changes)
    _check(values.get("driver", row.driver), values.get("meta_info", row.meta_info))
    objects.update_row(tx, caller, NOUN, row, values)
    return get(tx, caller, profile_id)


def remove(tx: Tx, caller: Caller, profile_id: str, if_revision: int | None = None) -> None:
    """Delete a profile. Raises ServiceProfileInUse while a flavor has it."""
    row = objects.own_row(tx, caller, NOUN, profile_id, if_revision)
    flavor = select(flavor_profiles.c.flavor_id).where(flavor_profiles.c.profile_id == profile_id)
    if tx.value(flavor.limit(1)) is not None:
        raise ServiceProfileInUse(f"Service Profile {profile_id} is used by some service flavor.")
    objects.delete_row(tx, caller, NOUN, row)


def _check(driver: str, meta_info: str) -> None:
    if driver not in ("", DRIVER):
        raise InvalidInput(f"Driver {driver!r} is not here: {DRIVER} is.", field="driver")
    if not driver and not meta_info:
        raise InvalidInput("A profile has a driver or metainfo.", field="driver")
