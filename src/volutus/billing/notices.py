"""What accounts are told: rows that a mailer, the console or the API show. The purpose makes one unique."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from volutus.billing import money
from volutus.billing.accounts import Account
from volutus.db import Page, Tx

FIRST = Page()


@dataclass(frozen=True)
class Notice:
    """`kind` is a word such as `out_of_money_soon`; `detail` what the text needs."""

    id: int
    account_id: str
    kind: str
    at: datetime
    detail: dict[str, Any]


@dataclass(frozen=True)
class Ordered:
    """What an account ordered, for its confirmation: in words, for how much, for how long."""

    what: list[str]
    paid: Decimal
    months: int


_TELL = text(
    """
    INSERT INTO billing_notice (account_id, kind, purpose, at, detail)
    VALUES (:account_id, :kind, :purpose, :now, CAST(:detail AS jsonb)) ON CONFLICT (purpose) DO NOTHING
    """
)
_LIST = text(
    """
    SELECT id, account_id, kind, at, detail FROM billing_notice
    WHERE account_id = :account_id AND (CAST(:marker AS bigint) IS NULL OR id < CAST(:marker AS bigint))
    ORDER BY id DESC LIMIT :limit
    """
)


def tell(tx: Tx, account_id: str, kind: str, purpose: str, detail: Mapping[str, Any] | None = None) -> bool:
    """Tell an account something once; whether it is news."""
    return bool(tx.changed(_TELL, _row(tx, account_id, kind, purpose, detail or {})))


def tell_all(tx: Tx, account_id: str, kind: str, details: Mapping[str, Mapping[str, Any]]) -> None:
    """The same of many at once: what each is about, by its purpose."""
    if details:
        tx.execute(
            _TELL, [_row(tx, account_id, kind, purpose, detail) for purpose, detail in details.items()]
        )


def list_(tx: Tx, account_id: str, page: Page = FIRST) -> list[Notice]:
    """What an account was told, newest first."""
    keys = {"account_id": account_id, "marker": page.marker, "limit": page.limit}
    return [Notice(**row._mapping) for row in tx.rows(_LIST, keys)]


def tell_orders(tx: Tx, account: Account, orders: Mapping[str, Ordered]) -> None:
    """Confirm what was bought ahead, by the ids of what it became."""
    details = {
        f"order/{order_id}": {
            "id": order_id,
            "what": "\n".join(order.what),
            "price": money.shown(order.paid, account.currency),
            "months": str(order.months),
        }
        for order_id, order in orders.items()
    }
    tell_all(tx, account.id, "order", details)


def _row(tx: Tx, account_id: str, kind: str, purpose: str, detail: Mapping[str, Any]) -> dict[str, Any]:
    keys = {"account_id": account_id, "kind": kind, "purpose": purpose, "now": tx.now}
    return {**keys, "detail": json.dumps(dict(detail))}
