"""Payments that a tenant begins: ordered here, begun at the provider by the reconciler, credited once.

Whatever tells of a payment (a signed event, the page we ask, both at once or each of them twice) leads to the
same transfer, named after the provider's own id of the money. A payment of another amount or currency than
was ordered is not credited: an operator has to look.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError

from volutus import audit
from volutus.billing import accounts, money, notices, payments
from volutus.billing.accounts import Account
from volutus.billing.notices import FIRST
from volutus.billing.payments import Payment
from volutus.billing.providers import FAILED, OPEN, PAID, Saved, Seen
from volutus.db import Page, Tx
from volutus.errors import Conflict, Invalid, NotFound
from volutus.identity import Caller
from volutus.identity.caller import CLOUD
from volutus.reconcile import wake

KIND = "billing_checkout"
ORDERED = "ordered"
LIST_MAX = 500
# A page of checkout is good for a day; a transfer between banks may take longer.
EXPIRES_AFTER = timedelta(days=14)
# Between attempts to top up by itself: a card that was refused is not tried every cycle.
TOP_UP_PAUSE = timedelta(days=1)


class CheckoutNotFound(NotFound):
    code = "billing.payment.not_found"


@dataclass(frozen=True)
class Checkout:
    """`url` is where the payer goes, `instructions` what he does instead; both come a moment after the order.
    `reference` is the provider's name for it."""

    id: str
    account_id: str
    provider: str
    amount: Decimal
    currency: str
    automatic: bool
    status: str
    reference: str | None
    url: str
    instructions: str
    why: str
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True)
class TopUp:
    """Pay `amount` with the saved card whenever the balance is below `threshold`."""

    account_id: str
    provider: str
    threshold: Decimal
    amount: Decimal
    enabled: bool


_COLUMNS = (
    "id, account_id, provider, amount, currency, automatic, status, reference, url, instructions, why,"
    " created_at, changed_at"
)
_INSERT = text(
    """
    INSERT INTO billing_checkout (id, account_id, provider, amount, currency, automatic, status, created_at,
        changed_at)
    VALUES (:id, :account_id, :provider, :amount, :currency, :automatic, 'ordered', :now, :now)
    """
)
_GET = text(f"SELECT {_COLUMNS} FROM billing_checkout WHERE id = :id LIMIT 1 FOR UPDATE")  # noqa: S608
_BY_REFERENCE = text(
    f"SELECT {_COLUMNS} FROM billing_checkout WHERE provider = :provider AND reference = :reference"  # noqa: S608
    " LIMIT 1 FOR UPDATE"
)
_LIST = text(
    f"""
    SELECT {_COLUMNS} FROM billing_checkout WHERE account_id = :account_id
        AND (CAST(:marker AS text) IS NULL
             OR (created_at, id) < (SELECT created_at, id FROM billing_checkout WHERE id = :marker))
    ORDER BY created_at DESC, id DESC LIMIT :limit
    """  # noqa: S608
)
_WAITING = text(
    "SELECT id FROM billing_checkout WHERE status IN ('ordered', 'open') ORDER BY changed_at LIMIT :limit"
)
_SET = text(
    """
    UPDATE billing_checkout SET status = :status, reference = coalesce(reference, :reference), url = :url,
        instructions = :instructions, why = :why, changed_at = :now
    WHERE id = :id AND status <> 'paid' AND (status IN ('ordered', 'open') OR :status = 'paid')
    """
)
_SAVE = text(
    """
    INSERT INTO billing_saved_method (account_id, provider, customer, method, saved_at)
    VALUES (:account_id, :provider, :customer, :method, :now)
    ON CONFLICT (account_id, provider) DO UPDATE
        SET customer = excluded.customer, method = excluded.method, saved_at = excluded.saved_at
    """
)
_SAVED = text(
    "SELECT customer, method FROM billing_saved_method"
    " WHERE account_id = :account_id AND provider = :provider LIMIT 1"
)
_SET_TOP_UP = text(
    """
    INSERT INTO billing_top_up (account_id, provider, threshold, amount, enabled, changed_at)
    VALUES (:account_id, :provider, :threshold, :amount, :enabled, :now)
    ON CONFLICT (account_id) DO UPDATE SET provider = excluded.provider, threshold = excluded.threshold,
        amount = excluded.amount, enabled = excluded.enabled, changed_at = excluded.changed_at
    """
)
_TOP_UP = text(
    "SELECT account_id, provider, threshold, amount, enabled FROM billing_top_up"
    " WHERE account_id = :account_id LIMIT 1"
)
_LOW = text(
    """
    SELECT t.account_id, t.provider, t.amount, a.currency FROM billing_top_up t
    JOIN billing_account a ON a.id = t.account_id
    JOIN billing_saved_method m ON m.account_id = t.account_id AND m.provider = t.provider
    LEFT JOIN billing_ledger_account l ON (l.kind, l.owner, l.currency) = ('payer', a.id, a.currency)
    LEFT JOIN LATERAL (SELECT after FROM billing_entry e WHERE e.account_id = l.id
                       ORDER BY number DESC LIMIT 1) h ON true
    WHERE t.enabled AND a.mode = 'paying' AND coalesce(h.after, 0) < t.threshold
        AND NOT EXISTS (SELECT FROM billing_checkout c WHERE c.account_id = a.id AND c.automatic
                        AND (c.status IN ('ordered', 'open')
                             OR (c.status = 'failed' AND c.changed_at > :tried_before)))
    ORDER BY t.account_id LIMIT :limit
    """
)


def order(tx: Tx, caller: Caller, provider: str, amount: Decimal) -> Checkout:
    """Begin to pay into the caller's account; the page to go to follows in a moment."""
    account = accounts.mine(tx, caller)
    if not amount.is_finite() or amount <= 0 or money.cents(amount, account.currency) != amount:
        raise Invalid(f"The amount is above zero, in whole cents of {account.currency}.", field="amount")
    made = _order(tx, account, provider, amount, automatic=False)
    audit.record(tx, caller, "order", "billing.payment", made.id, {"amount": str(amount)})
    return made


def get(tx: Tx, caller: Caller, checkout_id: str) -> Checkout:
    """A payment of the caller's account."""
    found = fetch(tx, checkout_id)
    if found is None or not (caller.is_admin or accounts.mine(tx, caller).id == found.account_id):
        raise CheckoutNotFound(f"Payment {checkout_id} could not be found.")
    return found


def fetch(tx: Tx, checkout_id: str) -> Checkout | None:
    """The payment, held, whoever asks: for the program itself."""
    row = tx.row(_GET, {"id": checkout_id})
    return _checkout(row) if row else None


def list_(tx: Tx, account_id: str, page: Page = FIRST) -> list[Checkout]:
    """An account's payments, newest first."""
    keys = {"account_id": account_id, "marker": page.marker, "limit": page.limit}
    return [_checkout(row) for row in tx.rows(_LIST, keys)]


def waiting(tx: Tx) -> Sequence[str]:
    """Those that are not over."""
    return [row.id for row in tx.rows(_WAITING, {"limit": LIST_MAX})]


def by_reference(tx: Tx, provider: str, reference: str) -> Checkout | None:
    """The payment that a provider calls so, held."""
    row = tx.row(_BY_REFERENCE, {"provider": provider, "reference": reference})
    return _checkout(row) if row else None


def settle(tx: Tx, checkout: Checkout, seen: Seen) -> None:
    """Record what a provider says of a payment; what was paid is credited, once however often it is told."""
    if seen.saved is not None:
        keys = {"account_id": checkout.account_id, "provider": checkout.provider, "now": tx.now}
        tx.execute(_SAVE, {**keys, "customer": seen.saved.customer, "method": seen.saved.method})
    status, why = seen.status, seen.why
    if status == PAID and (seen.amount, seen.currency) != (checkout.amount, checkout.currency):
        status, why = FAILED, f"{seen.amount:f} {seen.currency} was paid instead: an operator has to look."
    if status == OPEN and tx.now - checkout.created_at > EXPIRES_AFTER:
        status = "expired"
    keys = {"id": checkout.id, "status": status, "reference": seen.reference, "why": why, "now": tx.now}
    changed = tx.changed(_SET, {**keys, "url": seen.url, "instructions": seen.instructions})
    if status == PAID:
        payments.pay_in(tx, CLOUD, Payment(checkout.account_id, seen.amount, seen.receipt, checkout.provider))
    elif changed and status == FAILED:
        purpose = f"payment_failed/{checkout.id}"
        detail = {"amount": f"{checkout.amount:f}", "currency": checkout.currency, "why": why}
        notices.tell(tx, checkout.account_id, "payment_failed", purpose, detail)


def look_again(tx: Tx, checkout: Checkout) -> None:
    """Ask the provider itself too: an event does not say which card was used."""
    if checkout.status != PAID:
        wake(tx, KIND, checkout.id)


def saved(tx: Tx, account_id: str, provider: str) -> Saved | None:
    """What a provider keeps of an account's payer."""
    row = tx.row(_SAVED, {"account_id": account_id, "provider": provider})
    return Saved(row.customer, row.method) if row else None


def set_top_up(tx: Tx, caller: Caller, wanted: TopUp) -> TopUp:
    """Whether and how an account tops itself up. Raises Conflict where no card is saved."""
    if not wanted.amount.is_finite() or wanted.amount <= 0 or not wanted.threshold.is_finite():
        raise Invalid("The amount is above zero.", field="amount")
    if wanted.enabled and saved(tx, wanted.account_id, wanted.provider) is None:
        raise Conflict("Pay once by this provider first: the card used then is the one charged later.")
    tx.execute(_SET_TOP_UP, {**vars(wanted), "now": tx.now})
    detail = {"amount": str(wanted.amount), "threshold": str(wanted.threshold), "enabled": wanted.enabled}
    audit.record(tx, caller, "set_top_up", "billing.account", wanted.account_id, detail)
    return wanted


def top_up_of(tx: Tx, account_id: str) -> TopUp | None:
    """How an account tops itself up."""
    row = tx.row(_TOP_UP, {"account_id": account_id})
    return TopUp(**row._mapping) if row else None


def top_up_due(tx: Tx, _caller: Caller) -> int:
    """Order payments of accounts that are low and asked for it; how many."""
    rows = tx.rows(_LOW, {"tried_before": tx.now - TOP_UP_PAUSE, "limit": LIST_MAX})
    for row in rows:
        account = accounts.fetch(tx, row.account_id)
        _order(tx, account, row.provider, row.amount, automatic=True)
    return len(rows)


def _order(tx: Tx, account: Account, provider: str, amount: Decimal, *, automatic: bool) -> Checkout:
    checkout_id = tx.ids.uuid()
    values = {"id": checkout_id, "account_id": account.id, "provider": provider, "amount": amount}
    try:
        with tx.savepoint():
            tx.execute(
                _INSERT, {**values, "currency": account.currency, "automatic": automatic, "now": tx.now}
            )
    except IntegrityError as error:
        raise Conflict("The account is topping itself up already.", detail=str(error)) from error
    wake(tx, KIND, checkout_id)
    made = fetch(tx, checkout_id)
    assert made is not None
    return made


def _checkout(row: Row[Any]) -> Checkout:
    return Checkout(**row._mapping)
