"""Accounts: who pays for which projects, in which currency, and how far below zero they may go.

A project that nobody was named for pays for itself: an account with its id comes to be when it is first
needed. A *showback* account is charged like any other, but nobody is asked for the money.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, text

from volutus import audit
from volutus.billing import ledger, money
from volutus.billing.cycles import cycle_of, start_of
from volutus.billing.ledger import PAYER, Side
from volutus.db import Tx
from volutus.errors import Conflict, Invalid, NotFound, Unpaid
from volutus.identity import Caller

PAYING, SHOWBACK = "paying", "showback"
MODES = (PAYING, SHOWBACK)
ACCOUNTS_MAX = 1000
# An account that pays for more projects than this is shown with the first of them.
PROJECTS_MAX = 1000


class AccountNotFound(NotFound):
    code = "billing.account.not_found"


class NotEnoughFunds(Unpaid):
    """`missing` is what has to be paid in before the order can be taken, exactly; the text says what can be
    paid."""

    code = "billing.not_enough_funds"

    def __init__(self, missing: Decimal, currency: str) -> None:
        super().__init__(f"The account lacks {money.to_pay(missing, currency):f} {currency} for this order.")
        self.missing = missing
        self.currency = currency


@dataclass(frozen=True)
class Account:
    """`country` decides the tax, `language` that of invoices and mails, `contact` is a mail address;
    `address` and `vat_number` are printed on invoices."""

    id: str
    name: str
    currency: str
    mode: str
    country: str
    language: str
    contact: str
    address: str
    vat_number: str
    credit_limit: Decimal
    created_at: datetime

    @property
    def side(self) -> Side:
        """Its account in the ledger."""
        return Side(PAYER, self.id, self.currency)


@dataclass(frozen=True)
class AccountOrder:
    """A new account. Without an id one is made; without a currency it has the region's."""

    name: str
    id: str | None = None
    currency: str | None = None
    mode: str | None = None
    country: str = ""
    language: str = "en"
    contact: str = ""
    address: str = ""
    vat_number: str = ""
    credit_limit: Decimal = Decimal(0)


@dataclass(frozen=True)
class Region:
    """What this control plane bills: its region, the currency and mode of accounts that come by themselves;
    `seller` is who sells, as invoices print it. Whoever has funds for less than `warn_days` of all that is
    used is warned, and may order nothing more; `stop_after_s` seconds later servers are stopped, and
    `delete_after_s` after that everything is deleted."""

    region: str
    currency: str
    mode: str
    first_cycle: int
    seller: str
    warn_days: int
    stop_after_s: int
    delete_after_s: int


@dataclass(frozen=True)
class RegionChanges:
    """None leaves what is."""

    mode: str | None = None
    seller: str | None = None
    warn_days: int | None = None
    stop_after_s: int | None = None
    delete_after_s: int | None = None


_REGION = text(
    "SELECT region, currency, mode, first_cycle, seller, warn_days, stop_after_s, delete_after_s"
    " FROM billing_region LIMIT 1"
)
_CHANGE_REGION = text(
    """
    UPDATE billing_region SET mode = coalesce(:mode, mode), seller = coalesce(:seller, seller),
        warn_days = coalesce(:warn_days, warn_days), stop_after_s = coalesce(:stop_after_s, stop_after_s),
        delete_after_s = coalesce(:delete_after_s, delete_after_s)
    """
)
_OPEN_REGION = text(
    """
    INSERT INTO billing_region (region, currency, mode, first_cycle)
    VALUES (:region, :currency, :mode, :first_cycle) ON CONFLICT DO NOTHING
    """
)
_COLUMNS = (
    "a.id, a.name, a.currency, a.mode, a.country, a.language, a.contact, a.address, a.vat_number,"
    " a.credit_limit, a.created_at"
)
_GET = text(f"SELECT {_COLUMNS} FROM billing_account a WHERE id = :id LIMIT 1")  # noqa: S608
_LIST = text(
    f"""
    SELECT {_COLUMNS} FROM billing_account a
    WHERE CAST(:marker AS text) IS NULL OR id > :marker ORDER BY id LIMIT :limit
    """  # noqa: S608
)
_CREATE = text(
    """
    INSERT INTO billing_account (id, name, currency, mode, country, language, contact, address,
        vat_number, credit_limit, created_at)
    VALUES (:id, :name, :currency, :mode, :country, :language, :contact, :address, :vat_number,
        :credit_limit, :now)
    ON CONFLICT (id) DO NOTHING
    """
)
_PAYER_OF = text(
    """
    SELECT account_id FROM billing_payer WHERE project_id = :project_id AND from_at <= :now
    ORDER BY from_at DESC LIMIT 1
    """
)
_PAY_FOR = text(
    """
    INSERT INTO billing_payer (project_id, from_at, account_id, recorded_at)
    VALUES (:project_id, :now, :account_id, :now) ON CONFLICT DO NOTHING
    """
)
_PROJECTS = text(
    """
    SELECT project_id FROM (
        SELECT DISTINCT ON (project_id) project_id, account_id FROM billing_payer WHERE from_at <= :now
        ORDER BY project_id, from_at DESC) latest
    WHERE account_id = :account_id ORDER BY project_id LIMIT :limit
    """
)
_UPDATE = text(
    """
    UPDATE billing_account SET name = :name, country = :country, language = :language, contact = :contact,
        address = :address, vat_number = :vat_number, credit_limit = :credit_limit, mode = :mode
    WHERE id = :id
    """
)
_USE_LIST = text(
    """
    INSERT INTO billing_account_list (account_id, from_at, list_id, recorded_at)
    VALUES (:account_id, :now, :list_id, :now)
    """
)
_LOCK = text(
    """
    SELECT id FROM billing_ledger_account WHERE kind = 'payer' AND owner = :owner AND currency = :currency
    FOR NO KEY UPDATE LIMIT 1
    """
)


def region(tx: Tx) -> Region | None:
    """The region billed here; None before it was opened: then nothing is rated."""
    row = tx.row(_REGION)
    return None if row is None else Region(**row._mapping)


def open_region(tx: Tx, name: str, currency: str, mode: str) -> Region:
    """Begin to bill, with the first cycle that begins from now on: prices must hold when a cycle begins. What
    was opened before stays as it is."""
    if mode not in MODES:
        raise Invalid(f"The mode is one of {', '.join(MODES)}.", field="mode")
    present = cycle_of(tx.now)
    first_cycle = present if start_of(present) == tx.now else present + 1
    tx.execute(_OPEN_REGION, {"region": name, "currency": currency, "mode": mode, "first_cycle": first_cycle})
    found = region(tx)
    if found is None:
        raise Conflict("The region could not be opened.")
    return found


def set_region(tx: Tx, caller: Caller, changes: RegionChanges) -> Region:
    """The mode of accounts that come to be from now on, who sells, and how long who does not pay is waited
    for. None leaves what is."""
    needed_region(tx)
    if changes.mode is not None:
        _mode(changes.mode)
    tx.execute(_CHANGE_REGION, vars(changes))
    detail = {name: value for name, value in vars(changes).items() if value is not None}
    audit.record(tx, caller, "set_region", "billing.region", "region", detail)
    return needed_region(tx)


def needed_region(tx: Tx) -> Region:
    """The region, where nothing makes sense without one."""
    found = region(tx)
    if found is None:
        raise Conflict("Billing has not been opened in this cloud.")
    return found


def create(tx: Tx, caller: Caller, order: AccountOrder) -> Account:
    """A new account."""
    home = needed_region(tx)
    account_id = order.id or tx.ids.hex()
    made = tx.changed(
        _CREATE,
        {
            "id": account_id,
            "name": order.name,
            "currency": order.currency or home.currency,
            "mode": _mode(order.mode or home.mode),
            "country": order.country,
            "language": order.language,
            "contact": order.contact,
            "address": order.address,
            "vat_number": order.vat_number,
            "credit_limit": order.credit_limit,
            "now": tx.now,
        },
    )
    if not made:
        raise Conflict(f"There is an account {account_id} already.")
    audit.record(tx, caller, "create", "billing.account", account_id, {"name": order.name})
    return fetch(tx, account_id)


def update(tx: Tx, caller: Caller, account: Account) -> Account:
    """Change what may change: all but its id and its currency."""
    tx.execute(
        _UPDATE,
        {
            "id": account.id,
            "name": account.name,
            "country": account.country,
            "language": account.language,
            "contact": account.contact,
            "address": account.address,
            "vat_number": account.vat_number,
            "credit_limit": account.credit_limit,
            "mode": _mode(account.mode),
        },
    )
    audit.record(
        tx, caller, "update", "billing.account", account.id, {"credit_limit": str(account.credit_limit)}
    )
    return fetch(tx, account.id)


def fetch(tx: Tx, account_id: str) -> Account:
    """The account, whoever asks: for the program itself. Raises AccountNotFound."""
    row = tx.row(_GET, {"id": account_id})
    if row is None:
        raise AccountNotFound(f"Account {account_id} could not be found.")
    return _account(row)


def get(tx: Tx, caller: Caller, account_id: str) -> Account:
    """The account, where it pays for the caller's project or the caller is an administrator."""
    if not caller.is_admin:
        project_id = caller.project_id
        if project_id is None or payer_of(tx, project_id) != account_id:
            raise AccountNotFound(f"Account {account_id} could not be found.")
        return for_project(tx, project_id)
    return fetch(tx, account_id)


def mine(tx: Tx, caller: Caller) -> Account:
    """The account that pays for the caller's project."""
    return for_project(tx, caller.own_project())


def payer_of(tx: Tx, project_id: str) -> str:
    """The id of the account that pays for a project now."""
    found: str | None = tx.value(_PAYER_OF, {"project_id": project_id, "now": tx.now})
    return found or project_id


def for_project(tx: Tx, project_id: str) -> Account:
    """The account that pays for a project; made where it is the project's own and did not exist."""
    account_id = payer_of(tx, project_id)
    row = tx.row(_GET, {"id": account_id})
    if row is not None:
        return _account(row)
    home = needed_region(tx)
    order = {"id": account_id, "name": account_id, "currency": home.currency, "mode": home.mode}
    rest = {"country": "", "language": "en", "contact": "", "address": "", "vat_number": ""}
    tx.execute(_CREATE, {**order, **rest, "credit_limit": Decimal(0), "now": tx.now})
    return fetch(tx, account_id)


def list_(tx: Tx, marker: str | None = None, limit: int = ACCOUNTS_MAX) -> list[Account]:
    """Accounts by id, for the operator."""
    return [_account(row) for row in tx.rows(_LIST, {"marker": marker, "limit": limit})]


def projects(tx: Tx, account_id: str) -> list[str]:
    """The projects it was named for."""
    keys = {"account_id": account_id, "now": tx.now, "limit": PROJECTS_MAX}
    return [row.project_id for row in tx.rows(_PROJECTS, keys)]


def pay_for(tx: Tx, caller: Caller, account_id: str, project_ids: Sequence[str]) -> None:
    """From now on, beginning with the present cycle, this account pays for these projects."""
    fetch(tx, account_id)
    for project_id in project_ids:
        tx.execute(_PAY_FOR, {"project_id": project_id, "account_id": account_id, "now": tx.now})
        audit.record(tx, caller, "pay_for", "billing.account", account_id, {"project_id": project_id})


def use_list(tx: Tx, caller: Caller, account_id: str, list_id: str) -> None:
    """From now on this price list is the account's."""
    tx.execute(_USE_LIST, {"account_id": account_id, "list_id": list_id, "now": tx.now})
    audit.record(tx, caller, "use_list", "billing.account", account_id, {"list_id": list_id})


def balance(tx: Tx, account: Account) -> Decimal:
    """What the account has; below zero, what it owes."""
    return ledger.balance(tx, account.side)


def need_funds(tx: Tx, account: Account, amount: Decimal) -> None:
    """Hold the account until the end of the transaction and see that it can pay this. Raises NotEnoughFunds.

    A showback account always can."""
    ledger.open_accounts(tx, [account.side])
    tx.execute(_LOCK, {"owner": account.id, "currency": account.currency})
    missing = amount - balance(tx, account) - account.credit_limit
    if account.mode == PAYING and missing > 0:
        raise NotEnoughFunds(missing, account.currency)


def _mode(mode: str) -> str:
    if mode not in MODES:
        raise Invalid(f"The mode is one of {', '.join(MODES)}.", field="mode")
    return mode


def _account(row: Row[Any]) -> Account:
    return Account(**row._mapping)
