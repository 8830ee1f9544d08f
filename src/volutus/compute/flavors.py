"""Flavors: named presets of MHz, cores, memory and disk, and the names that are any size.

A name such as `4000mhz-8c-4096m` (or `…-20g` with a root disk of 20 GiB) is always valid and never stored:
its id is the name. The MHz of a stored flavor stand in its extra spec `volutus:mhz`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Select, delete, exists, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from volutus import audit
from volutus.compute.faults import (
    AccessExists,
    AccessNotFound,
    ExtraSpecNotFound,
    FlavorExists,
    FlavorNotFound,
)
from volutus.compute.tables import flavor_access, flavors
from volutus.db import Page, Tx, paged
from volutus.errors import Conflict, Invalid
from volutus.identity import Caller

MHZ_SPEC = "volutus:mhz"
# What a flavor made without saying its MHz gets for each core.
MHZ_PER_CORE = 1000
# A guest is not told more cores than QEMU's machine can have, nor more MHz than a big host has.
CORES_MAX = 255
MHZ_MAX = 10_000_000
MEMORY_MIB_MAX = 64 << 20
ACCESS_MAX = 1000

_ANY_SIZE = re.compile(r"([1-9]\d{0,7})mhz-([1-9]\d{0,2})c-([1-9]\d{0,7})m(?:-([1-9]\d{0,6})g)?")
# Before the project began: these flavors were not made by anybody at any time.
_ALWAYS = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Flavor:
    """`disk_gib` 0 means a root disk as large as the image."""

    id: str
    name: str
    cores: int
    memory_mib: int
    disk_gib: int
    ephemeral_gib: int = 0
    swap_mib: int = 0
    rxtx_factor: float = 1.0
    is_public: bool = True
    disabled: bool = False
    description: str | None = None
    extra_specs: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime = _ALWAYS

    @property
    def mhz(self) -> int:
        """The CPU speed of all cores together."""
        return int(self.extra_specs.get(MHZ_SPEC, self.cores * MHZ_PER_CORE))


PRESETS = (
    Flavor("c1", "c1", 1, 256, 1, extra_specs={MHZ_SPEC: "1000"}),
    Flavor("c2", "c2", 1, 512, 2, extra_specs={MHZ_SPEC: "1500"}),
    Flavor("c3", "c3", 1, 1024, 5, extra_specs={MHZ_SPEC: "2000"}),
    Flavor("c4", "c4", 2, 2048, 20, extra_specs={MHZ_SPEC: "4000"}),
    Flavor("c5", "c5", 4, 4096, 40, extra_specs={MHZ_SPEC: "8000"}),
    Flavor("c6", "c6", 8, 8192, 80, extra_specs={MHZ_SPEC: "16000"}),
)

_SORTABLE = {
    "flavorid": flavors.c.id,
    "id": flavors.c.id,
    "name": flavors.c.name,
    "memory_mb": flavors.c.memory_mib,
    "vcpus": flavors.c.cores,
    "root_gb": flavors.c.disk_gib,
    "ephemeral_gb": flavors.c.ephemeral_gib,
    "swap": flavors.c.swap_mib,
    "created_at": flavors.c.created_at,
}


@dataclass(frozen=True)
class FlavorFilter:
    """`is_public` None shows both kinds to an administrator; others see what is theirs to use. `name` is a
    regular expression."""

    min_memory_mib: int = 0
    min_disk_gib: int = 0
    is_public: bool | None = True
    name: str | None = None


def bootstrap(tx: Tx) -> None:
    """The preset flavors, made once; what an operator made of them, or has of their names, is left alone."""
    for preset in PRESETS:
        tx.execute(upsert(flavors).values(**_values(preset), created_at=tx.now).on_conflict_do_nothing())


def of_any_size(name: str) -> Flavor | None:
    """The flavor that a name such as `4000mhz-8c-4096m` spells, or None. Raises Invalid beyond the bounds."""
    match = _ANY_SIZE.fullmatch(name)
    if match is None:
        return None
    mhz, cores, memory_mib = int(match[1]), int(match[2]), int(match[3])
    if mhz > MHZ_MAX or cores > CORES_MAX or memory_mib > MEMORY_MIB_MAX:
        raise Invalid(
            f"A flavor has at most {MHZ_MAX} MHz, {CORES_MAX} cores and {MEMORY_MIB_MAX} MiB.", field="flavor"
        )
    return Flavor(name, name, cores, memory_mib, int(match[4] or 0), extra_specs={MHZ_SPEC: str(mhz)})


def get(tx: Tx, caller: Caller, flavor_id: str) -> Flavor:
    """One flavor that the caller may use. Raises FlavorNotFound."""
    spelled = of_any_size(flavor_id)
    if spelled is not None:
        return spelled
    row = tx.row(_visible(caller, None).where(flavors.c.id == flavor_id))
    if row is None:
        raise FlavorNotFound(f"Flavor {flavor_id} could not be found.")
    return _flavor(row)


def list_(tx: Tx, caller: Caller, page: Page, wanted: FlavorFilter) -> list[Flavor]:
    """Stored flavors in pages."""
    statement = _visible(caller, wanted.is_public).where(
        flavors.c.memory_mib >= wanted.min_memory_mib, flavors.c.disk_gib >= wanted.min_disk_gib
    )
    if wanted.name:
        statement = statement.where(flavors.c.name.regexp_match(wanted.name))
    rows = tx.rows(paged(tx, statement, page, _SORTABLE, flavors.c.id))
    return [_flavor(row) for row in rows]


def create(tx: Tx, caller: Caller, flavor: Flavor) -> Flavor:
    """A new flavor. Raises FlavorExists when the id or the name is taken."""
    if of_any_size(flavor.id) or of_any_size(flavor.name):
        raise FlavorExists(f"{flavor.name} is a flavor already: names of this form are always valid.")
    made = tx.row(
        upsert(flavors)
        .values(**_values(flavor), created_at=tx.now)
        .on_conflict_do_nothing()
        .returning(flavors)
    )
    if made is None:
        taken = tx.value(select(flavors.c.id).where(flavors.c.id == flavor.id))
        what = f"Flavor with ID {flavor.id}" if taken else f"Flavor with name {flavor.name}"
        raise FlavorExists(f"{what} already exists.")
    audit.record(tx, caller, "create", "compute.flavor", flavor.id, {"name": flavor.name})
    return _flavor(made)


def set_description(tx: Tx, caller: Caller, flavor_id: str, description: str | None) -> Flavor:
    """Describe a flavor; everything else of it never changes."""
    return _change(tx, caller, flavor_id, {"description": description})


def remove(tx: Tx, caller: Caller, flavor_id: str) -> None:
    """Delete a flavor; servers keep the copy they were made with."""
    if not tx.changed(delete(flavors).where(flavors.c.id == flavor_id)):
        raise FlavorNotFound(f"Flavor {flavor_id} could not be found.")
    audit.record(tx, caller, "delete", "compute.flavor", flavor_id)


def set_extra_specs(tx: Tx, caller: Caller, flavor_id: str, specs: Mapping[str, str]) -> Flavor:
    """Add or change extra specs. `volutus:mhz` is a number."""
    mhz = specs.get(MHZ_SPEC)
    if mhz is not None and not (mhz.isascii() and mhz.isdigit() and 0 < int(mhz) <= MHZ_MAX):
        raise Invalid(f"{MHZ_SPEC} is a number from 1 to {MHZ_MAX}.", field=MHZ_SPEC)
    return _change(tx, caller, flavor_id, {"extra_specs": flavors.c.extra_specs.concat(dict(specs))})


def remove_extra_spec(tx: Tx, caller: Caller, flavor_id: str, key: str) -> None:
    """Take one extra spec away. Raises ExtraSpecNotFound."""
    if key not in get(tx, caller, flavor_id).extra_specs:
        raise ExtraSpecNotFound(f"Flavor {flavor_id} has no extra specs with key {key}.")
    _change(tx, caller, flavor_id, {"extra_specs": flavors.c.extra_specs - key})


def access_of(tx: Tx, caller: Caller, flavor_id: str) -> list[str]:
    """The projects that may use a flavor which is not public."""
    if get(tx, caller, flavor_id).is_public:
        raise FlavorNotFound("Access list not available for public flavors.")
    rows = tx.rows(
        select(flavor_access.c.project_id)
        .where(flavor_access.c.flavor_id == flavor_id)
        .order_by(flavor_access.c.project_id)
        .limit(ACCESS_MAX)
    )
    return [row.project_id for row in rows]


def add_access(tx: Tx, caller: Caller, flavor_id: str, project_id: str) -> list[str]:
    """Let a project use a flavor that is not public. Raises AccessExists."""
    if get(tx, caller, flavor_id).is_public:
        raise Conflict("Can not add access to a public flavor.")
    values = {"flavor_id": flavor_id, "project_id": project_id}
    statement = upsert(flavor_access).values(**values).on_conflict_do_nothing()
    if tx.row(statement.returning(flavor_access)) is None:
        raise AccessExists(
            f"Flavor access already exists for flavor {flavor_id} and project {project_id} combination."
        )
    audit.record(tx, caller, "add_access", "compute.flavor", flavor_id, {"project_id": project_id})
    return access_of(tx, caller, flavor_id)


def remove_access(tx: Tx, caller: Caller, flavor_id: str, project_id: str) -> list[str]:
    """Stop letting a project use a flavor. Raises AccessNotFound."""
    if get(tx, caller, flavor_id).is_public:
        raise Conflict("Can not remove access from a public flavor.")
    row = (flavor_access.c.flavor_id == flavor_id) & (flavor_access.c.project_id == project_id)
    if not tx.changed(delete(flavor_access).where(row)):
        raise AccessNotFound(
            f"Flavor access not found for flavor {flavor_id} and project {project_id} combination."
        )
    audit.record(tx, caller, "remove_access", "compute.flavor", flavor_id, {"project_id": project_id})
    return access_of(tx, caller, flavor_id)


def _visible(caller: Caller, is_public: bool | None) -> Select[Any]:
    statement = select(flavors)
    if caller.is_admin:
        return statement if is_public is None else statement.where(flavors.c.is_public == is_public)
    granted = exists().where(
        flavor_access.c.flavor_id == flavors.c.id, flavor_access.c.project_id == caller.project_id
    )
    return statement.where(or_(flavors.c.is_public, granted), ~flavors.c.disabled)


def _change(tx: Tx, caller: Caller, flavor_id: str, values: Mapping[str, Any]) -> Flavor:
    row = tx.row(update(flavors).where(flavors.c.id == flavor_id).values(**values).returning(flavors))
    if row is None:
        raise FlavorNotFound(f"Flavor {flavor_id} could not be found.")
    audit.record(tx, caller, "update", "compute.flavor", flavor_id, {"changed": sorted(values)})
    return _flavor(row)


def _values(flavor: Flavor) -> dict[str, Any]:
    return {
        "id": flavor.id,
        "name": flavor.name,
        "cores": flavor.cores,
        "memory_mib": flavor.memory_mib,
        "disk_gib": flavor.disk_gib,
        "ephemeral_gib": flavor.ephemeral_gib,
        "swap_mib": flavor.swap_mib,
        "rxtx_factor": flavor.rxtx_factor,
        "is_public": flavor.is_public,
        "disabled": flavor.disabled,
        "description": flavor.description,
        "extra_specs": dict(flavor.extra_specs),
    }


def _flavor(row: Row[Any]) -> Flavor:
    return Flavor(**row._mapping)
