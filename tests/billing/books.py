"""What tests of the ledger share: accounts with a payer, and a book that adds up."""

from decimal import Decimal

from sqlalchemy import text

from tests.conftest import make_caller
from volutus.billing.ledger import CASH, PAYER, REVENUE, Side, Transfer

ALICE = Side(PAYER, "alice", "CNY")
BOB = Side(PAYER, "bob", "CNY")
BANK = Side(CASH, "bank", "CNY")
CPU = Side(REVENUE, "cpu_mhz", "CNY")


def add_accounts(tx, *names, currency="CNY"):
    """Customers with these ids."""
    for name in names:
        tx.execute(
            text(
                "INSERT INTO billing_account (id, name, currency, mode, created_at)"
                " VALUES (:id, :id, :currency, 'paying', :now)"
            ),
            {"id": name, "currency": currency, "now": tx.now},
        )


def pay(purpose, amount, payer=ALICE):
    return Transfer(f"payment:{purpose}", "payment", BANK, payer, Decimal(amount), payer.owner)


def spend(purpose, amount, payer=ALICE):
    return Transfer(f"test:{purpose}", "subscription", payer, CPU, Decimal(amount), payer.owner)


def settle(tx):
    """Check now what is else checked at commit."""
    tx.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    tx.execute(text("SET CONSTRAINTS ALL DEFERRED"))


def check_books(tx):
    """Sum zero, chains without a gap, both entries of each transfer: asked of the rows, not of
    constraints."""
    settle(tx)
    assert tx.value(text("SELECT coalesce(sum(side * magnitude), 0) FROM billing_entry")) == 0
    broken = tx.value(
        text(
            """
            SELECT count(*) FROM (
                SELECT number, before, after, side * magnitude AS amount,
                    coalesce(lag(after) OVER w, 0) AS last, row_number() OVER w AS expected
                FROM billing_entry WINDOW w AS (PARTITION BY account_id ORDER BY number)) chain
            WHERE before <> last OR number <> expected OR after <> before + amount
            """
        )
    )
    assert broken == 0
    lonely = tx.value(
        text(
            """
            SELECT count(*) FROM (
                SELECT t.id FROM billing_transfer t LEFT JOIN billing_entry e ON e.transfer_id = t.id
                GROUP BY t.id HAVING count(e.number) <> 2 OR sum(e.side * e.magnitude) <> 0) odd
            """
        )
    )
    assert lonely == 0


ADMIN = make_caller("admin", "admin", user="admin")
