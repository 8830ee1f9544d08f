"""Another project's objects do not exist: every route with an id in its path, over all dialects."""

import importlib
import importlib.util

import pytest

from tests.api.foreign import Foreign
from tests.conftest import make_caller
from volutus import main
from volutus.http.kernel import Dialect, Route

# Services whose tests do not say yet how to make somebody else's objects. It only ever gets shorter.
NOT_YET = {"compute", "network", "image", "volume", "placement", "agent"}
NO_BODY = ("GET", "HEAD", "DELETE")


def _foreign(dialect: Dialect) -> Foreign | None:
    service = f"tests.api.{dialect.name.partition('-')[0]}"
    if not importlib.util.find_spec(service) or not importlib.util.find_spec(f"{service}.foreign"):
        return None
    return importlib.import_module(f"{service}.foreign").FOREIGN


def _named(route: Route) -> list[str]:
    return [segment[1:-1] for segment in route.path.split("/") if segment.startswith("{")]


def _walk() -> list[tuple[Dialect, Route, Foreign]]:
    found = []
    for dialect in main.dialects():
        foreign = _foreign(dialect)
        if foreign is not None:
            found += [
                (dialect, route, foreign)
                for route in dialect.routes
                if not route.open and set(_named(route)) & set(foreign.objects)
            ]
    return found


def test_every_service_says_how_to_make_foreign_objects():
    lacking = {
        dialect.name
        for dialect in main.dialects()
        if _foreign(dialect) is None and any(_named(route) for route in dialect.routes)
    }
    assert lacking <= NOT_YET


def test_every_named_piece_of_a_path_is_an_object_or_shared():
    unknown = set()
    for dialect in main.dialects():
        foreign = _foreign(dialect)
        if foreign is not None:
            pieces = {piece for route in dialect.routes for piece in _named(route)}
            unknown |= {
                f"{dialect.name}: {piece}" for piece in pieces - set(foreign.objects) - foreign.shared
            }
    assert unknown == set()


@pytest.mark.parametrize(
    ("dialect", "route", "foreign"),
    _walk(),
    ids=lambda part: f"{part.method} {part.path}" if isinstance(part, Route) else "",
)
def test_anothers_object_does_not_exist(api, kernel, database, dialect, route, foreign):
    ids = {}
    with database.begin() as tx:
        for piece in _named(route):
            ids[piece] = foreign.objects[piece](tx, kernel.plane) if piece in foreign.objects else "x"
    path = dialect.prefixes[0] + "/".join(
        ids[segment[1:-1]] if segment.startswith("{") else segment for segment in route.path.split("/")
    )
    body = foreign.bodies.get((route.method, route.path))
    stranger = api.as_(make_caller("project-of-a-stranger", "member", user="a-stranger"))
    answer = stranger.request(route.method, path, json=body if route.method not in NO_BODY else None)
    allowed = set(foreign.statuses)
    if body is None and route.method not in NO_BODY:
        allowed |= {400, 415}
    assert answer.status_code in allowed, answer.text
