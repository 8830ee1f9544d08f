"""Nonsense in bodies and queries is the caller's fault and told so: never a 500, always the service's own
envelope, and the field by its name where there is one."""

import json
from contextlib import contextmanager

import pytest

from tests.api.foreign import THEIR_ADMIN, filled, header_of
from tests.api.test_other_projects import foreign_of
from volutus import main
from volutus.http.kernel import Fault

WRITES = ("POST", "PUT", "PATCH")
TEXT_BYTES = 70_000
DEPTH = 5_000
# Not JSON, or not an object; with what is sent under every path alike.
BODIES = {
    "none": b"",
    "no JSON": b"volume=1&",
    "an array": b"[]",
    "a number": b"7",
    "null": b"null",
    "text": b'"x"',
    "invalid UTF-8": b'{"server": {"name": "\xff\xfe"}}',
    "a lone surrogate": b'{"server": {"name": "\\ud800"}}',
    "deep": b'{"x":' * DEPTH + b"1" + b"}" * DEPTH,
    "deep arrays": b"[" * DEPTH + b"]" * DEPTH,
    "a huge number": b'{"x": 1e999}',
}
# What takes the place of each value of a valid body.
VALUES = {
    "an object": {"x": {"y": 1}},
    "nothing": "",
    "NUL": "a\x00b",
    "long": "x" * TEXT_BYTES,
    "digits": "9" * 5000,
    "huge": 10**30,
    "negative": -1,
}
# Where the shared reading of bodies finds the fault, the answer names the field.
NEVER_RIGHT = ("NUL", "huge")
QUERIES = (
    "limit=-1",
    "limit=x",
    "limit=" + "9" * 5000,
    "marker=nonsense",
    "sort_key=nonsense",
    "sort=nonsense:up",
)
QUERIES += (
    "marker=%00",
    "name=%00",
    "id=%00",
    "sort_dir=sideways",
    "name=" + "x" * 9000,
    "limit=%FF",
    "marker=%FF",
)


def leaves(body, path=()):
    """Every value below the top, by its path, containers included."""
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in items:
        yield (*path, key), value
        yield from leaves(value, (*path, key))


def spoiled(body, path, value):
    """A copy of the body with another value at the path."""
    copy = json.loads(json.dumps(body))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copy


def wrong(answer, dialect):
    """What is not as it must be in an answer, or nothing."""
    if answer.status_code >= 500 and answer.status_code not in (501, 503):
        return "a server's fault"
    if answer.status_code < 400:
        return ""
    if "application/json" not in answer.headers.get("content-type", ""):
        return "no JSON"
    wanted = dialect.faults.envelope(Fault(answer.status_code, "", ""))
    return "" if answer.json().keys() == wanted.keys() else "a strange envelope"


DIALECTS = [dialect for dialect in main.dialects() if not dialect.name.endswith("-versions")]


class Sender:
    """Requests of an administrator of the project whose objects are made, each undone afterwards."""

    def __init__(self, api, plane, database, dialect):
        self.api, self.plane, self.database = api.as_(THEIR_ADMIN), plane, database
        self.dialect, self.foreign = dialect, foreign_of(dialect)
        self.wrong = []

    def routes(self, *methods):
        return [route for route in self.dialect.routes if route.method in methods]

    @contextmanager
    def undone(self):
        point = self.database._connection.begin_nested()
        yield
        point.rollback()

    def make(self, route):
        """The route's path with new objects, and its valid bodies."""
        with self.database.begin() as tx:
            path = self.foreign.path(self.dialect, route, tx, self.plane)
            orders = self.foreign.orders(route, operators=True)
            return path, [filled(body, tx, self.plane) for body in orders if body is not None]

    def send(self, route, path, body, what):
        headers = {"Content-Type": "application/json"} | header_of(self.foreign, route)
        with self.undone():
            answer = self.api.request(route.method, path, content=body, headers=headers)
        if found := wrong(answer, self.dialect):
            self.note(route, f"{what}: {found}: {answer.status_code}", answer)
        return answer

    def note(self, route, what, answer):
        self.wrong.append(f"{route.method} {route.path}: {what}: {answer.text[:150]}")


@pytest.fixture
def sender(api, kernel, database, dialect):
    made = Sender(api, kernel.plane, database, dialect)
    yield made
    assert not made.wrong, "\n".join(made.wrong)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_bodies_that_make_no_sense(sender):
    for route in sender.routes(*WRITES):
        with sender.undone():
            path, _ = sender.make(route)
            for name, body in BODIES.items():
                sender.send(route, path, body, name)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_values_that_make_no_sense(sender):
    for route in sender.routes(*WRITES):
        if route.streams:
            continue
        with sender.undone():
            path, orders = sender.make(route)
            for order in orders:
                for place, _ in list(leaves(order)):
                    _spoil(sender, route, path, order, place)


def _spoil(sender, route, path, order, place):
    for name, value in VALUES.items():
        text = json.dumps(spoiled(order, place, value)).encode()
        answer = sender.send(route, path, text, f"{name} at {place}")
        field = next((key for key in reversed(place) if isinstance(key, str)), "")
        if name in NEVER_RIGHT and answer.status_code == 400 and field not in answer.text:
            sender.note(route, f"{name} at {place}: unnamed", answer)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_queries_that_make_no_sense(sender):
    for route in sender.routes("GET"):
        if "{" not in route.path and not route.open:
            for query in QUERIES:
                sender.send(route, f"{sender.dialect.prefixes[0]}{route.path}?{query}", None, query[:30])


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_paths_that_make_no_sense(sender):
    for route in sender.routes("GET", "DELETE", *WRITES):
        if "{" in route.path:
            for piece in ("%00", "%FF", "x" * 5000, "9" * 5000):
                segments = [piece if one.startswith("{") else one for one in route.path.split("/")]
                path = sender.dialect.prefixes[0] + "/".join(segments)
                sender.send(route, path, b"{}" if route.method in WRITES else None, piece[:9])
