"""Double-entry bookkeeping: transfers between ledger accounts, and each account's chain of balances.

A transfer takes an amount from one account and gives it to another. Its id derives from its *purpose*, so
that the same thing is never booked twice however often it is tried. Balances are what customers have: a
payer's balance falls with each charge. The database refuses what is not in balance (see its migration).
"""

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from volutus.db import Page, Tx

PAYER, REVENUE, CASH, TAX, CREDIT = "payer", "revenue", "cash", "tax", "credit"
# One posting of a program; rating posts in SQL and has no such bound.
POSTINGS_MAX = 1000


@dataclass(frozen=True)
class Side:
    """An account of the ledger: its kind, whose it is (an account, a meter, a bank …), in which currency."""

    kind: str
    owner: str
    currency: str


@dataclass(frozen=True)
class Transfer:
    """`purpose` says what it is for and makes the id. `account_id` is the customer whose matter it is."""

    purpose: str
    kind: str
    source: Side
    target: Side
    amount: Decimal
    account_id: str
    project_id: str | None = None
    meter: str | None = None
    cycle: int | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    per: Decimal | None = None
    price_id: int | None = None

    @property
    def id(self) -> str:
        """The same for the same purpose."""
        return transfer_id(self.purpose)


@dataclass(frozen=True)
class Line:
    """One entry of a payer as he reads it: the balance before and after, and what for."""

    number: int
    transfer_id: str
    at: datetime
    kind: str
    purpose: str
    amount: Decimal
    before: Decimal
    after: Decimal
    currency: str
    project_id: str | None
    cycle: int | None
    meter: str | None
    quantity: Decimal | None
    price: Decimal | None
    per: Decimal | None


@dataclass(frozen=True)
class Holding:
    """What an account of the ledger holds; `id` is its number."""

    id: int
    side: Side
    balance: Decimal


@dataclass(frozen=True)
class LineFilter:
    """Which entries are wanted; None is any. `before_number` cuts a page behind a line already read."""

    project_id: str | None = None
    meter: str | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before_number: int | None = None
    limit: int = 1000


_OPEN = text(
    """
    INSERT INTO billing_ledger_account (kind, owner, currency, opened_at)
    SELECT DISTINCT kind, owner, currency, CAST(:now AS timestamptz)
    FROM jsonb_to_recordset(CAST(:sides AS jsonb)) AS s(kind text, owner text, currency text)
    ORDER BY kind, owner, currency ON CONFLICT DO NOTHING
    """
)
# A conflict is one of the id, but two that come at once may first meet in the other unique index.
_TRANSFER = text(
    """
    INSERT INTO billing_transfer (id, posting, kind, purpose, from_id, to_id, currency, amount, at,
        account_id, project_id, cycle, meter, quantity, price, per, price_id)
    SELECT t.id, :posting, t.kind, t.purpose, f.id, g.id, f.currency, t.amount, :now, t.account_id,
        t.project_id, t.cycle, t.meter, t.quantity, t.price, t.per, t.price_id
    FROM jsonb_to_recordset(CAST(:transfers AS jsonb)) AS t(id uuid, kind text, purpose text,
        from_kind text, from_owner text, from_currency text, to_kind text, to_owner text, to_currency text,
        amount numeric, account_id text, project_id text, cycle bigint, meter text, quantity numeric,
        price numeric, per numeric, price_id bigint)
    JOIN billing_ledger_account f
        ON (f.kind, f.owner, f.currency) = (t.from_kind, t.from_owner, t.from_currency)
    JOIN billing_ledger_account g ON (g.kind, g.owner, g.currency) = (t.to_kind, t.to_owner, t.to_currency)
    ON CONFLICT DO NOTHING
    """
)
# Always in the order of their ids, so that two postings never wait for each other in a circle. It comes
# before the statement that reads the last balances: a statement does not see what was written while it
# waited for a lock.
_LOCK = text(
    """
    SELECT count(*) FROM (
        SELECT id FROM billing_ledger_account WHERE id IN (
            SELECT from_id FROM billing_transfer WHERE posting = :posting
            UNION SELECT to_id FROM billing_transfer WHERE posting = :posting)
        ORDER BY id FOR NO KEY UPDATE) locked
    """
)
_ENTRIES = text(
    """
    WITH sides AS (
        SELECT from_id AS account_id, -1 AS side, id, from_id, to_id, amount, purpose
        FROM billing_transfer WHERE posting = :posting
        UNION ALL
        SELECT to_id, 1, id, from_id, to_id, amount, purpose FROM billing_transfer WHERE posting = :posting
    ), heads AS (
        SELECT a.account_id, coalesce(h.number, 0) AS number, coalesce(h.after, 0) AS balance
        FROM (SELECT DISTINCT account_id FROM sides) a
        LEFT JOIN LATERAL (SELECT number, after FROM billing_entry e WHERE e.account_id = a.account_id
                           ORDER BY number DESC LIMIT 1) h ON true
    ), chained AS (
        SELECT s.*, h.number + row_number() OVER w AS number,
            h.balance + sum(s.side * s.amount) OVER w AS after
        FROM sides s JOIN heads h USING (account_id)
        WINDOW w AS (PARTITION BY s.account_id ORDER BY s.purpose COLLATE "C" ROWS UNBOUNDED PRECEDING)
    )
    INSERT INTO billing_entry (account_id, number, transfer_id, side, from_id, to_id, magnitude, before,
        after)
    SELECT account_id, number, id, side, from_id, to_id, amount, after - side * amount, after FROM chained
    ORDER BY account_id, number
    """
)
_BALANCE = text(
    """
    SELECT e.after FROM billing_ledger_account a JOIN billing_entry e ON e.account_id = a.id
    WHERE (a.kind, a.owner, a.currency) = (:kind, :owner, :currency) ORDER BY e.number DESC LIMIT 1
    """
)
_LINES = text(
    """
    SELECT e.number, t.id::text AS transfer_id, t.at, t.kind, t.purpose, e.side * e.magnitude AS amount,
        e.before, e.after, t.currency, t.project_id, t.cycle, t.meter, t.quantity, t.price, t.per
    FROM billing_entry e JOIN billing_transfer t ON t.id = e.transfer_id
    WHERE e.account_id = (SELECT id FROM billing_ledger_account WHERE kind = 'payer' AND owner = :account_id
                          ORDER BY id LIMIT 1)
        AND (CAST(:before_number AS bigint) IS NULL OR e.number < :before_number)
        AND (CAST(:project_id AS text) IS NULL OR t.project_id = :project_id)
        AND (CAST(:meter AS text) IS NULL OR t.meter = :meter)
        AND (CAST(:kind AS text) IS NULL OR t.kind = :kind)
        AND (CAST(:since AS timestamptz) IS NULL OR t.at >= :since)
        AND (CAST(:until AS timestamptz) IS NULL OR t.at < :until)
    ORDER BY e.number DESC LIMIT :limit
    """
)
_BOOKED = text("SELECT 1 FROM billing_transfer WHERE id = CAST(:id AS uuid) LIMIT 1")
_SUMS = text(
    """
    SELECT a.id, a.kind, a.owner, a.currency, h.after AS balance FROM billing_ledger_account a
    JOIN LATERAL (SELECT after FROM billing_entry e WHERE e.account_id = a.id
                  ORDER BY number DESC LIMIT 1) h ON true
    WHERE CAST(:marker AS bigint) IS NULL OR (a.kind, a.owner, a.currency) > (
        SELECT m.kind, m.owner, m.currency FROM billing_ledger_account m WHERE m.id = :marker)
    ORDER BY a.kind, a.owner, a.currency LIMIT :limit
    """
)


def transfer_id(purpose: str) -> str:
    """The id of the one transfer for a purpose; SQL makes the same with `md5(purpose)::uuid`."""
    return str(uuid.UUID(hashlib.md5(purpose.encode(), usedforsecurity=False).hexdigest()))


def post(tx: Tx, transfers: Sequence[Transfer]) -> int:
    """Book what is not yet booked; how many transfers that were."""
    if not transfers:
        return 0
    sides = [side for transfer in transfers for side in (transfer.source, transfer.target)]
    open_accounts(tx, sides)
    posting = begin_posting(tx)
    document = json.dumps([_document(transfer) for transfer in transfers])
    booked = tx.changed(_TRANSFER, {"posting": posting, "now": tx.now, "transfers": document})
    if booked:
        write_entries(tx, posting)
    return booked


def open_accounts(tx: Tx, sides: Sequence[Side]) -> None:
    """Make those that do not exist yet."""
    document = json.dumps([{"kind": s.kind, "owner": s.owner, "currency": s.currency} for s in sides])
    tx.execute(_OPEN, {"sides": document, "now": tx.now})


def begin_posting(tx: Tx) -> int:
    """A number by which transfers written together are found again."""
    number: int = tx.value(text("SELECT nextval('billing_posting')"))
    return number


def write_entries(tx: Tx, posting: int) -> None:
    """The entries of a posting's transfers, each at the end of its account's chain."""
    tx.execute(_LOCK, {"posting": posting})
    tx.execute(_ENTRIES, {"posting": posting})


def balance(tx: Tx, side: Side) -> Decimal:
    """What an account of the ledger holds."""
    found = tx.value(_BALANCE, {"kind": side.kind, "owner": side.owner, "currency": side.currency})
    return Decimal(0) if found is None else found


def is_booked(tx: Tx, purpose: str) -> bool:
    """Whether the transfer for this purpose exists."""
    return tx.value(_BOOKED, {"id": transfer_id(purpose)}) is not None


def lines(tx: Tx, account_id: str, wanted: LineFilter) -> list[Line]:
    """A payer's entries, newest first."""
    keys = {
        "account_id": account_id,
        "project_id": wanted.project_id,
        "meter": wanted.meter,
        "kind": wanted.kind,
        "since": wanted.since,
        "until": wanted.until,
        "before_number": wanted.before_number,
        "limit": wanted.limit,
    }
    return [Line(**row._mapping) for row in tx.rows(_LINES, keys)]


def balances(tx: Tx, page: Page) -> list[Holding]:
    """The accounts that have entries, with what each holds, by kind and owner. The marker is an account's
    number; behind what is none there is nothing."""
    marker = None if page.marker is None else int(page.marker)
    rows = tx.rows(_SUMS, {"marker": marker, "limit": page.limit})
    return [Holding(row.id, Side(row.kind, row.owner, row.currency), row.balance) for row in rows]


def _document(transfer: Transfer) -> dict[str, Any]:
    def exact(value: Decimal | None) -> str | None:
        return None if value is None else str(value)

    return {
        "id": transfer.id,
        "kind": transfer.kind,
        "purpose": transfer.purpose,
        "from_kind": transfer.source.kind,
        "from_owner": transfer.source.owner,
        "from_currency": transfer.source.currency,
        "to_kind": transfer.target.kind,
        "to_owner": transfer.target.owner,
        "to_currency": transfer.target.currency,
        "amount": exact(transfer.amount),
        "account_id": transfer.account_id,
        "project_id": transfer.project_id,
        "cycle": transfer.cycle,
        "meter": transfer.meter,
        "quantity": exact(transfer.quantity),
        "price": exact(transfer.price),
        "per": exact(transfer.per),
        "price_id": transfer.price_id,
    }
