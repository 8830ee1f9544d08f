"""The way of a request through the kernel, with a dialect made for the test."""

import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from sqlalchemy import text

from tests.api_client import ApiClient, TableAuthenticator
from tests.conftest import make_caller
from volutus import errors
from volutus.http.kernel import (
    Dialect,
    FaultTable,
    Kernel,
    MicroversionRange,
    Plane,
    Request,
    Route,
    Version,
    created,
    document,
    next_links,
    openstack_fault,
    parse_page,
)
from volutus.identity import Policy


class Thing(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    size: int = 0


class Body(msgspec.Struct, forbid_unknown_fields=True):
    thing: Thing


FAMILIES = [
    (errors.Invalid("no"), 400),
    (errors.Forbidden("no"), 403),
    (errors.NotFound("no"), 404),
    (errors.Conflict("no"), 409),
    (errors.Stale("no"), 412),
    (errors.QuotaExceeded("no"), 403),
    (errors.TooLarge("no"), 413),
    (errors.Unavailable("no", detail="secret detail"), 503),
    (ValueError("secret detail"), 500),
]


def make(request: Request) -> object:
    body = request.read(Body)
    return created({"thing": {"name": body.thing.name, "version": str(request.microversion)}})


def show(request: Request) -> object:
    if request.params["id"].isdigit():
        raise FAMILIES[int(request.params["id"])][0]
    return document({"id": request.params["id"], "project": request.caller.project_id})


def listed(request: Request) -> object:
    page = parse_page(request)
    return document({"things": [], **next_links(request, "things", page, ["a"] * page.limit)})


@pytest.fixture
def things(settings, database, clock, ids) -> ApiClient:
    authenticator = TableAuthenticator()
    policy = Policy({"make": "project_member", "see": "project_reader"})
    plane = Plane(settings, database, clock, ids, policy, authenticator)
    routes = (
        Route("POST", "/things", make, "make", body_max_bytes=1000),
        Route("GET", "/things", listed, "see"),
        Route("GET", "/things/{id}", show, "see"),
    )
    versions = MicroversionRange("thing", Version(2, 1), Version(2, 90), "X-Thing-Version")
    dialect = Dialect(
        "things", ("/t/v2", "/t/v2/{project_id}"), routes, FaultTable(openstack_fault), versions
    )
    with ApiClient.over(Kernel(plane, [dialect]), authenticator, make_caller()) as client:
        yield client


@pytest.mark.parametrize(("number", "status"), list(enumerate(status for _, status in FAMILIES)))
def test_each_family_has_its_status_and_keeps_its_secrets(things, number, status):
    answer = things.get(f"/t/v2/things/{number}")
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == status
    assert "secret" not in answer.text
    assert ("Retry-After" in answer.headers) == (status == 503)


def test_a_token_is_needed_and_the_role_is_looked_at(things):
    assert things.get("/t/v2/things/x", headers={"X-Auth-Token": "wrong"}).status_code == 401
    reader = things.as_(make_caller(role="reader"))
    assert reader.get("/t/v2/things/x").status_code == 200
    assert reader.post("/t/v2/things", {"thing": {"name": "n"}}).status_code == 403


def test_the_path_may_carry_the_project(things):
    assert things.get("/t/v2/project-a/things/x").json()["id"] == "x"


def test_unknown_paths_and_methods_are_told_in_the_envelope(things):
    assert things.get("/t/v2/nothing/at/all").json()["error"]["title"] == "Not Found"
    refused = things.delete("/t/v2/things")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, POST")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"thing": {"name": 5}}, "thing.name"),
        ({"thing": {}}, "thing.name"),
        ({"thing": {"name": "n", "colour": "red"}}, "thing.colour"),
        ({}, "thing"),
    ],
)
def test_a_bad_body_is_refused_by_field(things, body, field):
    answer = things.post("/t/v2/things", body)
    assert answer.status_code == 400
    assert field in answer.json()["error"]["message"]


def test_a_body_over_the_limit_is_refused(things):
    assert things.post("/t/v2/things", {"thing": {"name": "n" * 2000}}).status_code == 413


@pytest.mark.parametrize(
    ("headers", "status", "version"),
    [
        ({}, 201, "2.1"),
        ({"OpenStack-API-Version": "thing 2.10"}, 201, "2.10"),
        ({"OpenStack-API-Version": "other 9.9, thing latest"}, 201, "2.90"),
        ({"X-Thing-Version": "2.5"}, 201, "2.5"),
        ({"OpenStack-API-Version": "thing 2.91"}, 406, None),
        ({"OpenStack-API-Version": "thing x"}, 400, None),
    ],
)
def test_microversions_are_negotiated(things, headers, status, version):
    answer = things.post("/t/v2/things", {"thing": {"name": "n"}}, headers=headers)
    assert answer.status_code == status
    if version:
        assert answer.json()["thing"]["version"] == version
        assert answer.headers["OpenStack-API-Version"] == f"thing {version}"
        assert "OpenStack-API-Version" in answer.headers["Vary"]


def test_request_ids_are_accepted_in_their_form_and_made_otherwise(things):
    mine = "req-11111111-2222-3333-4444-555555555555"
    headers = {"X-Openstack-Request-Id": mine}
    assert things.get("/t/v2/things/x", headers=headers).headers["X-Openstack-Request-Id"] == mine
    odd = things.get("/t/v2/things/x", headers={"X-Openstack-Request-Id": "<script>"})
    assert odd.headers["X-Openstack-Request-Id"].startswith("req-")


def test_a_full_page_links_to_the_next(things):
    (link,) = things.get("/t/v2/things?limit=2&name=x").json()["things_links"]
    assert link["rel"] == "next"
    assert link["href"].endswith("/t/v2/things?limit=2&name=x&marker=a")
    for query in ("limit=-1", "limit=x", "sort_key=a&sort_dir=up"):
        assert things.get(f"/t/v2/things?{query}").status_code == 400


def test_of_two_requests_in_each_others_way_both_succeed(settings, shared_database, clock, ids):
    """Each holds a row that the other wants: PostgreSQL ends one, which is then tried again."""
    with shared_database.begin() as tx:
        tx.execute(text("CREATE TABLE things (name text PRIMARY KEY, size int NOT NULL)"))
        tx.execute(text("INSERT INTO things VALUES ('a', 0), ('b', 0)"))
    both_hold_one = threading.Barrier(2)
    tries = []

    def change(request: Request) -> object:
        tries.append(request.params["order"])
        for name in request.params["order"]:
            request.tx.execute(text("UPDATE things SET size = size + 1 WHERE name = :name"), {"name": name})
            if len(tries) <= 2 and name == request.params["order"][0]:
                both_hold_one.wait(timeout=10)
        return document({})

    authenticator = TableAuthenticator()
    plane = Plane(settings, shared_database, clock, ids, Policy({"make": "project_member"}), authenticator)
    routes = (Route("POST", "/change/{order}", change, "make"),)
    dialect = Dialect("things", ("/t",), routes, FaultTable(openstack_fault))
    with ApiClient.over(Kernel(plane, [dialect]), authenticator, make_caller()) as client:
        with ThreadPoolExecutor(2) as threads:
            answers = list(threads.map(lambda order: client.post(f"/t/change/{order}"), ["ab", "ba"]))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert sorted(tries) != ["ab", "ba"]
    with shared_database.read() as tx:
        assert [row.size for row in tx.rows(text("SELECT size FROM things ORDER BY name"))] == [2, 2]
