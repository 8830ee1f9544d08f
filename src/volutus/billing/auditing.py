"""Recomputes past cycles from usage and compares them with the ledger. Every difference has a name.

In a cloud in order there is none. One comes from usage that was recorded after its cycle had settled, from a
meter without a price, or from somebody who changed rows by hand. A correction books the difference as a new
transfer; nothing is ever taken back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import text

from volutus import audit
from volutus.billing import ledger, rating
from volutus.billing.cycles import end_of, start_of
from volutus.billing.ledger import PAYER, REVENUE, Side, Transfer
from volutus.billing.rating_sql import CHARGES
from volutus.db import Tx
from volutus.errors import Conflict
from volutus.identity import Caller

DIFFERENCES_MAX = 1000
NOT_RATED, NO_PRICE, NOT_BOOKED, NOT_USED, OTHER_AMOUNT = (
    "not rated",
    "no price",
    "used but not booked",
    "booked but not used",
    "another amount",
)


@dataclass(frozen=True)
class Difference:
    """What usage and prices say, what the ledger says, and how they differ."""

    cycle: int
    what: str
    account_id: str = ""
    project_id: str = ""
    meter: str = ""
    expected: Decimal = Decimal(0)
    booked: Decimal = Decimal(0)
    currency: str = ""
    quantity: Decimal = Decimal(0)
    price: Decimal | None = None
    per: Decimal | None = None
    price_id: int | None = None


_COMPARE = text(
    CHARGES  # noqa: S608
    + """
, booked AS (
    SELECT t.account_id, t.project_id, t.meter, t.currency,
        sum(CASE f.kind WHEN 'payer' THEN t.amount ELSE -t.amount END) AS amount
    FROM billing_transfer t JOIN billing_ledger_account f ON f.id = t.from_id
    WHERE t.cycle = :cycle AND t.kind IN ('usage', 'correction') GROUP BY 1, 2, 3, 4
)
SELECT coalesce(c.account_id, b.account_id) AS account_id, coalesce(c.project_id, b.project_id) AS project_id,
    coalesce(c.meter, b.meter) AS meter, coalesce(c.currency, b.currency) AS currency,
    coalesce(c.amount, 0) AS expected, coalesce(b.amount, 0) AS booked,
    coalesce(c.quantity, 0) AS quantity, c.price, c.per, c.price_id,
    (c.account_id IS NOT NULL AND c.price_id IS NULL) AS unpriced
FROM charge c FULL JOIN booked b USING (account_id, project_id, meter)
WHERE coalesce(c.amount, 0) <> coalesce(b.amount, 0) OR (c.account_id IS NOT NULL AND c.price_id IS NULL)
ORDER BY 1, 2, 3 LIMIT :limit
"""
)
_RATED = text("SELECT count(*) FROM billing_cycle WHERE cycle = :cycle")
_CORRECTIONS = text(
    "SELECT count(*) FROM billing_transfer WHERE cycle = :cycle AND kind = 'correction'"
    " AND account_id = :account_id AND project_id = :project_id AND meter = :meter"
)


def differences(tx: Tx, cycle: int) -> list[Difference]:
    """How the ledger differs from what the cycle's usage costs: nothing, where all is well."""
    if not tx.value(_RATED, {"cycle": cycle}):
        return [Difference(cycle, NOT_RATED)]
    keys = {"cycle": cycle, "starts": start_of(cycle), "ends": end_of(cycle), "limit": DIFFERENCES_MAX}
    return [
        Difference(
            cycle,
            _name(row.unpriced, row.expected, row.booked),
            row.account_id,
            row.project_id,
            row.meter,
            row.expected,
            row.booked,
            row.currency or "",
            row.quantity,
            row.price,
            row.per,
            row.price_id,
        )
        for row in tx.rows(_COMPARE, keys)
    ]


def audit_cycles(tx: Tx, first: int, last: int) -> list[Difference]:
    """The differences of a span of cycles, up to a limit."""
    found: list[Difference] = []
    for cycle in range(first, last + 1):
        found += differences(tx, cycle)
        if len(found) >= DIFFERENCES_MAX:
            break
    return found[:DIFFERENCES_MAX]


def correct(tx: Tx, caller: Caller, cycle: int) -> Sequence[Difference]:
    """Book what is missing or too much; what could not be booked for want of a price is left and answered."""
    rating.make_accounts(tx, cycle)
    found = differences(tx, cycle)
    if found and found[0].what == NOT_RATED:
        raise Conflict("The cycle has not been rated: there is nothing to correct.")
    open_ = [difference for difference in found if difference.what == NO_PRICE and not difference.booked]
    wrong = [difference for difference in found if difference not in open_]
    ledger.post(tx, [_correction(tx, difference) for difference in wrong])
    for difference in wrong:
        detail = {"expected": str(difference.expected), "booked": str(difference.booked)}
        what = f"{cycle}/{difference.account_id}/{difference.project_id}/{difference.meter}"
        audit.record(tx, caller, "correct", "billing.cycle", what, detail)
    return open_


def _name(unpriced: bool, expected: Decimal, booked: Decimal) -> str:
    if unpriced:
        return NO_PRICE
    if not booked:
        return NOT_BOOKED
    return OTHER_AMOUNT if expected else NOT_USED


def _correction(tx: Tx, difference: Difference) -> Transfer:
    """The how-manieth it is makes its purpose another one: the same usage can be corrected again."""
    keys = {
        "cycle": difference.cycle,
        "account_id": difference.account_id,
        "project_id": difference.project_id,
        "meter": difference.meter,
    }
    number = tx.value(_CORRECTIONS, keys) + 1
    payer = Side(PAYER, difference.account_id, difference.currency)
    revenue = Side(REVENUE, difference.meter, difference.currency)
    missing = difference.expected - difference.booked
    source, target = (payer, revenue) if missing > 0 else (revenue, payer)
    return Transfer(
        purpose="/".join(("correction", *map(str, keys.values()), str(number))),
        kind="correction",
        source=source,
        target=target,
        amount=abs(missing),
        account_id=difference.account_id,
        project_id=difference.project_id,
        meter=difference.meter,
        cycle=difference.cycle,
        quantity=difference.quantity,
        price=difference.price,
        per=difference.per,
        price_id=difference.price_id,
    )
