"""Private mode's report: what each project spent, and each branch of the tree of projects with all below it.

A department is a project with others below it. The sum of the tops is the sum of everything that was charged:
what a deleted project spent is among them.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text

from volutus.billing.cycles import cycle_of
from volutus.db import Page, Tx
from volutus.identity import Caller
from volutus.identity.projects import list_ as list_projects

PROJECTS_MAX = 10_000


@dataclass(frozen=True)
class Branch:
    """`own` is what the project itself spent, `total` that and all that is below it; `depth` is 0 at the
    top."""

    project_id: str
    name: str
    parent_id: str | None
    depth: int
    tags: list[str]
    currency: str
    own: Decimal
    total: Decimal


_SPENT = text(
    """
    SELECT coalesce(t.project_id, t.account_id) AS project_id, t.currency,
        sum(CASE f.kind WHEN 'payer' THEN t.amount ELSE -t.amount END) AS amount
    FROM billing_transfer t JOIN billing_ledger_account f ON f.id = t.from_id
    WHERE t.kind IN ('usage', 'correction', 'subscription', 'package', 'refund')
        AND CASE t.kind WHEN 'usage' THEN t.cycle >= :first AND t.cycle < :last
                        ELSE t.at >= :since AND t.at < :until END
    GROUP BY 1, 2 ORDER BY 1, 2 LIMIT :limit
    """
)


def tree(tx: Tx, caller: Caller, since: datetime, until: datetime) -> list[Branch]:
    """All projects that spent something in a time, with those above them, each behind its parent."""
    keys = {"first": cycle_of(since), "last": cycle_of(until), "since": since, "until": until}
    spent = tx.rows(_SPENT, {**keys, "limit": PROJECTS_MAX})
    known = {row.id: row for row in list_projects(tx, caller, Page(PROJECTS_MAX), [])}
    found: dict[tuple[str, str], Branch] = {}
    for row in spent:
        ancestors = list(known[row.project_id].ancestors) if row.project_id in known else []
        for depth, project_id in enumerate([*ancestors, row.project_id]):
            own = row.amount if project_id == row.project_id else Decimal(0)
            at = found.get((project_id, row.currency))
            if at is None:
                named = known.get(project_id)
                at = Branch(
                    project_id=project_id,
                    name=named.name if named else "",
                    parent_id=ancestors[depth - 1] if depth else None,
                    depth=depth,
                    tags=list(named.tags) if named else [],
                    currency=row.currency,
                    own=Decimal(0),
                    total=Decimal(0),
                )
            found[project_id, row.currency] = replace(at, own=at.own + own, total=at.total + row.amount)
    return _in_order(list(found.values()))


def by_tag(branches: list[Branch]) -> dict[str, Decimal]:
    """What projects with a tag spent; one with two tags counts under both."""
    found: dict[str, Decimal] = {}
    for branch in branches:
        for tag in branch.tags:
            found[tag] = found.get(tag, Decimal(0)) + branch.own
    return dict(sorted(found.items()))


def _in_order(branches: list[Branch]) -> list[Branch]:
    below: dict[tuple[str | None, str], list[Branch]] = {}
    for branch in sorted(branches, key=lambda one: (one.name, one.project_id)):
        below.setdefault((branch.parent_id, branch.currency), []).append(branch)
    ordered: list[Branch] = []

    def walk(parent_id: str | None, currency: str) -> None:
        for branch in below.get((parent_id, currency), []):
            ordered.append(branch)
            walk(branch.project_id, currency)

    for currency in sorted({branch.currency for branch in branches}):
        walk(None, currency)
    return ordered
