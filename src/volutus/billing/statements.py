"""Sums over the ledger: what was spent in a time, by project and meter, and what is being used just now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text

from volutus.billing import money
from volutus.billing.cycles import cycle_of, start_of
from volutus.db import Tx
from volutus.identity.projects import tags_of

LINES_MAX = 10_000


@dataclass(frozen=True)
class StatementLine:
    """What a project spent on a meter, or on something bought ahead."""

    project_id: str | None
    kind: str
    meter: str | None
    quantity: Decimal
    amount: Decimal


@dataclass(frozen=True)
class Using:
    """What of a meter a project has now, what is covered, and what is charged by use."""

    meter: str
    using: Decimal
    subscribed: Decimal
    burst: Decimal


# Usage belongs to the time of its cycle, however late it was rated; the rest to when it was booked.
_LINES = text(
    """
    SELECT t.project_id, t.kind, t.meter, sum(coalesce(t.quantity, 0)) AS quantity,
        sum(CASE f.kind WHEN 'payer' THEN t.amount ELSE -t.amount END) AS amount
    FROM billing_transfer t JOIN billing_ledger_account f ON f.id = t.from_id
    WHERE t.account_id = :account_id
        AND t.kind IN ('usage', 'correction', 'subscription', 'package', 'refund')
        AND (CAST(:project_id AS text) IS NULL OR t.project_id = :project_id)
        AND CASE t.kind WHEN 'usage' THEN t.cycle >= :first AND t.cycle < :last
                        ELSE t.at >= :since AND t.at < :until END
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT :limit
    """
)
_USING = text(
    """
    SELECT u.meter, sum(u.amount) AS using FROM usage_ranges u
    WHERE upper_inf(u.during) AND u.project_id = ANY(CAST(:projects AS text[]))
    GROUP BY u.meter ORDER BY u.meter LIMIT :limit
    """
)
_SUBSCRIBED = text(
    """
    SELECT meter, sum(amount) AS amount FROM billing_subscription
    WHERE account_id = :account_id AND starts_at <= :now AND coalesce(ended_at, ends_at) > :now
    GROUP BY meter ORDER BY meter LIMIT :limit
    """
)


def statement(
    tx: Tx, account_id: str, since: datetime, until: datetime, project_id: str | None = None
) -> list[StatementLine]:
    """What was spent in a time that begins and ends with a cycle, by project, kind and meter."""
    keys = {
        "account_id": account_id,
        "project_id": project_id,
        "first": cycle_of(since),
        "last": cycle_of(until),
        "since": since,
        "until": until,
        "limit": LINES_MAX,
    }
    return [StatementLine(**row._mapping) for row in tx.rows(_LINES, keys)]


def spent(
    tx: Tx, account_id: str, since: datetime, until: datetime, project_id: str | None = None
) -> Decimal:
    """The sum of a statement."""
    lines = statement(tx, account_id, since, start_of(cycle_of(until) + 1), project_id)
    return money.total(line.amount for line in lines)


def by_tag(tx: Tx, lines: Sequence[StatementLine]) -> dict[str, Decimal]:
    """What projects with a tag spent; one with two tags counts under both."""
    tags = tags_of(tx, sorted({line.project_id for line in lines if line.project_id}))
    found: dict[str, list[Decimal]] = {}
    for line in lines:
        for tag in tags.get(line.project_id or "", ()):
            found.setdefault(tag, []).append(line.amount)
    return {tag: money.total(amounts) for tag, amounts in sorted(found.items())}


def using(tx: Tx, account_id: str, projects: list[str]) -> list[Using]:
    """What these projects of an account have now."""
    keys = {"account_id": account_id, "now": tx.now, "limit": LINES_MAX}
    subscribed = {row.meter: row.amount for row in tx.rows(_SUBSCRIBED, keys)}
    had = {row.meter: row.using for row in tx.rows(_USING, {"projects": projects, "limit": LINES_MAX})}
    return [
        Using(
            meter,
            had.get(meter, Decimal(0)),
            subscribed.get(meter, Decimal(0)),
            max(had.get(meter, Decimal(0)) - subscribed.get(meter, Decimal(0)), Decimal(0)),
        )
        for meter in sorted({*had, *subscribed})
    ]
