"""Storage classes as capacities: what volumes of a type are metered as, and how full their pool is.

A type that asks for no pool of its own fills the first one, as servers' own disks do. A type that is not for
everybody is not told: what is said of a class is public.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from volutus import placement
from volutus.db import Tx
from volutus.volume.capabilities import pool_of
from volutus.volume.tables import types
from volutus.volume.types import DEFAULT_TYPE_ID

METER = "storage_gib"
# More types than this nobody can choose from.
CLASSES_MAX = 1000


@dataclass(frozen=True)
class StorageClass:
    """A public type with a pool of its own: what all hosts have of that pool, and what of it is claimed."""

    meter: str
    pool: str
    gib: int
    used_gib: int


def meter_of(type_name: str) -> str:
    """What volumes of a type are metered as, but for those of the cloud's own first type; `disks` says the
    same in SQL."""
    return f"{METER}:{type_name.lower()}"


def by_meter(tx: Tx, gib: Mapping[str, int]) -> dict[str, int]:
    """GiB by the ids of types as GiB by what they are metered as."""
    named = select(types.c.id, types.c.name).where(types.c.id.in_(gib))
    found: dict[str, int] = {}
    for row in tx.rows(named.limit(len(gib))) if gib else ():
        meter = METER if row.id == DEFAULT_TYPE_ID else meter_of(row.name)
        found[meter] = found.get(meter, 0) + gib[row.id]
    return found


def list_(tx: Tx) -> list[StorageClass]:
    """The classes with a capacity of their own, by name: those that have pools on some host."""
    rooms = placement.inventory.pools(tx)
    named = select(types.c.name, types.c.extra_specs).order_by(types.c.name)
    rows = tx.rows(named.where(types.c.is_public, types.c.id != DEFAULT_TYPE_ID).limit(CLASSES_MAX))
    found = [(row.name, pool_of(row.extra_specs)) for row in rows]
    return [
        StorageClass(meter_of(name), pool, rooms[pool].gib, rooms[pool].used_gib)
        for name, pool in found
        if pool in rooms
    ]
