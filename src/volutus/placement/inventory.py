"""What a host has to sell."""

from dataclasses import dataclass

from sqlalchemy import func, select, text, update

from volutus.db import Tx
from volutus.placement.tables import inventories
from volutus.wire import HostFacts

# Cores are only threads that share the MHz sold: more of them than the host has is fine, up to where the
# kernel's scheduler spends its time switching.
VIRTUAL_CORES_PER_CORE = 16
# What the host's own processes and QEMU's overhead need, kept back from guests.
HOST_MEMORY_MIB = 1024
HOST_MEMORY_SHARE = 0.1
# The pool of disks that every host has: its room is `disk_gib`. That of any other is a resource of its own,
# unless it is on the same file system.
FIRST_POOL = "directory"
_POOL = "pool:"
# More kinds of pools than this are not told apart.
POOLS_MAX = 1000
_POOLS = text(
    """
    SELECT substr(p.key, :skipped) AS name, sum(CAST(p.value AS bigint)) AS gib,
        sum(coalesce(CAST(i.resources_used ->> p.key AS bigint), 0)) AS used_gib
    FROM inventories i CROSS JOIN LATERAL jsonb_each_text(i.resources) p
    WHERE starts_with(p.key, :prefix) GROUP BY p.key ORDER BY p.key LIMIT :limit
    """
)


@dataclass(frozen=True)
class Overcommit:
    """How much more is sold than is there; 1.0 sells what is there."""

    mhz: float = 1.0
    memory: float = 1.0


@dataclass(frozen=True)
class Room:
    """GiB that disks can have, and how many of them are claimed."""

    gib: int
    used_gib: int


def pool_resource(pool: str) -> str:
    """What the room of a pool is counted as, among a host's `resources`, where it is not the first one's."""
    return f"{_POOL}{pool}"


def set_totals(tx: Tx, host_id: str, facts: HostFacts, overcommit: Overcommit) -> None:
    """Set the totals by what the host reported. What is claimed stays, even where it is more."""
    kept = min(HOST_MEMORY_MIB, int(facts.memory_mib * HOST_MEMORY_SHARE))
    tx.execute(
        update(inventories)
        .where(inventories.c.host_id == host_id)
        .values(
            mhz=int(facts.cores * facts.mhz_per_core * overcommit.mhz),
            cores=facts.cores * VIRTUAL_CORES_PER_CORE,
            memory_mib=int((facts.memory_mib - kept) * overcommit.memory),
            disk_gib=facts.disk_gib,
            resources=facts.resources,
        )
    )


def capacities(tx: Tx) -> dict[str, tuple[int, int]]:
    """What all hosts together have of `mhz`, `memory_mib` and `disk_gib`, and how much of it is claimed."""
    names = ("mhz", "memory_mib", "disk_gib")
    columns = [
        func.coalesce(func.sum(inventories.c[f"{name}{suffix}"]), 0)
        for name in names
        for suffix in ("", "_used")
    ]
    row = tx.execute(select(*columns)).one()
    return {name: (int(row[2 * at]), int(row[2 * at + 1])) for at, name in enumerate(names)}


def pools(tx: Tx) -> dict[str, Room]:
    """The room of all hosts together in their pools of each name, where it is not in `capacities`."""
    asked = {"prefix": _POOL, "skipped": len(_POOL) + 1, "limit": POOLS_MAX}
    return {row.name: Room(int(row.gib), int(row.used_gib)) for row in tx.rows(_POOLS, asked)}
