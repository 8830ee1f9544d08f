"""A project that owns something stays."""

import pytest

from volutus import quota
from volutus.quota import DEFAULTS


@pytest.fixture
def project_id(admin):
    return admin.make("/projects", "project", name="doomed", domain_id="default")["id"]


def _charge(database, project_id, amounts):
    with database.begin() as tx:
        quota.charge(tx, project_id, amounts)


@pytest.mark.parametrize("resource", sorted(DEFAULTS.keys() - {"key_pairs"}))
def test_a_project_that_owns_something_is_not_deleted(admin, database, project_id, resource):
    _charge(database, project_id, {resource: 5})
    answer = admin.delete(f"/projects/{project_id}")
    assert answer.status_code == 409
    assert f"5 {resource}" in answer.text
    with database.begin() as tx:
        quota.release(tx, project_id, {resource: 5})
    assert admin.delete(f"/projects/{project_id}").status_code == 204


def test_what_every_project_is_given_does_not_keep_it(admin, database, project_id):
    _charge(database, project_id, {"security_group": 1, "security_group_rule": 4, "key_pairs": 2})
    assert admin.delete(f"/projects/{project_id}").status_code == 204


def test_nobody_learns_what_anothers_project_has(demo, database, project_id):
    _charge(database, project_id, {"instances": 1})
    answer = demo.delete(f"/projects/{project_id}")
    assert (answer.status_code, "instances" in answer.text) == (403, False)


def test_a_domain_whose_projects_own_something_stays(admin, database):
    domain_id = admin.make("/domains", "domain", name="firm", enabled=False)["id"]
    own = admin.make("/projects", "project", name="theirs", domain_id=domain_id)["id"]
    _charge(database, own, {"volumes": 1})
    assert admin.delete(f"/domains/{domain_id}").status_code == 409
    assert admin.get(f"/domains/{domain_id}").status_code == 200
