"""Invoices: a month of an account added up, numbered without a gap, with the tax of its country.

Tax rates are dated data by country. An invoice is made once all cycles of its time are rated, and never
changed.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from volutus import audit
from volutus.billing import accounts, ledger, money, notices, rating, statements
from volutus.billing.accounts import Account
from volutus.billing.cycles import cycle_of, month_of, start_of
from volutus.billing.ledger import TAX, Side, Transfer
from volutus.billing.notices import FIRST
from volutus.billing.statements import StatementLine
from volutus.db import Page, Tx
from volutus.errors import Conflict, Invalid, NotFound
from volutus.identity import Caller
from volutus.identity.projects import names_of

LIST_MAX = 1000
# Invoices made in one transaction: they wait for each other's numbers.
ROUND_MAX = 100


class InvoiceNotFound(NotFound):
    code = "billing.invoice.not_found"


@dataclass(frozen=True)
class TaxRate:
    """So many percent on what customers of a country buy, from a moment on."""

    country: str
    name: str
    percent: Decimal
    valid_from: datetime


@dataclass(frozen=True)
class Invoice:
    """`gross` is `net` and `tax`; the lines add up to `net`."""

    number: int
    account_id: str
    period_from: datetime
    period_to: datetime
    currency: str
    net: Decimal
    tax_name: str
    tax_percent: Decimal
    tax: Decimal
    gross: Decimal
    lines: list[dict[str, Any]]
    issued_at: datetime


_COLUMNS = (
    "number, account_id, period_from, period_to, currency, net, tax_name, tax_percent, tax, gross, lines,"
    " issued_at"
)
_TAX = text(
    """
    INSERT INTO billing_tax (country, name, percent, valid_from)
    VALUES (:country, :name, :percent, :valid_from) ON CONFLICT DO NOTHING
    """
)
_TAXES = text(
    "SELECT country, name, percent, valid_from FROM billing_tax ORDER BY country, valid_from DESC"
    " LIMIT :limit"
)
_RATE = text(
    """
    SELECT country, name, percent, valid_from FROM billing_tax WHERE country = :country AND valid_from <= :at
    ORDER BY valid_from DESC LIMIT 1
    """
)
# Numbers have no gap, so two invoices cannot be made at once.
_TURN = text("SELECT pg_advisory_xact_lock(7215002)")
_NUMBER = text("SELECT number FROM billing_invoice ORDER BY number DESC LIMIT 1")
_INSERT = text(
    f"""
    INSERT INTO billing_invoice ({_COLUMNS})
    VALUES (:number, :account_id, :period_from, :period_to, :currency, :net, :tax_name, :tax_percent, :tax,
        :gross, CAST(:lines AS jsonb), :issued_at)
    """  # noqa: S608
)
_MADE = text(
    f"""
    SELECT {_COLUMNS} FROM billing_invoice WHERE account_id = :account_id AND period_from = :period_from
    LIMIT 1
    """  # noqa: S608
)
_OVERLAPS = text(
    """
    SELECT number FROM billing_invoice WHERE account_id = :account_id AND period_from < :period_to
        AND period_to > :period_from LIMIT 1
    """
)
# Who spent something in a time that has no invoice yet.
_DUE = text(
    """
    SELECT a.id FROM billing_account a
    WHERE a.mode = 'paying' AND NOT EXISTS (
        SELECT FROM billing_invoice i WHERE i.account_id = a.id AND i.period_from < :period_to
            AND i.period_to > :period_from)
    AND EXISTS (
        SELECT FROM billing_transfer t WHERE t.account_id = a.id
            AND t.kind IN ('usage', 'correction', 'subscription', 'package', 'refund')
            AND CASE t.kind WHEN 'usage' THEN t.cycle >= :first AND t.cycle < :last
                            ELSE t.at >= :period_from AND t.at < :period_to END)
    ORDER BY a.id LIMIT :limit
    """
)
_GET = text(f"SELECT {_COLUMNS} FROM billing_invoice WHERE number = :number LIMIT 1")  # noqa: S608
_LIST = text(
    f"""
    SELECT {_COLUMNS} FROM billing_invoice
    WHERE account_id = :account_id AND (CAST(:marker AS bigint) IS NULL OR number < CAST(:marker AS bigint))
    ORDER BY number DESC LIMIT :limit
    """  # noqa: S608
)


def set_tax(tx: Tx, caller: Caller, rate: TaxRate) -> None:
    """A country's rate from a moment on."""
    if rate.valid_from < tx.now:
        raise Invalid("A rate cannot be changed for a time that is over.", field="valid_from")
    if not tx.changed(_TAX, vars(rate)):
        raise Conflict("There is a rate from that moment on already.")
    audit.record(tx, caller, "set_tax", "billing.tax", rate.country, {"percent": str(rate.percent)})


def taxes(tx: Tx) -> list[TaxRate]:
    """All rates, of each country the newest first."""
    return [TaxRate(**row._mapping) for row in tx.rows(_TAXES, {"limit": LIST_MAX})]


def issue(tx: Tx, caller: Caller, account_id: str, period_from: datetime, period_to: datetime) -> Invoice:
    """The invoice of an account's time, made now or before."""
    account = accounts.fetch(tx, account_id)
    if account.mode != accounts.PAYING:
        raise Conflict("A showback account is not asked for money.")
    for at in (period_from, period_to):
        if start_of(cycle_of(at)) != at:
            raise Invalid("An invoice begins and ends with a cycle.", field="period")
    rated = rating.next_cycle(tx)
    if period_to > tx.now or rated is None or cycle_of(period_to) > rated:
        raise Conflict("Not all of this time is rated yet.")
    tx.execute(_TURN)
    if (made := tx.row(_MADE, {"account_id": account_id, "period_from": period_from})) is not None:
        return Invoice(**made._mapping)
    period = {"period_from": period_from, "period_to": period_to}
    if (other := tx.value(_OVERLAPS, {"account_id": account_id, **period})) is not None:
        raise Conflict(f"Invoice {other} is over some of this time.")
    lines = statements.statement(tx, account_id, period_from, period_to)
    net = money.total(line.amount for line in lines)
    rate = tx.row(_RATE, {"country": account.country, "at": period_to})
    percent = rate.percent if rate else Decimal(0)
    tax = money.ratio(net, Decimal(100), percent)
    invoice = Invoice(
        number=(tx.value(_NUMBER) or 0) + 1,
        account_id=account_id,
        period_from=period_from,
        period_to=period_to,
        currency=account.currency,
        net=net,
        tax_name=rate.name if rate else "",
        tax_percent=percent,
        tax=tax,
        gross=money.total((net, tax)),
        lines=_written(tx, lines),
        issued_at=tx.now,
    )
    tx.execute(_INSERT, {**vars(invoice), "lines": json.dumps(invoice.lines)})
    if tax:
        _book_tax(tx, account, invoice)
    detail = {"number": str(invoice.number), "gross": str(money.cents(invoice.gross, invoice.currency))}
    notices.tell(
        tx, account_id, "invoice", f"invoice/{invoice.number}", {**detail, "currency": invoice.currency}
    )
    audit.record(tx, caller, "issue", "billing.invoice", str(invoice.number))
    return invoice


def issue_due(tx: Tx, caller: Caller) -> int:
    """Last month's invoices, as many as one round makes, once all of that month is rated; how many."""
    until, _ = month_of(tx.now)
    since, _ = month_of(until - timedelta(days=1))
    rated = rating.next_cycle(tx)
    if rated is None or cycle_of(until) > rated:
        return 0
    period = {"period_from": since, "period_to": until}
    keys = {**period, "first": cycle_of(since), "last": cycle_of(until), "limit": ROUND_MAX}
    due = tx.rows(_DUE, keys)
    for row in due:
        issue(tx, caller, row.id, since, until)
    return len(due)


def _written(tx: Tx, lines: Sequence[StatementLine]) -> list[dict[str, Any]]:
    """As the invoice keeps them, with what projects are called now."""
    names = names_of(tx, sorted({line.project_id for line in lines if line.project_id}))
    return [
        {
            "project_id": line.project_id,
            "project": names.get(line.project_id or "", ""),
            "kind": line.kind,
            "meter": line.meter,
            "quantity": f"{line.quantity:f}",
            "amount": f"{line.amount:f}",
        }
        for line in lines
    ]


def _book_tax(tx: Tx, account: Account, invoice: Invoice) -> None:
    """A month that paid back more than it cost gives tax back too."""
    there, purpose = Side(TAX, account.country, account.currency), f"tax/{invoice.number}"
    source, target = (account.side, there) if invoice.tax > 0 else (there, account.side)
    ledger.post(tx, [Transfer(purpose, "tax", source, target, abs(invoice.tax), account.id)])


def get(tx: Tx, caller: Caller, number: int) -> Invoice:
    """An invoice of an account that the caller may see."""
    row = tx.row(_GET, {"number": number})
    if row is None or not (caller.is_admin or accounts.mine(tx, caller).id == row.account_id):
        raise InvoiceNotFound(f"Invoice {number} could not be found.")
    return Invoice(**row._mapping)


def list_(tx: Tx, account_id: str, page: Page = FIRST) -> list[Invoice]:
    """An account's invoices, newest first."""
    keys = {"account_id": account_id, "marker": page.marker, "limit": page.limit}
    return [Invoice(**row._mapping) for row in tx.rows(_LIST, keys)]
