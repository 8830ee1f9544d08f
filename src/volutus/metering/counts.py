"""Usage that is counted rather than had for a time: bytes that a guest sent.

A host reports how much a guest's counter says. What was added since the last report becomes a row; the same
report again, or an older one that comes late, adds nothing. A counter that begins anew (another run of the
guest) says so by another `run`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text

from volutus.db import Tx


@dataclass(frozen=True)
class Counter:
    """`total` is what the counter of this `run` says by now. What has counters in several places names each
    by its `source`."""

    project_id: str
    resource_kind: str
    resource_id: str
    meter: str
    run: str
    total: Decimal
    source: str = ""


# The row lock of the counter orders reports of the same guest that come at the same time.
_COUNT = text(
    """
    WITH told AS (
        SELECT * FROM jsonb_to_recordset(CAST(:counters AS jsonb)) AS t(project_id text, resource_kind text,
            resource_id text, meter text, source text, run text, total numeric)
    ), before AS (
        SELECT c.resource_kind, c.resource_id, c.meter, c.source, c.run, c.total FROM usage_counters c
        JOIN told t USING (resource_kind, resource_id, meter, source)
        ORDER BY c.resource_kind, c.resource_id, c.meter, c.source FOR UPDATE OF c
    ), stored AS (
        INSERT INTO usage_counters AS c (resource_kind, resource_id, meter, source, run, total)
        SELECT t.resource_kind, t.resource_id, t.meter, t.source, t.run, t.total
        FROM told t LEFT JOIN before b USING (resource_kind, resource_id, meter, source)
        WHERE b.run IS DISTINCT FROM t.run OR t.total > b.total
        ORDER BY t.resource_kind, t.resource_id, t.meter, t.source
        ON CONFLICT (resource_kind, resource_id, meter, source)
            DO UPDATE SET run = excluded.run, total = excluded.total
        RETURNING resource_kind, resource_id, meter, source
    )
    INSERT INTO usage_counts (project_id, resource_kind, resource_id, meter, quantity, at)
    SELECT t.project_id, t.resource_kind, t.resource_id, t.meter,
        t.total - CASE WHEN b.run = t.run THEN b.total ELSE 0 END, :now
    FROM stored s JOIN told t USING (resource_kind, resource_id, meter, source)
    LEFT JOIN before b USING (resource_kind, resource_id, meter, source)
    WHERE t.total - CASE WHEN b.run = t.run THEN b.total ELSE 0 END > 0
    """
)


def count_usage(tx: Tx, counters: Sequence[Counter]) -> None:
    """Record what was added since the last report of each counter."""
    if counters:
        document = [
            {
                "project_id": counter.project_id,
                "resource_kind": counter.resource_kind,
                "resource_id": counter.resource_id,
                "meter": counter.meter,
                "source": counter.source,
                "run": counter.run,
                "total": str(counter.total),
            }
            for counter in counters
        ]
        tx.execute(_COUNT, {"counters": json.dumps(document), "now": tx.now})


_COUNTED = text(
    """
    SELECT meter, sum(quantity) AS quantity FROM usage_counts
    WHERE resource_kind = :kind AND resource_id = :id AND at >= :since AND at < :until
    GROUP BY meter ORDER BY meter LIMIT :limit
    """
)
# Nothing has more meters than this.
METERS_MAX = 100


def counted(
    tx: Tx, resource_kind: str, resource_id: str, since: datetime, until: datetime
) -> dict[str, Decimal]:
    """Meter to what was counted of it in that time. Only labels are indexed by their id."""
    keys = {"kind": resource_kind, "id": resource_id, "since": since, "until": until, "limit": METERS_MAX}
    return {row.meter: row.quantity for row in tx.rows(_COUNTED, keys)}
