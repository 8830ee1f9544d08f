"""The API over a cloud in which billing is open; `operator` is the same API as its administrator."""

import pytest

from tests.billing.conftest import open_billing
from tests.conftest import make_caller


@pytest.fixture
def billing(api, database):
    """As a member of project-a."""
    with database.begin() as tx:
        open_billing(tx)
    return api


@pytest.fixture
def operator(billing):
    return billing.as_(make_caller("admin", "admin", user="operator"))


@pytest.fixture
def rich(billing, operator):
    """The member's account has 100."""
    assert billing.get("/billing/v1/balance").status_code == 200
    paid = {"payment": {"amount": "100", "reference": "first"}}
    assert operator.post("/billing/v1/accounts/project-a/payments", paid).status_code == 201
    return billing
