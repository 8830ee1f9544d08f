"""Opening and closing of usage ranges. Both are idempotent: a report that comes twice changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text

from volutus.db import Tx


@dataclass(frozen=True)
class Usage:
    """`meter` names what is measured and its unit (`cpu_mhz`, `memory_mib`, `storage_gib` …)."""

    project_id: str
    resource_kind: str
    resource_id: str
    meter: str
    amount: Decimal


_OPEN = text(
    """
    INSERT INTO usage_ranges (project_id, resource_kind, resource_id, meter, amount, during)
    SELECT project_id, resource_kind, resource_id, meter, amount, tstzrange(:now, NULL)
    FROM unnest(CAST(:projects AS text[]), CAST(:kinds AS text[]), CAST(:ids AS text[]),
                CAST(:meters AS text[]), CAST(:amounts AS numeric[]))
        AS u(project_id, resource_kind, resource_id, meter, amount)
    ON CONFLICT (resource_kind, resource_id, meter) WHERE upper_inf(during) DO NOTHING
    """
)
# A range that would be empty is removed instead: it was never used for any time.
_CLOSE = text(
    """
    WITH gone AS (
        DELETE FROM usage_ranges
        WHERE resource_kind = :kind AND resource_id = ANY(CAST(:ids AS text[])) AND upper_inf(during)
          AND (CAST(:meter AS text) IS NULL OR meter = :meter) AND lower(during) >= :now
    )
    UPDATE usage_ranges SET during = tstzrange(lower(during), :now)
    WHERE resource_kind = :kind AND resource_id = ANY(CAST(:ids AS text[])) AND upper_inf(during)
      AND (CAST(:meter AS text) IS NULL OR meter = :meter) AND lower(during) < :now
    """
)

_END = text(
    """
    WITH told AS (
        SELECT id, ends FROM unnest(CAST(:ids AS text[]), CAST(:ends AS timestamptz[])) AS t(id, ends)
    ), gone AS (
        DELETE FROM usage_ranges u USING told t
        WHERE u.resource_kind = :kind AND u.resource_id = t.id AND upper_inf(u.during)
            AND lower(u.during) >= t.ends
    )
    UPDATE usage_ranges u SET during = tstzrange(lower(u.during), t.ends) FROM told t
    WHERE u.resource_kind = :kind AND u.resource_id = t.id AND upper_inf(u.during)
        AND lower(u.during) < t.ends
    """
)

_OPEN_AMOUNTS = text(
    """
    SELECT u.resource_kind, u.resource_id, u.meter, u.amount FROM usage_ranges u
    WHERE upper_inf(u.during) AND (u.resource_kind, u.resource_id, u.meter) IN (
        SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:ids AS text[]), CAST(:meters AS text[])))
    LIMIT 100000
    """
)

_IN_USE = text(
    """
    SELECT coalesce(sum(amount), 0) FROM usage_ranges
    WHERE project_id = :project_id AND meter = :meter AND upper_inf(during)
    """
)


def open_usage(tx: Tx, usages: Sequence[Usage]) -> None:
    """Usage begins now; what is open already stays as it is."""
    if usages:
        tx.execute(
            _OPEN,
            {
                "now": tx.now,
                "projects": [usage.project_id for usage in usages],
                "kinds": [usage.resource_kind for usage in usages],
                "ids": [usage.resource_id for usage in usages],
                "meters": [usage.meter for usage in usages],
                "amounts": [usage.amount for usage in usages],
            },
        )


def have_one(tx: Tx, project_id: str, resource_kind: str, resource_id: str, meter: str) -> None:
    """The project has one more of what is paid for by the piece, from now until its usage is closed."""
    open_usage(tx, [Usage(project_id, resource_kind, resource_id, meter, Decimal(1))])


def close_usage(tx: Tx, resource_kind: str, resource_ids: Sequence[str], meter: str | None = None) -> None:
    """Usage of these things ends now, of one meter or of all."""
    if resource_ids:
        tx.execute(_CLOSE, {"now": tx.now, "kind": resource_kind, "ids": list(resource_ids), "meter": meter})


def change_usage(tx: Tx, usage: Usage) -> None:
    """From now on the amount is another one."""
    close_usage(tx, usage.resource_kind, [usage.resource_id], usage.meter)
    open_usage(tx, [usage])


def end_usage(tx: Tx, resource_kind: str, ended: Mapping[str, datetime]) -> None:
    """Usage of these things, by id, ended at moments that are over: when they were last heard of."""
    if ended:
        keys = {"kind": resource_kind, "ids": list(ended), "ends": list(ended.values())}
        tx.execute(_END, keys)


def in_use(tx: Tx, project_id: str, meter: str) -> Decimal:
    """How much of a meter the project has now."""
    return Decimal(tx.value(_IN_USE, {"project_id": project_id, "meter": meter}))


def correct_usage(tx: Tx, usages: Sequence[Usage]) -> None:
    """From now on the amounts are these, where they are in use with others: a server that was given another
    size between two looks."""
    if not usages:
        return
    found = {(usage.resource_kind, usage.resource_id, usage.meter): usage for usage in usages}
    kinds, ids, meters = zip(*found, strict=True)
    rows = tx.rows(_OPEN_AMOUNTS, {"kinds": list(kinds), "ids": list(ids), "meters": list(meters)})
    for row in rows:
        usage = found[row.resource_kind, row.resource_id, row.meter]
        if usage.amount != row.amount:
            change_usage(tx, usage)
