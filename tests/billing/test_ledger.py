"""The ledger: nothing twice, nothing lost, nothing changed afterwards, whoever tries."""

import random
import threading
from decimal import Decimal
from itertools import pairwise

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.billing.books import ALICE, BANK, BOB, CPU, add_accounts, check_books, pay, settle, spend
from volutus.billing import ledger
from volutus.billing.ledger import LineFilter, Side, Transfer
from volutus.db import Page


@pytest.fixture
def books(tx):
    add_accounts(tx, "alice", "bob")
    return tx


def test_each_line_begins_where_the_one_before_ended(books):
    ledger.post(books, [pay("1", "100")])
    ledger.post(books, [spend("a", "0.00014583333333333333"), spend("b", "1.5")])
    ledger.post(books, [spend("c", "2")])
    lines = ledger.lines(books, "alice", LineFilter())
    assert [line.number for line in lines] == [4, 3, 2, 1]
    for newer, older in pairwise(lines):
        assert newer.before == older.after
        assert newer.after == newer.before + newer.amount
    assert ledger.balance(books, ALICE) == Decimal("96.49985416666666666667")
    assert ledger.balance(books, BANK) == -100
    check_books(books)


def test_the_same_purpose_is_booked_once(books):
    assert ledger.post(books, [pay("1", "100")]) == 1
    assert ledger.post(books, [pay("1", "100"), spend("a", "3")]) == 1
    assert ledger.post(books, [pay("1", "100"), spend("a", "3")]) == 0
    assert ledger.balance(books, ALICE) == 97
    check_books(books)


def test_currencies_are_apart(books):
    dollars = Side("payer", "alice", "USD")
    ledger.post(books, [pay("1", "5"), pay("2", "7", dollars)][:1])
    bank = Side("cash", "bank", "USD")
    ledger.post(books, [Transfer("payment:2", "payment", bank, dollars, Decimal(7), "alice")])
    assert ledger.balance(books, ALICE) == 5
    assert ledger.balance(books, dollars) == 7


def test_pages_and_filters(books):
    ledger.post(books, [pay("1", "100")])
    for number in range(5):
        ledger.post(books, [spend(str(number), "1")])
    page = ledger.lines(books, "alice", LineFilter(limit=2))
    assert [line.purpose for line in page] == ["test:4", "test:3"]
    following = ledger.lines(books, "alice", LineFilter(limit=2, before_number=page[-1].number))
    assert [line.purpose for line in following] == ["test:2", "test:1"]
    assert [line.kind for line in ledger.lines(books, "alice", LineFilter(kind="payment"))] == ["payment"]


def _booked(tx):
    ledger.post(tx, [pay("1", "100"), spend("a", "3")])
    settle(tx)


ATTACKS = {
    "change a transfer": "UPDATE billing_transfer SET amount = 1",
    "change an entry": "UPDATE billing_entry SET after = 0 WHERE number = 1",
    "remove an entry": "DELETE FROM billing_entry",
    "remove a transfer": "DELETE FROM billing_transfer",
    "empty the ledger": "TRUNCATE billing_entry, billing_transfer",
    "rename an account": "UPDATE billing_ledger_account SET owner = 'x'",
    "an entry of another amount": """
        INSERT INTO billing_entry (account_id, number, transfer_id, side, from_id, to_id, magnitude, before,
        after)
        SELECT account_id, number + 1, transfer_id, side, from_id, to_id, 1, after, after + side
        FROM billing_entry ORDER BY number DESC LIMIT 1""",
    "a third entry": """
        INSERT INTO billing_entry (account_id, number, transfer_id, side, from_id, to_id, magnitude, before,
        after)
        SELECT account_id, number + 1, transfer_id, side, from_id, to_id, magnitude, after, after + side *
        magnitude
        FROM billing_entry ORDER BY number DESC LIMIT 1""",
    "a gap in the chain": """
        INSERT INTO billing_entry (account_id, number, transfer_id, side, from_id, to_id, magnitude, before,
        after)
        SELECT account_id, number + 2, transfer_id, side, from_id, to_id, magnitude, after, after + side *
        magnitude
        FROM billing_entry ORDER BY number DESC LIMIT 1""",
    "a chain that does not add up": """
        INSERT INTO billing_entry (account_id, number, transfer_id, side, from_id, to_id, magnitude, before,
        after)
        SELECT account_id, number + 1, transfer_id, side, from_id, to_id, magnitude, after, after
        FROM billing_entry ORDER BY number DESC LIMIT 1""",
    "a beginning that is not zero": """
        INSERT INTO billing_entry (account_id, number, transfer_id, side, from_id, to_id, magnitude, before,
        after)
        SELECT from_id, 1, id, -1, from_id, to_id, amount, 50, 50 - amount FROM billing_transfer LIMIT 1""",
    "a transfer without entries": """
        INSERT INTO billing_transfer (id, posting, kind, purpose, from_id, to_id, currency, amount, at,
        account_id)
        SELECT gen_random_uuid(), posting, kind, 'x', from_id, to_id, currency, amount, at, account_id
        FROM billing_transfer LIMIT 1""",
    "a transfer of nothing": """
        INSERT INTO billing_transfer (id, posting, kind, purpose, from_id, to_id, currency, amount, at,
        account_id)
        SELECT gen_random_uuid(), posting, kind, 'x', from_id, to_id, currency, 0, at, account_id
        FROM billing_transfer LIMIT 1""",
    "a negative transfer": """
        INSERT INTO billing_transfer (id, posting, kind, purpose, from_id, to_id, currency, amount, at,
        account_id)
        SELECT gen_random_uuid(), posting, kind, 'x', from_id, to_id, currency, -1, at, account_id
        FROM billing_transfer LIMIT 1""",
    "a transfer to oneself": """
        INSERT INTO billing_transfer (id, posting, kind, purpose, from_id, to_id, currency, amount, at,
        account_id)
        SELECT gen_random_uuid(), posting, kind, 'x', from_id, from_id, currency, 1, at, account_id
        FROM billing_transfer LIMIT 1""",
    "a transfer in another currency": """
        INSERT INTO billing_transfer (id, posting, kind, purpose, from_id, to_id, currency, amount, at,
        account_id)
        SELECT gen_random_uuid(), posting, kind, 'x', from_id, to_id, 'USD', 1, at, account_id
        FROM billing_transfer LIMIT 1""",
    "the same transfer again": """
        INSERT INTO billing_transfer (id, posting, kind, purpose, from_id, to_id, currency, amount, at,
        account_id)
        SELECT id, posting, kind, purpose, from_id, to_id, currency, amount, at, account_id
        FROM billing_transfer LIMIT 1""",
    "more than twenty places of nothing": """
        INSERT INTO billing_transfer (id, posting, kind, purpose, from_id, to_id, currency, amount, at,
        account_id)
        SELECT gen_random_uuid(), posting, kind, 'x', from_id, to_id, currency, 1e-21, at, account_id
        FROM billing_transfer LIMIT 1""",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_database_refuses(books, attack):
    _booked(books)
    with pytest.raises(IntegrityError), books.savepoint():
        books.execute(text(ATTACKS[attack]))
        settle(books)
    assert ledger.balance(books, ALICE) == 97
    check_books(books)


def test_the_program_has_no_right_to_remove(shared_database):
    """Where the program is not a superuser, privileges forbid what triggers forbid too."""
    with shared_database.begin() as tx:
        for table in ("billing_entry", "billing_transfer", "billing_price"):
            granted = tx.rows(
                text(
                    "SELECT privilege_type FROM information_schema.role_table_grants"
                    " WHERE table_name = :table LIMIT 50"
                ),
                {"table": table},
            )
            assert not {"DELETE", "TRUNCATE"} & {row.privilege_type for row in granted}


def test_a_failed_transaction_leaves_nothing(shared_database):
    with shared_database.begin() as tx:
        add_accounts(tx, "alice")
        ledger.post(tx, [pay("1", "100")])
    with pytest.raises(ZeroDivisionError), shared_database.begin() as tx:
        ledger.post(tx, [spend("a", "3")])
        raise ZeroDivisionError
    with shared_database.begin() as tx:
        assert ledger.balance(tx, ALICE) == 100
        assert ledger.post(tx, [spend("a", "3")]) == 1
        check_books(tx)


def test_a_lonely_transfer_cannot_be_committed(shared_database):
    with shared_database.begin() as tx:
        add_accounts(tx, "alice")
        ledger.post(tx, [pay("1", "100")])
    with pytest.raises(DBAPIError), shared_database.begin() as tx:
        tx.execute(text(ATTACKS["a transfer without entries"]))


def test_many_at_once_book_each_purpose_once(shared_database):
    """Four threads book overlapping sets of transfers of the same accounts, in different orders."""
    with shared_database.begin() as tx:
        add_accounts(tx, "alice", "bob")
    seed = 20261121
    transfers = [spend(str(number), f"{number + 1}.00000000000000000001") for number in range(40)]
    transfers += [pay(str(number), "7", BOB if number % 2 else ALICE) for number in range(40)]
    failures: list[Exception] = []

    def work(number):
        own = random.Random(seed + number)
        mine = own.sample(transfers, len(transfers))
        try:
            while mine:
                batch, mine = mine[: (size := own.randint(1, 9))], mine[size:]
                batch.sort(key=lambda transfer: transfer.id)
                with shared_database.begin() as tx:
                    ledger.post(tx, batch)
        except Exception as error:  # noqa: BLE001 told by the thread that waits
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, f"seed {seed}"
    with shared_database.begin() as tx:
        check_books(tx)
        spent = sum((transfer.amount for transfer in transfers[:40]), Decimal(0))
        assert ledger.balance(tx, ALICE) == 140 - spent
        assert ledger.balance(tx, BOB) == 140
        assert ledger.balance(tx, CPU) == spent
        assert sum(one.balance for one in ledger.balances(tx, Page())) == 0
