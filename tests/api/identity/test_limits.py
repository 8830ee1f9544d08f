"""Unified limits: registered defaults and limits of projects, and that they bind the cloud's quotas."""

import pytest

from volutus import quota
from volutus.errors import QuotaExceeded


@pytest.fixture
def compute_id(admin):
    (found,) = admin.get("/services?type=compute").json()["services"]
    return found["id"]


@pytest.fixture
def register(admin, compute_id):
    def one(name="servers", default=3, **more):
        order = {"service_id": compute_id, "resource_name": name, "default_limit": default, **more}
        answer = admin.post("/registered_limits", {"registered_limits": [order]})
        assert answer.status_code == 201, answer.text
        return answer.json()["registered_limits"][0]

    return one


def _order(cloud, service_id, maximum, **more):
    own = {"service_id": service_id, "resource_name": "servers", "resource_limit": maximum}
    return {"limits": [{**own, "project_id": cloud.made.demo_project_id, **more}]}


def _instances(database, project_id):
    with database.begin() as tx:
        return quota.limits(tx, project_id)["instances"]


def _room(database, project_id, wanted):
    """Whether so many servers may be charged."""
    with database.begin() as tx:
        try:
            with tx.savepoint():
                quota.charge(tx, project_id, {"instances": wanted})
        except QuotaExceeded:
            return False
        quota.release(tx, project_id, {"instances": wanted})
        return True


def test_limits_bind_quotas_the_nearest_first(cloud, admin, database, register, compute_id):
    project_id = cloud.made.demo_project_id
    assert _instances(database, project_id) == quota.DEFAULTS["instances"]
    registered = register()
    assert _instances(database, project_id) == 3
    assert _room(database, project_id, 3)
    assert not _room(database, project_id, 4)
    made = admin.post("/limits", _order(cloud, compute_id, 5)).json()["limits"][0]
    assert _instances(database, project_id) == 5
    assert _room(database, project_id, 5)
    assert not _room(database, project_id, 6)
    assert _instances(database, cloud.made.admin_project_id) == 3
    assert admin.patch(f"/limits/{made['id']}", {"limit": {"resource_limit": 6}}).status_code == 200
    assert _room(database, project_id, 6)
    with database.begin() as tx:
        quota.set_limits(tx, project_id, {"instances": 1})
    assert _instances(database, project_id) == 1
    assert not _room(database, project_id, 2)
    path = f"/registered_limits/{registered['id']}"
    assert admin.delete(path).status_code == 403
    assert admin.patch(path, {"registered_limit": {"resource_name": "cores"}}).status_code == 403
    assert admin.patch(path, {"registered_limit": {"default_limit": 4}}).status_code == 200
    assert _instances(database, cloud.made.admin_project_id) == 4
    assert admin.delete(f"/limits/{made['id']}").status_code == 204
    assert admin.delete(path).status_code == 204
    assert _instances(database, cloud.made.admin_project_id) == quota.DEFAULTS["instances"]


def test_a_limit_of_what_is_gone_binds_nobody(cloud, admin, database, register):
    service = admin.make("/services", "service", type="compute", name="another")
    admin.make("/regions", "region", id="away")
    of_service = {"service_id": service["id"]}
    for path, more in (("/regions/away", {"region_id": "away"}), (f"/services/{service['id']}", of_service)):
        made = register(**more)
        assert _instances(database, cloud.made.demo_project_id) == 3
        assert admin.delete(path).status_code == 204
        assert _instances(database, cloud.made.demo_project_id) == quota.DEFAULTS["instances"]
        assert admin.get(f"/registered_limits/{made['id']}").json()["registered_limit"] == made
        assert admin.delete(f"/registered_limits/{made['id']}").status_code == 204


def test_a_project_sees_its_own_limits_alone(cloud, admin, demo, register, compute_id):
    register()
    order = _order(cloud, compute_id, 5)
    theirs = {**order["limits"][0], "project_id": cloud.made.admin_project_id}
    answer = admin.post("/limits", {"limits": [order["limits"][0], theirs]})
    own, other = answer.json()["limits"]
    assert len(admin.get("/limits").json()["limits"]) == 2
    assert [limit["id"] for limit in demo.get("/limits").json()["limits"]] == [own["id"]]
    assert demo.get(f"/limits/{own['id']}").json()["limit"]["resource_limit"] == 5
    assert demo.get(f"/limits/{other['id']}").status_code == 404
    assert demo.patch(f"/limits/{own['id']}", {"limit": {"resource_limit": 99}}).status_code == 403
    assert demo.get("/limits/model").json()["model"]["name"] == "flat"
    assert len(demo.get(f"/registered_limits?service_id={compute_id}").json()["registered_limits"]) == 1


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"resource_name": "wheels"}, 403),
        ({"project_id": "nobody"}, 404),
        ({"resource_limit": -2}, 400),
        ({"resource_limit": "5"}, 400),
        ({"colour": "red"}, 400),
        ({}, 409),
    ],
)
def test_a_limit_that_cannot_be_is_refused(cloud, admin, register, compute_id, change, status):
    register()
    assert admin.post("/limits", _order(cloud, compute_id, 5)).status_code == 201
    assert admin.post("/limits", _order(cloud, compute_id, 5, **change)).status_code == status


def test_a_limit_is_of_a_project_or_a_domain(cloud, admin, register, compute_id):
    register()
    for place in ({"project_id": None}, {"domain_id": "default"}):
        answer = admin.post("/limits", _order(cloud, compute_id, 5, **place))
        assert answer.status_code == 400, answer.text
    answer = admin.post("/limits", _order(cloud, compute_id, 5, project_id=None, domain_id="default"))
    assert answer.status_code == 201
