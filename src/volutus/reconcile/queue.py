"""The rows of the queue: wake, take, finish.

A wake that comes while a worker is busy with the same object must not be lost: the worker may have read the
object before the change. So each wake counts up `wakes`, and a worker that finishes finds the row due at
once when the count grew. Leases carry a number from one sequence for the whole table, so a worker that
lost its lease (a stall, a clock jump) cannot finish somebody else's, not even on a row made anew.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text

from volutus.db import Tx

# The channel on which a wake is told to sleeping workers; its payload is the kind.
CHANNEL = "volutus_work"


@dataclass(frozen=True)
class Item:
    """A row taken under a lease. `attempts` counts takes since the last step that got somewhere; `expired`
    means that the deadline given with `Again` has passed: the step must end in a stable state now."""

    kind: str
    key: str
    wakes: int
    lease_no: int
    attempts: int
    expired: bool


@dataclass(frozen=True)
class Done:
    """Nothing more to do until somebody wakes the object."""


@dataclass(frozen=True)
class Again:
    """Look again after so many seconds (or sooner when woken). `why` is what the object waits for, as an
    operator should read it. `deadline_s` limits the whole wait, counted from the first `Again` that set it.
    `failed` keeps counting attempts, so that the wait grows."""

    after_s: float
    why: str
    deadline_s: float | None = None
    failed: bool = False


Outcome = Done | Again

_WAKE = text(
    """
    WITH woken AS (
        INSERT INTO work AS w (kind, key, due_at)
        SELECT :kind, key, :due_at FROM unnest(CAST(:keys AS text[])) AS key
        ORDER BY key
        ON CONFLICT (kind, key) DO UPDATE SET due_at = least(w.due_at, excluded.due_at), wakes = w.wakes + 1
    )
    SELECT pg_notify(:channel, :kind)
    """
)
# Taking and finishing do not wait until they are on the disk: what a crash of the database forgets of them
# is looked at once more when its lease ends. Wakes are part of what they are for, and wait as that does.
#
# The kind is that of the row which is due longest, so no kind starves; what others hold is not waited for.
_TAKE = text(
    """
    WITH first AS (
        SELECT kind FROM work
        WHERE kind = ANY(CAST(:kinds AS text[])) AND due_at <= :now
            AND (lease_until IS NULL OR lease_until <= :now)
        ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
    ), due AS (
        SELECT kind, key FROM work
        WHERE kind = (SELECT kind FROM first) AND due_at <= :now
            AND (lease_until IS NULL OR lease_until <= :now)
        ORDER BY due_at LIMIT (
            SELECT b.count FROM unnest(CAST(:kinds AS text[]), CAST(:counts AS bigint[])) AS b(kind, count)
            JOIN first ON first.kind = b.kind)
        FOR UPDATE SKIP LOCKED
    )
    UPDATE work SET lease_until = :until, lease_no = nextval('work_lease'), attempts = attempts + 1
    FROM due WHERE work.kind = due.kind AND work.key = due.key
        AND (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL
    RETURNING work.kind, work.key, work.wakes, work.lease_no, work.attempts, work.deadline_at
    """
)
_RENEW = text(
    """
    UPDATE work SET lease_until = :until
    WHERE lease_no = ANY(CAST(:numbers AS bigint[])) AND lease_until IS NOT NULL
    """
)
_DELETE = text(
    """
    DELETE FROM work WHERE kind = :kind AND key = :key AND lease_no = :lease_no AND wakes = :wakes
        AND (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL
    """
)
_RELEASE = text(
    """
    UPDATE work SET lease_until = NULL, why = :why,
        due_at = CASE WHEN wakes = :wakes THEN :due_at ELSE :now END,
        attempts = CASE WHEN :failed THEN attempts ELSE 0 END,
        deadline_at = CASE WHEN CAST(:deadline_at AS timestamptz) IS NULL THEN NULL
                           ELSE coalesce(deadline_at, :deadline_at) END
    WHERE kind = :kind AND key = :key AND lease_no = :lease_no
        AND (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL
    """
)
_STUCK = text(
    """
    SELECT kind, key, due_at, attempts, why, deadline_at, lease_until FROM work
    WHERE attempts >= :attempts OR deadline_at <= :now ORDER BY attempts DESC LIMIT :count
    """
)


def wake(tx: Tx, kind: str, key: str, *, after_s: float = 0) -> None:
    """Have the object looked at once this transaction commits, or `after_s` seconds later."""
    wake_many(tx, kind, [key], after_s=after_s)


def wake_many(tx: Tx, kind: str, keys: Sequence[str], *, after_s: float = 0) -> None:
    """Wake many objects of one kind in one statement."""
    if keys:
        due_at = tx.now + timedelta(seconds=after_s)
        tx.execute(_WAKE, {"kind": kind, "keys": sorted(set(keys)), "due_at": due_at, "channel": CHANNEL})


def take(tx: Tx, batches: Mapping[str, int], lease_s: float) -> list[Item]:
    """Lease due rows of one of these kinds, as many as it is to have at a time; nobody else gets them until
    the lease ends."""
    until = tx.now + timedelta(seconds=lease_s)
    kinds = {"kinds": list(batches), "counts": list(batches.values())}
    rows = tx.rows(_TAKE, {**kinds, "now": tx.now, "until": until})
    return [_item(row, tx.now) for row in rows]


def renew(tx: Tx, lease_numbers: Collection[int], lease_s: float) -> None:
    """Keep leases for longer. Those that were lost meanwhile stay lost: somebody else's number is on them."""
    until = tx.now + timedelta(seconds=lease_s)
    tx.execute(_RENEW, {"numbers": sorted(lease_numbers), "until": until})


def finish(tx: Tx, item: Item, outcome: Outcome) -> bool:
    """Give the row back. False when the lease was lost meanwhile: somebody else has it, and that is fine."""
    keys: dict[str, Any] = {
        "kind": item.kind,
        "key": item.key,
        "lease_no": item.lease_no,
        "wakes": item.wakes,
    }
    if isinstance(outcome, Done):
        if tx.changed(_DELETE, keys):
            return True
        # Woken meanwhile: what the step read may be older than the change.
        outcome = Again(0, "woken during the last step")
    deadline_at = tx.now + timedelta(seconds=outcome.deadline_s) if outcome.deadline_s is not None else None
    due_at = tx.now + timedelta(seconds=outcome.after_s)
    return bool(
        tx.changed(
            _RELEASE,
            {
                **keys,
                "now": tx.now,
                "due_at": due_at,
                "why": outcome.why,
                "failed": outcome.failed,
                "deadline_at": deadline_at,
            },
        )
    )


def stuck(tx: Tx, *, attempts: int = 5, count: int = 100) -> Sequence[Row[Any]]:
    """Work that keeps failing or is past its deadline, worst first, for the operator."""
    return tx.rows(_STUCK, {"attempts": attempts, "now": tx.now, "count": count})


def _item(row: Row[Any], now: datetime) -> Item:
    expired = row.deadline_at is not None and row.deadline_at <= now
    return Item(row.kind, row.key, row.wakes, row.lease_no, row.attempts, expired)
