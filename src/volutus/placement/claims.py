"""Claims: a consumer's share of one host, made by one guarded statement."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Row, func, select, text, update

from volutus.db import Tx
from volutus.errors import NoCapacity
from volutus.placement.hosts import SILENT_AFTER
from volutus.placement.inventory import FIRST_POOL, pool_resource
from volutus.placement.tables import claims


class NoValidHost(NoCapacity):
    code = "placement.no_valid_host"


@dataclass(frozen=True)
class Claim:
    """What a consumer (a server, a volume) needs. `disk_gib` is room in `pool`, which is the host's first
    one's where that pool has none of its own; `only_hosts` and `avoid_hosts` are host ids; `resources` are
    those of `HostFacts`."""

    consumer_id: str
    project_id: str
    user_id: str
    mhz: int = 0
    cores: int = 0
    memory_mib: int = 0
    disk_gib: int = 0
    pool: str = FIRST_POOL
    only_hosts: Sequence[str] | None = None
    avoid_hosts: Sequence[str] = ()
    zone: str | None = None
    resources: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Shares:
    """Of one host."""

    mhz: int
    cores: int
    memory_mib: int
    disk_gib: int


# The emptiest host by its scarcest resource, with some chance mixed in so that racing claims do not all
# queue for one row; those that fit are put in order before their hosts are looked up, so that of thousands a
# few are. The update's own guard is evaluated on the locked row: whoever comes second sees what the first has
# taken.
_CLAIM = text(
    """
    WITH wanted(of_pool, disk_gib, resources) AS (
        VALUES (false, CAST(:disk_gib AS bigint), CAST(:resources AS jsonb)),
            (true, 0, CAST(:resources AS jsonb)
                || jsonb_build_object(CAST(:pool AS text), CAST(:disk_gib AS bigint)))
    ), chosen AS (
        SELECT f.* FROM (
            SELECT i.host_id, w.disk_gib, w.resources, greatest(
                i.mhz_used::float / greatest(i.mhz, 1), i.memory_mib_used::float / greatest(i.memory_mib, 1)
            ) + random() * 0.1 AS use
            FROM inventories i JOIN wanted w ON w.of_pool = jsonb_exists(i.resources, CAST(:pool AS text))
            WHERE i.mhz - i.mhz_used >= :mhz AND i.cores - i.cores_used >= :cores
              AND i.memory_mib - i.memory_mib_used >= :memory_mib
              AND i.disk_gib - i.disk_gib_used >= w.disk_gib
              AND (CAST(:only_hosts AS text[]) IS NULL OR i.host_id = ANY(CAST(:only_hosts AS text[])))
              AND NOT i.host_id = ANY(CAST(:avoid_hosts AS text[]))
              AND (w.resources = '{}' OR has_resources(i.resources, i.resources_used, w.resources))
            ORDER BY use
        ) f JOIN hosts h ON h.id = f.host_id
        WHERE h.enabled AND h.last_seen_at > :alive_after
          AND (CAST(:zone AS text) IS NULL OR h.zone = :zone)
        ORDER BY f.use LIMIT 1
    ), taken AS (
        UPDATE inventories i SET
            mhz_used = mhz_used + :mhz, cores_used = cores_used + :cores,
            memory_mib_used = memory_mib_used + :memory_mib,
            disk_gib_used = disk_gib_used + chosen.disk_gib,
            resources_used = add_resources(resources_used, chosen.resources, 1)
        FROM chosen WHERE i.host_id = chosen.host_id
          AND i.mhz - i.mhz_used >= :mhz AND i.cores - i.cores_used >= :cores
          AND i.memory_mib - i.memory_mib_used >= :memory_mib
          AND i.disk_gib - i.disk_gib_used >= chosen.disk_gib
          AND has_resources(i.resources, i.resources_used, chosen.resources)
        RETURNING i.host_id, chosen.disk_gib, chosen.resources
    ), claimed AS (
        INSERT INTO claims
            (consumer_id, host_id, project_id, user_id, mhz, cores, memory_mib, disk_gib, created_at,
             resources)
        SELECT :consumer_id, host_id, :project_id, :user_id, :mhz, :cores, :memory_mib, disk_gib, :now,
            resources
        FROM taken
        RETURNING host_id
    )
    SELECT (SELECT host_id FROM chosen) AS candidate, (SELECT host_id FROM claimed) AS claimed
    """
)
_RELEASE = text(
    """
    WITH gone AS (
        DELETE FROM claims WHERE consumer_id = ANY(CAST(:consumers AS text[]))
        RETURNING host_id, mhz, cores, memory_mib, disk_gib, resources
    ), sums AS (
        SELECT host_id, sum(mhz) AS mhz, sum(cores) AS cores, sum(memory_mib) AS memory_mib,
               sum(disk_gib) AS disk_gib
        FROM gone GROUP BY host_id
    ), freed AS (
        SELECT host_id, jsonb_object_agg(name, amount) AS resources FROM (
            SELECT host_id, r.name, sum(r.amount::bigint) AS amount
            FROM gone, jsonb_each_text(gone.resources) r(name, amount) GROUP BY host_id, r.name
        ) each GROUP BY host_id
    )
    UPDATE inventories i SET
        mhz_used = mhz_used - s.mhz, cores_used = cores_used - s.cores,
        memory_mib_used = memory_mib_used - s.memory_mib, disk_gib_used = disk_gib_used - s.disk_gib,
        resources_used = add_resources(resources_used, coalesce(f.resources, '{}'), -1)
    FROM sums s LEFT JOIN freed f USING (host_id) WHERE i.host_id = s.host_id
    """
)
# What becomes less is always given back, whatever else the host has no room for.
_CHANGE = text(
    """
    WITH held AS (
        SELECT host_id, mhz, cores, memory_mib, disk_gib FROM claims WHERE consumer_id = :consumer_id
        FOR UPDATE
    ), moved AS (
        UPDATE inventories i SET
            mhz_used = i.mhz_used + :mhz - h.mhz, cores_used = i.cores_used + :cores - h.cores,
            memory_mib_used = i.memory_mib_used + :memory_mib - h.memory_mib,
            disk_gib_used = i.disk_gib_used + :disk_gib - h.disk_gib
        FROM held h WHERE i.host_id = h.host_id
          AND (:mhz <= h.mhz OR i.mhz - i.mhz_used >= :mhz - h.mhz)
          AND (:cores <= h.cores OR i.cores - i.cores_used >= :cores - h.cores)
          AND (:memory_mib <= h.memory_mib OR i.memory_mib - i.memory_mib_used >= :memory_mib - h.memory_mib)
          AND (:disk_gib <= h.disk_gib OR i.disk_gib - i.disk_gib_used >= :disk_gib - h.disk_gib)
        RETURNING i.host_id
    )
    UPDATE claims c SET mhz = :mhz, cores = :cores, memory_mib = :memory_mib, disk_gib = :disk_gib
    FROM moved WHERE c.consumer_id = :consumer_id
    """
)
# Those whose shares, beside what is free, are enough for a claim: of one host, the fewest, and those that go
# anyway before the others.
_FREEING = text(
    """
    WITH place AS (
        SELECT i.host_id, i.mhz - i.mhz_used AS mhz, i.cores - i.cores_used AS cores,
            i.memory_mib - i.memory_mib_used AS memory_mib, i.disk_gib - i.disk_gib_used AS disk_gib
        FROM inventories i JOIN hosts h ON h.id = i.host_id
        WHERE h.enabled AND h.last_seen_at > :alive_after
          AND (CAST(:only_hosts AS text[]) IS NULL OR i.host_id = ANY(CAST(:only_hosts AS text[])))
          AND NOT i.host_id = ANY(CAST(:avoid_hosts AS text[]))
          AND (CAST(:zone AS text) IS NULL OR h.zone = :zone)
    ), summed AS (
        SELECT c.consumer_id, c.host_id, row_number() OVER those AS number,
            p.mhz + sum(c.mhz) OVER those AS mhz, p.cores + sum(c.cores) OVER those AS cores,
            p.memory_mib + sum(c.memory_mib) OVER those AS memory_mib,
            p.disk_gib + sum(c.disk_gib) OVER those AS disk_gib
        FROM claims c JOIN place p USING (host_id) WHERE c.consumer_id = ANY(CAST(:consumers AS text[]))
        WINDOW those AS (PARTITION BY c.host_id ORDER BY c.consumer_id = ANY(CAST(:first AS text[])) DESC,
            c.created_at DESC, c.consumer_id ROWS UNBOUNDED PRECEDING)
    ), enough AS (
        SELECT host_id, min(number) AS number FROM summed
        WHERE mhz >= :mhz AND cores >= :cores AND memory_mib >= :memory_mib AND disk_gib >= :disk_gib
        GROUP BY host_id ORDER BY min(number), host_id LIMIT 1
    )
    SELECT s.consumer_id FROM summed s JOIN enough e ON e.host_id = s.host_id AND s.number <= e.number
    ORDER BY s.number LIMIT :limit
    """
)
# A candidate that filled up between choosing and locking is chosen again; by then it shows as full.
_TRIES = 5


def claim(tx: Tx, wanted: Claim) -> str:
    """Claim a share of the best host; the host's id. A consumer that has a claim keeps it: the same host is
    answered. Raises NoValidHost."""
    held = host_of(tx, wanted.consumer_id)
    if held is not None:
        return held
    values = _values(tx, wanted)
    for _ in range(_TRIES):
        row = tx.row(_CLAIM, values)
        if row is not None and row.claimed is not None:
            return str(row.claimed)
        if row is None or row.candidate is None:
            break
    raise NoValidHost(
        "No valid host was found. There are not enough hosts available.",
        detail=f"{wanted.mhz} MHz, {wanted.cores} cores, {wanted.memory_mib} MiB, {wanted.disk_gib} GiB "
        + " ".join(f"{name}={count}" for name, count in wanted.resources.items()),
    )


def fewest_that_free(tx: Tx, wanted: Claim, consumers: Sequence[str], first: Sequence[str]) -> list[str]:
    """Which of these consumers would have to give back their claims so that a host has room, those named
    `first` before the others; none where even all of them are not enough."""
    limits = {"consumers": list(consumers), "first": list(first), "limit": max(len(consumers), 1)}
    return [row.consumer_id for row in tx.rows(_FREEING, {**_values(tx, wanted), **limits})]


def change_claim(tx: Tx, consumer_id: str, shares: Shares) -> None:
    """Let a consumer have these shares of the host it is on; one that has no claim has none after it. Raises
    NoValidHost when the host has no room for what is more."""
    values = {"consumer_id": consumer_id, **asdict(shares)}
    if host_of(tx, consumer_id) is not None and not tx.changed(_CHANGE, values):
        raise NoValidHost(
            "No valid host was found. The server's host has no room for the new size.",
            detail=f"{shares.mhz} MHz, {shares.cores} cores, {shares.memory_mib} MiB, {shares.disk_gib} GiB",
        )


def release(tx: Tx, consumer_id: str) -> None:
    """Give a claim back; nothing happens where there is none."""
    release_many(tx, [consumer_id])


def release_many(tx: Tx, consumer_ids: Sequence[str]) -> None:
    """Give many claims back in one statement."""
    if consumer_ids:
        tx.execute(_RELEASE, {"consumers": list(consumer_ids)})


def take_over(tx: Tx, consumer_id: str, heir_id: str) -> None:
    """Let another consumer have this one's claim instead of its own."""
    release(tx, heir_id)
    tx.execute(update(claims).where(claims.c.consumer_id == consumer_id).values(consumer_id=heir_id))


def host_of(tx: Tx, consumer_id: str) -> str | None:
    """The host on which a consumer has its claim."""
    found: str | None = tx.value(select(claims.c.host_id).where(claims.c.consumer_id == consumer_id))
    return found


def claims_of_host(tx: Tx, host_id: str, limit: int = 1000) -> Sequence[Row[Any]]:
    """Who claimed what of a host: `consumer_id`, `project_id`, `user_id`, `mhz`, `cores`, `memory_mib`,
    `disk_gib`."""
    statement = select(claims).where(claims.c.host_id == host_id).order_by(claims.c.consumer_id)
    return tx.rows(statement.limit(limit))


def claim_of(tx: Tx, consumer_id: str) -> Row[Any] | None:
    """One consumer's claim, with the columns of `claims_of_host` and `host_id`; None when it has none."""
    return tx.row(select(claims).where(claims.c.consumer_id == consumer_id))


def totals(tx: Tx, project_id: str, user_id: str | None = None) -> Row[Any]:
    """What a project, or one user in it, has claimed everywhere: `mhz`, `cores`, `memory_mib`, `disk_gib` and
    the number of `consumers`."""
    sums = [
        func.coalesce(func.sum(column), 0).label(column.name)
        for column in (claims.c.mhz, claims.c.cores, claims.c.memory_mib, claims.c.disk_gib)
    ]
    statement = select(func.count().label("consumers"), *sums).where(claims.c.project_id == project_id)
    if user_id is not None:
        statement = statement.where(claims.c.user_id == user_id)
    return tx.execute(statement).one()


def _values(tx: Tx, wanted: Claim) -> dict[str, Any]:
    only = wanted.only_hosts
    return {
        **asdict(wanted),
        "only_hosts": None if only is None else list(only),
        "pool": pool_resource(wanted.pool),
        "resources": json.dumps(dict(wanted.resources)),
        "avoid_hosts": list(wanted.avoid_hosts),
        "alive_after": tx.now - SILENT_AFTER,
        "now": tx.now,
    }
