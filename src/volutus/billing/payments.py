"""Money and credits that come in: bank transfers noted by hand, credits that expire, vouchers.

A credit is spent before an account's own money, the one that expires first before the others. What is left of
it at its end goes back where it came from.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text

from volutus import audit
from volutus.billing import accounts, ledger, notices, rating, standing
from volutus.billing.accounts import Account
from volutus.billing.cycles import start_of
from volutus.billing.ledger import CASH, CREDIT, Side, Transfer
from volutus.db import Tx
from volutus.errors import Conflict, Invalid, NotFound
from volutus.identity import Caller

GRANTED = "granted"
LIST_MAX = 1000


class VoucherNotFound(NotFound):
    code = "billing.voucher.not_found"


@dataclass(frozen=True)
class Payment:
    """`reference` is the bank's or the provider's own id of it: the same one is credited once."""

    account_id: str
    amount: Decimal
    reference: str
    source: str = "bank"


@dataclass(frozen=True)
class Credit:
    """An amount given, until a moment."""

    id: str
    account_id: str
    amount: Decimal
    note: str
    granted_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class Voucher:
    """`id` is of the code's digest; the code itself is not stored. `redeemed_by` is an account."""

    id: str
    amount: Decimal
    currency: str
    expires_at: datetime
    redeemed_by: str | None


_CREDIT = text(
    """
    INSERT INTO billing_credit (id, account_id, amount, note, granted_at, expires_at)
    VALUES (:id, :account_id, :amount, :note, :granted_at, :expires_at)
    """
)
_CREDITS = text(
    """
    SELECT id, account_id, amount, note, granted_at, expires_at FROM billing_credit
    WHERE account_id = :account_id ORDER BY expires_at, id LIMIT :limit
    """
)
_EXPIRED = text(
    """
    SELECT c.account_id FROM billing_credit c WHERE c.expires_at <= :now AND NOT EXISTS (
        SELECT FROM billing_notice n WHERE n.purpose = 'credit_expired/' || c.id)
    ORDER BY c.expires_at LIMIT :limit
    """
)
# Usage was spent in its cycle, however late that was rated.
_SPENT = text(
    """
    SELECT CASE t.kind WHEN 'usage' THEN to_timestamp(t.cycle * 300 + 299) ELSE t.at END AS at, t.amount
    FROM billing_transfer t
    WHERE t.account_id = :account_id AND t.at >= :since
        AND t.kind IN ('usage', 'correction', 'subscription', 'package', 'tax') AND t.from_id = :payer
    ORDER BY t.posting, t.id
    """
)
# Who pays by bank writes the payment's id on the transfer.
_ARRIVED = text(
    """
    UPDATE billing_checkout SET status = 'paid', changed_at = :now
    WHERE id = :id AND provider = :provider AND status IN ('ordered', 'open')
    """
)
_SIDE_ID = text(
    "SELECT id FROM billing_ledger_account WHERE (kind, owner, currency) = ('payer', :owner, :currency)"
    " LIMIT 1"
)
_VOUCHER = text(
    """
    INSERT INTO billing_voucher (code_digest, amount, currency, expires_at)
    VALUES (:digest, :amount, :currency, :expires_at) ON CONFLICT DO NOTHING
    """
)
_VOUCHERS = text(
    """
    SELECT substr(v.code_digest, 1, 12) AS id, v.amount, v.currency, v.expires_at, c.account_id AS redeemed_by
    FROM billing_voucher v LEFT JOIN billing_credit c ON c.id = v.credit_id
    ORDER BY v.expires_at DESC, v.code_digest LIMIT :limit
    """
)
_FIND_VOUCHER = text(
    """
    SELECT amount, currency, expires_at, credit_id FROM billing_voucher WHERE code_digest = :digest LIMIT 1
    FOR UPDATE
    """
)
_USE_VOUCHER = text("UPDATE billing_voucher SET credit_id = :credit_id WHERE code_digest = :digest")


def pay_in(tx: Tx, caller: Caller, payment: Payment) -> bool:
    """Money arrived; whether it is news."""
    if not payment.amount.is_finite() or payment.amount <= 0:
        raise Invalid("The amount is above zero.", field="amount")
    account = accounts.fetch(tx, payment.account_id)
    source = Side(CASH, payment.source, account.currency)
    purpose = f"payment/{payment.source}/{payment.reference}"
    transfer = Transfer(purpose, "payment", source, account.side, payment.amount, account.id)
    if not ledger.post(tx, [transfer]):
        return False
    tx.execute(_ARRIVED, {"id": payment.reference, "provider": payment.source, "now": tx.now})
    detail = {"amount": str(payment.amount), "currency": account.currency, "reference": payment.reference}
    audit.record(tx, caller, "pay_in", "billing.account", account.id, detail)
    notices.tell(tx, account.id, "payment", purpose, detail)
    standing.look_again(tx)
    return True


def grant(
    tx: Tx, caller: Caller, account_id: str, amount: Decimal, expires_at: datetime, note: str
) -> Credit:
    """Give an account a credit until a moment."""
    if not amount.is_finite() or amount <= 0:
        raise Invalid("The amount is above zero.", field="amount")
    if expires_at <= tx.now:
        raise Invalid("A credit ends after now.", field="expires_at")
    account = accounts.fetch(tx, account_id)
    credit = Credit(tx.ids.uuid(), account_id, amount, note, tx.now, expires_at)
    tx.execute(_CREDIT, vars(credit))
    source = Side(CREDIT, GRANTED, account.currency)
    ledger.post(tx, [Transfer(f"credit/{credit.id}", "credit", source, account.side, amount, account_id)])
    audit.record(tx, caller, "grant", "billing.credit", credit.id, {"amount": str(amount)})
    standing.look_again(tx)
    return credit


def credits_of(tx: Tx, account_id: str) -> list[Credit]:
    """An account's credits, the first to end first."""
    rows = tx.rows(_CREDITS, {"account_id": account_id, "limit": LIST_MAX})
    return [Credit(**row._mapping) for row in rows]


def expire_due(tx: Tx, _caller: Caller) -> int:
    """Take back what is left of credits that ended; how many ended."""
    following = rating.next_cycle(tx)
    if following is None:
        return 0
    # Not before all usage of its time is charged: that may still take from it.
    settled = min(tx.now, start_of(following))
    rows = tx.rows(_EXPIRED, {"now": settled, "limit": LIST_MAX})
    return sum(_expire(tx, name, settled) for name in sorted({row.account_id for row in rows}))


def _expire(tx: Tx, account_id: str, settled: datetime) -> int:
    account = accounts.fetch(tx, account_id)
    granted = credits_of(tx, account_id)
    left = remaining(tx, account, granted)
    ended = 0
    for credit in (one for one in granted if one.expires_at <= settled):
        rest = left[credit.id]
        purpose = f"credit_expired/{credit.id}"
        if not notices.tell(tx, account_id, "credit_expired", purpose, {"amount": str(rest)}):
            continue
        ended += 1
        if rest > 0:
            target = Side(CREDIT, GRANTED, account.currency)
            transfer = Transfer(purpose, "credit_expired", account.side, target, rest, account_id)
            ledger.post(tx, [transfer])
    return ended


def remaining(tx: Tx, account: Account, granted: Sequence[Credit]) -> dict[str, Decimal]:
    """What is left of each credit: charges of its time take from the one that ends first."""
    left = {credit.id: credit.amount for credit in granted}
    if not granted:
        return left
    keys = {
        "account_id": account.id,
        "since": min(credit.granted_at for credit in granted),
        "payer": tx.value(_SIDE_ID, {"owner": account.id, "currency": account.currency}),
    }
    for row in tx.rows(_SPENT, keys):  # bounded: one account's charges while it has credits
        amount = row.amount
        for credit in granted:
            if credit.granted_at < row.at < credit.expires_at:
                taken = min(amount, left[credit.id])
                left[credit.id] -= taken
                amount -= taken
    return left


def make_voucher(
    tx: Tx, caller: Caller, code: str, amount: Decimal, currency: str, expires_at: datetime
) -> None:
    """A code that whoever has it may turn into a credit, once. The code itself is not stored."""
    digest = _digest(code)
    values = {"amount": amount, "currency": currency, "expires_at": expires_at}
    if not tx.changed(_VOUCHER, {"digest": digest, **values}):
        raise Conflict("There is such a voucher already.")
    audit.record(tx, caller, "create", "billing.voucher", digest[:12], {"amount": str(amount)})


def vouchers(tx: Tx) -> list[Voucher]:
    """All of them, those that end last first."""
    return [Voucher(**row._mapping) for row in tx.rows(_VOUCHERS, {"limit": LIST_MAX})]


def redeem(tx: Tx, caller: Caller, code: str) -> Credit:
    """Turn a voucher into a credit of the caller's account."""
    account = accounts.mine(tx, caller)
    row = tx.row(_FIND_VOUCHER, {"digest": _digest(code)})
    if (
        row is None
        or row.credit_id is not None
        or row.expires_at <= tx.now
        or row.currency != account.currency
    ):
        raise VoucherNotFound(
            "There is no such voucher, or it was used, has expired or is of another currency."
        )
    credit = grant(tx, caller, account.id, row.amount, row.expires_at, "voucher")
    tx.execute(_USE_VOUCHER, {"digest": _digest(code), "credit_id": credit.id})
    return credit


def _digest(code: str) -> str:
    return hashlib.sha256(code.strip().upper().encode()).hexdigest()
