"""Another project's objects do not exist: every route with an id in its path, over all dialects, and every
id that a body or a query may name."""

import importlib
from typing import Any

import pytest
from sqlalchemy import text

from tests.api.foreign import STRANGER, THEIR_ADMIN, Foreign, filled, header_of, pieces
from volutus import main
from volutus.http.kernel import Dialect, Route
from volutus.network import qos_rules

# Routes on which even an administrator of the object's project finds nothing, so that a 404 says little: each
# with what it lacks in these tests.
NOTHING_THERE = {
    ("compute", "GET", "/servers/{id}/ips/{network}"): "a server without a network",
    ("compute", "GET", "/servers/{id}/os-instance-actions/{request_id}"): "the request's id",
    ("compute", "GET", "/servers/{id}/os-volume_attachments/{volume_id}"): "a volume attached",
    ("compute", "PUT", "/servers/{id}/os-volume_attachments/{volume_id}"): "a volume attached",
    ("compute", "DELETE", "/servers/{id}/os-volume_attachments/{volume_id}"): "a volume attached",
    ("compute", "POST", "/servers/{id}/action"): "a security group and an address",
    ("network", "PUT", "/v2.0/routers/{id}/remove_router_interface"): "an interface",
    ("network", "PUT", "/v2.0/trunks/{id}/add_subports"): "a port",
    ("network", "PUT", "/v2.0/trunks/{id}/remove_subports"): "a sub-port",
    ("network", "POST", "/v2.0/floatingips/{floating_ip_id}/port_forwardings"): "a router between",
    **{
        ("network", method, f"/v2.0/qos/policies/{{policy_id}}/{kind}_rules/{{id}}"): "the policy's rule"
        for kind in qos_rules.KINDS
        for method in ("GET", "PUT", "DELETE")
    },
    **{
        ("network", method, "/v2.0/floatingips/{floating_ip_id}/port_forwardings/{id}"): "a forwarded port"
        for method in ("GET", "PUT", "DELETE")
    },
    ("compute", "GET", "/images/{id}/metadata/{key}"): "a key of metadata",
    ("compute", "DELETE", "/images/{id}/metadata/{key}"): "a key of metadata",
    ("compute", "GET", "/servers/{id}/os-interface/{port_id}"): "a port attached",
    ("compute", "DELETE", "/servers/{id}/os-interface/{port_id}"): "a port attached",
    ("compute", "GET", "/servers/{id}/shares"): "a version that has shares",
    ("compute", "POST", "/servers/{id}/shares"): "a share",
    ("compute", "GET", "/servers/{id}/shares/{share_id}"): "a share",
    ("compute", "DELETE", "/servers/{id}/shares/{share_id}"): "a share",
    ("loadbalancer", "GET", "/v2.0/lbaas/pools/{id}/members/{member_id}"): "a member of that pool",
    ("loadbalancer", "PUT", "/v2.0/lbaas/pools/{id}/members/{member_id}"): "a member of that pool",
    ("loadbalancer", "DELETE", "/v2.0/lbaas/pools/{id}/members/{member_id}"): "a member of that pool",
}
_AUDITED = text("SELECT count(*) FROM audit")


def foreign_of(dialect: Dialect) -> Foreign:
    """What the service's tests say of it."""
    service = dialect.name.partition("-")[0]
    found: Foreign = importlib.import_module(f"tests.api.{service}.foreign").FOREIGN
    return found


def _has_objects(dialect: Dialect) -> bool:
    return any(True for route in dialect.routes for _ in pieces(route))


def _name(part) -> str:
    return f"{part.method} {part.path}" if isinstance(part, Route) else ""


def _walk() -> list[tuple[Dialect, Route, Foreign, Any]]:
    found = []
    for dialect in main.dialects():
        if _has_objects(dialect):
            foreign = foreign_of(dialect)
            found += [
                (dialect, route, foreign, body)
                for route in dialect.routes
                for body in foreign.orders(route)
                if not route.open and any(foreign.maker(piece) for piece in pieces(route))
            ]
    return found


def _references() -> list[tuple[Foreign, str]]:
    services = {dialect.name: foreign_of(dialect) for dialect in main.dialects() if _has_objects(dialect)}
    return [(foreign, name) for foreign in services.values() for name in foreign.references]


def _lists() -> list[tuple[Dialect, Route, Foreign]]:
    """Lists whose objects have routes of their own, the objects' ids last."""
    found = []
    for dialect in main.dialects():
        paths = {route.path: route for route in dialect.routes if route.method == "GET" and not route.open}
        for path, route in paths.items():
            whole, _, last = path.rpartition("/")
            if (
                last.startswith("{")
                and whole in paths
                and foreign_of(dialect).maker(next(iter(pieces(route))))
            ):
                found.append((dialect, route, foreign_of(dialect)))
    return found


def test_every_named_piece_of_a_path_is_an_object_or_shared():
    unknown = {
        f"{dialect.name}: {piece}"
        for dialect in main.dialects()
        for route in dialect.routes
        for piece in pieces(route)
        if not foreign_of(dialect).knows(piece)
    }
    assert unknown == set()


@pytest.mark.parametrize(("dialect", "route", "foreign", "body"), _walk(), ids=_name)
def test_anothers_object_does_not_exist(api, kernel, database, dialect, route, foreign, body):
    with database.begin() as tx:
        path = foreign.path(dialect, route, tx, kernel.plane)
        body = filled(body, tx, kernel.plane)
    stranger, owner = (api.as_(who) for who in (STRANGER, THEIR_ADMIN))
    answer = stranger.request(route.method, path, json=body, headers=header_of(foreign, route))
    allowed = foreign.statuses | ({400, 403} if (route.method, route.path) in foreign.refused else set())
    assert answer.status_code in allowed, answer.text
    # The same request of somebody who may gets further; otherwise the walk would only prove wrong paths.
    # Where 403 is said before anything is looked up, it proves nothing either way.
    if 403 not in allowed and (dialect.name, route.method, route.path) not in NOTHING_THERE:
        answer = owner.request(route.method, path, json=body, headers=header_of(foreign, route))
        assert answer.status_code != 404, answer.text


@pytest.mark.parametrize(("dialect", "route", "foreign"), _lists(), ids=_name)
def test_anothers_object_is_no_marker(api, kernel, database, dialect, route, foreign):
    """It would tell that the object exists."""
    with database.begin() as tx:
        path, _, theirs = foreign.path(dialect, route, tx, kernel.plane).rpartition("/")
    stranger = api.as_(STRANGER)
    answers = [
        stranger.get(path, params={"limit": 1, "marker": marker}, headers=foreign.headers)
        for marker in (theirs, "nothing")
    ]
    told = [answer.text.replace(theirs, "") for answer in answers]
    assert answers[0].status_code == answers[1].status_code, told
    assert answers[0].status_code != 200 or told[0] == told[1].replace("nothing", ""), told


@pytest.mark.parametrize(
    ("foreign", "name"), _references(), ids=lambda part: part if isinstance(part, str) else ""
)
def test_anothers_object_cannot_be_named(api, kernel, database, foreign, name):
    with database.begin() as tx:
        method, path, body = foreign.references[name](tx, kernel.plane)
        before = tx.value(_AUDITED)
    answer = api.as_(STRANGER).request(method, path, json=body, headers=dict(foreign.headers))
    assert answer.status_code in foreign.statuses | {400, 404}, answer.text
    with database.begin() as tx:
        assert tx.value(_AUDITED) == before
