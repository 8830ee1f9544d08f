"""The database refuses what must never be, whoever writes it."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

REFUSED = [
    "INSERT INTO identity_domain (id, name, created_at) VALUES ('d2', 'Default', now())",
    "UPDATE identity_project SET parent_id = id",
    "UPDATE identity_project SET ancestors = '{x}'",
    "INSERT INTO identity_user (id, domain_id, name, created_at) VALUES ('u2', 'default', 'admin', now())",
    "INSERT INTO identity_user (id, domain_id, name, created_at) VALUES ('u2', 'none', 'u2', now())",
    "INSERT INTO identity_role (id, name) VALUES ('r2', 'admin')",
    "UPDATE identity_implied_role SET implied_id = prior_id",
    "UPDATE identity_assignment SET user_id = NULL",
    "UPDATE identity_assignment SET system = true, inherited = true, project_id = NULL, domain_id = NULL",
    "UPDATE identity_assignment SET domain_id = 'default', system = true, project_id = NULL",
    "UPDATE identity_assignment SET project_id = NULL, domain_id = NULL, system = false",
    "UPDATE identity_endpoint SET interface = 'private'",
    "DELETE FROM identity_domain",
    "DELETE FROM identity_region",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_it_is_refused(tx, made, statement):
    with pytest.raises(IntegrityError), tx.savepoint():
        tx.execute(text(statement))


def test_a_role_is_given_once(tx, made):
    again = text(
        "INSERT INTO identity_assignment (role_id, user_id, project_id, system, inherited)"
        " SELECT role_id, user_id, project_id, system, inherited FROM identity_assignment"
        " WHERE project_id IS NOT NULL LIMIT 1"
    )
    with pytest.raises(IntegrityError), tx.savepoint():
        tx.execute(again)


def test_bootstrapping_again_changes_nothing(tx, identity, made):
    from tests.identity.conftest import BEGINNINGS
    from volutus.identity import bootstrap

    def counts():
        tables = ("domain", "project", "user", "role", "implied_role", "assignment", "service", "endpoint")
        return [tx.value(text(f"SELECT count(*) FROM identity_{table}")) for table in tables]

    before = counts()
    assert bootstrap(tx, identity, BEGINNINGS) == made
    assert counts() == before
