"""Quotas: charged with the thing, never passed by a race."""

import threading

import pytest

from volutus import quota
from volutus.errors import Invalid, QuotaExceeded


def test_charges_add_up_to_the_limit_and_no_further(database):
    with database.begin() as tx:
        quota.set_limits(tx, "p", {"instances": 2})
        quota.charge(tx, "p", {"instances": 1, "cores": 4})
        quota.charge(tx, "p", {"instances": 1})
    with pytest.raises(QuotaExceeded) as refused, database.begin() as tx:
        quota.charge(tx, "p", {"cores": 1, "instances": 1})
    assert "instances: requested 1, but already used 2 of 2" in refused.value.message
    assert refused.value.field == "instances"
    with database.begin() as tx:
        used = quota.usage(tx, "p")
        assert (used["instances"], used["cores"], used["ram"]) == (2, 4, 0)
        quota.release(tx, "p", {"instances": 2, "cores": 4})
        assert quota.usage(tx, "p")["instances"] == 0
        assert quota.usage(tx, "other")["cores"] == 0


def test_a_first_charge_over_the_limit_is_refused(database):
    with pytest.raises(QuotaExceeded), database.begin() as tx:
        quota.charge(tx, "p", {"instances": 11})


def test_unlimited_is_minus_one_and_odd_limits_are_refused(database):
    with database.begin() as tx:
        quota.set_limits(tx, "p", {"cores": -1})
        quota.charge(tx, "p", {"cores": 10**6})
        for limits in ({"cores": -2}, {"colours": 1}, {"cores": 2**60}):
            with pytest.raises(Invalid):
                quota.set_limits(tx, "p", limits)
        quota.reset_limits(tx, "p")
        assert quota.limits(tx, "p") == quota.DEFAULTS


def test_racing_charges_never_pass_the_limit(shared_database):
    refused = []

    def charge():
        try:
            with shared_database.begin() as tx:
                quota.charge(tx, "p", {"instances": 1, "cores": 1})
        except QuotaExceeded:
            refused.append(1)

    threads = [threading.Thread(target=charge) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    with shared_database.begin() as tx:
        assert quota.usage(tx, "p")["instances"] == 10
    assert len(refused) == 6
