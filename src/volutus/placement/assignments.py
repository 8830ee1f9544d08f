"""The document of each host, item by item: what should be there, and what should go.

Each write raises the host's generation while it holds the host's inventory row, so generations become
visible in their order, and an agent that has seen G has seen all up to G.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import text

from volutus.db import Tx
from volutus.errors import Conflict, NotFound
from volutus.wire import Assignment, Desired, Spec

# The channel on which a waiting long poll hears that a host's document was raised; payload is the host's id.
HOSTS_CHANNEL = "volutus_hosts"
# An agent that has more to catch up with comes again at once.
ASSIGNMENTS_MAX = 500

_ASSIGN = text(
    """
    WITH raised AS (
        UPDATE inventories SET generation = generation + 1 WHERE host_id = :host_id RETURNING generation
    ), written AS (
        INSERT INTO assignments AS a (host_id, kind, key, generation, spec)
        SELECT :host_id, :kind, :key, generation, CAST(:spec AS jsonb) FROM raised
        ON CONFLICT (host_id, kind, key)
            DO UPDATE SET generation = excluded.generation, spec = excluded.spec
            WHERE NOT a.tombstone
        RETURNING generation
    )
    SELECT generation, pg_notify(:channel, :host_id) FROM written
    """
)
_BURY = text(
    """
    WITH raised AS (
        UPDATE inventories SET generation = generation + 1
        WHERE host_id = :host_id AND EXISTS (
            SELECT 1 FROM assignments
            WHERE host_id = :host_id AND kind = :kind AND key = :key AND NOT tombstone)
        RETURNING generation
    ), written AS (
        UPDATE assignments SET tombstone = true, spec = NULL, generation = raised.generation FROM raised
        WHERE host_id = :host_id AND kind = :kind AND key = :key
        RETURNING 1
    )
    SELECT pg_notify(:channel, :host_id) FROM written
    """
)
_RING = text(
    """
    WITH rung AS (UPDATE inventories SET rung = true WHERE host_id = :host_id)
    SELECT pg_notify(:channel, :host_id)
    """
)
_ANSWER = text("UPDATE inventories SET rung = false WHERE host_id = :host_id AND rung")
# Rows of many hosts are locked in the order of their ids, as by every other statement that does.
_ASSIGN_ALL = text(
    """
    WITH many AS (
        SELECT host_id FROM inventories ORDER BY host_id FOR UPDATE
    ), raised AS (
        UPDATE inventories i SET generation = generation + 1 FROM many WHERE i.host_id = many.host_id
        RETURNING i.host_id, generation
    ), written AS (
        INSERT INTO assignments AS a (host_id, kind, key, generation, spec)
        SELECT host_id, :kind, :key, generation, CAST(:spec AS jsonb) FROM raised
        ON CONFLICT (host_id, kind, key)
            DO UPDATE SET generation = excluded.generation, spec = excluded.spec
            WHERE NOT a.tombstone
        RETURNING host_id
    )
    SELECT host_id, pg_notify(:channel, host_id) FROM written
    """
)
_BURY_MANY = text(
    """
    WITH wanted AS (
        SELECT * FROM unnest(CAST(:host_ids AS text[]), CAST(:keys AS text[])) AS w(host_id, key)
    ), many AS (
        SELECT host_id FROM inventories WHERE host_id IN (SELECT host_id FROM wanted)
        ORDER BY host_id FOR UPDATE
    ), raised AS (
        UPDATE inventories i SET generation = generation + 1 FROM many WHERE i.host_id = many.host_id
        RETURNING i.host_id, generation
    ), written AS (
        INSERT INTO assignments AS a (host_id, kind, key, generation, tombstone)
        SELECT host_id, :kind, key, generation, true FROM raised JOIN wanted USING (host_id)
        ON CONFLICT (host_id, kind, key)
            DO UPDATE SET generation = excluded.generation, spec = NULL, tombstone = true
        RETURNING host_id
    )
    SELECT pg_notify(:channel, host_id) FROM (SELECT DISTINCT host_id FROM written) AS hosts
    """
)
_FORGET = text(
    "DELETE FROM assignments WHERE host_id = :host_id AND kind = :kind AND key = :key AND tombstone"
)
_EXISTS = text("SELECT 1 FROM assignments WHERE host_id = :host_id AND kind = :kind AND key = :key")
_TOLD = text(
    "SELECT tombstone, coalesce(spec = CAST(:spec AS jsonb), false) AS same FROM assignments "
    "WHERE host_id = :host_id AND kind = :kind AND key = :key"
)
# One statement, so that generation and items are of one moment. A host that has seen more than there is (the
# database was restored from an older copy) is told everything again.
_DESIRED = text(
    """
    SELECT i.generation AS newest, a.kind, a.key, a.generation, a.spec::text AS spec, a.tombstone
    FROM inventories i LEFT JOIN assignments a ON a.host_id = i.host_id
        AND a.generation > CASE WHEN :seen > i.generation THEN 0 ELSE :seen END
    WHERE i.host_id = :host_id ORDER BY a.generation LIMIT :count
    """
)
# Disks name the image they start as, guests the kernel and the RAM disk they boot.
_NAMES_IMAGE = text(
    """
    SELECT 1 FROM assignments
    WHERE host_id = :host_id AND NOT tombstone AND :image_id IN (
        spec->'source'->>'image_id', spec->'kernel_image'->>'image_id', spec->'ramdisk_image'->>'image_id')
    LIMIT 1
    """
)


class Burying(Conflict):
    code = "placement.assignment.burying"


def assign(tx: Tx, host_id: str, kind: str, key: str, spec: Spec) -> int:
    """Say that this should be on the host, or should be different now; the generation that says so. Raises
    Burying while the same thing is still being removed there."""
    document = msgspec.json.encode(spec).decode()
    row = tx.row(
        _ASSIGN, {"host_id": host_id, "kind": kind, "key": key, "spec": document, "channel": HOSTS_CHANNEL}
    )
    if row is None:
        raise Burying(f"The {kind} {key} is still being removed from its host.")
    return int(row.generation)


def assign_changed(tx: Tx, host_id: str, kind: str, key: str, spec: Spec) -> bool:
    """The same, without a new generation when the host was told exactly this already. False while the same
    thing is still being removed there: to be tried again."""
    document = msgspec.json.encode(spec).decode()
    keys = {"host_id": host_id, "kind": kind, "key": key}
    row = tx.row(_TOLD, {**keys, "spec": document})
    if row is None:
        assign(tx, host_id, kind, key, spec)
    elif row.tombstone:
        return False
    elif not row.same:
        assign(tx, host_id, kind, key, spec)
    return True


def bury(tx: Tx, host_id: str, kind: str, key: str) -> bool:
    """Order that this be removed from the host. False when the host was never told of it: nothing to wait
    for."""
    keys = {"host_id": host_id, "kind": kind, "key": key}
    tx.execute(_BURY, {**keys, "channel": HOSTS_CHANNEL})
    return tx.value(_EXISTS, keys) is not None


def assign_everywhere(tx: Tx, kind: str, key: str, spec: Spec) -> list[str]:
    """Say that this should be on every host there is. Answers the hosts that were told: not those that are
    still removing it."""
    document = msgspec.json.encode(spec).decode()
    keys = {"kind": kind, "key": key, "spec": document, "channel": HOSTS_CHANNEL}
    return [row.host_id for row in tx.rows(_ASSIGN_ALL, keys)]


def bury_many(tx: Tx, kind: str, places: Sequence[tuple[str, str]]) -> None:
    """Order that things, as (host, key), be removed, also where the host was never told to have them."""
    if places:
        host_ids, keys = [host_id for host_id, _ in places], [key for _, key in places]
        tx.execute(_BURY_MANY, {"kind": kind, "host_ids": host_ids, "keys": keys, "channel": HOSTS_CHANNEL})


def ring(tx: Tx, host_id: str) -> None:
    """Have the host's waiting poll look again once this is committed, though its document is not raised:
    there is something else for it, as `was_rung` will say."""
    tx.execute(_RING, {"channel": HOSTS_CHANNEL, "host_id": host_id})


def was_rung(tx: Tx, host_id: str) -> bool:
    """Whether somebody rang since this was asked last. What is read afterwards has all that was rung for."""
    return bool(tx.changed(_ANSWER, {"host_id": host_id}))


def forget(tx: Tx, host_id: str, kind: str, key: str) -> bool:
    """The host reported it gone: drop the tombstone. False when there was none."""
    return bool(tx.changed(_FORGET, {"host_id": host_id, "kind": kind, "key": key}))


def require_named_image(tx: Tx, host_id: str, image_id: str) -> None:
    """Raise NotFound unless something that should be on the host is made from the image: a host sees no
    image that it was not told of."""
    if tx.value(_NAMES_IMAGE, {"host_id": host_id, "image_id": image_id}) is None:
        raise NotFound(f"Image {image_id} has no data for this host.")


def desired(tx: Tx, host_id: str, seen: int) -> Desired:
    """What changed for a host since generation `seen`; from a newer one than we know (a database restored
    from an older copy) everything is sent again."""
    rows = tx.rows(_DESIRED, {"host_id": host_id, "seen": seen, "count": ASSIGNMENTS_MAX})
    if not rows:
        raise NotFound(f"Host {host_id} could not be found.")
    newest = rows[0].newest
    since = 0 if seen > newest else seen
    whole = len(rows) < ASSIGNMENTS_MAX
    return Desired(
        generation=newest if whole else rows[-1].generation,
        full=whole and since == 0,
        assignments=[
            Assignment(
                kind=row.kind,
                key=row.key,
                generation=row.generation,
                spec=msgspec.json.decode(row.spec, type=Spec) if row.spec else None,
                tombstone=row.tombstone,
            )
            for row in rows
            if row.key is not None
        ],
    )
