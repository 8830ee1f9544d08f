"""What processes remember of tokens: one statement a check, and nobody believes what is no longer so."""

import pytest
from sqlalchemy import text

from tests.identity.conftest import ADMIN_PASSWORD, BEGINNINGS
from volutus.db import Database
from volutus.errors import Unauthenticated
from volutus.identity import Identity, bootstrap, open_identity
from volutus.identity.caller import CLOUD
from volutus.identity.passwords import HashCost
from volutus.identity.payload import ScopeKind
from volutus.identity.sign_in import Attempt, NameOrId, Scope, sign_in

ADMIN = NameOrId(name="admin", domain_id="default")
IN_ADMIN = Scope(ScopeKind.PROJECT, NameOrId(name="admin", domain_id="default"))

# What an operator could do behind the APIs' back, each of which ends the token or some of its roles.
ENDINGS = [
    "UPDATE identity_user SET enabled = false WHERE name = 'admin'",
    "UPDATE identity_user SET epoch = epoch + 1 WHERE name = 'admin'",
    "UPDATE identity_project SET enabled = false WHERE name = 'admin'",
    "UPDATE identity_domain SET enabled = false",
    "DELETE FROM identity_assignment WHERE project_id IS NOT NULL",
    "TRUNCATE identity_assignment",
    "DELETE FROM identity_role",
]


@pytest.fixture
def processes(shared_database: Database, settings) -> list[Identity]:
    """Two processes of one cloud, as far as identity goes."""
    found = [open_identity(settings, HashCost.least()) for _ in range(2)]
    with shared_database.begin() as tx:
        bootstrap(tx, found[0], BEGINNINGS)
    return found


def _token(database: Database, identity: Identity) -> str:
    with database.read() as tx:
        proof = Attempt(("password",), password=(ADMIN, ADMIN_PASSWORD), scope=IN_ADMIN)
        return sign_in(tx, identity, proof).text


def _is_good(database: Database, identity: Identity, token: str) -> bool:
    with database.read() as tx:
        try:
            identity.tokens.authenticate(tx, token)
        except Unauthenticated:
            return False
        return True


def test_checking_again_takes_one_statement(shared_database, processes):
    token = _token(shared_database, processes[0])
    for identity in processes:
        assert _is_good(shared_database, identity, token)
        with shared_database.read() as tx:
            identity.tokens.authenticate(tx, token)
            identity.tokens.get(tx, token)
            assert tx.statements == 1


def test_a_revocation_counts_on_all_processes_at_once(shared_database, processes):
    token = _token(shared_database, processes[0])
    assert all(_is_good(shared_database, identity, token) for identity in processes)
    with shared_database.begin() as tx:
        tokens = processes[0].tokens
        tokens.revoke(tx, CLOUD, tokens.get(tx, token))
        # Not committed yet, so it is good for everyone else.
        assert _is_good(shared_database, processes[1], token)
    assert not any(_is_good(shared_database, identity, token) for identity in processes)


@pytest.mark.parametrize("ending", ENDINGS)
def test_whatever_changes_is_noticed(shared_database, processes, ending):
    token = _token(shared_database, processes[0])
    assert all(_is_good(shared_database, identity, token) for identity in processes)
    with shared_database.begin() as tx:
        tx.execute(text(ending))
    assert not any(_is_good(shared_database, identity, token) for identity in processes)


def test_a_change_that_commits_late_is_noticed(shared_database, processes):
    """It got its number before the memory began, and another change was seen in between."""
    token = _token(shared_database, processes[0])
    with shared_database.begin() as late:
        late.execute(text("UPDATE identity_user SET enabled = false WHERE name = 'admin'"))
        with shared_database.begin() as early:
            early.execute(text("UPDATE identity_region SET description = 'moved'"))
        assert _is_good(shared_database, processes[1], token)
        assert _is_good(shared_database, processes[1], token)
    assert not _is_good(shared_database, processes[1], token)


def test_what_a_writer_looked_up_before_its_change_is_believed_by_nobody(shared_database, processes):
    """A snapshot taken by a transaction that has its number does not say that it is still under way."""
    token = _token(shared_database, processes[0])
    with shared_database.begin() as tx:
        tx.execute(text("UPDATE identity_user SET extra = extra"))
        with shared_database.begin() as other:
            other.execute(text("UPDATE identity_region SET description = 'moved'"))
        processes[0].tokens.authenticate(tx, token)
        assert _is_good(shared_database, processes[0], token)
        tx.execute(text("UPDATE identity_user SET enabled = false WHERE name = 'admin'"))
    assert not _is_good(shared_database, processes[0], token)


def test_what_is_undone_ends_nothing(shared_database, processes):
    token = _token(shared_database, processes[0])
    with pytest.raises(ZeroDivisionError), shared_database.begin() as tx:
        tx.execute(text("DELETE FROM identity_user"))
        raise ZeroDivisionError
    assert _is_good(shared_database, processes[0], token)


def test_a_dropped_key_ends_its_tokens(shared_database, processes):
    token = _token(shared_database, processes[0])
    assert all(_is_good(shared_database, identity, token) for identity in processes)
    for _ in range(3):
        processes[0].token_keys.rotate()
    assert not any(_is_good(shared_database, identity, token) for identity in processes)
