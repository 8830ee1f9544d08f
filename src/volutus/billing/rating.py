"""Rating: one cycle's usage into transfers, each account's charge of each project, meter and price.

A cycle is rated in one transaction that begins by claiming it, so that a crash leaves nothing and a second
process finds it done. What was charged follows from rows that no longer change when the cycle is settled:
being late, by minutes or by days, gives the same ledger.
"""

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import text

from volutus.billing import accounts, ledger
from volutus.billing.cycles import end_of, last_settled, start_of
from volutus.billing.rating_sql import CHARGES
from volutus.db import Tx

GAPS_MAX = 1000


@dataclass(frozen=True)
class Gap:
    """Usage that nobody was charged for, because it has no price."""

    cycle: int
    account_id: str
    project_id: str
    meter: str
    quantity: Decimal
    reason: str


_NEXT = text("SELECT cycle + 1 FROM billing_cycle ORDER BY cycle DESC LIMIT 1")
_CLAIM = text(
    """
    INSERT INTO billing_cycle (cycle, previous, rated_at)
    SELECT :cycle, CASE WHEN :cycle = first_cycle THEN NULL ELSE CAST(:cycle AS bigint) - 1 END, :now
    FROM billing_region ON CONFLICT (cycle) DO NOTHING
    """
)
_USERS = """
    SELECT coalesce(p.account_id, u.project_id) AS account_id, u.project_id, u.meter
    FROM (SELECT DISTINCT project_id, meter FROM usage_ranges WHERE during && tstzrange(:starts, :ends)
          UNION SELECT project_id, meter FROM usage_counts WHERE at >= :starts AND at < :ends) u
    LEFT JOIN (SELECT DISTINCT ON (project_id) project_id, account_id FROM billing_payer
               WHERE from_at < :ends ORDER BY project_id, from_at DESC) p USING (project_id)
"""
_ACCOUNTS = text(
    f"""
    INSERT INTO billing_account (id, name, currency, mode, created_at)
    SELECT DISTINCT u.account_id, u.account_id, r.currency, r.mode, CAST(:now AS timestamptz)
    FROM ({_USERS}) u CROSS JOIN billing_region r ORDER BY 1 ON CONFLICT (id) DO NOTHING
    """  # noqa: S608
)
_SIDES = text(
    f"""
    INSERT INTO billing_ledger_account (kind, owner, currency, opened_at)
    SELECT s.kind, s.owner, s.currency, :now FROM (
        SELECT 'payer' AS kind, a.id AS owner, a.currency
        FROM ({_USERS}) u JOIN billing_account a ON a.id = u.account_id
        UNION SELECT 'revenue', u.meter, a.currency
        FROM ({_USERS}) u JOIN billing_account a ON a.id = u.account_id) s
    WHERE NOT EXISTS (SELECT FROM billing_ledger_account l
                      WHERE (l.kind, l.owner, l.currency) = (s.kind, s.owner, s.currency))
    ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING
    """  # noqa: S608
)
_RATE = text(
    CHARGES  # noqa: S608
    + """
, gap AS (
    INSERT INTO billing_gap (cycle, account_id, project_id, meter, quantity, reason)
    SELECT :cycle, account_id, project_id, meter, quantity, 'no price' FROM charge WHERE price_id IS NULL
), booked AS (
    SELECT c.*,
        concat_ws('/', 'usage', CAST(:cycle AS bigint), c.account_id, c.project_id, c.meter, c.price_id)
            AS purpose
    FROM charge c WHERE c.amount > 0
)
INSERT INTO billing_transfer (id, posting, kind, purpose, from_id, to_id, currency, amount, at, account_id,
    project_id, cycle, meter, quantity, price, per, price_id)
SELECT CAST(md5(b.purpose) AS uuid), :posting, 'usage', b.purpose, f.id, g.id, b.currency, b.amount, :now,
    b.account_id, b.project_id, :cycle, b.meter, b.quantity, b.price, b.per, b.price_id
FROM booked b
JOIN billing_ledger_account f ON (f.kind, f.owner, f.currency) = ('payer', b.account_id, b.currency)
JOIN billing_ledger_account g ON (g.kind, g.owner, g.currency) = ('revenue', b.meter, b.currency)
"""
)
_GAPS = text(
    """
    SELECT cycle, account_id, project_id, meter, quantity, reason FROM billing_gap
    WHERE cycle BETWEEN :first AND :last ORDER BY cycle, account_id, project_id, meter LIMIT :limit
    """
)


def next_cycle(tx: Tx) -> int | None:
    """The first cycle that is not rated; None where billing was never opened."""
    home = accounts.region(tx)
    if home is None:
        return None
    found: int | None = tx.value(_NEXT)
    return home.first_cycle if found is None else found


def first_cycle(tx: Tx) -> int:
    """The cycle in which billing began."""
    return accounts.needed_region(tx).first_cycle


def due(tx: Tx) -> list[int]:
    """The cycles that are settled and not rated, oldest first."""
    first = next_cycle(tx)
    return [] if first is None else list(range(first, last_settled(tx.now) + 1))


def rate(tx: Tx, cycle: int) -> int | None:
    """Charge a cycle's usage; how many transfers that made, or None where it is rated already."""
    if not tx.changed(_CLAIM, {"cycle": cycle, "now": tx.now}):
        return None
    bounds = {"starts": start_of(cycle), "ends": end_of(cycle)}
    make_accounts(tx, cycle)
    tx.execute(_SIDES, {**bounds, "now": tx.now})
    posting = ledger.begin_posting(tx)
    made = tx.changed(_RATE, {**bounds, "cycle": cycle, "posting": posting, "now": tx.now})
    if made:
        ledger.write_entries(tx, posting)
    return made


def make_accounts(tx: Tx, cycle: int) -> None:
    """The accounts of projects that used something in this cycle and pay for themselves."""
    tx.execute(_ACCOUNTS, {"starts": start_of(cycle), "ends": end_of(cycle), "now": tx.now})


def gaps(tx: Tx, first: int, last: int) -> list[Gap]:
    """What was used in these cycles and had no price."""
    rows = tx.rows(_GAPS, {"first": first, "last": last, "limit": GAPS_MAX})
    return [Gap(**row._mapping) for row in rows]
